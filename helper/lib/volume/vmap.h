/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which block of a volume lies at which place.  Records are applied in any order, and again: the higher place
 * wins, and a relocation counts only where its source is.  For one thread at a time.
 */
#ifndef CC_VMAP_H
#define CC_VMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/dm-chunkcache.h>
#include "chunkcache/volume.h"

#define CC_PAGE_BLOCKS (1u << CC_PAGE_BLOCKS_SHIFT)

struct cc_vmap;

/* -ENOMEM; -EINVAL: not 1..CC_IMAGE_SIZE_MAX / CC_BLOCK_SIZE blocks. */
int cc_vmap_open(uint64_t nr_blocks, struct cc_vmap **ret_map);
void cc_vmap_close(struct cc_vmap *m);
#define CC_VMAP_TOO_LARGE "its map needs more than a quarter of the memory of this machine"
/* No more than so much for places: 4096 bytes for each 2 MiB of the volume in which some block has one of its own. */
void cc_vmap_limit(struct cc_vmap *m, uint64_t bytes);
uint64_t cc_vmap_nr_blocks(const struct cc_vmap *m);
/* The volume has grown.  -EINVAL: it would shrink, or out of range. */
int cc_vmap_grow(struct cc_vmap *m, uint64_t nr_blocks);

/* 0: the base has it. */
uint64_t cc_vmap_get(const struct cc_vmap *m, uint64_t block);
/*
 * A WRITE, ZERO or RELOCATE; others change nothing.  -ERANGE: blocks outside of the volume, or a run that does
 * not fit a log chunk; nothing was changed.  -ENOMEM: some blocks may have been; apply it again.
 * -EFBIG: the limit.
 */
int cc_vmap_apply(struct cc_vmap *m, const struct chunkcache_record *r);

struct cc_vmap_extent {
	uint64_t block;
	uint64_t place;			/* of its first block; the others as cc_place_nth() */
	uint64_t count;
};

/* All blocks that have a place, as few extents as it takes, by block.  Ends with what fn returns but 0. */
typedef int cc_vmap_fn(void *arg, const struct cc_vmap_extent *e);
int cc_vmap_each(const struct cc_vmap *m, cc_vmap_fn *fn, void *arg);

/* Pages, as checkpoints have them: the extents of one, and whether any of it changed since cc_vmap_saved(). */
uint64_t cc_vmap_nr_pages(const struct cc_vmap *m);
int cc_vmap_each_of_page(const struct cc_vmap *m, uint64_t page, cc_vmap_fn *fn, void *arg);
bool cc_vmap_page_changed(const struct cc_vmap *m, uint64_t page);
void cc_vmap_saved(struct cc_vmap *m);

#endif
