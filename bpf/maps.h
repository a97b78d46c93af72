/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The balancer's tables. Their sizes here are the least; the loader says the real ones. */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "fairlead.h"

#define TABLE(name, VALUE)                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, 1);                                                                                \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                     \
		__type(key, __u32);                                                                                    \
		__type(value, VALUE);                                                                                  \
	} name SEC(".maps")

#define COUNTERS(name, VALUE, entries)                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, entries);                                                                          \
		__type(key, __u32);                                                                                    \
		__type(value, VALUE);                                                                                  \
	} name SEC(".maps")

TABLE(control, struct fl_control);
TABLE(vips, struct fl_vip);
TABLE(services, struct fl_service);
TABLE(slots, struct fl_slot);
TABLE(backends, struct fl_backend);
TABLE(exceptions, struct fl_bucket);
TABLE(fragments, struct fl_bucket);
TABLE(quic_ids, struct fl_quic_id);
TABLE(spillers, struct fl_address);
TABLE(quic_configs, struct fl_quic_config);
COUNTERS(vip_counts, struct fl_vip_count, 1);
COUNTERS(backend_counts, struct fl_backend_count, 1);

#define LOOK(map, at)                                                                                                  \
	({                                                                                                             \
		__u32 key_ = (at);                                                                                     \
		bpf_map_lookup_elem(&(map), &key_);                                                                    \
	})

#endif
