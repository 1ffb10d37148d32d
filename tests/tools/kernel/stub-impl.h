/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the two halves of the stub: stub.c has the state, stub-netlink.c the messages. */
#ifndef CC_KERNEL_STUB_IMPL_H
#define CC_KERNEL_STUB_IMPL_H

#include "stub.h"

#define STUB_MAX_CONNS	16
#define STUB_MAX_HINTS	128		/* as many as the module keeps, of all disks together */

struct stub_slot {
	uint32_t gen;
	uint8_t state;			/* enum chunkcache_slot_state; never DYING: there are no bios */
	bool seen;			/* was handed out in this instance */
	bool prefetch;			/* filled or being filled for nobody, and not read since */
	bool used;			/* since the hand passed */
	struct cc_list node;		/* FREE: in free or kept */
};

enum stub_entry_kind { STUB_UNMAPPED, STUB_HOLE, STUB_MAPPED, STUB_MARKED };

struct stub_entry {
	uint32_t slot, gen;
	enum stub_entry_kind kind;
};

enum stub_miss_state { STUB_MISS_NEW, STUB_MISS_SENT };

struct stub_miss {
	struct cc_list node;		/* in new or sent */
	enum stub_miss_state state;
	struct stub_disk *disk;
	struct chunkcache_miss m;
	uint64_t start_ns;
	struct cc_list reads;		/* struct stub_read */
};

struct stub_disk {
	uint64_t id;
	uint64_t sectors;
	uint64_t nr_chunks;
	uint32_t state;
	char name[128], store[CHUNKCACHE_STORE_NAME_MAX + 1], reason[CHUNKCACHE_REASON_MAX + 1];
	uint8_t digest[32];
	struct stub_entry *map;
	struct stub_miss **misses;	/* by chunk */
	uint64_t n[CHUNKCACHE_STAT_MAX + 1]; /* hits, misses, coalesced, waits; no others */
};

struct stub_conn {
	int fd;				/* -1: free */
	uint32_t port;
};

struct stub {
	struct stub_config c;
	uint8_t uuid[16];
	uint64_t instance;
	uint64_t session;		/* 0: none */
	uint64_t last_session;
	struct stub_conn *owner;	/* of the session */
	uint32_t bell_port;
	bool armed;
	uint32_t pending;		/* enum chunkcache_pending */
	struct stub_slot *slots;
	struct cc_list free, kept;	/* kept: handed out last */
	uint32_t nr_prefetching;	/* FILLING for nobody; a quarter at most */
	uint32_t nr_unread;		/* VALID, filled for nobody and not read since */
	uint32_t hand;
	bool wanted;			/* a demand SLOT_ALLOC went away with less than it asked for */
	struct stub_disk **disks;
	uint64_t nr_disks;
	struct cc_list new_misses, sent_misses;
	struct chunkcache_miss hints[STUB_MAX_HINTS]; /* a ring */
	uint32_t first_hint, nr_hints;
	uint32_t lost_hints;		/* since the helper was last told */
	uint64_t cookie;
	struct stub_stats stats;
	/* stub-netlink.c's */
	uint32_t failed[CHUNKCACHE_CMD_MAX + 1]; /* for want of memory */
	int epoll_fd, listener;
	struct stub_conn conns[STUB_MAX_CONNS];
	char recv[128 * 1024] __attribute__((aligned(8)));
	char send[128 * 1024] __attribute__((aligned(8)));
};

uint64_t stub_now_ns(void);
struct stub_disk *stub_disk_find(struct stub *s, uint64_t id);

/* There is something to pull; rings unless the last ring is not answered. */
void stub_ring(struct stub *s, uint32_t pending);
/* Sends the doorbell. */
void stub_send_bell(struct stub *s);

/* A slot in FILLING, or NULL. */
struct stub_slot *stub_slot_alloc(struct stub *s, bool prefetch);
struct stub_slot *stub_slot_adopt(struct stub *s, uint32_t slot);
/* What ->slot and ->gen name, if it is FILLING. */
struct stub_slot *stub_slot_filling(struct stub *s, const struct chunkcache_slot *slot);
void stub_slot_done(struct stub *s, struct stub_slot *slot, bool prefetch);
void stub_slot_release(struct stub *s, struct stub_slot *slot, bool bad);
/* One record of MAP or SLOT_DONE: 0 or a positive errno. */
int stub_map(struct stub *s, const struct chunkcache_map *m, bool by_done);

/* Up to count of NEW misses become SENT; hints come first.  all: SENT ones are NEW before. */
uint32_t stub_pull(struct stub *s, bool all, uint32_t count, struct chunkcache_miss *ret);
struct stub_miss *stub_miss_find(struct stub *s, uint64_t disk, uint64_t chunk);
void stub_miss_data(struct stub *s, struct stub_miss *m, uint32_t offset, const void *data, uint32_t len,
		    bool last);
void stub_miss_fail(struct stub *s, struct stub_miss *m, uint32_t class);
/* The session is over: FILLING slots are FREE, SENT misses NEW. */
void stub_session_end(struct stub *s);

#endif
