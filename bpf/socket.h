/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the backend's kernel has for a TCP packet: a connection, or who listens. */
#ifndef SOCKET_H
#define SOCKET_H

#include "parse.h"

#define TCP_LISTEN 10

/* To be released; null: there is none. */
static __always_inline struct bpf_sock *find_socket(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};

	if (p->family == 4) {
		tuple.ipv4.saddr = p->from[1] >> 32;
		tuple.ipv4.daddr = p->to[1] >> 32;
		tuple.ipv4.sport = p->ports;
		tuple.ipv4.dport = p->ports >> 16;
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, p->from, 16);
	__builtin_memcpy(tuple.ipv6.daddr, p->to, 16);
	tuple.ipv6.sport = p->ports;
	tuple.ipv6.dport = p->ports >> 16;
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

#endif
