/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A wire that one store into a map cuts: at both ends of it, and at once. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} cut SEC(".maps");

SEC("xdp")
int valve(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *is_cut = bpf_map_lookup_elem(&cut, &zero);

	(void)ctx;
	return is_cut && *(volatile __u64 *)is_cut ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
