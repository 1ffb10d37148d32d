// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map of a volume; see vmap.h.  A leaf has the places of so many blocks; one whose blocks are all zeros of
 * one place is no more than that place, so that a discarded terabyte costs nothing.
 */
#include "vmap.h"

#include <errno.h>
#include <stdlib.h>

#include "chunkcache/format.h"
#include "place.h"

#define LEAF_SHIFT	9
#define LEAF_BLOCKS	(1u << LEAF_SHIFT)
#define NR_BLOCKS_MAX	(CC_IMAGE_SIZE_MAX / CC_BLOCK_SIZE)
#define UNIFORM		1ULL	/* not set in a pointer, nor in a place of zeros */

/* 0: no block has a place; a pointer to LEAF_BLOCKS places; or a place of zeros | UNIFORM. */
typedef uint64_t leaf_word;

struct cc_vmap {
	uint64_t nr_blocks;
	leaf_word *leaves;
	uint64_t room;			/* leaves with places that there may still be */
	bool *changed;			/* pages, since cc_vmap_saved() */
};

static uint64_t nr_leaves(uint64_t nr_blocks)
{
	return (nr_blocks + LEAF_BLOCKS - 1) >> LEAF_SHIFT;
}

uint64_t cc_vmap_nr_pages(const struct cc_vmap *m)
{
	return (m->nr_blocks + CC_PAGE_BLOCKS - 1) >> CC_PAGE_BLOCKS_SHIFT;
}

static uint64_t *leaf_places(leaf_word w)
{
	return w & UNIFORM ? NULL : (uint64_t *)(uintptr_t)w;
}

static uint64_t uniform_place(leaf_word w)
{
	return w & UNIFORM ? w & ~UNIFORM : 0;
}

int cc_vmap_open(uint64_t nr_blocks, struct cc_vmap **ret_map)
{
	struct cc_vmap *m;

	if (!nr_blocks || nr_blocks > NR_BLOCKS_MAX)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->nr_blocks = nr_blocks;
	m->room = UINT64_MAX;
	m->leaves = calloc(nr_leaves(nr_blocks), sizeof(*m->leaves));
	m->changed = calloc(cc_vmap_nr_pages(m), sizeof(*m->changed));
	if (!m->leaves || !m->changed) {
		free(m->leaves);
		free(m->changed);
		free(m);
		return -ENOMEM;
	}
	*ret_map = m;
	return 0;
}

void cc_vmap_limit(struct cc_vmap *m, uint64_t bytes)
{
	m->room = bytes / (LEAF_BLOCKS * sizeof(uint64_t));
}

void cc_vmap_close(struct cc_vmap *m)
{
	if (!m)
		return;
	for (uint64_t i = 0; i < nr_leaves(m->nr_blocks); i++)
		free(leaf_places(m->leaves[i]));
	free(m->leaves);
	free(m->changed);
	free(m);
}

uint64_t cc_vmap_nr_blocks(const struct cc_vmap *m)
{
	return m->nr_blocks;
}

/* Pages come to an array that had fewer; the last of those has more blocks now. */
static int grow_changed(struct cc_vmap *m, uint64_t nr_blocks)
{
	uint64_t before = cc_vmap_nr_pages(m), now = (nr_blocks + CC_PAGE_BLOCKS - 1) >> CC_PAGE_BLOCKS_SHIFT;
	bool *changed = reallocarray(m->changed, now, sizeof(*changed));

	if (!changed)
		return -ENOMEM;
	m->changed = changed;
	changed[before - 1] = true;
	for (uint64_t i = before; i < now; i++)
		changed[i] = false;
	return 0;
}

int cc_vmap_grow(struct cc_vmap *m, uint64_t nr_blocks)
{
	uint64_t before = nr_leaves(m->nr_blocks), now = nr_leaves(nr_blocks);
	leaf_word *leaves;

	if (nr_blocks < m->nr_blocks || nr_blocks > NR_BLOCKS_MAX)
		return -EINVAL;
	leaves = calloc(now, sizeof(*leaves));
	if (!leaves || grow_changed(m, nr_blocks)) {
		free(leaves);
		return -ENOMEM;
	}
	/* What was never written to is not touched: it has no memory. */
	for (uint64_t i = 0; i < before; i++)
		if (m->leaves[i])
			leaves[i] = m->leaves[i];
	free(m->leaves);
	m->leaves = leaves;
	m->nr_blocks = nr_blocks;
	return 0;
}

uint64_t cc_vmap_get(const struct cc_vmap *m, uint64_t block)
{
	leaf_word w;
	const uint64_t *places;

	if (block >= m->nr_blocks)
		return 0;
	w = m->leaves[block >> LEAF_SHIFT];
	places = leaf_places(w);
	return places ? places[block % LEAF_BLOCKS] : uniform_place(w);
}

/* The places of a leaf, each by itself. */
static int leaf_split(struct cc_vmap *m, uint64_t leaf, uint64_t **ret_places)
{
	uint64_t *places = leaf_places(m->leaves[leaf]), uniform = uniform_place(m->leaves[leaf]);

	if (!places) {
		if (!m->room)
			return -EFBIG;
		places = malloc(LEAF_BLOCKS * sizeof(*places));
		if (!places)
			return -ENOMEM;
		for (unsigned int i = 0; i < LEAF_BLOCKS; i++)
			places[i] = uniform;
		m->leaves[leaf] = (uintptr_t)places;
		m->room--;
	}
	*ret_places = places;
	return 0;
}

static bool place_counts(uint64_t old, uint64_t place, const struct chunkcache_record *r, uint64_t n)
{
	if (r->type == CC_JOURNAL_RELOCATE)
		return old == cc_place_nth(r->arg, n);
	return place > old;
}

/* The record's part in one leaf, whose first block is its nth. */
static int apply_leaf(struct cc_vmap *m, const struct chunkcache_record *r, uint64_t n, unsigned int count)
{
	uint64_t block = r->block + n, leaf = block >> LEAF_SHIFT;
	uint64_t *places = leaf_places(m->leaves[leaf]);
	int error;

	m->changed[block >> CC_PAGE_BLOCKS_SHIFT] = true;
	if (!places && r->type == CC_JOURNAL_ZERO && count == LEAF_BLOCKS) {
		if (r->place > uniform_place(m->leaves[leaf]))
			m->leaves[leaf] = r->place | UNIFORM;
		return 0;
	}
	error = leaf_split(m, leaf, &places);
	if (error)
		return error;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t *old = &places[(block + i) % LEAF_BLOCKS], place = cc_place_nth(r->place, n + i);

		if (place_counts(*old, place, r, n + i))
			*old = place;
	}
	return 0;
}

/* A run of blocks at place is in one log chunk. */
static bool run_fits(uint64_t place, uint32_t count)
{
	return cc_place_block(place) + (uint64_t)count - 1 <= CC_PLACE_BLOCK_MASK;
}

static bool record_fits(const struct cc_vmap *m, const struct chunkcache_record *r)
{
	if (!r->count || r->count > m->nr_blocks || r->block > m->nr_blocks - r->count)
		return false;
	if (r->type == CC_JOURNAL_ZERO)
		return !cc_place_is_data(r->place);
	return cc_place_is_data(r->place) && run_fits(r->place, r->count) &&
	       (r->type != CC_JOURNAL_RELOCATE || (cc_place_is_data(r->arg) && run_fits(r->arg, r->count)));
}

int cc_vmap_apply(struct cc_vmap *m, const struct chunkcache_record *r)
{
	int error = 0;

	if (r->type != CC_JOURNAL_WRITE && r->type != CC_JOURNAL_ZERO && r->type != CC_JOURNAL_RELOCATE)
		return 0;
	if (!record_fits(m, r))
		return -ERANGE;
	for (uint64_t n = 0; !error && n < r->count; ) {
		unsigned int left = LEAF_BLOCKS - (r->block + n) % LEAF_BLOCKS;
		unsigned int count = r->count - n < left ? (unsigned int)(r->count - n) : left;

		error = apply_leaf(m, r, n, count);
		n += count;
	}
	return error;
}

/* ---- extents ---- */

struct extents {
	cc_vmap_fn *fn;
	void *arg;
	struct cc_vmap_extent run;	/* under way; count 0: none */
	int stop;			/* what fn returned */
};

static void end_run(struct extents *x)
{
	if (x->run.count && !x->stop)
		x->stop = x->fn(x->arg, &x->run);
	x->run.count = 0;
}

static bool continues(const struct cc_vmap_extent *run, uint64_t block, uint64_t place)
{
	return run->count && run->block + run->count == block && place == cc_place_nth(run->place, run->count) &&
	       cc_place_log_key(place) == cc_place_log_key(run->place);
}

static void add_blocks(struct extents *x, uint64_t block, uint64_t place, uint64_t count)
{
	if (!place || !continues(&x->run, block, place))
		end_run(x);
	if (!place)
		return;
	if (!x->run.count)
		x->run = (struct cc_vmap_extent) { .block = block, .place = place };
	x->run.count += count;
}

/* Blocks of a leaf that are in the volume: the last one may be half outside. */
static unsigned int leaf_blocks(const struct cc_vmap *m, uint64_t leaf)
{
	uint64_t left = m->nr_blocks - (leaf << LEAF_SHIFT);

	return left < LEAF_BLOCKS ? (unsigned int)left : LEAF_BLOCKS;
}

static int each_of_leaves(const struct cc_vmap *m, uint64_t first, uint64_t end, cc_vmap_fn *fn, void *arg)
{
	struct extents x = { .fn = fn, .arg = arg };

	for (uint64_t leaf = first; !x.stop && leaf < end; leaf++) {
		const uint64_t *places = leaf_places(m->leaves[leaf]);
		uint64_t block = leaf << LEAF_SHIFT;

		if (!places)
			add_blocks(&x, block, uniform_place(m->leaves[leaf]), leaf_blocks(m, leaf));
		for (unsigned int i = 0; places && i < leaf_blocks(m, leaf); i++)
			add_blocks(&x, block + i, places[i], 1);
	}
	end_run(&x);
	return x.stop;
}

int cc_vmap_each(const struct cc_vmap *m, cc_vmap_fn *fn, void *arg)
{
	return each_of_leaves(m, 0, nr_leaves(m->nr_blocks), fn, arg);
}

/* ---- pages ---- */

int cc_vmap_each_of_page(const struct cc_vmap *m, uint64_t page, cc_vmap_fn *fn, void *arg)
{
	uint64_t first = page << (CC_PAGE_BLOCKS_SHIFT - LEAF_SHIFT), all = nr_leaves(m->nr_blocks);
	uint64_t end = first + (CC_PAGE_BLOCKS >> LEAF_SHIFT);

	return each_of_leaves(m, first, end < all ? end : all, fn, arg);
}

bool cc_vmap_page_changed(const struct cc_vmap *m, uint64_t page)
{
	return m->changed[page];
}

void cc_vmap_saved(struct cc_vmap *m)
{
	for (uint64_t i = 0; i < cc_vmap_nr_pages(m); i++)
		m->changed[i] = false;
}
