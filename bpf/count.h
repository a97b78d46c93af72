/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters, one set a CPU. VIP number 0 counts what is for no VIP. */
#ifndef COUNT_H
#define COUNT_H

#include "maps.h"
#include "parse.h"

static __always_inline void count_in(struct fl_vip_count *count, __u32 reason)
{
	__u64 at = reason;

	/* Kernel 6.1 takes the bounds of what is compared, and the compiler likes to compare something derived. */
	asm volatile("" : "+r"(at));
	if (at < FL_REASONS)
		count->reason[at]++;
}

static __always_inline void count_reason(__u32 vip, __u32 reason)
{
	struct fl_vip_count *count = LOOK(vip_counts, vip);

	if (count)
		count_in(count, reason);
}

static __always_inline void count_forwarded(__u32 vip, __u32 backend, const struct packet *p, __u32 how)
{
	struct fl_vip_count *count = LOOK(vip_counts, vip);
	struct fl_backend_count *taken = LOOK(backend_counts, backend);

	if (count) {
		count->packets++;
		count->bytes += p->length;
		count->opened += p->is_syn;
		if (how)
			count_in(count, how);
	}
	if (taken) {
		taken->packets++;
		taken->bytes += p->length;
		taken->opened += p->is_syn;
	}
}

#endif
