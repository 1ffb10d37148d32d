/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of linux/dm-chunkcache.h in user space, so that a real chunkcached can be run
 * and measured without the module: one pool, its slots, disks, chunk maps and misses, and the
 * netlink messages about them.  Keeps the protocol's rules (generations, cookies, sessions, one bell)
 * but none of the module's machinery: there are no bios, a read is one range of one chunk, and a
 * hit is only counted.  Who reads drives it: one thread, no locks.
 *
 * The helper's sockets reach it through kernel/shim.c, over one unix socket.
 */
#ifndef CC_KERNEL_STUB_H
#define CC_KERNEL_STUB_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/dm-chunkcache.h>
#include "list.h"

#define STUB_FAMILY	0x20		/* the generic netlink family's number */
#define STUB_PORT	1		/* the type of a shim's first message: nlmsg_pid is the socket's port */

struct stub;

struct stub_read {
	/* in, constant until done() */
	uint64_t disk, chunk;
	uint32_t offset, len;		/* in the chunk */
	bool ahead;			/* only readahead asks */
	/* Not called from within stub_read().  error: 0 or what a reader sees (positive errno). */
	void (*done)(struct stub_read *r, int error);
	void *arg;			/* the caller's */
	/* out */
	uint64_t start_ns, end_ns;	/* CLOCK_MONOTONIC */
	bool joined;			/* another read's miss was there already */
	uint32_t slot;			/* where the chunk is; STUB_NO_SLOT: a hole, or data came */
	const uint8_t *data;		/* bytes from offset, if data came, while in done() */
	/* the stub's */
	struct cc_list node;
	uint32_t covered;
};

#define STUB_NO_SLOT	UINT32_MAX

struct stub_stats {
	uint64_t messages, doorbells;
	uint64_t hits, misses, joined;	/* reads */
	uint64_t by_map, by_done, by_data, failed; /* misses, by what ended them */
	uint64_t fills, evictions, hints;
	uint64_t sessions;
};

struct stub_config {
	const char *socket;		/* path, made anew */
	const char *pool_name;
	uint32_t slot_size;
	uint32_t nr_slots;
	const uint8_t *uuid;
	uint32_t no_memory;		/* so many MISS_GET with misses, and DISK_STATE, fail with ENOMEM */
};

/* Returns 0 or -errno. */
int stub_open(const struct stub_config *c, struct stub **ret_stub);
void stub_close(struct stub *s);
/* For the caller's loop: readable when stub_serve() has something to do. */
int stub_fd(const struct stub *s);
void stub_serve(struct stub *s);

/* Returns the disk's ID, or 0 without memory. */
uint64_t stub_disk_add(struct stub *s, const char *name, const char *store, const uint8_t digest[32],
		       uint64_t bytes);
/* enum chunkcache_disk_state; *ret_reason is what REFUSED came with, or "". */
uint32_t stub_disk_state(const struct stub *s, uint64_t disk, const char **ret_reason);
/* True: it was a hit or hole, r is the caller's again.  False: done() comes. */
bool stub_read(struct stub *s, struct stub_read *r);
/* Somebody waits for that chunk. */
bool stub_busy(const struct stub *s, uint64_t disk, uint64_t chunk);
/* Drops a chunk's mapping and slot, if it has them and nobody waits: its next read is a miss. */
void stub_forget(struct stub *s, uint64_t disk, uint64_t chunk);
const struct stub_stats *stub_stats(const struct stub *s);
/* Slots that were filled for nobody and not read since. */
uint32_t stub_unread(const struct stub *s);

#endif
