// SPDX-License-Identifier: GPL-2.0-or-later
/* Maps of checkpoints: read as they were made, and what a hostile store may put in their place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "tap.h"
#include "volume/checkpoint.h"
#include "volume/place.h"

#define BLOCKS	10000
#define NR	2

static struct cc_piece pieces[NR];
static struct chunkcache_extent extents[NR];
static char err[200];

/* A log chunk with a piece of two blocks from block on, and one that follows it; an extent in each. */
static void make_map(uint64_t number, uint32_t block)
{
	for (uint32_t i = 0; i < NR; i++) {
		pieces[i] = (struct cc_piece){
			.place = cc_place(number, block + 2 * i), .count = 2, .commit = 3, .offset = 4096,
		};
		extents[i] = (struct chunkcache_extent){ .block = 100 * i, .place = pieces[i].place, .count = 2 };
	}
}

/* As cc_checkpoint_decode() finds it, with the sum that belongs to it; change: of its bytes. */
static int read_map(struct cc_checkpoint *ret, size_t nr_pieces, void (*change)(uint8_t *object))
{
	struct cc_checkpoint p = {
		.chunk_shift = 24, .number = 9, .pieces = { pieces, nr_pieces, NR }, .extents = extents,
		.nr_extents = NR,
	};
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;
	int r;

	if (cc_checkpoint_encode(&p, &object, &size, sha256))
		abort();
	if (change) {
		change(object);
		cc_sha256(object, size, sha256);
	}
	*err = '\0';
	r = cc_checkpoint_decode(object, size, sha256, BLOCKS, CC_LOG_TERM_MAX, ret, err, sizeof(err));
	free(object);
	return r;
}

static void good(size_t nr_pieces, const char *what)
{
	struct cc_checkpoint p;
	int r = read_map(&p, nr_pieces, NULL);

	ok(!r && p.pieces.nr == nr_pieces && p.nr_extents == NR, "taken: %s %s", what, err);
	if (!r)
		cc_checkpoint_free(&p);
}

static void bad(size_t nr_pieces, void (*change)(uint8_t *object), const char *says, const char *what)
{
	struct cc_checkpoint p;
	int r = read_map(&p, nr_pieces, change);

	ok(r == -EINVAL && strstr(err, says), "refused: %s: %s", what, err);
	if (!r)
		cc_checkpoint_free(&p);
}

static void set_pack(uint8_t *object)
{
	object[sizeof(struct cc_map_header) + offsetof(struct cc_commit_piece, pack) + sizeof(uint64_t)] = 1;
}

int main(void)
{
	const uint64_t number = cc_log_number(2, 1), last = cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX);

	make_map(number, 5);
	good(2, "a map");
	bad(1, NULL, "place of an extent", "blocks without bytes");
	bad(2, set_pack, "pack of a piece", "a pack's name without a pack");
	extents[0].count = 5;
	bad(2, NULL, "place of an extent", "more blocks than have bytes");
	extents[0].place = extents[1].place = cc_place(number, 0) & ~CC_PLACE_DATA;
	good(0, "zeros, and no pieces");

	make_map(last, 4092);
	good(2, "a map of the last places that there are");
	extents[1].count = 3;
	bad(2, NULL, "place of an extent", "blocks behind the last place");
	make_map(last, 4000);
	extents[1].count = 1000;
	bad(2, NULL, "place of an extent", "a run past the last place");
	make_map(number, 5);
	extents[0].place = extents[1].place = cc_place(last, 7);
	bad(2, NULL, "place of an extent", "the last places, and pieces of others only");
	return tap_done();
}
