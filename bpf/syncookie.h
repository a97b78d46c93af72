/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN cookies at the backend (RFC 4987 §3.6): above a service's rate a SYN is answered here, straight to the client,
 * with the cookie that the backend's own kernel makes for its listener. That kernel then takes the client's ACK for a
 * connection; of the SYN it never hears, and keeps nothing.
 *
 * A cookie has room for the MSS alone: window scaling, SACK, timestamps and ECN are lost for such a connection. Nothing
 * of the packet is touched until all is known that the answer needs; else the kernel answers as ever.
 */
#ifndef SYNCOOKIE_H
#define SYNCOOKIE_H

#include "encapsulate.h"
#include "socket.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_here);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct fl_syn_place);
	__type(value, __u32);
} syn_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct fl_syn_rate);
} syn_rates SEC(".maps");

/* Devices that run this program: such a one takes a frame that XDP sends, of others nobody knows. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} ways_out SEC(".maps");

#define LOOPBACK 1		/* its number in every network namespace */
#define FAMILY_IPV4 2
#define FAMILY_IPV6 10
#define TCP_HEADER_MAX 60
#define RATE_TRIES 3
/* RFC 6928 §2: a client sends no more than so many segments before it hears what the kernel's window is. */
#define FIRST_SEGMENTS 10

struct mss_option {
	__u8 kind;
	__u8 length;
	__be16 mss;
} __attribute__((packed));

struct syn_answer {
	struct bpf_fib_lookup way;
	__be32 sequence;	/* the cookie */
	__be32 acknowledged;
	__u32 mss;
};

/* Beside the stack: kernel 6.1 allows 512 bytes of it over all functions that call each other. */
struct syn_room {
	struct syn_answer answer;
	struct { struct tcphdr header; __u8 options[TCP_HEADER_MAX - sizeof(struct tcphdr)]; } tcp;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct syn_room);
} syn_rooms SEC(".maps");

struct syn_ack {
	struct tcphdr tcp;
	struct mss_option option;
} __attribute__((packed));

/*
 * Whether this new connection is more than the kernel takes. Each takes its interval of the time; what a burst has
 * taken in advance is 0.1 s at the most, so a flood's kernel gets the SYNs of 0.1 s at once, and then the rate.
 */
static __noinline int is_rate_spent(const struct packet *p)
{
	struct fl_syn_place place = { .port = p->ports >> 16 };
	struct fl_syn_rate *rate;
	__u64 now, spent, next;
	__u32 *number;

	__builtin_memcpy(place.half, p->to, sizeof(place.half));
	number = bpf_map_lookup_elem(&syn_places, &place);
	rate = number ? LOOK(syn_rates, *number) : NULL;
	if (!rate)
		return false;
	if (!rate->interval)
		return true;
	now = bpf_ktime_get_ns();
#pragma unroll
	for (int i = 0; i < RATE_TRIES; i++) {
		spent = *(volatile __u64 *)&rate->spent;
		if (spent > now + FL_SYN_BURST)
			return true;
		next = (spent > now ? spent : now) + rate->interval;
		if (__sync_val_compare_and_swap(&rate->spent, spent, next) == spent)
			return false;
	}
	/* So many come at once that the rate is spent whoever gets it. */
	return true;
}

/* The kernel's cookie for the SYN, the MSS above it; below 0: there is no listener, or it gives none. */
static __noinline __s64 make_cookie(struct xdp_md *ctx, const struct packet *p, struct syn_room *room)
{
	struct tcphdr *header = HEADER(ctx, struct tcphdr, p->l4 & 0xff);
	struct bpf_sock *sock;
	__s64 cookie = -1;
	__u32 bytes;

	/* Further behind lie IPv6's extension headers, which no SYN that we would know of has. */
	if (!header || p->l4 - p->l3 > TCP_HEADER_MAX)
		return -1;
	room->answer.acknowledged = bpf_htonl(bpf_ntohl(header->seq) + 1);
	bytes = header->doff * 4;
	/* The verifier is to see the bounds of this very number. */
	asm volatile("" : "+r"(bytes));
	bytes &= 0x3c;
	if (bytes < sizeof(*header) || bpf_xdp_load_bytes(ctx, p->l4 & 0xff, &room->tcp, bytes))
		return -1;
	sock = find_socket(ctx, p);
	if (!sock)
		return -1;
	if (sock->state == TCP_LISTEN) {
		if (p->family == 4) {
			struct iphdr *ip = HEADER(ctx, struct iphdr, p->l3 & 0x7f);

			if (ip)
				cookie = bpf_tcp_gen_syncookie(sock, ip, sizeof(*ip), &room->tcp.header, bytes);
		} else {
			struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, p->l3 & 0x7f);

			if (ip)
				cookie = bpf_tcp_gen_syncookie(sock, ip, sizeof(*ip), &room->tcp.header, bytes);
		}
	}
	bpf_sk_release(sock);
	return cookie;
}

/*
 * The client's next hop, as the kernel's own packets to it would find it. The look-up answers only for a device that
 * forwards. A backend forwards nothing; on its loopback, where its own packets begin, that can be allowed without any
 * effect, and user space does so.
 */
static __noinline int find_way(struct xdp_md *ctx, const struct packet *p, struct bpf_fib_lookup *way)
{
	__u32 headers, device;

	__builtin_memset(way, 0, sizeof(*way));
	way->ifindex = LOOPBACK;
	way->l4_protocol = IPPROTO_TCP;
	way->sport = p->ports >> 16;
	way->dport = p->ports;
	if (p->family == 4) {
		headers = sizeof(struct iphdr) + sizeof(struct tcphdr);
		way->family = FAMILY_IPV4;
		way->ipv4_src = p->to[1] >> 32;
		way->ipv4_dst = p->from[1] >> 32;
	} else {
		headers = sizeof(struct ipv6hdr) + sizeof(struct tcphdr);
		way->family = FAMILY_IPV6;
		__builtin_memcpy(way->ipv6_src, p->to, 16);
		__builtin_memcpy(way->ipv6_dst, p->from, 16);
	}
	if (bpf_fib_lookup(ctx, way, sizeof(*way), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return -1;
	/* Older kernels (6.1) give neighbours, too, that they still ask for: those have no address. */
	if (!(way->dmac[0] | way->dmac[1] | way->dmac[2] | way->dmac[3] | way->dmac[4] | way->dmac[5]))
		return -1;
	device = way->ifindex;
	if (device != ctx->ingress_ifindex && !bpf_map_lookup_elem(&ways_out, &device))
		return -1;
	return way->mtu_result > headers ? way->mtu_result - headers : 0;
}

static __always_inline void write_syn_ack(struct syn_ack *s, const struct packet *p, const struct syn_answer *a)
{
	__u32 window = a->mss * FIRST_SEGMENTS;

	__builtin_memset(s, 0, sizeof(*s));
	s->tcp.source = p->ports >> 16;
	s->tcp.dest = p->ports;
	s->tcp.seq = a->sequence;
	s->tcp.ack_seq = a->acknowledged;
	s->tcp.doff = sizeof(*s) / 4;
	s->tcp.syn = 1;
	s->tcp.ack = 1;
	s->tcp.window = bpf_htons(window > 0xffff ? 0xffff : window);
	s->option.kind = 2;
	s->option.length = sizeof(s->option);
	s->option.mss = bpf_htons(a->mss);
}

/*
 * Cuts the frame to what the answer takes, and sends it the answer's way. XDP_PASS: it cannot be cut, and nothing has
 * happened.
 */
static __always_inline int begin_answer(struct xdp_md *ctx, const struct packet *p, const struct syn_answer *a,
					int packet_bytes)
{
	int end = (long)ctx->data_end - (long)ctx->data, before = (int)(p->l3 & 0x7f) - (int)sizeof(struct ethhdr);
	struct ethhdr *ethernet;

	if (bpf_xdp_adjust_tail(ctx, (int)(p->l3 & 0x7f) + packet_bytes - end))
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, before))
		return XDP_DROP;
	ethernet = HEADER(ctx, struct ethhdr, 0);
	if (!ethernet)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, a->way.dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, a->way.smac, ETH_ALEN);
	ethernet->h_proto = p->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return XDP_TX;
}

static __noinline int write_answer4(struct xdp_md *ctx, const struct packet *p, const struct syn_answer *a)
{
	struct answer { struct iphdr ip; struct syn_ack tcp; } __attribute__((packed)) *s;
	int verdict = begin_answer(ctx, p, a, sizeof(*s));

	if (verdict != XDP_TX)
		return verdict;
	s = HEADER(ctx, struct answer, sizeof(struct ethhdr));
	if (!s)
		return XDP_DROP;
	__builtin_memset(&s->ip, 0, sizeof(s->ip));
	s->ip.version = 4;
	s->ip.ihl = 5;
	s->ip.tot_len = bpf_htons(sizeof(s->ip) + sizeof(s->tcp));
	s->ip.frag_off = bpf_htons(0x4000);
	s->ip.ttl = OUTER_TTL;
	s->ip.protocol = IPPROTO_TCP;
	s->ip.saddr = p->to[1] >> 32;
	s->ip.daddr = p->from[1] >> 32;
	s->ip.check = ~fold(add_words(&s->ip, sizeof(s->ip)));
	write_syn_ack(&s->tcp, p, a);
	s->tcp.tcp.check = ~fold(add_words(&s->ip.saddr, 8) + bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(s->tcp)) +
				 add_words(&s->tcp, sizeof(s->tcp)));
	return XDP_TX;
}

static __noinline int write_answer6(struct xdp_md *ctx, const struct packet *p, const struct syn_answer *a)
{
	struct answer { struct ipv6hdr ip; struct syn_ack tcp; } __attribute__((packed)) *s;
	int verdict = begin_answer(ctx, p, a, sizeof(*s));

	if (verdict != XDP_TX)
		return verdict;
	s = HEADER(ctx, struct answer, sizeof(struct ethhdr));
	if (!s)
		return XDP_DROP;
	__builtin_memset(&s->ip, 0, sizeof(s->ip));
	s->ip.version = 6;
	s->ip.payload_len = bpf_htons(sizeof(s->tcp));
	s->ip.nexthdr = IPPROTO_TCP;
	s->ip.hop_limit = OUTER_TTL;
	__builtin_memcpy(&s->ip.saddr, p->to, 16);
	__builtin_memcpy(&s->ip.daddr, p->from, 16);
	write_syn_ack(&s->tcp, p, a);
	s->tcp.tcp.check = ~fold(add_words(&s->ip.saddr, 32) + bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(s->tcp)) +
				 add_words(&s->tcp, sizeof(s->tcp)));
	return XDP_TX;
}

/* The SYN becomes the SYN-ACK. XDP_PASS: it is as it was, and the kernel's. */
static __noinline int answer_syn(struct xdp_md *ctx, const struct packet *p)
{
	struct syn_room *room = LOOK(syn_rooms, 0);
	struct syn_answer *a = &room->answer;
	int mss, verdict;
	__s64 cookie;

	if (!room)
		return XDP_PASS;
	mss = find_way(ctx, p, &a->way);
	if (mss < 0)
		return XDP_PASS;
	cookie = make_cookie(ctx, p, room);
	if (cookie < 0)
		return XDP_PASS;
	a->sequence = bpf_htonl((__u32)cookie);
	/* What the client may send is the smaller of what it takes itself and of what the way back has room for. */
	a->mss = cookie >> 32 & 0xffff;
	if (mss && a->mss > (__u32)mss)
		a->mss = mss;
	verdict = p->family == 4 ? write_answer4(ctx, p, a) : write_answer6(ctx, p, a);
	if (verdict != XDP_TX || a->way.ifindex == ctx->ingress_ifindex)
		return verdict;
	return bpf_redirect(a->way.ifindex, 0);
}

#endif
