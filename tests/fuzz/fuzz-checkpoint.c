// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A page or a root of a checkpoint's map, as whoever can write to the store may make it.  Of a page that is taken
 * entries are in order and belong to it; a root that is taken encodes to the same bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "manifest.h"
#include "volume/map-page.h"
#include "volume/map-root.h"
#include "volume/place.h"

#define TERM	CC_LOG_TERM_MAX

static void check_page(const struct cc_map_page *p)
{
	uint64_t behind = 0;

	fuzz_check(p->nr);
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct chunkcache_extent *e = &p->extents[i];

		if (p->kind == CC_MAP_PIECES) {
			fuzz_check(cc_pieces_page(p->pieces[i].place) == p->index);
			fuzz_check(!i || p->pieces[i].place > p->pieces[i - 1].place);
			continue;
		}
		fuzz_check(e->count && e->place && e->block >= behind && e->block / CC_PAGE_BLOCKS == p->index &&
			   (e->block + e->count - 1) / CC_PAGE_BLOCKS == p->index);
		behind = e->block + e->count;
	}
}

static void check_root(const struct cc_root *p, const uint8_t sha256[CC_ID_SIZE])
{
	uint8_t again_sha256[CC_ID_SIZE];
	void *again;
	size_t size;

	for (size_t i = 1; i < p->nr_refs; i++)
		fuzz_check(p->refs[i].kind > p->refs[i - 1].kind || p->refs[i].index > p->refs[i - 1].index);
	fuzz_check(!cc_root_encode(p, &again, &size, again_sha256));
	fuzz_check(!memcmp(sha256, again_sha256, CC_ID_SIZE));
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sha256[CC_ID_SIZE];
	void *object = fuzz_copy(data, size);
	struct cc_map_page page;
	struct cc_root root;
	char err[160] = "";
	int r;

	cc_sha256(object, size, sha256);
	r = cc_page_decode(object, size, sha256, TERM, &page, err, sizeof(err));
	if (!r) {
		check_page(&page);
		cc_page_free(&page);
	} else {
		fuzz_check(r == -EINVAL || r == -ENOMEM);
		fuzz_check_reason(err);
	}
	r = cc_root_decode(object, size, sha256, &root, err, sizeof(err));
	if (!r) {
		check_root(&root, sha256);
		cc_root_free(&root);
	} else {
		fuzz_check(r == -EINVAL || r == -ENOMEM);
		fuzz_check_reason(err);
	}
	sha256[0] ^= 1;
	fuzz_check(cc_page_decode(object, size, sha256, TERM, &page, err, sizeof(err)) == -EILSEQ);
	fuzz_check(cc_root_decode(object, size, sha256, &root, err, sizeof(err)) == -EILSEQ);
	free(object);
	return 0;
}

/* ---- seeds ---- */

static void seed_page(const char *name, enum cc_map_kind kind, uint64_t first)
{
	struct cc_piece pieces[] = {
		{ .place = first, .count = 2, .commit = 3, .offset = 4096, .sha256 = { 1 } },
		{ .place = cc_place_nth(first, 2), .count = 1, .pack_term = 1, .pack = { 1 }, .sha256 = { 1 } },
	};
	struct chunkcache_extent extents[] = {
		{ .block = 1, .place = first, .count = 3 },
		{ .block = 100, .place = first & ~CC_PLACE_DATA, .count = 1000 },
	};
	struct cc_map_page p = {
		.kind = kind, .volume = { 2 }, .chunk_shift = 24, .number = 9, .nr = 2, .pieces = pieces,
		.extents = extents, .index = kind == CC_MAP_PIECES ? cc_pieces_page(first) : 0,
	};
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;

	if (cc_page_encode(&p, &object, &size, sha256))
		abort();
	fuzz_seed(name, object, size);
	free(object);
}

static void seed_root(void)
{
	struct cc_origin origins[] = { { { 7 }, 2 }, { { 8 }, 5 } };
	struct cc_ref refs[] = {
		{ .kind = CC_MAP_PIECES, .index = 1, .term = 2, .sha256 = { 1 } },
		{ .kind = CC_MAP_EXTENTS, .index = 0, .term = 6, .sha256 = { 2 } },
		{ .kind = CC_MAP_EXTENTS, .index = 1, .zeros_place = CC_PLACE_GUEST },
	};
	struct cc_root p = {
		.volume = { 9 }, .chunk_shift = 24, .term = 6, .number = 4, .size = 1ULL << 30, .origins = origins,
		.nr_origins = 2, .refs = refs, .nr_refs = 3,
	};
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;

	if (cc_root_encode(&p, &object, &size, sha256))
		abort();
	fuzz_seed("root", object, size);
	free(object);
}

void fuzz_seeds(void)
{
	const uint64_t last = cc_place(cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX), 4092);

	seed_page("pieces", CC_MAP_PIECES, cc_place(cc_log_number(2, 1), 4));
	seed_page("pieces-last", CC_MAP_PIECES, last);
	seed_page("pieces-cleaned", CC_MAP_PIECES, cc_place(cc_log_number(2, 1), 4) & ~CC_PLACE_GUEST);
	seed_page("extents", CC_MAP_EXTENTS, last);
	seed_root();
}
