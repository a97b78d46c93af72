/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an operator sees of packets, which XDP hides from tcpdump: tap_take copies the packet before the program changes
 * it, tap_tell says what was decided and hands both to user space (PacketTap.cs). While nobody watches, all of it is
 * one word of struct fl_control that is in cache already.
 */
#ifndef TAP_H
#define TAP_H

#include "pick.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_TAPS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fl_tap);
} taps SEC(".maps");

/* The frame is copied here first: what is decided stands before it in the ring, and is known only after it. */
struct tap_room {
	struct fl_event event;
	__u8 frame[FL_SNAP];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tap_room);
} tap_rooms SEC(".maps");

/* Room for the packets of some milliseconds; those that find none are counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} tap_ring SEC(".maps");

static __always_inline bool is_watched(const struct fl_tap *tap, const struct packet *p)
{
	__u32 port = tap->port_protocol & 0xffff, protocol = tap->port_protocol >> 16;

	if (!tap->is_on)
		return false;
	if (tap->address[0] | tap->address[1] &&
	    (tap->address[0] != p->to[0] || tap->address[1] != p->to[1]))
		return false;
	if (protocol && protocol != p->protocol)
		return false;
	/* A fragment without ports may be of any. */
	return !port || p->fragment == LATER || port == p->ports >> 16;
}

/*
 * Copies the packet's first bytes for the taps that take it; 0: none does. This and tap_tell are global functions: the
 * verifier looks at them once, not again on each way that leads here. Between them lies the copy's own event.taps, for
 * a number on the stack would double the ways through all that is done meanwhile.
 */
__noinline int tap_take(struct xdp_md *ctx, const struct packet *p)
{
	struct fl_control *settings = LOOK(control, 0);
	struct tap_room *room = LOOK(tap_rooms, 0);
	__u32 watchers = 0, snap = 0;
	__u64 length;

	if (!p || !settings || !room)
		return 0;
	room->event.taps = 0;
	/* Who watched is gone without a word. */
	if ((__s32)(settings->tap_until - seconds_now()) <= 0) {
		settings->tap_until = 0;
		return 0;
	}
	for (int i = 0; i < FL_TAPS; i++) {
		struct fl_tap *tap = LOOK(taps, i);

		if (!tap || !is_watched(tap, p) || bpf_get_prandom_u32() > tap->chance)
			continue;
		watchers |= 1 << i;
		snap = tap->snap > snap ? tap->snap : snap;
	}
	room->event.taps = watchers;
	if (!watchers)
		return 0;
	length = (long)ctx->data_end - (long)ctx->data;
	room->event.at = bpf_ktime_get_ns();
	room->event.device = ctx->ingress_ifindex;
	room->event.length = length;
	/* Kernel 6.1 takes the bounds of what is compared alone, and no 0 from what is not equal to it. */
	length = (length < snap ? length : snap) - 1;
	asm volatile("" : "+r"(length));
	room->event.captured = length < FL_SNAP && !bpf_xdp_load_bytes(ctx, 0, room->frame, length + 1) ? length + 1 : 0;
	return watchers;
}

/* `first` is where the copy of the backends begins that `number` counts in. */
__noinline int tap_tell(const struct packet *p, __u32 decided, __u32 number, __u32 first)
{
	struct tap_room *room = LOOK(tap_rooms, 0);
	struct fl_backend *backend = number ? LOOK(backends, first + number) : NULL;
	struct fl_event *event;
	__u32 watchers;
	__u64 size;
	bool is_lost;

	if (!p || !room || !room->event.taps)
		return 0;
	event = &room->event;
	watchers = event->taps;
	__builtin_memcpy(event->from, p->from, sizeof(event->from));
	__builtin_memcpy(event->to, p->to, sizeof(event->to));
	event->ports = p->ports;
	event->protocol = p->protocol;
	event->backend = number;
	event->backend_family = 0;
	if (backend) {
		event->backend_family = backend->family;
		__builtin_memcpy(event->to_backend, backend->to, sizeof(event->to_backend));
	}
	event->reason = decided;
	event->how = decided >> 8;
	event->state = decided >> 16;
	event->fragment = p->fragment;
	event->is_error = p->is_error;
	event->family = p->family;
	size = event->captured;
	asm volatile("" : "+r"(size));
	if (size > FL_SNAP)
		return 0;
	is_lost = bpf_ringbuf_output(&tap_ring, room, sizeof(*event) + size, 0);
	event->taps = 0;
	for (int i = 0; i < FL_TAPS; i++) {
		struct fl_tap *tap = watchers & 1 << i ? LOOK(taps, i) : NULL;

		if (tap)
			__sync_fetch_and_add(is_lost ? &tap->lost : &tap->taken, 1);
	}
	return 0;
}

static __always_inline void tell(const struct packet *p, const struct choice *c, __u32 reason)
{
	tap_tell(p, reason | how_of(p, c) << 8 | c->state << 16, c->number, c->copy->backend_first);
}

#endif
