/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 4: writes the frame that goes to the backend.
 *
 *   L2    [ethernet (vlan)]                        [the packet]
 *   IP    [ethernet (vlan)][outer IP]              [the packet]    protocol 4 or 41
 *   GUE   [ethernet (vlan)][outer IP][UDP][GUE]    [the packet]    draft-ietf-intarea-gue-09
 *         [ethernet (vlan)][outer IP][UDP][GUE][fl_other][address (two)][the packet]
 *
 * An outer IP header has one source for all flows, so a backend's card puts them into one queue; GUE has the flow in
 * its source port, and is the better choice for a backend with many cores.
 */
#ifndef ENCAPSULATE_H
#define ENCAPSULATE_H

#include "pick.h"

struct gue {
	__u8 version_length;	/* version 0; words that follow */
	__u8 protocol;
	__be16 flags;
};

#define OUTER_TTL 64

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u32 add_words(const void *data, int bytes)
{
	const __u16 *word = data;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

/* RFC 1141: the checksum after the TTL went down by one, without reading the header again. */
static __always_inline void age4(struct iphdr *ip)
{
	__u32 check = ip->check + bpf_htons(0x0100);

	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

static __always_inline bool age(struct xdp_md *ctx, struct packet *p)
{
	if (p->family == 4) {
		struct iphdr *ip = HEADER(ctx, struct iphdr, L3(p));

		if (!ip)
			return false;
		age4(ip);
	} else {
		struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, L3(p));

		if (!ip)
			return false;
		ip->hop_limit--;
		/* IPv6's header is no part of what adds up to nothing. */
		p->sum += (__u16)~bpf_htons(1);
	}
	return true;
}

/* The two 16-bit words that a checksum sees in this one. */
static __always_inline __u32 halves(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

/*
 * Word by word, and added up before it is written: a processor waits long for a word that was written in smaller parts
 * just before.
 */
static __always_inline void write_ipv4(struct iphdr *ip, const struct fl_backend *b, __u32 length, __u32 protocol, __u8 tos)
{
	const __u32 word[] = {
		bpf_htonl(0x45000000 | (__u32)tos << 16 | (length & 0xffff)), bpf_htonl(0x4000),
		bpf_htonl(OUTER_TTL << 24 | protocol << 16), *(const __u32 *)b->from, *(const __u32 *)b->to,
	};
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 5; i++) {
		((__u32 *)ip)[i] = word[i];
		sum += halves(word[i]);
	}
	ip->check = ~fold(sum);
}

static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct fl_backend *b, __u32 length, __u32 protocol,
				       __u8 tos, __u32 label)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tos << 20 | label);
	ip->payload_len = bpf_htons(length);
	ip->nexthdr = protocol;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, b->from, 16);
	__builtin_memcpy(&ip->daddr, b->to, 16);
}

/* The second half of a GUE header, which names others. False: the frame is too short. */
static __always_inline bool write_others(struct xdp_md *ctx, __u32 at, const struct fl_backend *other,
					 const struct fl_backend *third)
{
	struct fl_other *head = HEADER(ctx, struct fl_other, at);
	const struct fl_backend *one = other;

	if (!head)
		return false;
	*head = (struct fl_other){ .kind = FL_OTHER_KIND, .family = other->family, .left = third ? 2 : 1 };
	at += sizeof(*head);
#pragma unroll
	for (int i = 0; i < FL_OTHERS; i++) {
		if (one && one->family == 4) {
			struct { __u8 byte[4]; } *to = HEADER(ctx, typeof(*to), at);

			if (!to)
				return false;
			__builtin_memcpy(to, one->to, 4);
			at += 4;
		} else if (one) {
			struct { __u8 byte[16]; } *to = HEADER(ctx, typeof(*to), at);

			if (!to)
				return false;
			__builtin_memcpy(to, one->to, 16);
			at += 16;
		}
		one = third;
	}
	return true;
}

static __always_inline __u32 add_others(const struct fl_backend *other, const struct fl_backend *third)
{
	__u32 sum = bpf_htons(FL_OTHER_KIND << 8 | other->family) + bpf_htons((third ? 2 : 1) << 8);

	sum += other->family == 4 ? add_words(other->to, 4) : add_words(other->to, 16);
	if (third)
		sum += third->family == 4 ? add_words(third->to, 4) : add_words(third->to, 16);
	return sum;
}

/*
 * What an IPv4 packet adds up to: its header to nothing, and so does an ICMP message; the payload of others to what
 * their checksum leaves out, which is the pseudo header.
 */
static __always_inline __u32 sum4(const struct packet *p)
{
	__u32 from = ~(p->from[1] >> 32), to = ~(p->to[1] >> 32);

	if (p->is_error)
		return 0;
	return halves(from) + halves(to) + (__u16)~bpf_htons(p->protocol) +
	       (__u16)~bpf_htons(p->length - (p->l4 - p->l3));
}

/*
 * RFC 6935 §5 lets a tunnel's UDP go without a checksum. Where one is wished for (IPv6), it is arithmetic on what the
 * packet's own checksum says: nobody reads the payload.
 */
static __always_inline __be16 udp_checksum(const struct packet *p, const struct fl_backend *b, const struct udphdr *udp,
					   const struct fl_backend *other, const struct fl_backend *third)
{
	const struct gue *gue = (const void *)(udp + 1);
	__u32 sum;

	if (!p->is_sum_known || !(b->flags & FL_CHECKSUM))
		return 0;
	sum = (p->family == 4 ? sum4(p) : p->sum) + bpf_htons(IPPROTO_UDP) + udp->len;
	sum += udp->source + udp->dest + udp->len + add_words(gue, sizeof(*gue));
	if (b->family == 4)
		sum += add_words(b->from, 4) + add_words(b->to, 4);
	else
		sum += add_words(b->from, 16) + add_words(b->to, 16);
	if (other)
		sum += add_others(other, third);
	sum = (__u16)~fold(sum);
	return sum ? sum : 0xffff;
}

static __always_inline int write_gue(struct xdp_md *ctx, const struct packet *p, const struct fl_backend *b, __u64 hash,
				     const struct fl_backend *other, const struct fl_backend *third, __u32 at,
				     __u32 size)
{
	struct { struct udphdr udp; struct gue gue; } *h = HEADER(ctx, typeof(*h), at);

	if (!h)
		return FL_NO_HEADROOM;
	h->udp.source = bpf_htons(0xc000 | (hash & 0x3fff));
	h->udp.dest = b->port;
	h->udp.len = bpf_htons(p->length + size);
	h->gue.version_length = (size - sizeof(*h)) / 4;
	h->gue.protocol = p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	h->gue.flags = 0;
	h->udp.check = udp_checksum(p, b, &h->udp, other, third);
	if (other && !write_others(ctx, at + sizeof(*h), other, third))
		return FL_NO_HEADROOM;
	return FL_FORWARDED;
}

/* The frame's head before the packet at L3, with the tags that it came with. */
static __always_inline bool write_frame(struct xdp_md *ctx, const struct packet *p, const __u8 *to, const __u8 *from)
{
	__be16 type = p->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	struct ethhdr *ethernet = HEADER(ctx, struct ethhdr, 0);

	if (!ethernet)
		return false;
	__builtin_memcpy(ethernet->h_dest, to, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, from, ETH_ALEN);
	ethernet->h_proto = type;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct { __be16 outer, tci, type; } *tag = HEADER(ctx, typeof(*tag), sizeof(*ethernet) - 2 + 4 * i);

		if (!p->tag[2 * i])
			break;
		if (!tag)
			return false;
		tag->outer = p->tag[2 * i];
		tag->tci = p->tag[2 * i + 1];
		tag->type = type;
	}
	return true;
}

static __always_inline int write_ethernet(struct xdp_md *ctx, const struct fl_backend *b, __u32 family)
{
	__be16 protocol = family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	struct ethernet *ethernet = HEADER(ctx, struct ethernet, 0);

	if (!ethernet)
		return FL_NO_HEADROOM;
	/* Both addresses, which lie side by side there, too, and on a word's boundary. */
#pragma unroll
	for (int i = 0; i < 3; i++)
		((__u32 *)ethernet)[i] = ((const __u32 *)b->mac_to)[i];
	if (b->vlan) {
		struct vlan_tag *tag = HEADER(ctx, struct vlan_tag, sizeof(*ethernet));

		if (!tag)
			return FL_NO_HEADROOM;
		tag->tci = bpf_htons(b->vlan);
		tag->protocol = protocol;
		protocol = bpf_htons(ETH_P_8021Q);
	}
	ethernet->type = protocol;
	return FL_FORWARDED;
}

static __always_inline int encapsulate(struct xdp_md *ctx, struct packet *p, const struct fl_backend *b, __u64 hash,
				       const struct fl_backend *other, const struct fl_backend *third)
{
	__u32 l2 = sizeof(struct ethhdr) + (b->vlan ? sizeof(struct vlan_tag) : 0), ip = 0, gue = 0, inner, protocol;
	int grow;

	if (!age(ctx, p))
		return FL_NO_HEADROOM;
	if (b->mode == FL_GUE) {
		gue = sizeof(struct udphdr) + sizeof(struct gue);
		if (other)
			gue += sizeof(struct fl_other) + (third ? 2 : 1) * (other->family == 4 ? 4 : 16);
	}
	if (b->mode != FL_L2)
		ip = b->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	grow = l2 + ip + gue - L3(p);
	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return FL_NO_HEADROOM;
	if (!ip)
		return write_ethernet(ctx, b, p->family);
	if (write_ethernet(ctx, b, b->family))
		return FL_NO_HEADROOM;
	inner = p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	protocol = gue ? IPPROTO_UDP : inner;
	if (b->family == 4) {
		struct iphdr *outer = HEADER(ctx, struct iphdr, l2);

		if (!outer)
			return FL_NO_HEADROOM;
		write_ipv4(outer, b, p->length + ip + gue, protocol, p->tos);
	} else {
		struct ipv6hdr *outer = HEADER(ctx, struct ipv6hdr, l2);

		if (!outer)
			return FL_NO_HEADROOM;
		write_ipv6(outer, b, p->length + gue, protocol, p->tos, hash & 0xfffff);
	}
	return gue ? write_gue(ctx, p, b, hash, other, third, l2 + ip, gue) : FL_FORWARDED;
}

#endif
