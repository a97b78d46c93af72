/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ends of the wire for bench/path: makes packets (in the kernel's test run with live frames), turns them around as
 * the least that XDP can do, and takes and counts what comes.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAME 60
/* Of 256 that a queue holds. */
#define WAITING_MAX 192

struct source {
	__u64 number;
	__u32 mask;		/* flows less one */
	__u32 sum;		/* of the IPv4 header's words, without the source and the checksum */
	__u32 tcp_sum;		/* of TCP's and its pseudo header's, likewise; 0: it is UDP, without a checksum */
	__u32 reserved;
	__u8 frame[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct source);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

static __always_inline __u16 checksum(__u32 sum, __u32 from)
{
	sum += (from >> 16) + (from & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons(~sum & 0xffff);
}

/* A page comes back as the other end has left it: the frame is made anew each time, as another flow. */
SEC("xdp")
int make(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u32 zero = 0, from;
	struct source *s = bpf_map_lookup_elem(&sources, &zero);
	__u64 *arrived = bpf_map_lookup_elem(&taken, &zero);

	/* Who carries may have to leave the core to others for a while: then nothing is made. Some of what comes is not ours. */
	if (s && arrived && (__s64)(s->number - *arrived) >= WAITING_MAX)
		return XDP_DROP;
	if (!s || data + FRAME > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	s->number++;
	__builtin_memcpy(data, s->frame, FRAME);
	/* An odd factor walks through all flows in an order that no prefetcher follows. */
	from = 0x0a400000 + ((__u32)(s->number * 0x9e3779b1) & s->mask);
	*(__u16 *)(data + 24) = checksum(s->sum, from);
	if (s->tcp_sum)
		*(__u16 *)(data + 50) = checksum(s->tcp_sum, from);
	*(__u32 *)(data + 26) = bpf_htonl(from);
	return XDP_TX;
}

SEC("xdp")
int turn(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u16 *mac = data, word;
	int i;

	if (data + 14 > (void *)(long)ctx->data_end)
		return XDP_DROP;
#pragma unroll
	for (i = 0; i < 3; i++) {
		word = mac[i];
		mac[i] = mac[i + 3];
		mac[i + 3] = word;
	}
	return XDP_TX;
}

/* The least that any balancer with a tunnel does: the same outer header before each packet, its checksum known. */
SEC("xdp")
int wrap(struct xdp_md *ctx)
{
	static const __u32 header[] = {
		bpf_htonl(0x45000000 | (FRAME - 14 + 20)), bpf_htonl(0x00004000), bpf_htonl(0x40042652),
		bpf_htonl(0x0a000002), bpf_htonl(0x0a000065),
	};
	struct frame { __u16 mac[6], type; __u32 ip[5]; } __attribute__((packed)) *f;
	__u16 mac[7];
	void *data = (void *)(long)ctx->data;
	int i;

	if (data + 14 > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(mac, data, 14);
	if (bpf_xdp_adjust_head(ctx, -20))
		return XDP_DROP;
	f = (void *)(long)ctx->data;
	if ((void *)(f + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
#pragma unroll
	for (i = 0; i < 6; i++)
		f->mac[i] = mac[(i + 3) % 6];
	f->type = mac[6];
	__builtin_memcpy(f->ip, header, sizeof(header));
	return XDP_TX;
}

SEC("xdp")
int take(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&taken, &zero);

	(void)ctx;
	if (count)
		++*count;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
