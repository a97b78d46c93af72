/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * QUIC by connection id (draft-ietf-quic-load-balancers, plain text): the server that made the id wrote its own number
 * into it, so a connection stays with its backend when the client's address or port changes, and the slots, too.
 *
 *   connection id: [configuration 3 | 5 of no concern][server id][nonce]
 *   short header:  [0 ...][connection id]                RFC 9000 §17.3
 *   long header:   [1 ...][version 4][length][connection id]     RFC 9000 §17.2; RFC 8999 §5.1
 *
 * An id that no backend made, as a client's first one, is no reason to drop: its flow goes where the slots say.
 */
#ifndef QUIC_H
#define QUIC_H

#include "pick.h"

static __always_inline __u32 quic_hash(__u64 id, __u32 service, __u32 config)
{
	return table_hash(id, service, config);
}

static __noinline int pick_by_quic_id(struct xdp_md *ctx, const struct fl_service *service, __u32 number,
				      const struct packet *p, struct choice *c)
{
	const struct fl_copy *copy = c->copy;
	struct { __u8 byte[16]; } *h = HEADER(ctx, typeof(*h), (p->l4 & 0x3fff) + sizeof(struct udphdr));
	__u32 config, bytes, at;
	__u64 id;

	if (!h)
		return 0;
	if (h->byte[0] & 0x80) {
		config = h->byte[6] >> 5;
		bytes = service->quic_lengths >> (4 * config) & 0xf;
		if (!bytes || bytes > FL_QUIC_BYTES || h->byte[5] <= bytes)
			return 0;
		__builtin_memcpy(&id, &h->byte[7], sizeof(id));
	} else {
		config = h->byte[1] >> 5;
		bytes = service->quic_lengths >> (4 * config) & 0xf;
		if (!bytes || bytes > FL_QUIC_BYTES)
			return 0;
		__builtin_memcpy(&id, &h->byte[2], sizeof(id));
	}
	id &= ~0ULL >> (64 - 8 * bytes);
	at = quic_hash(id, number, config);
	for (int i = 0; i < FL_PROBES; i++) {
		struct fl_quic_id *entry = LOOK(quic_ids, copy->quic_first + ((at + i) & copy->quic_mask));
		struct fl_backend *backend;

		if (!entry || !entry->service)
			return 0;
		if (entry->id != id || entry->service != number || entry->backend >> FL_QUIC_CONFIG != config)
			continue;
		backend = living(copy, entry->backend & FL_BACKEND_MASK);
		if (backend)
			take(c, backend, entry->backend & FL_BACKEND_MASK, FL_BY_QUIC_ID);
		return 0;
	}
	return 0;
}

#endif
