/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-1-3 of the flow, keyed: who does not know the key cannot send all of his flows to one backend, nor find two
 * that share an entry. The high half picks the slot, the low half the bucket and the tag.
 */
#ifndef HASH_H
#define HASH_H

#include "parse.h"

struct sip {
	__u64 a, b, c, d;
};

#define ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

static __always_inline void sip_round(struct sip *v)
{
	v->a += v->b;
	v->c += v->d;
	v->b = ROTATE(v->b, 13) ^ v->a;
	v->d = ROTATE(v->d, 16) ^ v->c;
	v->a = ROTATE(v->a, 32);
	v->c += v->b;
	v->a += v->d;
	v->b = ROTATE(v->b, 17) ^ v->c;
	v->d = ROTATE(v->d, 21) ^ v->a;
	v->c = ROTATE(v->c, 32);
}

static __always_inline void sip_word(struct sip *v, __u64 word)
{
	v->d ^= word;
	sip_round(v);
	v->a ^= word;
}

static __always_inline __u64 flow_hash(const struct fl_control *control, const struct packet *p, __u32 ports)
{
	struct sip v = {
		control->key[0] ^ 0x736f6d6570736575ULL, control->key[1] ^ 0x646f72616e646f6dULL,
		control->key[0] ^ 0x6c7967656e657261ULL, control->key[1] ^ 0x7465646279746573ULL,
	};

	if (p->family == 4) {
		sip_word(&v, (p->from[1] >> 32) | (p->to[1] & 0xffffffff00000000ULL));
	} else {
		sip_word(&v, p->from[0]);
		sip_word(&v, p->from[1]);
		sip_word(&v, p->to[0]);
		sip_word(&v, p->to[1]);
	}
	sip_word(&v, ports | (__u64)p->protocol << 32 | (__u64)p->family << 56);
	v.c ^= 0xff;
	sip_round(&v);
	sip_round(&v);
	sip_round(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}

/* Of tables that only user space fills: fast, and no more than that. */
static __always_inline __u32 table_hash(__u64 one, __u64 two, __u64 three)
{
	__u64 x = one ^ two * 0x9e3779b97f4a7c15ULL ^ three * 0xc2b2ae3d27d4eb4fULL;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

#endif
