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

/* ---- what is dead ---- */

static struct cc_pieces table;
static struct cc_vmap *map;

static void add_piece(uint64_t number, uint32_t block, uint32_t count)
{
	struct cc_piece p = { .place = cc_place(number, block), .count = count, .commit = 1, .sha256 = { 1 } };

	if (cc_pieces_add(&table, &p))
		abort();
}

static void put(uint64_t block, uint64_t number, uint32_t at, uint32_t count)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_WRITE, .block = block, .count = count,
				       .place = cc_place(number, at) };

	if (cc_vmap_apply(map, &r))
		abort();
}

/* "place's count of the log chunk", for each: such as "2/0:4" for term 2, number 0, 4 blocks. */
static bool table_is(const char *want)
{
	char text[400] = "";

	for (size_t i = 0; i < table.nr; i++) {
		uint64_t number = cc_place_number(table.all[i].place);

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u/%u:%u ", cc_log_term(number),
			 cc_log_count(number), table.all[i].count);
	}
	return !strcmp(text, want);
}

static void drop(uint32_t own_term)
{
	if (cc_pieces_drop_dead(&table, map, own_term))
		abort();
}

static void test_dead(void)
{
	const uint64_t old = cc_log_number(2, 0), own = cc_log_number(3, 0);

	if (cc_vmap_open(BLOCKS, &map))
		abort();
	add_piece(old, 0, 4);
	add_piece(old, 4, 4);
	add_piece(old + 1, 0, 8);
	add_piece(own, 0, 4);
	add_piece(own, 4, 4);
	put(0, old, 0, 8);
	put(8, old + 1, 0, 8);
	put(100, own, 3, 1);
	drop(3);
	ok(table_is("2/0:4 2/0:4 2/1:8 3/0:4 3/0:4 "), "what has died stays as long as a read may be under way");
	put(4, own, 4, 1);
	drop(3);
	ok(table_is("2/0:4 2/0:4 2/1:8 3/0:4 3/0:4 ") && !table.dropped, "one live block is enough, also of the last");
	put(1, own + 1, 0, 15);
	put(0, own + 2, 0, 1);
	add_piece(own + 1, 0, 15);
	add_piece(own + 2, 0, 1);
	drop(3);
	put(0, own + 3, 0, 1);
	add_piece(own + 3, 0, 1);
	drop(3);
	ok(table_is("2/0:0 2/1:0 3/0:4 3/1:15 3/2:1 3/3:1 ") && table.dropped == 4,
	   "then it goes, but the numbers of log chunks that were there before the term");
	drop(3);
	ok(table_is("2/0:0 2/1:0 3/0:4 3/1:15 3/3:1 "), "which stay; that of its own does not");
	cc_pieces_begin_term(&table);
	ok(table_is("3/0:4 3/1:15 3/3:1 ") && table.dropped == 7, "until the next one begins");
	put(0, own + 4, 0, 200);
	drop(0);
	ok(!table.nr, "with nobody who reads all goes at once");
	cc_pieces_free(&table);
	cc_vmap_close(map);
}

static void set_count(uint8_t *object)
{
	object[sizeof(struct cc_map_header) + offsetof(struct cc_commit_piece, count)] = 0;
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

	make_map(number, 5);
	bad(2, set_count, "count of a piece", "a piece of no blocks");
	pieces[0] = (struct cc_piece){ .place = cc_place(number, 0) };
	extents[0] = (struct chunkcache_extent){ .block = 1, .place = extents[1].place, .count = 1 };
	good(2, "the number of a log chunk");
	extents[0].place = cc_place(number, 0);
	bad(2, NULL, "place of an extent", "a block in such a one");
	pieces[0].place = cc_place(number, 1);
	bad(2, NULL, "count of a piece", "one that is not at its beginning");

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
	test_dead();
	return tap_done();
}
