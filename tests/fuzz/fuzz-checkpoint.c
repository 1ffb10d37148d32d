// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map of a checkpoint, as whoever can write to the store may make it.  What is taken encodes to the same bytes,
 * its extents lie in the volume, in order, and all data of theirs in pieces.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "manifest.h"
#include "volume/checkpoint.h"
#include "volume/place.h"

#define BLOCKS	(1ULL << 20)		/* of the volume */
#define TERM	CC_LOG_TERM_MAX

static bool block_in_piece(const struct cc_checkpoint *p, uint64_t place)
{
	for (size_t i = 0; i < p->pieces.nr; i++) {
		const struct cc_piece *piece = &p->pieces.all[i];

		if (place >= piece->place && (place - piece->place) >> CC_PLACE_BLOCK_SHIFT < piece->count)
			return true;
	}
	return false;
}

static void check_extents(const struct cc_checkpoint *p)
{
	uint64_t behind = 0;

	for (size_t i = 0; i < p->nr_extents; i++) {
		const struct chunkcache_extent *e = &p->extents[i];

		fuzz_check(e->count && e->block >= behind && e->block < BLOCKS && e->count <= BLOCKS - e->block);
		behind = e->block + e->count;
		if (!cc_place_is_data(e->place))
			continue;
		fuzz_check(cc_place_block(e->place) + (uint64_t)e->count <= CC_PLACE_BLOCK_MASK + 1);
		for (uint32_t n = 0; n < e->count; n++)
			fuzz_check(block_in_piece(p, cc_place_nth(e->place, n)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sha256[CC_ID_SIZE], again_sha256[CC_ID_SIZE];
	void *object = fuzz_copy(data, size), *again;
	struct cc_checkpoint p = { 0 };
	char err[160] = "";
	size_t again_size;
	int r;

	cc_sha256(object, size, sha256);
	r = cc_checkpoint_decode(object, size, sha256, BLOCKS, TERM, &p, err, sizeof(err));
	if (r) {
		fuzz_check(r == -EINVAL || r == -ENOMEM);
		fuzz_check_reason(err);
		free(object);
		return 0;
	}
	check_extents(&p);
	for (size_t i = 1; i < p.pieces.nr; i++)
		fuzz_check(p.pieces.all[i].place > p.pieces.all[i - 1].place);
	fuzz_check(!cc_checkpoint_encode(&p, &again, &again_size, again_sha256));
	fuzz_check(!memcmp(sha256, again_sha256, sizeof(sha256)));
	free(again);
	cc_checkpoint_free(&p);
	sha256[0] ^= 1;
	fuzz_check(cc_checkpoint_decode(object, size, sha256, BLOCKS, TERM, &p, err, sizeof(err)) == -EILSEQ);
	free(object);
	return 0;
}

/* ---- seeds ---- */

static void put(const char *name, uint64_t first)
{
	struct cc_piece pieces[] = {
		{ .place = first, .count = 2, .commit = 3, .offset = 4096, .sha256 = { 1 } },
		{ .place = cc_place_nth(first, 2), .count = 1, .pack_term = 1, .pack = { 1 }, .sha256 = { 1 } },
	};
	struct chunkcache_extent extents[] = {
		{ .block = 1, .place = first, .count = 3 },
		{ .block = 7, .place = cc_place_nth(first, 1), .count = 1 },
		{ .block = 100, .place = first & ~CC_PLACE_DATA, .count = 1000 },
	};
	struct cc_checkpoint p = {
		.volume = { 2 }, .chunk_shift = 24, .number = 9, .upto = first & ~CC_PLACE_DATA,
		.pieces = { pieces, 2, 2 }, .extents = extents, .nr_extents = 3,
	};
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;

	if (cc_checkpoint_encode(&p, &object, &size, sha256))
		abort();
	fuzz_seed(name, object, size);
	free(object);
}

void fuzz_seeds(void)
{
	put("map", cc_place(cc_log_number(2, 1), 4));
	put("map-cleaned", cc_place(cc_log_number(2, 1), 4) & ~CC_PLACE_GUEST);
	put("map-last-place", cc_place(cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX), 4092));
}
