/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * QUIC by connection id (draft-ietf-quic-load-balancers-21): the server that made the id wrote its own number into it,
 * so a connection stays with its backend when the client's address or port changes, and the slots, too.
 *
 *   connection id: [configuration 3 | 5 of no concern][server id][nonce][of no concern]
 *   short header:  [0 ...][connection id]                RFC 9000 §17.3
 *   long header:   [1 ...][version 4][length][connection id]     RFC 9000 §17.2; RFC 8999 §5.1
 *
 * With a key, server id and nonce are encrypted: as one block of AES when they have sixteen bytes, else by a Feistel
 * network of four passes, of which the last three say the left half, and all of them the right one.
 *
 * An id that no backend made, as a client's first one, is no reason to drop: its flow goes where the slots say.
 */
#ifndef QUIC_H
#define QUIC_H

#include "aes.h"
#include "pick.h"

/* A packet of either kind has more than these: sixteen bytes of a tag and four before them, RFC 9001 §5.4.2. */
struct quic_short {
	__u8 flags;
	__u8 first;
	__u8 block[FL_QUIC_BYTES];
};

struct quic_long {
	__u8 flags;
	__u8 version[4];
	__u8 length;
	__u8 first;
	__u8 block[FL_QUIC_BYTES];
};

static __always_inline __u32 quic_hash(const struct fl_block *id, __u32 service, __u32 config)
{
	return table_hash(id->half[0], id->half[1], (__u64)config << 32 | service);
}

/* One half of the network goes into the other. */
static __always_inline void cross(const struct fl_quic_config *config, __u64 pass, const struct fl_block *from,
				  struct fl_block *to, const struct fl_block *mask)
{
	struct fl_block block = { { from->half[0], from->half[1] | (__u64)config->bytes << 48 | pass << 56 } };

	aes_encrypt(config->key, &block);
	to->half[0] ^= block.half[0] & mask->half[0];
	to->half[1] ^= block.half[1] & mask->half[1];
}

/* Server id and nonce lie at `at`, FL_QUIC_BYTES at the most. A half has no more than ten bytes. */
static __noinline int read_in_passes(struct xdp_md *ctx, const struct fl_quic_config *config, __u32 at,
				     struct fl_block *id)
{
	struct half { __u64 first; __u16 last; } __attribute__((packed)) *l = HEADER(ctx, struct half, at), *r;
	__u32 right_at = config->right_at & 0xf;
	struct fl_block left, right;

	r = HEADER(ctx, struct half, at + right_at);
	if (!l || !r)
		return 0;
	left.half[0] = l->first & config->left.half[0];
	left.half[1] = l->last & config->left.half[1];
	right.half[0] = r->first & config->right.half[0];
	right.half[1] = r->last & config->right.half[1];
	cross(config, 4, &right, &left, &config->left);
	cross(config, 3, &left, &right, &config->right);
	cross(config, 2, &right, &left, &config->left);
	*id = left;
	if (config->passes < 4)
		return 0;
	/* The server id goes on in the right half: put together they are what was divided. */
	cross(config, 1, &left, &right, &config->right);
	if (right_at < 8) {
		id->half[0] |= right.half[0] << 8 * right_at;
		id->half[1] |= right.half[1] << 8 * right_at;
		id->half[1] |= right.half[0] >> 1 >> (63 - 8 * right_at);
	} else {
		id->half[1] |= right.half[0] << 8 * (right_at - 8);
	}
	return 0;
}

/*
 * The server id of a packet to a connection id of this configuration, which lies at `at`. 0: it has none.
 *
 * Not static: so the kernel verifies it once and by itself, not with each way that leads here. Those would be most of the
 * million instructions that it looks at.
 */
__noinline int read_server_id(struct xdp_md *ctx, const struct fl_quic_config *config, __u32 at, struct fl_block *id)
{
	struct fl_block *block;

	at &= 0x7fff;
	block = HEADER(ctx, struct fl_block, at);
	if (!block || !config || !id)
		return 0;
	if (config->passes < 2) {
		*id = *block;
		if (config->passes)
			aes_decrypt(config->key, id);
	} else {
		*id = (struct fl_block){};
		read_in_passes(ctx, config, at, id);
	}
	id->half[0] &= config->server_id.half[0];
	id->half[1] &= config->server_id.half[1];
	return 1;
}

/* The number of the backend that made the packet's connection id; 0: none did. */
__noinline int find_quic_id(struct xdp_md *ctx, const struct fl_copy *copy, const struct fl_service *service,
			    __u32 number, const struct packet *p)
{
	const struct fl_quic_config *config;
	__u32 at, first, length = ~0U, place;
	struct quic_short *header;
	struct fl_block id = {};

	if (!copy || !service || !p)
		return 0;
	at = (p->l4 & 0x3fff) + sizeof(struct udphdr);
	header = HEADER(ctx, struct quic_short, at);
	if (!header)
		return 0;
	first = header->first;
	if (header->flags & 0x80) {
		struct quic_long *header = HEADER(ctx, struct quic_long, at);

		if (!header)
			return 0;
		first = header->first;
		length = header->length;
		at += __builtin_offsetof(struct quic_long, block);
	} else {
		at += __builtin_offsetof(struct quic_short, block);
	}
	first >>= 5;
	config = LOOK(quic_configs, copy->quic_config_first + service->quic_first + first);
	if (!config || !config->bytes || length <= config->bytes || !read_server_id(ctx, config, at, &id))
		return 0;
	place = quic_hash(&id, number, first);
	for (int i = 0; i < FL_PROBES; i++) {
		struct fl_quic_id *entry = LOOK(quic_ids, copy->quic_first + ((place + i) & copy->quic_mask));

		if (!entry || !entry->service)
			return 0;
		if (entry->id[0] != id.half[0] || entry->id[1] != id.half[1] || entry->service != number ||
		    entry->backend >> FL_QUIC_CONFIG != first)
			continue;
		return entry->backend & FL_BACKEND_MASK;
	}
	return 0;
}

#endif
