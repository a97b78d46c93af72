/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet that does not fit into its way to the backend is answered with the size that does: the MTU of the next link
 * less what this mode adds. The answer comes from the VIP, which is all that the client's firewall knows of us.
 */
#ifndef TOOBIG_H
#define TOOBIG_H

#include "encapsulate.h"

/* How much of the packet an answer quotes. RFC 792 asks for the header and 8 bytes: with options 68 at the most. */
#define QUOTED4 68
#define QUOTED6 128

struct answer4 {
	struct iphdr ip;
	struct icmphdr icmp;
	__u8 quoted[QUOTED4];
};

struct answer6 {
	struct ipv6hdr ip;
	struct icmp6hdr icmp;
	__u8 quoted[QUOTED6];
};

/* The frame goes back the way it came, with the tags that it had. */
static __always_inline bool turn_around(struct xdp_md *ctx, const struct packet *p, const struct ethhdr *came)
{
	return write_frame(ctx, p, came->h_source, came->h_dest);
}

static __always_inline int answer_ipv4(struct xdp_md *ctx, const struct packet *p, __u32 mtu)
{
	struct ethhdr *ethernet = HEADER(ctx, struct ethhdr, 0), came;
	int end = (long)ctx->data_end - (long)ctx->data;
	struct answer4 *a;

	if (!ethernet)
		return FL_TOO_BIG_DROPPED;
	came = *ethernet;
	if (bpf_xdp_adjust_tail(ctx, (int)L3(p) + QUOTED4 - end) ||
	    bpf_xdp_adjust_head(ctx, -(int)(sizeof(*a) - QUOTED4)))
		return FL_TOO_BIG_DROPPED;
	a = HEADER(ctx, struct answer4, L3(p));
	if (!a || !turn_around(ctx, p, &came))
		return FL_TOO_BIG_DROPPED;
	__builtin_memset(a, 0, sizeof(*a) - QUOTED4);
	a->ip.version = 4;
	a->ip.ihl = 5;
	a->ip.tot_len = bpf_htons(sizeof(*a));
	a->ip.ttl = OUTER_TTL;
	a->ip.protocol = IPPROTO_ICMP;
	a->ip.saddr = p->to[1] >> 32;
	a->ip.daddr = p->from[1] >> 32;
	a->ip.check = ~fold(add_words(&a->ip, sizeof(a->ip)));
	a->icmp.type = ICMP_DEST_UNREACH;
	a->icmp.code = ICMP_FRAG_NEEDED;
	a->icmp.mtu = bpf_htons(mtu);
	a->icmp.checksum = ~fold(add_words(&a->icmp, sizeof(a->icmp) + QUOTED4));
	return FL_TOO_BIG_ANSWERED;
}

static __always_inline int answer_ipv6(struct xdp_md *ctx, const struct packet *p, __u32 mtu)
{
	struct ethhdr *ethernet = HEADER(ctx, struct ethhdr, 0), came;
	int end = (long)ctx->data_end - (long)ctx->data;
	struct answer6 *a;

	if (!ethernet)
		return FL_TOO_BIG_DROPPED;
	came = *ethernet;
	if (bpf_xdp_adjust_tail(ctx, (int)L3(p) + QUOTED6 - end) ||
	    bpf_xdp_adjust_head(ctx, -(int)(sizeof(*a) - QUOTED6)))
		return FL_TOO_BIG_DROPPED;
	a = HEADER(ctx, struct answer6, L3(p));
	if (!a || !turn_around(ctx, p, &came))
		return FL_TOO_BIG_DROPPED;
	__builtin_memset(a, 0, sizeof(*a) - QUOTED6);
	a->ip.version = 6;
	a->ip.payload_len = bpf_htons(sizeof(*a) - sizeof(a->ip));
	a->ip.nexthdr = IPPROTO_ICMPV6;
	a->ip.hop_limit = OUTER_TTL;
	__builtin_memcpy(&a->ip.saddr, p->to, 16);
	__builtin_memcpy(&a->ip.daddr, p->from, 16);
	a->icmp.icmp6_type = ICMPV6_PKT_TOOBIG;
	a->icmp.icmp6_mtu = bpf_htonl(mtu);
	a->icmp.icmp6_cksum = ~fold(add_words(&a->ip.saddr, 32) + a->ip.payload_len + bpf_htons(IPPROTO_ICMPV6) +
				    add_words(&a->icmp, sizeof(a->icmp) + QUOTED6));
	return FL_TOO_BIG_ANSWERED;
}

__noinline int answer_too_big(struct xdp_md *ctx, const struct packet *p, __u32 mtu)
{
	/* RFC 1122 §3.2.2: no error about an error, nor about a fragment that is not the first. */
	if (!p || !p->may_not_split || p->is_error || p->fragment == LATER)
		return FL_TOO_BIG_DROPPED;
	return p->family == 4 ? answer_ipv4(ctx, p, mtu) : answer_ipv6(ctx, p, mtu);
}

#endif
