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
static __always_inline int leave(struct xdp_md *ctx, struct fl_control *settings, const struct packet *p,
				 const struct choice *choice, __u32 vip, int reason)
{
	if (settings->tap_until)
		tell(p, choice, reason, tap_take(ctx, p));
	count_reason(vip, reason);
	return verdict_of(reason);
}

static __always_inline int leave_too_big(struct xdp_md *ctx, struct fl_control *settings, const struct packet *p,
					 const struct choice *choice, __u32 vip)
{
	__u32 watchers = settings->tap_until ? tap_take(ctx, p) : 0;
	int reason = answer_too_big(ctx, p, choice->backend->mtu);

	tell(p, choice, reason, watchers);
	count_reason(vip, reason);
	return verdict_of(reason);
}

/* Where a slot changes, GUE names who else may have the flow. */
static __always_inline int wrap(struct xdp_md *ctx, struct packet *p, const struct choice *choice, __u64 hash)
{
	const struct fl_backend *other = NULL, *third = NULL;

	if (choice->state && choice->backend->mode == FL_GUE && !(choice->backend->flags & FL_ELSEWHERE)) {
		other = other_owner(choice, NULL);
		third = other ? other_owner(choice, other) : NULL;
	}
	return encapsulate(ctx, p, choice->backend, hash, other, third);
}

/* While somebody watches. A path of its own, so that the one that all packets take has nothing of it but a branch. */
static __noinline int wrap_watched(struct xdp_md *ctx, struct packet *p, const struct choice *choice, __u64 hash)
{
	__u32 watchers = tap_take(ctx, p);
	int reason = wrap(ctx, p, choice, hash);

	tell(p, choice, reason, watchers);
	return reason;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	struct fl_control *settings = LOOK(control, 0);
	const struct fl_service *service;
	const struct fl_copy *copy;
	struct choice choice = {};
	struct packet p = {};
	struct fl_vip *vip;
	__u64 hash = 0;
	__u32 number;
	int reason;

	if (!settings)
		return XDP_PASS;
	copy = &settings->copy[*(volatile __u32 *)&settings->active & 1];
	choice.copy = copy;
	reason = parse(ctx, &p);
	if (reason)
		return leave(ctx, settings, &p, &choice, 0, reason);
	vip = find_vip(copy, &p);
	if (!vip && copy->spiller_mask && p.protocol == IPPROTO_UDP && p.ports >> 16 == bpf_htons(FL_GUE_PORT)) {
		vip = open_spilled(ctx, settings, copy, &p);
		if (!p.family)
			return leave(ctx, settings, &p, &choice, 0, FL_CONGESTED);
	}
	if (p.fragment == LATER)
		follow_fragment(settings, &p, &choice);
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
			pick_by_quic_id(ctx, service, vip->service, &p, &choice);
		reason = pick(settings, service, &p, &choice, &hash);
		if (reason)
			return leave(ctx, settings, &p, &choice, number, reason);
		if (p.fragment == FIRST && service->flags & FL_FRAGMENTS)
			remember_fragment(settings, &p, choice.number);
	}
	if (p.from_elsewhere && choice.backend->flags & FL_ELSEWHERE)
		return leave(ctx, settings, &p, &choice, number, FL_SPILLED_TWICE);
	if (p.length > choice.backend->mtu)
		return leave_too_big(ctx, settings, &p, &choice, number);
	reason = settings->tap_until ? wrap_watched(ctx, &p, &choice, hash) : wrap(ctx, &p, &choice, hash);
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
