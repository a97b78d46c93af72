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

__noinline int remember_fragment(const struct fl_control *control, const struct packet *p, __u32 backend)
{
	struct fl_bucket *bucket;
	__u32 now = seconds_now();
	__u64 hash;

	if (!control || !p)
		return 0;
	hash = flow_hash(control, p, p->fragment_id);
	bucket = LOOK(fragments, entry_bucket(hash, control->fragment_mask));
	if (!bucket)
		return 0;
	if (recall(bucket, hash, now) != backend) {
		forget(bucket, hash);
		remember(bucket, hash, backend, now, FRAGMENT_SECONDS);
	}
	return 0;
}

/* The number of the backend that the first fragment went to; 0: nobody knows. */
__noinline int find_fragment(const struct fl_control *control, const struct packet *p)
{
	struct fl_bucket *bucket;
	__u64 hash;

	if (!control || !p)
		return 0;
	hash = flow_hash(control, p, p->fragment_id);
	bucket = LOOK(fragments, entry_bucket(hash, control->fragment_mask));
	return bucket ? recall(bucket, hash, seconds_now()) : 0;
}

#endif
