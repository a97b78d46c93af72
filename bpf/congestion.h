/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a tunnel's end owes to congestion control. */
#ifndef CONGESTION_H
#define CONGESTION_H

#include "encapsulate.h"

#define CONGESTED 3

/* The checksum after some words gave way to others; 0 stays 0: there was none. */
static __always_inline __be16 update_sum(__be16 check, __u32 taken, __u32 given)
{
	__u16 sum;

	if (!check)
		return 0;
	sum = ~fold((__u16)~check + (__u16)~fold(taken) + fold(given));
	return sum ? sum : 0xffff;
}

/* RFC 6040 §4.2: congestion that the tunnel met is the packet's. */
static __always_inline bool keep_congestion(struct xdp_md *ctx, const struct packet *p)
{
	if (p->family == 4) {
		struct iphdr *ip = HEADER(ctx, struct iphdr, p->l3 & 0x7f);
		__u16 before;

		if (!ip || !(ip->tos & CONGESTED))
			return false;
		before = *(__u16 *)ip;
		ip->tos |= CONGESTED;
		ip->check = update_sum(ip->check, before, *(__u16 *)ip);
	} else {
		struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, p->l3 & 0x7f);

		if (!ip || !(ip->flow_lbl[0] & CONGESTED << 4))
			return false;
		ip->flow_lbl[0] |= CONGESTED << 4;
	}
	return true;
}

#endif
