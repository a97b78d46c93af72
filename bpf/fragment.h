/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A fragment that is not the first has no ports. Where a service asks for it, the first one is remembered by
 * addresses, protocol and id, and the others follow it.
 */
#ifndef FRAGMENT_H
#define FRAGMENT_H

#include "pick.h"

/* Longer than any receiver waits for the rest (Linux: 30 s). */
#define FRAGMENT_SECONDS 30

static __noinline int remember_fragment(const struct fl_control *control, const struct packet *p, __u32 backend)
{
	__u64 hash = flow_hash(control, p, p->fragment_id);
	struct fl_bucket *bucket = LOOK(fragments, entry_bucket(hash, control->fragment_mask));
	__u32 now = seconds_now();

	if (!bucket)
		return 0;
	if (recall(bucket, hash, now) != backend) {
		forget(bucket, hash);
		remember(bucket, hash, backend, now, FRAGMENT_SECONDS);
	}
	return 0;
}

static __noinline int follow_fragment(const struct fl_control *control, const struct packet *p, struct choice *c)
{
	__u64 hash = flow_hash(control, p, p->fragment_id);
	struct fl_bucket *bucket = LOOK(fragments, entry_bucket(hash, control->fragment_mask));
	struct fl_backend *backend;
	__u32 number;

	if (!bucket)
		return 0;
	number = recall(bucket, hash, seconds_now());
	backend = living(c->copy, number);
	if (backend)
		take(c, backend, number, FL_BY_FRAGMENT);
	return 0;
}

#endif
