/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A table of hash -> backend in buckets of one cache line, for flows that do not lie where the slots say, and for
 * fragments. The kernel's own LRU map costs 800 ns for a new entry; this one a cache miss.
 *
 * An entry is one word, so that nobody ever reads half of it. A flood cannot push anybody out: an entry gives way only
 * when it has not been seen again for some seconds, or not for idle_seconds. Who finds no room is told so.
 */
#ifndef REMEMBER_H
#define REMEMBER_H

#include "maps.h"

static __always_inline __u32 seconds_now(void)
{
	return bpf_ktime_get_coarse_ns() / 1000000000ULL;
}

static __always_inline __u64 entry_tag(__u64 hash)
{
	return hash << FL_ENTRY_TAG;
}

static __always_inline __u32 entry_bucket(__u64 hash, __u32 mask)
{
	/* The tag has the low 27 bits. */
	return (hash >> (64 - FL_ENTRY_TAG)) & mask;
}

/* An entry's time is written again only when it is so old: a line that is not written is nobody's to write back. */
#define FRESH_SECONDS 4

/* The backend that is remembered, 0: none. To be found keeps it, and marks it as one that came again. */
static __always_inline __u32 recall(struct fl_bucket *bucket, __u64 hash, __u32 now)
{
	__u64 tag = entry_tag(hash);

#pragma unroll
	for (int i = 0; i < FL_WAYS; i++) {
		__u64 entry = bucket->entry[i];

		if (entry >> FL_ENTRY_TAG == tag >> FL_ENTRY_TAG && entry) {
			if (!(entry & FL_ENTRY_SEEN) || ((now - (__u32)entry) & 0xffff) >= FRESH_SECONDS)
				bucket->entry[i] = (entry & ~0xffffULL) | FL_ENTRY_SEEN | (now & 0xffff);
			return (entry >> FL_ENTRY_BACKEND) & FL_BACKEND_MASK;
		}
	}
	return 0;
}

/* Forgets the flow, or gives it to another backend. */
static __always_inline void forget(struct fl_bucket *bucket, __u64 hash)
{
	__u64 tag = entry_tag(hash);

#pragma unroll
	for (int i = 0; i < FL_WAYS; i++) {
		if (bucket->entry[i] >> FL_ENTRY_TAG == tag >> FL_ENTRY_TAG)
			bucket->entry[i] = 0;
	}
}

static __always_inline bool remember(struct fl_bucket *bucket, __u64 hash, __u32 backend, __u32 now, __u32 idle)
{
	__u64 entry = entry_tag(hash) | (__u64)(backend & FL_BACKEND_MASK) << FL_ENTRY_BACKEND | (now & 0xffff);

	/* Free places and spent entries first; then one that nobody has come back to. */
	for (int i = 0; i < 2 * FL_WAYS; i++) {
		__u64 *place = &bucket->entry[i & (FL_WAYS - 1)], old = *place;
		__u32 age = (now - (__u32)old) & 0xffff;

		if (old && age < (i < FL_WAYS || old & FL_ENTRY_SEEN ? idle : FL_UNSEEN_SECONDS))
			continue;
		/* Two CPUs may want one place: one gets it, and the other looks on. */
		if (__sync_val_compare_and_swap(place, old, entry) == old)
			return true;
	}
	return false;
}

#endif
