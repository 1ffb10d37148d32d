// SPDX-License-Identifier: GPL-2.0-or-later
/* Roots and pages of checkpoints, from a store and into it; see checkpoint.h. */
#include "checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"
#include "place.h"
#include "volume-name.h"

/* -EINVAL of a decoder, which has said why in reason, as what it is to who reads the store. */
static int refuse_object(const char *name, int r, const char *reason, char *err, size_t errlen)
{
	snprintf(err, errlen, "%s: %s", name, r == -ENOMEM ? "out of memory" : r == -EFBIG ? CC_VMAP_TOO_LARGE : reason);
	return r == -ENOMEM ? r : -EBADMSG;
}

static int get_whole(struct cc_store *store, const char *name, size_t max, void **ret_object, size_t *ret_size,
		     char *err, size_t errlen)
{
	enum cc_store_result res = cc_store_get(store, name, max, ret_object, ret_size, err, errlen);

	if (!res)
		return 0;
	return res == CC_STORE_NOTFOUND || res == CC_STORE_TOOBIG || res == CC_STORE_CORRUPT ? -EBADMSG : -EIO;
}

int cc_checkpoint_get_root(struct cc_store *store, const uint8_t volume[16], uint32_t term,
			   const uint8_t sha256[CC_ID_SIZE], struct cc_root *ret, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], reason[160] = "it is of another volume or term";
	void *object;
	size_t size;
	int r;

	cc_map_name(volume, term, sha256, name);
	r = get_whole(store, name, CC_ROOT_SIZE_MAX, &object, &size, err, errlen);
	if (r)
		return r;
	r = cc_root_decode(object, size, sha256, ret, reason, sizeof(reason));
	free(object);
	if (!r && (memcmp(ret->volume, volume, sizeof(ret->volume)) || ret->term != term)) {
		cc_root_free(ret);
		r = -EINVAL;
	}
	return r ? refuse_object(name, r, reason, err, errlen) : 0;
}

bool cc_checkpoint_page_name(const struct cc_root *root, const struct cc_ref *ref, char ret_name[CC_OBJECT_NAME_MAX])
{
	if (ref->term)
		cc_map_name(cc_root_volume(root, ref->term), ref->term, ref->sha256, ret_name);
	return ref->term;
}

/* ---- loading ---- */

struct window {
	const struct cc_checkpoint *p;
	const struct cc_root *root;
	const struct cc_ref *refs;
	struct window_page {
		struct cc_map_page page;
		int r;
		char err[300];
	} all[CC_PARALLEL_MAX];
};

static int get_page(const struct window *w, const struct cc_ref *ref, struct cc_map_page *ret, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], reason[160] = "is not the page that the root tells of";
	void *object;
	size_t size;
	int r;

	*ret = (struct cc_map_page){ 0 };
	if (!cc_checkpoint_page_name(w->root, ref, name))
		return 0;
	r = get_whole(w->p->store, name, CC_PAGE_SIZE_MAX, &object, &size, err, errlen);
	if (r)
		return r;
	r = cc_page_decode(object, size, ref->sha256, ref->term, ret, reason, sizeof(reason));
	free(object);
	if (!r && (ret->kind != ref->kind || ret->index != ref->index || ret->chunk_shift != w->root->chunk_shift ||
		   memcmp(ret->volume, cc_root_volume(w->root, ref->term), sizeof(ret->volume)))) {
		cc_page_free(ret);
		r = -EINVAL;
	}
	return r ? refuse_object(name, r, reason, err, errlen) : 0;
}

static void get_window_page(void *arg, unsigned int i)
{
	struct window *w = arg;

	w->all[i].r = get_page(w, &w->refs[i], &w->all[i].page, w->all[i].err, sizeof(w->all[i].err));
}

/* Are the bytes of all its blocks in pieces? */
static bool extent_has_bytes(const struct cc_pieces *p, uint64_t place, uint64_t count)
{
	const struct cc_piece *of;
	size_t nr = cc_pieces_of(p, place, &of);
	uint64_t at = cc_place_position(place), end = at + count;

	for (size_t i = 0; i < nr && at < end; i++) {
		uint64_t begin = cc_place_position(of[i].place);

		if (begin <= at && at < begin + of[i].count)
			at = begin + of[i].count;
	}
	return at >= end;
}

static int add_extent(struct cc_checkpoint *p, const struct chunkcache_extent *e)
{
	bool data = cc_place_is_data(e->place);
	struct chunkcache_record r = {
		.type = data ? CC_JOURNAL_WRITE : CC_JOURNAL_ZERO, .count = e->count, .block = e->block,
		.place = e->place,
	};

	return data && !extent_has_bytes(p->pieces, e->place, e->count) ? -ERANGE : cc_vmap_apply(p->map, &r);
}

static int add_zeros(struct cc_checkpoint *p, const struct cc_ref *ref)
{
	uint64_t first = ref->index << CC_PAGE_BLOCKS_SHIFT, left = cc_vmap_nr_blocks(p->map) - first;
	struct chunkcache_extent e = {
		.block = first, .place = ref->zeros_place, .count = left < CC_PAGE_BLOCKS ? left : CC_PAGE_BLOCKS,
	};

	return add_extent(p, &e);
}

static int add_page(struct cc_checkpoint *p, const struct cc_root *root, const struct cc_ref *ref,
		    const struct cc_map_page *page, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	int r = 0;

	if (!cc_checkpoint_page_name(root, ref, name))
		return add_zeros(p, ref);
	for (uint32_t i = 0; !r && i < page->nr; i++)
		r = page->kind == CC_MAP_PIECES ? cc_pieces_add(p->pieces, &page->pieces[i]) :
						  add_extent(p, &page->extents[i]);
	return r ? refuse_object(name, r, page->kind == CC_MAP_PIECES ? "pieces of a log chunk" :
				 "place or block of an extent", err, errlen) : 0;
}

static int load_pages(struct cc_checkpoint *p, struct window *w, unsigned int nr, char *err, size_t errlen)
{
	int r = 0;

	cc_parallel(nr, nr, get_window_page, w);
	for (unsigned int i = 0; i < nr; i++) {
		if (!r && w->all[i].r) {
			snprintf(err, errlen, "%s", w->all[i].err);
			r = w->all[i].r;
		}
		if (!r)
			r = add_page(p, w->root, &w->refs[i], &w->all[i].page, err, errlen);
		if (!w->all[i].r)
			cc_page_free(&w->all[i].page);
	}
	return r;
}

/* Those of pieces come first. */
static size_t nr_wanted_refs(const struct cc_checkpoint *p, const struct cc_root *root)
{
	size_t nr = root->nr_refs;

	while (!p->map && nr && root->refs[nr - 1].kind != CC_MAP_PIECES)
		nr--;
	return nr;
}

int cc_checkpoint_load(struct cc_checkpoint *p, const struct cc_root *root, char *err, size_t errlen)
{
	struct window *w = malloc(sizeof(*w));
	size_t nr = nr_wanted_refs(p, root);
	int r = w ? 0 : -ENOMEM;

	snprintf(err, errlen, "out of memory");
	for (size_t i = 0; !r && i < nr; i += p->parallel) {
		size_t left = nr - i;

		w->p = p;
		w->root = root;
		w->refs = root->refs + i;
		r = load_pages(p, w, left < p->parallel ? (unsigned int)left : p->parallel, err, errlen);
	}
	free(w);
	if (r)
		return r;
	if (p->map)
		cc_vmap_saved(p->map);
	cc_pieces_saved(p->pieces);
	return 0;
}

/* ---- putting ---- */

struct put_page {
	struct cc_ref ref;
	bool gone;			/* nothing is left in it */
	uint64_t bytes;
	int r;
	char err[200];
};

struct put {
	struct cc_checkpoint *p;
	const struct cc_root *root;
	struct put_page *all;
	size_t nr;
};

struct page_extents {
	struct chunkcache_extent *all;
	uint32_t nr;
};

static int collect_extent(void *arg, const struct cc_vmap_extent *e)
{
	struct page_extents *x = arg;

	x->all[x->nr++] = (struct chunkcache_extent){ .block = e->block, .place = e->place, .count = e->count };
	return 0;
}

static int put_entries(const struct put *put, struct put_page *j, struct cc_map_page *page)
{
	char name[CC_OBJECT_NAME_MAX];
	enum cc_store_result res;
	void *object;
	size_t size;
	int r;

	j->gone = !page->nr;
	if (j->gone)
		return 0;
	page->kind = j->ref.kind;
	page->index = j->ref.index;
	page->chunk_shift = put->root->chunk_shift;
	page->number = put->root->number;
	memcpy(page->volume, put->root->volume, sizeof(page->volume));
	j->ref.term = put->root->term;
	r = cc_page_encode(page, &object, &size, j->ref.sha256);
	if (r)
		return r;
	cc_map_name(put->root->volume, j->ref.term, j->ref.sha256, name);
	res = cc_store_put(put->p->store, name, object, size, j->err, sizeof(j->err));
	free(object);
	j->bytes = size;
	return res ? -EIO : 0;
}

static int put_extents(const struct put *put, struct put_page *j)
{
	const struct cc_vmap *map = put->p->map;
	uint64_t left = cc_vmap_nr_blocks(map) - (j->ref.index << CC_PAGE_BLOCKS_SHIFT);
	struct page_extents x = { .all = calloc(CC_PAGE_BLOCKS, sizeof(*x.all)) };
	struct cc_map_page page = { 0 };
	int r = 0;

	if (!x.all)
		return -ENOMEM;
	cc_vmap_each_of_page(map, j->ref.index, collect_extent, &x);
	if (x.nr == 1 && !cc_place_is_data(x.all->place) && (x.all->count == left || x.all->count == CC_PAGE_BLOCKS)) {
		j->ref.zeros_place = x.all->place;
	} else {
		page.extents = x.all;
		page.nr = x.nr;
		r = put_entries(put, j, &page);
	}
	free(x.all);
	return r;
}

static void put_page(void *arg, unsigned int i)
{
	struct put *put = arg;
	struct put_page *j = &put->all[i];
	struct cc_map_page page = { 0 };
	const struct cc_piece *of;

	snprintf(j->err, sizeof(j->err), "out of memory");
	if (j->ref.kind == CC_MAP_EXTENTS) {
		j->r = put_extents(put, j);
		return;
	}
	page.nr = cc_pieces_of_page(put->p->pieces, j->ref.index, &of);
	page.pieces = (struct cc_piece *)of;
	j->r = put_entries(put, j, &page);
}

static int choose_pages(struct put *put)
{
	const struct cc_pieces *pieces = put->p->pieces;
	const struct cc_vmap *map = put->p->map;
	uint64_t pages = cc_vmap_nr_pages(map), nr = pieces->nr_changed;

	for (uint64_t i = 0; i < pages; i++)
		nr += cc_vmap_page_changed(map, i);
	put->all = calloc(nr + 1, sizeof(*put->all));
	if (!put->all)
		return -ENOMEM;
	for (size_t i = 0; i < pieces->nr_changed; i++)
		put->all[put->nr++].ref = (struct cc_ref){ .kind = CC_MAP_PIECES, .index = pieces->changed[i] };
	for (uint64_t i = 0; i < pages; i++)
		if (cc_vmap_page_changed(map, i))
			put->all[put->nr++].ref = (struct cc_ref){ .kind = CC_MAP_EXTENTS, .index = i };
	return 0;
}

static bool ref_is_below(const struct cc_ref *a, const struct cc_ref *b)
{
	return a->kind != b->kind ? a->kind < b->kind : a->index < b->index;
}

/* The refs of the root before, with those that were put in place of what they were. */
static int merge_refs(const struct put *put, struct cc_root *root)
{
	struct cc_ref *refs = calloc(root->nr_refs + put->nr + 1, sizeof(*refs));
	size_t nr = 0, old = 0;

	if (!refs)
		return -ENOMEM;
	for (size_t i = 0; i < put->nr; i++) {
		const struct put_page *j = &put->all[i];

		while (old < root->nr_refs && ref_is_below(&root->refs[old], &j->ref))
			refs[nr++] = root->refs[old++];
		if (old < root->nr_refs && !ref_is_below(&j->ref, &root->refs[old]))
			old++;
		if (!j->gone)
			refs[nr++] = j->ref;
	}
	while (old < root->nr_refs)
		refs[nr++] = root->refs[old++];
	free(root->refs);
	root->refs = refs;
	root->nr_refs = nr;
	return 0;
}

static int put_root(struct cc_checkpoint *p, const struct cc_root *root, uint8_t ret_sha256[CC_ID_SIZE], char *err,
		    size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	enum cc_store_result res;
	void *object;
	size_t size;
	int r = cc_root_encode(root, &object, &size, ret_sha256);

	if (r) {
		snprintf(err, errlen, r == -E2BIG ? "the map is too large" : "out of memory");
		return r == -E2BIG ? -EBADMSG : r;
	}
	cc_map_name(root->volume, root->term, ret_sha256, name);
	res = cc_store_put(p->store, name, object, size, err, errlen);
	free(object);
	p->bytes += size;
	return res ? -EIO : 0;
}

int cc_checkpoint_put(struct cc_checkpoint *p, struct cc_root *root, uint8_t ret_sha256[CC_ID_SIZE], char *err,
		      size_t errlen)
{
	struct put put = { .p = p, .root = root };
	int r = choose_pages(&put);

	p->bytes = 0;
	snprintf(err, errlen, "out of memory");
	if (!r)
		cc_parallel(put.nr, p->parallel, put_page, &put);
	for (size_t i = 0; !r && i < put.nr; i++) {
		p->bytes += put.all[i].bytes;
		r = put.all[i].r;
		if (r)
			snprintf(err, errlen, "%s", put.all[i].err);
	}
	if (!r)
		r = merge_refs(&put, root);
	free(put.all);
	return r ? r : put_root(p, root, ret_sha256, err, errlen);
}
