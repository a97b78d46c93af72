/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spill: a pop without backends for a service sends its packets on to the next pop's balancer, in GUE, as if that were
 * a backend. Here is the other end: what comes from one of them and is for a VIP is taken out and balanced as if the
 * client had sent it here; but never sent on once more, for two pops that each take the other for alive would be a
 * loop. All else passes on untouched.
 */
#ifndef SPILL_H
#define SPILL_H

#include "vip.h"
#include "congestion.h"

static __always_inline bool is_spiller(const struct fl_copy *copy, __u32 which, const __u64 *from)
{
	__u32 at = table_hash(from[0], from[1], 0);

	for (int i = 0; i < FL_PROBES; i++) {
		struct fl_address *one = LOOK(spillers, which * FL_SPILLERS + ((at + i) & copy->spiller_mask));

		if (!one || !(one->half[0] | one->half[1]))
			return false;
		if (one->half[0] == from[0] && one->half[1] == from[1])
			return true;
	}
	return false;
}

enum { NOT_SPILLED = -1, SPILLED_CONGESTED = -2 };

/*
 * Where the VIP of the packet that is inside lies in the table; `p` is then of that one, and the frame begins there.
 * Below 0: it is none of those, and nothing has changed; or the flow cannot be told of congestion.
 */
__noinline int open_spilled(struct xdp_md *ctx, const struct fl_control *settings, __u32 which, struct packet *p)
{
	struct { struct udphdr udp; struct gue gue; } *h;
	struct ethhdr *ethernet, came;
	const struct fl_copy *copy;
	struct packet inner = {};
	__u32 less, place;

	if (!settings || !p)
		return NOT_SPILLED;
	copy = &settings->copy[which & 1];
	h = HEADER(ctx, typeof(*h), p->l4 & 0x7f);
	if (!h || p->fragment != WHOLE || h->gue.version_length || h->gue.flags)
		return NOT_SPILLED;
	if (!is_spiller(copy, which, p->from))
		return NOT_SPILLED;
	inner.l3 = (p->l4 & 0x7f) + sizeof(*h);
	__builtin_memcpy(inner.tag, p->tag, sizeof(inner.tag));
	if (h->gue.protocol == IPPROTO_IPIP ? parse_ipv4(ctx, &inner)
	    : h->gue.protocol == IPPROTO_IPV6 ? parse_ipv6(ctx, &inner) : FL_OTHER_PROTOCOL)
		return NOT_SPILLED;
	if (!find_vip(copy, &inner, &place))
		return NOT_SPILLED;
	if ((p->tos & CONGESTED) == CONGESTED) {
		if (!keep_congestion(ctx, &inner))
			return SPILLED_CONGESTED;
		inner.tos |= CONGESTED;
		inner.is_sum_known = 0;
	}
	ethernet = HEADER(ctx, struct ethhdr, 0);
	if (!ethernet)
		return NOT_SPILLED;
	came = *ethernet;
	less = (inner.l3 - L3(p)) & 0x7f;
	if (bpf_xdp_adjust_head(ctx, less))
		return NOT_SPILLED;
	inner.l3 -= less;
	inner.l4 -= less;
	inner.from_elsewhere = 1;
	*p = inner;
	write_frame(ctx, p, came.h_dest, came.h_source);
	return place;
}

#endif
