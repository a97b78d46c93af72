/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The balancer: parse -> VIP -> backend -> encapsulate -> out. What is for no VIP passes on untouched, for the machine
 * also serves DNS and BGP on this device; each exit has a reason that is counted.
 */
#include "maps.h"
#include "parse.h"
#include "vip.h"
#include "pick.h"
#include "quic.h"
#include "encapsulate.h"
#include "toobig.h"
#include "fragment.h"
#include "spill.h"
#include "tap.h"
#include "count.h"

static __always_inline int verdict_of(int reason)
{
	return reason < FL_NO_BACKEND ? XDP_PASS : reason < FL_TOO_BIG_ANSWERED ? XDP_DROP : XDP_TX;
}

/* The packet is as it came in. */
static __always_inline int leave(struct xdp_md *ctx, const struct fl_control *settings, const struct packet *p,
				 const struct choice *choice, __u32 vip, int reason)
{
	if (settings->tap_until && tap_take(ctx, p))
		tell(p, choice, reason);
	count_reason(vip, reason);
	return verdict_of(reason);
}

/* Where a slot changes, GUE names who else may have the flow. */
static __always_inline int wrap(struct xdp_md *ctx, struct packet *p, const struct choice *choice, __u64 hash)
{
	const struct fl_backend *other = NULL, *third = NULL;

	if (choice->state && choice->backend->mode == FL_GUE && !(choice->backend->flags & FL_ELSEWHERE)) {
		other = other_owner(choice, NULL);
		/* Two are left where the slot had three owners, or the flow is with neither of two. */
		if (other && (choice->third || (choice->number != choice->owner && choice->number != choice->former)))
			third = other_owner(choice, other);
	}
	return encapsulate(ctx, p, choice->backend, hash, other, third);
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	const struct fl_control *settings = LOOK(control, 0);
	const struct fl_service *service;
	const struct fl_copy *copy;
	struct choice choice = {};
	struct packet p = {};
	__u32 number, which, where;
	struct fl_vip *vip;
	__u64 hash = 0;
	int reason;

	if (!settings)
		return XDP_PASS;
	which = *(volatile __u32 *)&settings->active & 1;
	copy = &settings->copy[which];
	choice.copy = copy;
	reason = parse(ctx, &p);
	if (reason)
		return leave(ctx, settings, &p, &choice, 0, reason);
	vip = find_vip(copy, &p, &where);
	if (!vip && copy->spiller_mask && p.protocol == IPPROTO_UDP && p.ports >> 16 == bpf_htons(FL_GUE_PORT)) {
		int place = open_spilled(ctx, settings, which, &p);

		if (place == SPILLED_CONGESTED)
			return leave(ctx, settings, &p, &choice, 0, FL_CONGESTED);
		if (place >= 0)
			vip = LOOK(vips, place);
	}
	if (p.fragment == LATER)
		take_known(&choice, find_fragment(settings, &p), FL_BY_FRAGMENT);
	if (!vip && !choice.backend)
		return leave(ctx, settings, &p, &choice, 0,
			     p.fragment == LATER ? FL_FRAGMENT_UNKNOWN : FL_NOT_VIP);
	number = vip ? vip->number : 0;
	if (p.ttl <= 1)
		return leave(ctx, settings, &p, &choice, number, FL_TTL_SPENT);
	if (!choice.backend) {
		service = LOOK(services, copy->service_first + vip->service);
		if (!service)
			return leave(ctx, settings, &p, &choice, number, FL_NO_BACKEND);
		if (service->quic_first && p.protocol == IPPROTO_UDP && !p.is_error)
			take_known(&choice, find_quic_id(ctx, copy, service, vip->service, &p), FL_BY_QUIC_ID);
		reason = pick(settings, service, &p, &choice, &hash);
		if (reason)
			return leave(ctx, settings, &p, &choice, number, reason);
		if (p.fragment == FIRST && service->flags & FL_FRAGMENTS)
			remember_fragment(settings, &p, choice.number);
	}
	if (p.from_elsewhere && choice.backend->flags & FL_ELSEWHERE)
		return leave(ctx, settings, &p, &choice, number, FL_SPILLED_TWICE);
	/* Told of below: each of these two changes the packet. */
	if (settings->tap_until)
		tap_take(ctx, &p);
	reason = p.length > choice.backend->mtu ? answer_too_big(ctx, &p, choice.backend->mtu)
		: wrap(ctx, &p, &choice, hash);
	if (settings->tap_until)
		tell(&p, &choice, reason);
	if (reason) {
		count_reason(number, reason);
		return verdict_of(reason);
	}
	count_forwarded(number, choice.number, &p, how_of(&p, &choice));
	if (!choice.backend->device || choice.backend->device == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(choice.backend->device, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
