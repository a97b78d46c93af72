/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The backend's side: takes the packet out of what a balancer put it in, and hands it to the kernel, which has the VIP
 * on its loopback. Only what comes from a balancer and is for a VIP is opened; all else passes on untouched.
 *
 * Second chance: while a flow may belong to others, GUE names them. Who gets a packet of a TCP flow that he does not
 * know passes it on to the next of them. So a flow lives on even when its balancer is gone, and the next one has never
 * seen it.
 *
 * SYN cookies: where a service asks for them, its new connections above a rate are answered here (syncookie.h).
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "fairlead.h"
#include "parse.h"
#include "encapsulate.h"
#include "congestion.h"
#include "socket.h"
#include "syncookie.h"

#define SET(name, VALUE)                                                                                               \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, 1024);                                                                             \
		__type(key, struct fl_address);                                                                        \
		__type(value, VALUE);                                                                                  \
	} name SEC(".maps")

SET(balancers, __u32);
SET(local_vips, __u32);
SET(peers, struct fl_peer);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_HERE_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} here_counts SEC(".maps");

/* What is known of the outer part. */
struct outer {
	struct fl_address from;
	__u32 protocol;		/* of what is inside: 4 or 41 */
	__u32 at;		/* where the inner packet begins */
	__u32 gue;		/* where GUE begins; 0: there is none */
	__u8 family;
	__u8 tos;
	__u8 other_family;	/* of the other backend that GUE names; 0: none */
};

static __always_inline int here(__u32 reason, int verdict)
{
	__u64 *count = bpf_map_lookup_elem(&here_counts, &reason);

	if (count)
		*count += 1;
	return verdict;
}

/* The UDP and GUE headers at `at`. */
static __always_inline int open_gue(struct xdp_md *ctx, struct outer *o, __u32 at)
{
	struct { struct udphdr udp; struct gue gue; } *h = HEADER(ctx, typeof(*h), at);
	struct fl_other *other;

	if (!h || h->udp.dest != bpf_htons(FL_GUE_PORT) || h->gue.version_length & 0xe0 || h->gue.flags)
		return FL_HERE_NOT_TUNNEL;
	o->protocol = h->gue.protocol;
	o->gue = at + sizeof(h->udp);
	o->at = o->gue + sizeof(h->gue) + h->gue.version_length * 4;
	if (h->gue.version_length < 2)
		return FL_DECAPSULATED;
	other = HEADER(ctx, struct fl_other, at + sizeof(*h));
	if (other && other->kind == FL_OTHER_KIND && other->family == o->family && other->left)
		o->other_family = other->family;
	return FL_DECAPSULATED;
}

static __always_inline int open_outer(struct xdp_md *ctx, struct outer *o)
{
	struct ethhdr *ethernet = HEADER(ctx, struct ethhdr, 0);

	if (!ethernet)
		return FL_HERE_NOT_TUNNEL;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = HEADER(ctx, struct iphdr, sizeof(*ethernet));

		/* A balancer writes neither options nor fragments. */
		if (!ip || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
			return FL_HERE_NOT_TUNNEL;
		o->family = 4;
		o->tos = ip->tos;
		o->protocol = ip->protocol;
		map_ipv4(o->from.half, ip->saddr);
		o->at = sizeof(*ethernet) + sizeof(*ip);
	} else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, sizeof(*ethernet));

		if (!ip)
			return FL_HERE_NOT_TUNNEL;
		o->family = 6;
		o->tos = (ip->priority << 4) | (ip->flow_lbl[0] >> 4);
		o->protocol = ip->nexthdr;
		copy_ipv6(o->from.half, &ip->saddr);
		o->at = sizeof(*ethernet) + sizeof(*ip);
	} else {
		return FL_HERE_NOT_TUNNEL;
	}
	if (o->protocol == IPPROTO_UDP && open_gue(ctx, o, o->at))
		return FL_HERE_NOT_TUNNEL;
	if (o->protocol != IPPROTO_IPIP && o->protocol != IPPROTO_IPV6)
		return FL_HERE_NOT_TUNNEL;
	return FL_DECAPSULATED;
}

/* Whether our kernel knows the TCP flow, or its packet answers one of our SYN cookies. */
static __always_inline bool knows(struct xdp_md *ctx, struct packet *p)
{
	struct bpf_sock *sock = find_socket(ctx, p);
	bool known;

	if (!sock)
		return false;
	known = sock->state != TCP_LISTEN;
	if (!known) {
		struct tcphdr *tcp = HEADER(ctx, struct tcphdr, p->l4 & 0xff);

		if (p->family == 4) {
			struct iphdr *ip = HEADER(ctx, struct iphdr, p->l3 & 0x7f);

			known = ip && tcp && !bpf_tcp_check_syncookie(sock, ip, sizeof(*ip), tcp, sizeof(*tcp));
		} else {
			struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, p->l3 & 0x7f);

			known = ip && tcp && !bpf_tcp_check_syncookie(sock, ip, sizeof(*ip), tcp, sizeof(*tcp));
		}
	}
	bpf_sk_release(sock);
	return known;
}

/* Of the next one's address and what is left after it: the checksum's words that give way, and come in. */
static __always_inline __u32 other_words(__u32 family, __u32 left)
{
	return bpf_htons(FL_OTHER_KIND << 8 | family) + bpf_htons(left << 8);
}

/* Where there is a second address it becomes the first, and the first takes its place: they add up to the same. */
static __noinline int swap_others(struct xdp_md *ctx, __u32 at, __u32 bytes)
{
	if (bytes == 4) {
		struct { __be32 address[2]; } *o = HEADER(ctx, typeof(*o), at & 0xff), was;

		if (!o)
			return FL_HERE_MALFORMED;
		was = *o;
		o->address[0] = was.address[1];
		o->address[1] = was.address[0];
	} else {
		struct { struct in6_addr address[2]; } *o = HEADER(ctx, typeof(*o), at & 0xff), was;

		if (!o)
			return FL_HERE_MALFORMED;
		was = *o;
		o->address[0] = was.address[1];
		o->address[1] = was.address[0];
	}
	return FL_DECAPSULATED;
}

static __noinline int pass_on4(struct xdp_md *ctx)
{
	struct {
		struct ethhdr ethernet;
		struct iphdr ip;
		struct udphdr udp;
		struct gue gue;
		struct fl_other other;
		__be32 address;
	} __attribute__((packed)) *h = HEADER(ctx, typeof(*h), 0);
	struct fl_address key;
	struct fl_peer *peer;
	__u32 left;

	if (!h || h->ip.ttl <= 1)
		return FL_HERE_NO_WAY;
	map_ipv4(key.half, h->address);
	peer = bpf_map_lookup_elem(&peers, &key);
	if (!peer)
		return FL_HERE_NO_WAY;
	left = h->other.left;
	h->udp.check = update_sum(h->udp.check, add_words(&h->ip.daddr, 4) + other_words(4, left),
				  add_words(&h->address, 4) + other_words(4, left - 1));
	h->other.left = left - 1;
	h->ip.daddr = h->address;
	h->ip.ttl--;
	h->ip.check = 0;
	h->ip.check = ~fold(add_words(&h->ip, sizeof(h->ip)));
	__builtin_memcpy(h->ethernet.h_dest, peer->mac_to, ETH_ALEN);
	__builtin_memcpy(h->ethernet.h_source, peer->mac_from, ETH_ALEN);
	if (left > 1)
		swap_others(ctx, sizeof(*h) - 4, 4);
	return FL_HERE_PASSED_ON;
}

static __noinline int pass_on6(struct xdp_md *ctx)
{
	struct {
		struct ethhdr ethernet;
		struct ipv6hdr ip;
		struct udphdr udp;
		struct gue gue;
		struct fl_other other;
		struct in6_addr address;
	} __attribute__((packed)) *h = HEADER(ctx, typeof(*h), 0);
	struct fl_address key;
	struct fl_peer *peer;
	__u32 left;

	if (!h || h->ip.hop_limit <= 1)
		return FL_HERE_NO_WAY;
	__builtin_memcpy(&key, &h->address, sizeof(key));
	peer = bpf_map_lookup_elem(&peers, &key);
	if (!peer)
		return FL_HERE_NO_WAY;
	left = h->other.left;
	h->udp.check = update_sum(h->udp.check, add_words(&h->ip.daddr, 16) + other_words(6, left),
				  add_words(&h->address, 16) + other_words(6, left - 1));
	h->other.left = left - 1;
	h->ip.daddr = h->address;
	h->ip.hop_limit--;
	__builtin_memcpy(h->ethernet.h_dest, peer->mac_to, ETH_ALEN);
	__builtin_memcpy(h->ethernet.h_source, peer->mac_from, ETH_ALEN);
	if (left > 1)
		swap_others(ctx, sizeof(*h) - 16, 16);
	return FL_HERE_PASSED_ON;
}

static __always_inline int open_inner(struct xdp_md *ctx, const struct outer *o, struct packet *p)
{
	p->l3 = o->at & 0xff;
	return o->protocol == IPPROTO_IPIP ? parse_ipv4(ctx, p) : parse_ipv6(ctx, p);
}

/* A SYN for a VIP that asks for cookies. XDP_PASS: the kernel takes it. */
static __noinline int open_connection(struct xdp_md *ctx, const struct packet *p)
{
	int verdict;

	if (!is_rate_spent(p))
		return XDP_PASS;
	verdict = answer_syn(ctx, p);
	here(verdict == XDP_TX || verdict == XDP_REDIRECT ? FL_HERE_COOKIE : FL_HERE_NO_COOKIE, 0);
	return verdict;
}

/* What comes in no tunnel is looked into only where a service of mode l2 asks for cookies: it costs others nothing. */
static __noinline int look_unwrapped(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = HEADER(ctx, struct ethhdr, 0);
	struct packet p = {};
	int reason = FL_NOT_IP;

	if (!ethernet)
		return XDP_PASS;
	p.l3 = sizeof(*ethernet);
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		reason = parse_ipv4(ctx, &p);
	else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
		reason = parse_ipv6(ctx, &p);
	if (reason || !p.is_syn || p.fragment != WHOLE)
		return XDP_PASS;
	return open_connection(ctx, &p);
}

static __always_inline int no_tunnel(struct xdp_md *ctx, __u32 reason)
{
	const struct fl_here *all = LOOK(settings, 0);
	int verdict = all && all->unwrapped_cookies ? look_unwrapped(ctx) : XDP_PASS;

	return verdict == XDP_PASS ? here(reason, XDP_PASS) : verdict;
}

SEC("xdp")
int backend(struct xdp_md *ctx)
{
	struct ethhdr *ethernet, frame;
	struct fl_address inner_to;
	struct outer o = {};
	struct packet p = {};
	int reason = open_outer(ctx, &o), verdict;
	__u32 *vip;

	if (reason)
		return no_tunnel(ctx, reason);
	if (!bpf_map_lookup_elem(&balancers, &o.from))
		return here(FL_HERE_NOT_BALANCER, XDP_PASS);
	reason = open_inner(ctx, &o, &p);
	/* What the balancer took for whole is whole here, too. */
	if (reason)
		return here(FL_HERE_MALFORMED, XDP_PASS);
	__builtin_memcpy(&inner_to, p.to, sizeof(inner_to));
	vip = bpf_map_lookup_elem(&local_vips, &inner_to);
	if (!vip)
		return here(FL_HERE_NOT_VIP, XDP_PASS);
	if (o.other_family && p.protocol == IPPROTO_TCP && !p.is_syn && !p.is_error && p.fragment == WHOLE &&
	    !knows(ctx, &p)) {
		reason = o.other_family == 4 ? pass_on4(ctx) : pass_on6(ctx);
		here(reason, 0);
		if (reason == FL_HERE_PASSED_ON)
			return XDP_TX;
	}
	if ((o.tos & CONGESTED) == CONGESTED && !keep_congestion(ctx, &p))
		return here(FL_HERE_CONGESTION, XDP_DROP);
	if (*vip & FL_HERE_ASKS_COOKIES && p.is_syn && p.fragment == WHOLE) {
		verdict = open_connection(ctx, &p);
		if (verdict != XDP_PASS)
			return verdict;
	}
	ethernet = HEADER(ctx, struct ethhdr, 0);
	if (!ethernet)
		return here(FL_HERE_MALFORMED, XDP_PASS);
	frame = *ethernet;
	frame.h_proto = p.family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, (o.at & 0xff) - sizeof(frame)))
		return here(FL_HERE_MALFORMED, XDP_DROP);
	ethernet = HEADER(ctx, struct ethhdr, 0);
	if (!ethernet)
		return here(FL_HERE_MALFORMED, XDP_DROP);
	*ethernet = frame;
	return here(FL_DECAPSULATED, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
