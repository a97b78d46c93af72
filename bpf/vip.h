/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 2: whose packet it is. */
#ifndef VIP_H
#define VIP_H

#include "maps.h"
#include "hash.h"

/* `where` is its place in the table. */
static __always_inline struct fl_vip *find_place(const struct fl_copy *copy, const struct packet *p,
						 __u32 port_protocol, __u32 *where)
{
	__u32 at = table_hash(p->to[0], p->to[1], port_protocol);

	for (int i = 0; i < FL_PROBES; i++) {
		struct fl_vip *vip;

		*where = copy->vip_first + ((at + i) & copy->vip_mask);
		vip = LOOK(vips, *where);
		if (!vip || !vip->service)
			return NULL;
		if (vip->address[1] == p->to[1] && vip->address[0] == p->to[0] && vip->port_protocol == port_protocol)
			return vip;
	}
	return NULL;
}

/* The VIP that the packet is for: its port's, else that of any port. */
static __always_inline struct fl_vip *find_vip(const struct fl_copy *copy, const struct packet *p, __u32 *where)
{
	struct fl_vip *vip = NULL;

	if (p->fragment != LATER)
		vip = find_place(copy, p, p->ports >> 16 | p->protocol << 16, where);
	if (vip || !copy->any_port)
		return vip;
	vip = find_place(copy, p, p->protocol << 16, where);
	return vip && (!vip->only_fragments || p->fragment == LATER) ? vip : NULL;
}

#endif
