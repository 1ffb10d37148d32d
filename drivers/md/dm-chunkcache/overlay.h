/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Overlay of one volume: block -> index-place (volume.h) of what was written there last.  0:
 * never, the base has it.
 *
 * A word per chunk, in pages of words that are allocated when first written:
 *
 *   0			no block of the chunk was written
 *   odd		all of it is zeros since the place that is the word without bit 0, which is
 *			CC_PLACE_DATA and clear in the place of zeros
 *   even		address of the leaf: a place per block
 *
 * A word changes by cmpxchg: 0 -> odd, odd -> higher odd, either -> leaf.  A leaf once published
 * stays until the overlay is freed, so who has its address needs no lock and no grace.  Entries
 * of a leaf change under the volume's lock and only to a higher place; they are read without.
 */
#ifndef CC_OVERLAY_H
#define CC_OVERLAY_H

#include <linux/compiler.h>
#include <linux/gfp_types.h>
#include <linux/mm.h>
#include <chunkcache/journal.h>
#include "types.h"

#define CC_OVERLAY_PAGE_SHIFT	(PAGE_SHIFT - 3)
#define CC_OVERLAY_PAGE_WORDS	(1UL << CC_OVERLAY_PAGE_SHIFT)

struct cc_overlay_page {
	unsigned long word[CC_OVERLAY_PAGE_WORDS];
};

struct cc_overlay {
	struct cc_overlay_page **pages;
	u64 nr_chunks;
	unsigned int leaf_shift;	/* log2 of the blocks of a chunk */
};

/* May sleep.  -ENOMEM. */
int cc_overlay_init(struct cc_overlay *o, u64 nr_chunks, unsigned int leaf_shift);
void cc_overlay_exit(struct cc_overlay *o);
/* All of it goes to another that has at least as many chunks and is empty.  Nobody uses either. */
void cc_overlay_move(struct cc_overlay *o, struct cc_overlay *to);

/* The leaf of a chunk, made if there is none; NULL without memory.  Any context if gfp allows. */
u64 *cc_overlay_make_leaf(struct cc_overlay *o, cc_chunk_t chunk, gfp_t gfp);
/*
 * The whole chunk is zeros since place, if that can be said without a leaf; false: it has one.
 * *ret_ok is false if there was no memory.
 */
bool cc_overlay_zero_chunk(struct cc_overlay *o, cc_chunk_t chunk, u64 place, gfp_t gfp,
			   bool *ret_ok);

/* chunk < nr_chunks.  Any context, no lock. */
static inline unsigned long cc_overlay_word(const struct cc_overlay *o, cc_chunk_t chunk)
{
	/* Pairs with the release in word_of() by address dependency. */
	const struct cc_overlay_page *page =
		READ_ONCE(o->pages[cc_chunk_nr(chunk) >> CC_OVERLAY_PAGE_SHIFT]);

	if (!page)
		return 0;
	return READ_ONCE(page->word[cc_chunk_nr(chunk) & (CC_OVERLAY_PAGE_WORDS - 1)]);
}

/* NULL: it is 0 or odd. */
static inline u64 *cc_overlay_leaf_of(unsigned long word)
{
	return word & CC_PLACE_DATA ? NULL : (u64 *)word;
}

/* Place of a block of the chunk that has this word. */
static inline u64 cc_overlay_place(unsigned long word, unsigned int block)
{
	if (word & CC_PLACE_DATA)
		return word & ~CC_PLACE_DATA;
	return word ? READ_ONCE(cc_overlay_leaf_of(word)[block]) : 0;
}

/* The higher place wins.  The volume's lock is held, or nobody else has the leaf. */
static inline void cc_overlay_raise(u64 *entry, u64 place)
{
	if (place > *entry)
		WRITE_ONCE(*entry, place);
}

#endif
