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
	__u32 former;		/* the slot's former owner */
	__u32 state;		/* the slot's */
	__u32 other;		/* whose the flow may be as well; 0: nobody's */
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

static __always_inline void take(struct choice *c, struct fl_backend *backend, __u32 number, __u32 other, __u32 how)
{
	c->backend = backend;
	c->number = number;
	c->other = other;
	c->how = how;
}

/* For a slot that is not steady. `hash` is the whole flow's. */
static __noinline int pick_changing(const struct fl_control *control, const struct packet *p, struct choice *c,
				    __u64 hash)
{
	const struct fl_copy *copy = c->copy;
	__u32 owner = c->number;
	bool is_changing = c->state == FL_CHANGING;
	__u32 former_owner = c->former, known = 0, now;
	struct fl_backend *was = living(copy, former_owner), *is;
	struct fl_bucket *bucket;

	/* UDP has no beginning that one could see: it stays where it was until the change is over. */
	if (p->protocol != IPPROTO_TCP || p->fragment == LATER) {
		if (is_changing && was)
			take(c, was, former_owner, owner, FL_BY_FORMER);
		else
			c->other = was ? former_owner : 0;
		return 0;
	}
	bucket = LOOK(exceptions, entry_bucket(hash, control->exception_mask));
	if (!bucket)
		return 0;
	now = seconds_now();
	known = recall(bucket, hash, now);
	is = living(copy, known);
	if (is && (!p->is_syn || is->flags & FL_ACCEPTS)) {
		take(c, is, known, known == owner ? former_owner : owner, FL_BY_EXCEPTION);
		return 0;
	}
	/* What is remembered is gone, or takes no new flows and this one begins anew. */
	if (known)
		forget(bucket, hash);
	if (!is_changing || !was) {
		c->other = was ? former_owner : 0;
		return 0;
	}
	if (p->is_error) {
		take(c, was, former_owner, owner, FL_BY_FORMER);
		return 0;
	}
	if (p->is_syn) {
		if (!owner)
			return 0;
		c->other = former_owner;
		c->how = FL_REMEMBERED;
		/* The new owner may not be reached yet: its way is looked up after the change. */
		if (c->backend && remember(bucket, hash, owner, now, control->idle_seconds))
			return 0;
		/* Without an entry its later packets go to the former owner, so this one must, too. */
		take(c, was, former_owner, owner, FL_NO_ROOM);
		return 0;
	}
	/* Remembered, too: it stays there when the change is over. */
	remember(bucket, hash, former_owner, now, control->idle_seconds);
	take(c, was, former_owner, owner, FL_BY_FORMER);
	return 0;
}

/* A reason, FL_FORWARDED when there is a choice. */
static __always_inline int pick(const struct fl_control *control, const struct fl_service *service,
				const struct packet *p, struct choice *c, __u64 *hash)
{
	const struct fl_copy *copy = c->copy;
	__u64 place;
	struct fl_slot *slot;

	*hash = flow_hash(control, p, p->ports);
	place = *hash;
	if (service->flags & FL_STICKY)
		place = flow_hash(control, p, 0);
	slot = LOOK(slots, copy->slot_first + service->first + (__u32)((place >> 32) * service->slots >> 32));
	if (!slot)
		return FL_NO_BACKEND;
	c->state = slot->owner >> FL_SLOT_STATE;
	c->number = slot->owner & FL_SLOT_BACKEND;
	c->former = slot->former;
	c->backend = living(copy, c->number);
	if (c->state)
		pick_changing(control, p, c, *hash);
	if (!c->number)
		return FL_NO_BACKEND;
	return c->backend ? FL_FORWARDED : FL_UNREACHABLE;
}

#endif
