/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chunk map of one disk: chunk number -> where it is.  Dense, in pages of entries that are
 * allocated when first written; read without a lock from map().  It can grow: the array of pages
 * is replaced then, and the old one stays as long as the map, so that a reader needs no care.
 *
 * An entry holds a slot and its generation.  It is never invalidated when the slot is
 * evicted: the slot's word no longer matches the generation then, and never will again, so a
 * stale entry is a miss by itself.
 *
 * Writers are serialised by the pool's command mutex, but for the readahead mark, which a
 * hit clears with cmpxchg.
 */
#ifndef CC_CHUNK_MAP_H
#define CC_CHUNK_MAP_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <chunkcache/format.h>
#include "types.h"

/*
 * 64 bits: generation in 63..32, slot in 31..3, kind in 2..0.  Kind MAPPED has bit 1 set
 * with or without the mark; an entry that was never written is 0.  Bit 2 is not used yet.
 */
typedef u64 __bitwise cc_entry_t;

#define CC_ENTRY_UNMAPPED	((__force cc_entry_t)0ULL)
#define CC_ENTRY_HOLE		((__force cc_entry_t)1ULL)
#define CC_ENTRY_MAPPED		2ULL
#define CC_ENTRY_MARK		1ULL	/* with MAPPED: the first hit raises a hint */
#define CC_ENTRY_KIND_BITS	3

static_assert((u64)CC_NR_SLOTS_MAX << CC_ENTRY_KIND_BITS <= U32_MAX);

static inline cc_entry_t cc_entry(cc_slot_t slot, u32 gen, bool mark)
{
	return (__force cc_entry_t)((u64)gen << 32 | (u64)cc_slot_nr(slot) << CC_ENTRY_KIND_BITS |
				    CC_ENTRY_MAPPED | (mark ? CC_ENTRY_MARK : 0));
}

static inline bool cc_entry_mapped(cc_entry_t e)
{
	return (__force u64)e & CC_ENTRY_MAPPED;
}

/* Only of a mapped entry. */
static inline bool cc_entry_marked(cc_entry_t e)
{
	return (__force u64)e & CC_ENTRY_MARK;
}

static inline cc_slot_t cc_entry_slot(cc_entry_t e)
{
	return cc_slot((u32)(__force u64)e >> CC_ENTRY_KIND_BITS);
}

static inline u32 cc_entry_gen(cc_entry_t e)
{
	return (__force u64)e >> 32;
}

#define CC_MAP_PAGE_SHIFT	(PAGE_SHIFT - 3)
#define CC_MAP_PAGE_ENTRIES	(1UL << CC_MAP_PAGE_SHIFT)

#ifndef CONFIG_64BIT
#error "an entry must be read and written in one go"
#endif

struct cc_map_page {
	cc_entry_t entry[CC_MAP_PAGE_ENTRIES];
};

struct cc_chunk_map {
	struct cc_map_page **pages;
	u64 nr_chunks;
};

/* May sleep.  -ENOMEM. */
int cc_chunk_map_init(struct cc_chunk_map *m, u64 nr_chunks);
void cc_chunk_map_exit(struct cc_chunk_map *m);
/* The map has at least so many chunks now.  May sleep; caller is the writer.  -ENOMEM. */
int cc_chunk_map_grow(struct cc_chunk_map *m, u64 nr_chunks);
/*
 * The entries of count chunks from first on become those of another map from chunk to on, which had
 * none there; all multiples of CC_MAP_PAGE_ENTRIES, count rounded up.  Nobody reads either map.
 */
void cc_chunk_map_move(struct cc_chunk_map *m, u64 first, struct cc_chunk_map *to_map, u64 to,
		       u64 count);

/*
 * Get the page of an entry ready, so that cc_chunk_map_set() can't fail.  May sleep; caller
 * is the writer.  -ENOMEM.
 */
int cc_chunk_map_prepare(struct cc_chunk_map *m, cc_chunk_t chunk);
/* Caller is the writer and has prepared the entry.  By how much there are more mapped ones now. */
int cc_chunk_map_set(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e);
/*
 * Forget the mapped ones of the first entries, up to the end of a page; holes stay.  Caller is the
 * writer.  How many there were.
 */
u64 cc_chunk_map_clear(struct cc_chunk_map *m, u64 nr_chunks);
/* Clear the mark; true for the one caller that did.  Any context. */
bool cc_chunk_map_unmark(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e);

/* chunk < nr_chunks.  Any context, no lock. */
static inline cc_entry_t cc_chunk_map_get(const struct cc_chunk_map *m, cc_chunk_t chunk)
{
	/* Pairs with the releases in cc_chunk_map_prepare() and _grow() by address dependency. */
	const struct cc_map_page *page =
		READ_ONCE(READ_ONCE(m->pages)[cc_chunk_nr(chunk) >> CC_MAP_PAGE_SHIFT]);

	if (unlikely(!page))
		return CC_ENTRY_UNMAPPED;
	return READ_ONCE(page->entry[cc_chunk_nr(chunk) & (CC_MAP_PAGE_ENTRIES - 1)]);
}

#endif
