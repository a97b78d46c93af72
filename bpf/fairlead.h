/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel's part and the program share: the layouts of the tables. They are defined here alone; the C# side
 * mirrors them and a test compares both with the object's BTF.
 *
 * All tables are BPF_F_MMAPABLE arrays that hold two copies each. User space writes the copy that nobody reads, then
 * says so with one write to control.active: a packet sees one generation from its first look to its last.
 *
 * Next hops are resolved by user space, which writes the frame's addresses into each backend: bpf_fib_lookup costs as
 * much as all the rest of this program.
 */
#ifndef FAIRLEAD_H
#define FAIRLEAD_H

#include <linux/types.h>

/* Raised with every change of a layout or of what a field means: a newer process then loads afresh. */
#define FL_ABI 3

#define FL_COPIES 2
/* A VIP or a connection id lies at most so far behind its hash's place; user space makes the table larger until so. */
#define FL_PROBES 8
#define FL_WAYS 8
/* Balancers elsewhere that may send on to this one: so many places, in each copy. */
#define FL_SPILLERS 1024
#define FL_REASONS 24
#define FL_GUE_PORT 6080
/* Unmatched entries of the exception table are held so long, in seconds: longer than a handshake's round trip. */
#define FL_UNSEEN_SECONDS 4

/* Where a copy of the tables begins. */
struct fl_copy {
	__u32 vip_first;
	__u32 vip_mask;
	__u32 service_first;
	__u32 slot_first;
	__u32 backend_first;
	__u32 any_port;		/* some VIP has any port: then a miss is looked up once more */
	__u32 generation;
	__u32 quic_first;
	__u32 quic_mask;
	__u32 spiller_mask;	/* of their table; 0: there are none */
	__u32 quic_config_first;
};

struct fl_control {
	__u64 key[2];		/* of the flow hash; all balancers of a VIP share it */
	struct fl_copy copy[FL_COPIES];
	__u32 active;
	__u32 abi;
	__u32 exception_mask;	/* buckets less one */
	__u32 fragment_mask;
	__u32 idle_seconds;	/* an exception unused for longer may give way */
	__u32 tap_until;	/* seconds of CLOCK_MONOTONIC until which somebody watches packets; 0: nobody does */
	__u32 reserved[2];
};

struct fl_address {
	__u64 half[2];		/* IPv4 in its mapped form */
};

/* What packets are sent to: open addressing by fl_vip_hash. IPv4 in its mapped form. */
struct fl_vip {
	__u64 address[2];
	__u32 port_protocol;	/* port in network order, protocol << 16; port 0: any */
	__u32 service;		/* 0: the place is free */
	__u32 number;		/* of its counters */
	__u32 only_fragments;	/* port 0 stands for fragments without ports, not for any port */
};

enum {
	FL_STICKY = 1,		/* the slot is chosen by the client's address alone */
	FL_FRAGMENTS = 2,	/* first fragments are remembered for those that follow */
};

struct fl_service {
	__u64 name;		/* hash of its name: a new process finds it again */
	__u32 first;		/* of its slots, within the copy */
	__u32 slots;		/* prime */
	__u32 flags;
	__u32 changing_until;	/* seconds of CLOCK_MONOTONIC; for user space, which ends transitions */
	__u32 quic_first;	/* of its QUIC configurations, FL_QUIC_CONFIGS rows; 0: there is none */
	__u32 reserved;
};

/* Sixteen bytes, the first in the lowest of each half. */
struct fl_block {
	__u64 half[2];
};
#define FL_AES_ROUNDS 10

/*
 * How connection ids of one QUIC configuration are read. The row is the one that the id's first three bits say; the
 * last is never used, for those bits say that nobody can read the id.
 */
struct fl_quic_config {
	__u8 bytes;		/* of server id and nonce; 0: there is no such configuration */
	__u8 passes;		/* of AES: 0 in plain text; 1: one block, decrypted; else the last 3 or 4 of a Feistel network */
	__u8 right_at;		/* of that: where its right half begins */
	__u8 reserved[5];
	struct fl_block server_id;	/* masks: the server id's bytes, in its place */
	struct fl_block left;		/* those of the left half, in its place, and of the right half, from its first */
	struct fl_block right;
	struct fl_block key[FL_AES_ROUNDS + 1];
};
#define FL_QUIC_CONFIGS 8
#define FL_QUIC_BYTES 19

/* Which backend made a QUIC connection id: open addressing by quic_hash. */
struct fl_quic_id {
	__u64 id[2];		/* the server id's bytes, the first in the lowest */
	__u32 service;		/* 0: the place is free */
	__u32 backend;		/* its number, the configuration above */
};
#define FL_QUIC_CONFIG 24

enum {
	FL_STEADY = 0,
	FL_CHANGING = 1,	/* the flows that the former owner has stay with it; new ones are remembered */
	FL_SETTLED = 2,		/* those that are remembered stay; the rest belongs to the owner */
};
#define FL_SLOT_FORMER 20
#define FL_SLOT_THIRD 40
#define FL_SLOT_STATE 60

/*
 * state 4 | third 20 | former 20 | owner 20. The third is who owned the slot between the former one and this: whoever
 * has not seen the changes that came one upon the other cannot know which of the three a flow began with.
 */
struct fl_slot {
	__u64 word;
};

enum { FL_L2 = 0, FL_IP = 1, FL_GUE = 2 };
enum { FL_ALIVE = 1, FL_ACCEPTS = 2, FL_CHECKSUM = 4,
	FL_ELSEWHERE = 8,	/* no backend, but another pop's balancer */
};

/* One cache line. Number 0 is nobody. */
struct fl_backend {
	__u8 to[16];		/* IPv4 in the first four bytes */
	__u8 from[16];
	__u8 mac_to[6];
	__u8 mac_from[6];
	__u32 device;		/* 0: out where the packet came in */
	__u16 mtu;		/* the largest IP packet that fits into this way */
	__u16 vlan;		/* 0: untagged */
	__u8 mode;
	__u8 family;		/* of the outer header: 4 or 6 */
	__u16 port;		/* of GUE, network order */
	__u16 flags;
	__u16 service;
	__u32 reserved;
};

/*
 * A bucket of the exception table and of the fragment table: one cache line of eight entries, each written at once:
 * tag 27 bits | seen again 1 | backend 20 | second of its last packet 16.
 */
struct fl_bucket {
	__u64 entry[FL_WAYS];
};
#define FL_ENTRY_TAG 37
#define FL_ENTRY_SEEN (1ULL << 36)
#define FL_ENTRY_BACKEND 16
#define FL_BACKEND_MASK 0xfffff

enum fl_reason {
	FL_FORWARDED,
	/* Passed on untouched. */
	FL_NOT_IP,
	FL_NOT_VIP,
	FL_MALFORMED,
	FL_OTHER_PROTOCOL,
	FL_FRAGMENT_UNKNOWN,
	FL_TTL_SPENT,
	/* Dropped. */
	FL_NO_BACKEND,
	FL_UNREACHABLE,
	FL_TOO_BIG_DROPPED,
	FL_NO_HEADROOM,
	FL_SPILLED_TWICE,
	FL_CONGESTED,		/* RFC 6040 §4.2 */
	/* Answered. */
	FL_TOO_BIG_ANSWERED,
	/* How it was forwarded, counted beside FL_FORWARDED. */
	FL_BY_EXCEPTION,
	FL_BY_FORMER,
	FL_REMEMBERED,
	FL_NO_ROOM,
	FL_BY_FRAGMENT,
	FL_BY_ERROR,
	FL_BY_QUIC_ID,
	FL_FROM_ELSEWHERE,	/* another pop's balancer sent it on; counted in place of the above */
};

struct fl_vip_count {
	__u64 packets;
	__u64 bytes;
	__u64 opened;		/* TCP connections */
	__u64 reserved;
	__u64 reason[FL_REASONS];
};

struct fl_backend_count {
	__u64 packets;
	__u64 bytes;
	__u64 opened;
	__u64 reserved;
};

/*
 * Who watches packets, and which: each gets one in so many by chance of those that are for an address, and the first
 * bytes of each as it came in. User space says in control.tap_until how long they watch, and says so again every
 * second: a process that dies leaves no tap on.
 */
#define FL_TAPS 4
#define FL_SNAP 4096
struct fl_tap {
	__u64 address[2];	/* IPv4 in its mapped form; 0: any packet that the program sees */
	__u32 port_protocol;	/* port in network order, protocol << 16; 0: any */
	__u32 chance;		/* a packet is taken when a random word is not above it */
	__u32 snap;		/* bytes of the frame */
	__u32 is_on;
	__u64 taken;
	__u64 lost;		/* the ring was full */
};

/* A packet that somebody watches: what is read of it, and what was decided. The frame's first bytes follow. */
struct fl_event {
	__u64 at;		/* nanoseconds of CLOCK_MONOTONIC */
	__u64 from[2];		/* as struct packet has them */
	__u64 to[2];
	__u32 ports;
	__u32 protocol;
	__u32 device;		/* it came in there */
	__u32 length;		/* of the frame */
	__u32 captured;		/* bytes that follow */
	__u32 backend;		/* its number; 0: nobody's */
	__u8 to_backend[16];	/* its address, as struct fl_backend has it */
	__u8 backend_family;	/* 4 or 6; 0: there is no backend */
	__u8 taps;		/* a bit for each fl_tap that takes it */
	__u8 reason;		/* enum fl_reason */
	__u8 how;		/* the reason that is counted beside FL_FORWARDED; 0: by the slot */
	__u8 state;		/* of the slot */
	__u8 fragment;		/* 1: the first, 2: a later one, without ports */
	__u8 is_error;		/* about the flow, not of it */
	__u8 family;		/* 4 or 6; 0: no IP packet that could be read */
};

/* The backend's side. */
enum fl_backend_reason {
	FL_DECAPSULATED,
	FL_HERE_NOT_TUNNEL,
	FL_HERE_NOT_BALANCER,
	FL_HERE_NOT_VIP,
	FL_HERE_MALFORMED,
	FL_HERE_CONGESTION,	/* RFC 6040 §4.2: marked outside, not able inside: dropped */
	FL_HERE_PASSED_ON,
	FL_HERE_NO_WAY,
	FL_HERE_COOKIE,		/* a SYN, answered with a cookie */
	FL_HERE_NO_COOKIE,	/* one that should have been, and went to the kernel */
	FL_HERE_REASONS,
};


/* What follows the GUE header while a flow may belong to others: the addresses of one or two of them. */
struct fl_other {
	__u8 kind;		/* FL_OTHER_KIND */
	__u8 family;		/* of each address: 4 or 6 */
	__u8 left;		/* addresses that nobody has asked yet; they come first. With none, who has it keeps it */
	__u8 reserved;
};
#define FL_OTHER_KIND 0xf1
#define FL_OTHERS 2

/* What is known of a VIP of this backend. */
enum { FL_HERE_IS_VIP = 1, FL_HERE_ASKS_COOKIES = 2 };

/* Of the whole backend. */
struct fl_here {
	__u32 unwrapped_cookies;	/* SYNs that come in no tunnel are answered, too */
	__u32 reserved;
};

/* Where SYNs may be answered with cookies; the value is the number of the service's fl_syn_rate. */
struct fl_syn_place {
	__u64 half[2];		/* IPv4 in its mapped form */
	__u32 port;		/* network order */
	__u32 reserved;
};

/*
 * How many SYNs of a service its kernel takes itself. One word of time for all CPUs: a share for each would have to
 * know how many of them the packets come to, and that is one in mode ip. Who finds it spent writes nothing, so in a
 * flood the CPUs only read it.
 */
struct fl_syn_rate {
	__u64 spent;		/* up to when it is, in nanoseconds of CLOCK_MONOTONIC */
	__u64 interval;		/* nanoseconds that each takes; 0: the kernel takes none */
};
#define FL_SYN_BURST 100000000ULL

/* The way from one backend to another. */
struct fl_peer {
	__u8 mac_to[6];
	__u8 mac_from[6];
	__u32 device;
};

#endif
