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
#include "count.h"

static __always_inline int leave(__u32 vip, int reason)
{
	count_reason(vip, reason);
	return reason < FL_NO_BACKEND ? XDP_PASS : reason < FL_TOO_BIG_ANSWERED ? XDP_DROP : XDP_TX;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	const struct fl_control *settings = LOOK(control, 0);
	const struct fl_backend *other = NULL, *third = NULL;
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
		return leave(0, reason);
	vip = find_vip(copy, &p);
	if (p.fragment == LATER)
		follow_fragment(settings, &p, &choice);
	if (!vip && !choice.backend)
		return leave(0, p.fragment == LATER ? FL_FRAGMENT_UNKNOWN : FL_NOT_VIP);
	number = vip ? vip->number : 0;
	if (p.ttl <= 1)
		return leave(number, FL_TTL_SPENT);
	if (!choice.backend) {
		service = LOOK(services, copy->service_first + vip->service);
		if (!service)
			return leave(number, FL_NO_BACKEND);
		if (service->quic_first && p.protocol == IPPROTO_UDP && !p.is_error)
			pick_by_quic_id(ctx, service, vip->service, &p, &choice);
		reason = pick(settings, service, &p, &choice, &hash);
		if (reason)
			return leave(number, reason);
		if (p.fragment == FIRST && service->flags & FL_FRAGMENTS)
			remember_fragment(settings, &p, choice.number);
	}
	if (p.length > choice.backend->mtu)
		return leave(number, answer_too_big(ctx, &p, choice.backend->mtu));
	if (choice.state && choice.backend->mode == FL_GUE) {
		other = other_owner(&choice, NULL);
		third = other ? other_owner(&choice, other) : NULL;
	}
	reason = encapsulate(ctx, &p, choice.backend, hash, other, third);
	if (reason)
		return leave(number, reason);
	count_forwarded(number, choice.number, &p, p.is_error ? FL_BY_ERROR : choice.how);
	if (!choice.backend->device || choice.backend->device == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(choice.backend->device, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
