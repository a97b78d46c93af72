/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Feeds the balancer in BPF_PROG_TEST_RUN. A plain `repeat` runs the program again over what it made of the packet the
 * round before; this one first makes the frame anew, as another flow, and then jumps to the program under test.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAME 96

struct round {
	__u64 count;
	__u32 length;		/* of the frame as it should come in */
	__u32 mask;		/* flows less one */
	__u32 to;		/* 0: the balancer, 1: the empty program */
	__u32 address;		/* where the last four bytes of the source lie */
	__u8 frame[FRAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct round);
} rounds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} jump SEC(".maps");

SEC("xdp")
int harness(struct xdp_md *ctx)
{
	__u32 zero = 0, flow;
	struct round *r = bpf_map_lookup_elem(&rounds, &zero);
	int grown;
	void *data;

	if (!r)
		return XDP_ABORTED;
	grown = (int)((long)ctx->data_end - (long)ctx->data) - (int)r->length;
	if (grown && bpf_xdp_adjust_head(ctx, grown))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	/* Else the compiler makes the pointer a second time, unchecked. */
	asm volatile("" : "+r"(data));
	if (data + FRAME > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(data, r->frame, FRAME);
	/* An odd factor walks through all flows in an order that no prefetcher follows. */
	flow = (__u32)(r->count++ * 0x9e3779b1) & r->mask;
	data += r->address & 0x3f;
	if (data + sizeof(flow) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*(__u32 *)data = bpf_htonl(0x0a000000 + flow);
	bpf_tail_call(ctx, &jump, r->to);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return ctx->data ? XDP_TX : XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
