/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words and number types that all parts of dm-chunkcache share.
 *
 * Glossary (the same words in code, netlink, status lines and docs):
 *
 *   image       what was imported
 *   manifest    ordered list of an image's chunk IDs; its SHA-256 names the disk
 *   chunk       fixed-size piece of an image, named by the SHA-256 of its bytes
 *   hole        a chunk of zeros; never stored
 *   pool        one cache device per host, shared by all disks
 *   slot        chunk-sized place on the cache device
 *   generation  tells one use of a slot from the next
 *   disk        one dm device over one manifest
 *   miss        a chunk that somebody waits for
 *   fill        the helper writing a slot
 *   helper      chunkcached
 *   session     one attachment of a helper
 *   instance    one life of a pool, or of a disk's table, in the kernel
 *   epoch       eviction's grace period
 *   volume      a disk that is written, too
 *   log chunk   slot-size piece of what a volume wrote
 *   place       log chunk and block in it: where a block of a volume lies
 *   journal     ring on the pool device that makes what volumes did durable
 *   record      one entry of it
 *   dirty       in no store yet
 */
#ifndef CC_TYPES_H
#define CC_TYPES_H

#include <linux/types.h>
#include <linux/dm-chunkcache.h>

#define DM_MSG_PREFIX "chunkcache"

/* Chunk numbers and slot numbers must not be mixed up: sparse knows them apart. */
typedef u64 __bitwise cc_chunk_t;
typedef u32 __bitwise cc_slot_t;

/*
 * States of a slot; what holds in each is in slot-state.h.  Ours alone: messages and counters have
 * enum chunkcache_slot_state, which netlink-slot.c and counters.c map them to.
 */
enum cc_slot_state {
	CC_SLOT_FREE,		/* 0: what was never a slot is nothing else */
	CC_SLOT_FILLING,
	CC_SLOT_VALID,
	CC_SLOT_DYING,
	CC_SLOT_BAD,
	CC_SLOT_GONE,
	CC_SLOT_LOG,
};

#define CC_NR_SLOT_STATES	(CC_SLOT_LOG + 1)

static inline cc_chunk_t cc_chunk(u64 nr)
{
	return (__force cc_chunk_t)nr;
}

static inline u64 cc_chunk_nr(cc_chunk_t chunk)
{
	return (__force u64)chunk;
}

static inline cc_slot_t cc_slot(u32 nr)
{
	return (__force cc_slot_t)nr;
}

static inline u32 cc_slot_nr(cc_slot_t slot)
{
	return (__force u32)slot;
}

#endif
