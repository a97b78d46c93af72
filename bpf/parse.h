/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 1: reads a frame into struct packet, once. What it does not understand is not for us: every reason that it
 * gives back means that the packet passes on untouched.
 */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/icmpv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "fairlead.h"

#define EXTENSIONS_MAX 6
#define MAPPED 0xffff0000ULL	/* the second half of ::ffff:0:0/96, as it lies in memory */

enum { WHOLE = 0, FIRST = 1, LATER = 2 };

struct packet {
	/* The flow as the client sends it, in network order. For an ICMP error: the flow that it is about. */
	__u64 from[2];
	__u64 to[2];
	__u32 ports;		/* source port, then destination port, as in the packet */
	__u32 protocol;
	__u32 l3;		/* where the IP header begins in the frame */
	__u32 l4;
	__u32 length;		/* of the IP packet */
	__u32 fragment_id;
	__u32 sum;		/* what a whole IPv6 packet adds up to, where is_sum_known */
	__be16 tag[4];		/* the frame's VLAN tags */
	__u8 family;		/* 4 or 6 */
	__u8 ttl;
	__u8 tos;
	__u8 fragment;
	__u8 is_error;
	__u8 is_syn;
	__u8 is_sum_known;
	__u8 may_not_split;	/* DF, or IPv6 */
	__u8 from_elsewhere;	/* another pop's balancer has sent it on */
};

/*
 * A header at an offset that the verifier knows the bounds of; null when the frame ends before. The empty statement
 * keeps the compiler from making the pointer a second time, unchecked.
 */
#define HEADER(ctx, type, offset)                                                                                      \
	({                                                                                                             \
		type *header_ = (void *)(long)(ctx)->data + (offset);                                                  \
		asm volatile("" : "+r"(header_));                                                                      \
		(void *)(header_ + 1) <= (void *)(long)(ctx)->data_end ? header_ : NULL;                               \
	})

/* linux/if_ether.h has it packed, and then the compiler reads and writes it byte by byte. */
struct ethernet {
	__u16 mac[6];		/* destination, source */
	__be16 type;
};

/* linux/icmp.h asks for the C library, which has nothing to say here. */
struct icmphdr {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 unused;
	__be16 mtu;
};
enum { ICMP_DEST_UNREACH = 3, ICMP_TIME_EXCEEDED = 11, ICMP_PARAMETERPROB = 12, ICMP_FRAG_NEEDED = 4 };

/* Where the IP header begins, in bounds that the verifier sees again after a call: two tags at the most. */
#define L3(p) ((p)->l3 & 0x1f)

/*
 * A length as the machine reads it. Kernel 6.1 forgets the bounds of a number whose bytes were swapped, and the
 * compiler knows them too well to say them again unless it is kept from knowing.
 */
static __always_inline __u32 length_of(__be16 word)
{
	__u64 length = bpf_ntohs(word);

	asm volatile("" : "+r"(length));
	return length & 0xffff;
}

struct vlan_tag {
	__be16 tci;
	__be16 protocol;
};

struct extension {
	__u8 next;
	__u8 length;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

struct two_ports {
	__be16 source;
	__be16 dest;
};

static __always_inline void map_ipv4(__u64 *to, __be32 address)
{
	to[0] = 0;
	to[1] = MAPPED | (__u64)address << 32;
}

static __always_inline void copy_ipv6(__u64 *to, const struct in6_addr *address)
{
	__builtin_memcpy(to, address, 16);
}

static __always_inline bool has_ports(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* Walks the extension headers from `at`; gives the transport's protocol, 255 for what nobody understands. */
static __always_inline __u32 skip_extensions(struct xdp_md *ctx, struct packet *p, __u32 next, __u32 *at)
{
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS: {
			struct extension *e = HEADER(ctx, struct extension, *at);

			if (!e)
				return 255;
			next = e->next;
			*at += (e->length + 1) * 8;
			break;
		}
		case IPPROTO_FRAGMENT: {
			struct fragment_header *f = HEADER(ctx, struct fragment_header, *at);

			if (!f)
				return 255;
			next = f->next;
			*at += sizeof(*f);
			p->fragment_id = f->id;
			if (f->offset & bpf_htons(0xfff8)) {
				p->fragment = LATER;
				return next;
			}
			/* RFC 6946 §4: an atomic fragment is a whole packet. */
			p->fragment = f->offset & bpf_htons(1) ? FIRST : WHOLE;
			break;
		}
		default:
			return next;
		}
	}
	return 255;
}

/*
 * A function that is not static the verifier looks at once and by itself, not again on each way that leads there; else
 * kernel 6.1 would not come to an end within the million instructions that it looks at. Such a function takes no
 * pointer for granted, and gives back numbers alone.
 *
 * The flow that an ICMP error is about, as its client sends it: what is quoted went the other way.
 */
__noinline int parse_quoted4(struct xdp_md *ctx, struct packet *p)
{
	struct two_ports *ports;
	struct icmphdr *icmp;
	struct iphdr *inner;
	__u32 at;

	if (!p)
		return FL_OTHER_PROTOCOL;
	at = p->l4 & 0x7f;
	icmp = HEADER(ctx, struct icmphdr, at);
	inner = HEADER(ctx, struct iphdr, at + sizeof(*icmp));
	if (!icmp || !inner)
		return FL_OTHER_PROTOCOL;
	if (icmp->type != ICMP_DEST_UNREACH && icmp->type != ICMP_TIME_EXCEEDED && icmp->type != ICMP_PARAMETERPROB)
		return FL_OTHER_PROTOCOL;
	if (inner->version != 4 || inner->ihl < 5 || !has_ports(inner->protocol) ||
	    inner->frag_off & bpf_htons(0x1fff))
		return FL_OTHER_PROTOCOL;
	ports = HEADER(ctx, struct two_ports, at + sizeof(*icmp) + inner->ihl * 4);
	if (!ports)
		return FL_OTHER_PROTOCOL;
	map_ipv4(p->from, inner->daddr);
	map_ipv4(p->to, inner->saddr);
	p->ports = ports->dest | (__u32)ports->source << 16;
	p->protocol = inner->protocol;
	p->is_error = 1;
	p->is_sum_known = p->fragment == WHOLE;
	return FL_FORWARDED;
}

__noinline int parse_quoted6(struct xdp_md *ctx, struct packet *p)
{
	struct packet quoted = {};
	struct two_ports *ports;
	struct icmp6hdr *icmp;
	struct ipv6hdr *inner;
	__u32 protocol, at;

	if (!p)
		return FL_OTHER_PROTOCOL;
	at = p->l4 & 0x3fff;
	icmp = HEADER(ctx, struct icmp6hdr, at);
	inner = HEADER(ctx, struct ipv6hdr, at + sizeof(*icmp));
	if (!icmp || !inner)
		return FL_OTHER_PROTOCOL;
	/* RFC 4443 §2.1: errors are the types below 128. */
	if (icmp->icmp6_type >= 128 || inner->version != 6)
		return FL_OTHER_PROTOCOL;
	copy_ipv6(p->from, &inner->daddr);
	copy_ipv6(p->to, &inner->saddr);
	at += sizeof(*icmp) + sizeof(*inner);
	protocol = skip_extensions(ctx, &quoted, inner->nexthdr, &at);
	ports = HEADER(ctx, struct two_ports, at);
	if (!has_ports(protocol) || quoted.fragment == LATER || !ports)
		return FL_OTHER_PROTOCOL;
	p->ports = ports->dest | (__u32)ports->source << 16;
	p->protocol = protocol;
	p->is_error = 1;
	return FL_FORWARDED;
}

static __always_inline int parse_transport(struct xdp_md *ctx, struct packet *p)
{
	if (p->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = HEADER(ctx, struct tcphdr, p->l4);

		if (!tcp)
			return FL_MALFORMED;
		p->ports = tcp->source | (__u32)tcp->dest << 16;
		p->is_syn = tcp->syn && !tcp->ack && !tcp->rst;
	} else if (p->protocol == IPPROTO_UDP) {
		struct udphdr *udp = HEADER(ctx, struct udphdr, p->l4);

		if (!udp)
			return FL_MALFORMED;
		p->ports = udp->source | (__u32)udp->dest << 16;
		/* RFC 768: no checksum; then nobody knows what the payload adds up to. */
		if (!udp->check)
			p->is_sum_known = 0;
	} else {
		return FL_OTHER_PROTOCOL;
	}
	return FL_FORWARDED;
}

static __always_inline int parse_ipv4(struct xdp_md *ctx, struct packet *p)
{
	struct iphdr *ip = HEADER(ctx, struct iphdr, p->l3);
	__u32 header;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return FL_MALFORMED;
	header = ip->ihl * 4;
	p->family = 4;
	p->length = length_of(ip->tot_len);
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	p->protocol = ip->protocol;
	p->l4 = p->l3 + header;
	if (p->length < header || (void *)ip + p->length > (void *)(long)ctx->data_end)
		return FL_MALFORMED;
	map_ipv4(p->from, ip->saddr);
	map_ipv4(p->to, ip->daddr);
	p->may_not_split = !!(ip->frag_off & bpf_htons(0x4000));
	if (ip->frag_off & bpf_htons(0x3fff)) {
		p->fragment = ip->frag_off & bpf_htons(0x1fff) ? LATER : FIRST;
		p->fragment_id = ip->id;
		if (p->fragment == LATER)
			return FL_FORWARDED;
	} else {
		p->is_sum_known = 1;
	}
	if (p->protocol == IPPROTO_ICMP)
		return parse_quoted4(ctx, p);
	return parse_transport(ctx, p);
}

static __always_inline int parse_ipv6(struct xdp_md *ctx, struct packet *p)
{
	struct ipv6hdr *ip = HEADER(ctx, struct ipv6hdr, p->l3);
	__u32 at = p->l3 + sizeof(*ip);

	if (!ip || ip->version != 6)
		return FL_MALFORMED;
	p->family = 6;
	p->length = length_of(ip->payload_len) + sizeof(*ip);
	p->ttl = ip->hop_limit;
	p->tos = (ip->priority << 4) | (ip->flow_lbl[0] >> 4);
	p->may_not_split = 1;
	if ((void *)ip + p->length > (void *)(long)ctx->data_end)
		return FL_MALFORMED;
	copy_ipv6(p->from, &ip->saddr);
	copy_ipv6(p->to, &ip->daddr);
	p->protocol = ip->nexthdr;
	if (!has_ports(p->protocol)) {
		p->protocol = skip_extensions(ctx, p, ip->nexthdr, &at);
		if (p->fragment == LATER)
			return FL_FORWARDED;
	}
	p->l4 = at;
	if (at == p->l3 + sizeof(*ip)) {
		/* All of the packet less its pseudo header, which counts the addresses, the length and the protocol. */
		p->sum = ((__u16 *)ip)[0] + ((__u16 *)ip)[1] + ((__u16 *)ip)[3] + (__u16)~bpf_htons(p->protocol);
		p->is_sum_known = 1;
	}
	if (p->protocol == IPPROTO_ICMPV6)
		return parse_quoted6(ctx, p);
	return parse_transport(ctx, p);
}

static __always_inline int parse(struct xdp_md *ctx, struct packet *p)
{
	struct ethernet *ethernet = HEADER(ctx, struct ethernet, 0);
	__be16 protocol;

	if (!ethernet)
		return FL_NOT_IP;
	protocol = ethernet->type;
	p->l3 = sizeof(*ethernet);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD)) {
			struct vlan_tag *tag = HEADER(ctx, struct vlan_tag, sizeof(*ethernet) + 4 * i);

			if (!tag)
				return FL_NOT_IP;
			p->tag[2 * i] = protocol;
			p->tag[2 * i + 1] = tag->tci;
			protocol = tag->protocol;
			p->l3 += sizeof(*tag);
		}
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(ctx, p);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(ctx, p);
	return FL_NOT_IP;
}

#endif
