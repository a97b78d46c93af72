/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 3: which backend. A slot says it, for nearly every packet. In a slot whose owner changes, the flows that the
 * former owner has stay there, and a new one is the new owner's and remembered; no flow moves while its backend is up.
 */
#ifndef PICK_H
#define PICK_H

#include "hash.h"
#include "remember.h"

struct choice {
	const struct fl_copy *copy;
	struct fl_backend *backend;
	__u32 number;
	__u32 owner;		/* the slot's owners */
	__u32 former;
	__u32 third;
	__u32 state;		/* the slot's */
	__u32 how;		/* the reason to count beside; 0: by the slot */
};

static __always_inline struct fl_backend *backend_of(const struct fl_copy *copy, __u32 number)
{
	return LOOK(backends, copy->backend_first + number);
}

/* The backend when it is there to be sent to. */
static __always_inline struct fl_backend *living(const struct fl_copy *copy, __u32 number)
{
	struct fl_backend *backend = number ? backend_of(copy, number) : NULL;

	return backend && backend->flags & FL_ALIVE ? backend : NULL;
}

static __always_inline void take(struct choice *c, struct fl_backend *backend, __u32 number, __u32 how)
{
	c->backend = backend;
	c->number = number;
	c->how = how;
}

/* Whoever is known to have the flow, when he is there. */
static __always_inline void take_known(struct choice *c, __u32 number, __u32 how)
{
	struct fl_backend *backend = living(c->copy, number);

	if (backend)
		take(c, backend, number, how);
}

/* What is counted beside a forwarded packet; 0: nothing, the slot said it. */
static __always_inline __u32 how_of(const struct packet *p, const struct choice *c)
{
	return p->from_elsewhere ? FL_FROM_ELSEWHERE : p->is_error ? FL_BY_ERROR : c->how;
}

/* For a slot that is not steady. `hash` is the whole flow's. */
static __noinline int pick_changing(const struct fl_control *control, const struct packet *p, struct choice *c,
				    __u64 hash)
{
	bool is_changing = c->state == FL_CHANGING;
	struct fl_backend *was = living(c->copy, c->former), *is;
	__u32 known, now;
	struct fl_bucket *bucket;

	/* UDP has no beginning that one could see: it stays where it was until the change is over. */
	if (p->protocol != IPPROTO_TCP || p->fragment == LATER) {
		if (is_changing && was)
			take(c, was, c->former, FL_BY_FORMER);
		return 0;
	}
	bucket = LOOK(exceptions, entry_bucket(hash, control->exception_mask));
	if (!bucket)
		return 0;
	now = seconds_now();
	known = recall(bucket, hash, now);
	is = living(c->copy, known);
	if (is && (!p->is_syn || is->flags & FL_ACCEPTS)) {
		take(c, is, known, FL_BY_EXCEPTION);
		return 0;
	}
	/* What is remembered is gone, or takes no new flows and this one begins anew. */
	if (known)
		forget(bucket, hash);
	if (!is_changing)
		return 0;
	if (p->is_error) {
		if (was)
			take(c, was, c->former, FL_BY_FORMER);
		return 0;
	}
	/* Also while the former owner is down: it may come back, and what is not remembered is its again. */
	if (p->is_syn) {
		if (!c->owner)
			return 0;
		c->how = FL_REMEMBERED;
		/* The new owner may not be reached yet: its way is looked up after the change. */
		if (c->backend && remember(bucket, hash, c->owner, now, control->idle_seconds))
			return 0;
		/* Without an entry its later packets go to the former owner, so this one must, too. */
		c->how = FL_NO_ROOM;
		if (was)
			take(c, was, c->former, FL_NO_ROOM);
		return 0;
	}
	if (!was)
		return 0;
	/* Remembered, too: it stays there when the change is over. */
	remember(bucket, hash, c->former, now, control->idle_seconds);
	take(c, was, c->former, FL_BY_FORMER);
	return 0;
}

/*
 * Whom else a packet's flow may belong to: another of the slot's owners, of the family that the way is measured for.
 * `after`: not this one, who was named already.
 */
static __always_inline struct fl_backend *other_owner(const struct choice *c, const struct fl_backend *after)
{
	const __u32 owners[] = { c->owner, c->former, c->third };
	struct fl_backend *found = NULL;

	if (!c->state)
		return NULL;
#pragma unroll
	for (int i = 0; i < 3; i++) {
		struct fl_backend *other = owners[i] == c->number || found ? NULL : living(c->copy, owners[i]);

		if (other && other != after && other->family == c->backend->family && !(other->flags & FL_ELSEWHERE))
			found = other;
	}
	return found;
}

/* A reason, FL_FORWARDED when there is a choice. */
static __always_inline int pick(const struct fl_control *control, const struct fl_service *service,
				const struct packet *p, struct choice *c, __u64 *hash)
{
	const struct fl_copy *copy = c->copy;
	__u64 place, word;
	struct fl_slot *slot;

	*hash = flow_hash(control, p, p->ports);
	if (c->backend)
		return FL_FORWARDED;
	place = *hash;
	if (service->flags & FL_STICKY)
		place = flow_hash(control, p, 0);
	slot = LOOK(slots, copy->slot_first + service->first + (__u32)((place >> 32) * service->slots >> 32));
	if (!slot)
		return FL_NO_BACKEND;
	word = *(volatile __u64 *)&slot->word;
	c->state = word >> FL_SLOT_STATE;
	c->number = c->owner = word & FL_BACKEND_MASK;
	c->backend = living(copy, c->number);
	if (c->state) {
		c->former = word >> FL_SLOT_FORMER & FL_BACKEND_MASK;
		c->third = word >> FL_SLOT_THIRD & FL_BACKEND_MASK;
		pick_changing(control, p, c, *hash);
	}
	if (!c->number)
		return FL_NO_BACKEND;
	return c->backend ? FL_FORWARDED : FL_UNREACHABLE;
}

#endif
