// SPDX-License-Identifier: GPL-2.0-or-later
/* Maps of checkpoints: read as they were made, and what a hostile store may put in their place. */
#include <errno.h>
#include <stdio.h>
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
static void make_page(uint64_t number, uint32_t block)
{
	for (uint32_t i = 0; i < NR; i++) {
		pieces[i] = (struct cc_piece){
			.place = cc_place(number, block + 2 * i), .count = 2, .commit = 3, .offset = 4096,
		};
		extents[i] = (struct chunkcache_extent){ .block = 100 * i, .place = pieces[i].place, .count = 2 };
	}
}

/* As cc_page_decode() finds it, with the sum that belongs to it; change: of its bytes. */
static int read_page(enum cc_map_kind kind, uint64_t index, struct cc_map_page *ret, void (*change)(uint8_t *object))
{
	struct cc_map_page p = {
		.kind = kind, .chunk_shift = 24, .number = 9, .index = index, .nr = NR, .pieces = pieces,
		.extents = extents,
	};
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;
	int r;

	if (cc_page_encode(&p, &object, &size, sha256))
		abort();
	if (change) {
		change(object);
		cc_sha256(object, size, sha256);
	}
	*err = '\0';
	r = cc_page_decode(object, size, sha256, CC_LOG_TERM_MAX, ret, err, sizeof(err));
	free(object);
	return r;
}

static void good(enum cc_map_kind kind, uint64_t index, const char *what)
{
	struct cc_map_page p;
	int r = read_page(kind, index, &p, NULL);
	bool same = !r && p.nr == NR && p.kind == kind && p.index == index;

	for (uint32_t i = 0; same && i < NR; i++) {
		if (kind == CC_MAP_PIECES)
			same = p.pieces[i].place == pieces[i].place && p.pieces[i].commit == pieces[i].commit;
		else
			same = p.extents[i].block == extents[i].block && p.extents[i].place == extents[i].place &&
			       p.extents[i].count == extents[i].count;
	}
	ok(same, "taken: %s %s", what, err);
	if (!r)
		cc_page_free(&p);
}

static void bad(enum cc_map_kind kind, uint64_t index, void (*change)(uint8_t *object), const char *says,
		const char *what)
{
	struct cc_map_page p;
	int r = read_page(kind, index, &p, change);

	ok(r == -EINVAL && strstr(err, says), "refused: %s: %s", what, err);
	if (!r)
		cc_page_free(&p);
}

static void set_kind(uint8_t *object)
{
	object[offsetof(struct cc_page_header, kind)] = 3;
}

static void set_nr(uint8_t *object)
{
	object[offsetof(struct cc_page_header, nr)] = NR + 1;
}

static void test_pages(void)
{
	const uint64_t number = cc_log_number(2, 1), last = cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX);
	uint64_t of = cc_pieces_page(cc_place(number, 0));

	make_page(number, 5);
	good(CC_MAP_PIECES, of, "a page of pieces");
	good(CC_MAP_EXTENTS, 0, "a page of extents");
	bad(CC_MAP_PIECES, of + 1, NULL, "place of a piece", "pieces of another page");
	bad(CC_MAP_PIECES, of, set_kind, "kind", "no kind of page");
	bad(CC_MAP_EXTENTS, 0, set_nr, "zstd frame", "fewer entries than it tells of");
	pieces[1].place = pieces[0].place;
	bad(CC_MAP_PIECES, of, NULL, "order of the pieces", "a piece twice");
	pieces[0].count = 0;
	bad(CC_MAP_PIECES, of, NULL, "count of a piece", "a piece of no blocks");
	make_page(number, 5);
	pieces[0] = (struct cc_piece){ .place = cc_place(number, 0) };
	good(CC_MAP_PIECES, of, "the number of a log chunk");
	pieces[0].place = cc_place(number, 1);
	bad(CC_MAP_PIECES, of, NULL, "count of a piece", "one that is not at its beginning");
	extents[1].block = 1;
	bad(CC_MAP_EXTENTS, 0, NULL, "order of the extents", "extents on each other");
	extents[1].block = CC_PAGE_BLOCKS - 1;
	bad(CC_MAP_EXTENTS, 0, NULL, "first and count of an extent", "an extent over the end of the page");
	extents[1] = (struct chunkcache_extent){ .block = 100, .count = 1 };
	bad(CC_MAP_EXTENTS, 0, NULL, "place of an extent", "an extent without a place");
	make_page(last, 4092);
	good(CC_MAP_PIECES, cc_pieces_page(cc_place(last, 0)), "the last places that there are");
	extents[0].block = extents[1].block = (UINT64_MAX >> CC_PAGE_BLOCKS_SHIFT) << CC_PAGE_BLOCKS_SHIFT;
	extents[1].block += 100;
	good(CC_MAP_EXTENTS, UINT64_MAX >> CC_PAGE_BLOCKS_SHIFT, "the last blocks that there can be");
}

/* ---- roots ---- */

static struct cc_origin origins[2];
static struct cc_ref refs[3];
static struct cc_root root;

static void make_root(void)
{
	origins[0] = (struct cc_origin){ .volume = { 7 }, .term = 2 };
	origins[1] = (struct cc_origin){ .volume = { 8 }, .term = 5 };
	refs[0] = (struct cc_ref){ .kind = CC_MAP_PIECES, .index = 1ULL << 42, .term = 2, .sha256 = { 1 } };
	refs[1] = (struct cc_ref){ .kind = CC_MAP_EXTENTS, .index = 0, .term = 6, .sha256 = { 2 } };
	refs[2] = (struct cc_ref){ .kind = CC_MAP_EXTENTS, .index = 1 };
	refs[2].zeros_place = cc_place(cc_log_number(3, 0), 0) & ~CC_PLACE_DATA;
	root = (struct cc_root){
		.volume = { 9 }, .chunk_shift = 24, .term = 6, .number = 4,
		.size = (CC_PAGE_BLOCKS + 1ULL) * CC_BLOCK_SIZE,
		.origins = origins, .nr_origins = 2, .refs = refs, .nr_refs = 3,
	};
}

static int read_root(struct cc_root *ret)
{
	uint8_t sha256[CC_ID_SIZE];
	void *object;
	size_t size;
	int r;

	if (cc_root_encode(&root, &object, &size, sha256))
		abort();
	*err = '\0';
	r = cc_root_decode(object, size, sha256, ret, err, sizeof(err));
	free(object);
	return r;
}

/* Of a build that had no roots yet. */
static void test_map_in_one(void)
{
	const uint8_t object[200] = "ccvmap1\n";
	uint8_t sha256[CC_ID_SIZE];
	struct cc_root p;
	int r;

	cc_sha256(object, sizeof(object), sha256);
	r = cc_root_decode(object, sizeof(object), sha256, &p, err, sizeof(err));
	ok(r == -EINVAL && strstr(err, "builds before 0.1.0"), "refused: a map in one object: %s", err);
}

static void bad_root(const char *says, const char *what)
{
	struct cc_root p;
	int r = read_root(&p);

	ok(r == -EINVAL && strstr(err, says), "refused: %s: %s", what, err);
	if (!r)
		cc_root_free(&p);
	make_root();
}

static void test_roots(void)
{
	struct cc_root p;

	make_root();
	ok(!read_root(&p) && p.nr_refs == 3 && p.refs[2].zeros_place == refs[2].zeros_place &&
	   !memcmp(p.refs[1].sha256, refs[1].sha256, CC_ID_SIZE), "a root");
	ok(*cc_root_volume(&p, 1) == 7 && *cc_root_volume(&p, 2) == 7 && *cc_root_volume(&p, 3) == 8 &&
	   *cc_root_volume(&p, 5) == 8 && *cc_root_volume(&p, 6) == 9, "whose objects of a term are");
	cc_root_free(&p);
	refs[1].index = 2;
	bad_root("index of a page", "a page behind the end of the volume");
	refs[1].index = 1;
	bad_root("order of the pages", "a page twice");
	refs[1].term = 7;
	bad_root("term of a page", "a page of a later term");
	refs[2].zeros_place |= CC_PLACE_DATA;
	bad_root("place of zeros", "zeros that are data");
	refs[0].term = 0;
	bad_root("place of zeros", "pieces without a page");
	refs[0].kind = 3;
	bad_root("kind of a page", "no kind of page");
	origins[1].term = 2;
	bad_root("term of an origin", "two origins of one term");
	origins[0].volume[0] = 0;
	bad_root("volume of an origin", "an origin that is none");
	root.size++;
	bad_root("size", "half a block");
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

/* ---- in a store ---- */

static struct cc_store *store;

static int count_object(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int nr_objects(void)
{
	unsigned int nr = 0;

	if (cc_store_list(store, "volumes/", count_object, &nr, err, sizeof(err)))
		abort();
	return nr;
}

/* Two pages of extents, one of which is zeros all over, and log chunks in two pages of pieces. */
static struct cc_checkpoint make_map(void)
{
	struct chunkcache_record zeros = { .type = CC_JOURNAL_ZERO, .count = CC_PAGE_BLOCKS, .block = CC_PAGE_BLOCKS,
					   .place = cc_place(cc_log_number(2, 0), 0) & ~CC_PLACE_DATA };

	if (cc_vmap_open(3 * CC_PAGE_BLOCKS, &map) || cc_vmap_apply(map, &zeros))
		abort();
	add_piece(cc_log_number(2, 1), 0, 8);
	add_piece(cc_log_number(2, 1000), 0, 8);
	put(5, cc_log_number(2, 1), 0, 8);
	put(7, cc_log_number(2, 1000), 4, 2);
	return (struct cc_checkpoint){ .store = store, .parallel = 4, .map = map, .pieces = &table };
}

static int same_extent(void *arg, const struct cc_vmap_extent *e)
{
	for (uint64_t i = 0; i < e->count; i++)
		if (cc_vmap_get(arg, e->block + i) != cc_place_nth(e->place, i))
			return 1;
	return 0;
}

static int load_again(const uint8_t sha256[CC_ID_SIZE], bool *ret_same)
{
	struct cc_pieces pieces_again = { 0 };
	struct cc_vmap *map_again = NULL;
	struct cc_checkpoint p = { .store = store, .parallel = 4, .pieces = &pieces_again };
	struct cc_root again;
	int r = cc_checkpoint_get_root(store, root.volume, root.term, sha256, &again, err, sizeof(err));

	if (r)
		return r;
	if (cc_vmap_open(3 * CC_PAGE_BLOCKS, &map_again))
		abort();
	p.map = map_again;
	r = cc_checkpoint_load(&p, &again, err, sizeof(err));
	*ret_same = !r && pieces_again.nr == table.nr && !cc_vmap_each(map, same_extent, map_again) &&
		    !cc_vmap_each(map_again, same_extent, map);
	cc_root_free(&again);
	cc_pieces_free(&pieces_again);
	cc_vmap_close(map_again);
	return r;
}

static void make_empty_root(void)
{
	make_root();
	root.size = 3ULL * CC_PAGE_BLOCKS * CC_BLOCK_SIZE;
	root.nr_origins = 0;
	root.origins = NULL;
	root.refs = NULL;
	root.nr_refs = 0;
}

static void test_store(void)
{
	struct cc_checkpoint p = make_map();
	uint8_t sha256[CC_ID_SIZE];
	bool same = false;
	uint64_t first;

	make_empty_root();
	ok(!cc_checkpoint_put(&p, &root, sha256, err, sizeof(err)) && nr_objects() == 4 && root.nr_refs == 4,
	   "a root and three pages; zeros are in the root: %u", nr_objects());
	ok(!load_again(sha256, &same) && same, "it is as it was: %s", err);
	first = p.bytes;
	cc_vmap_saved(map);
	cc_pieces_saved(&table);
	root.number++;
	put(2 * CC_PAGE_BLOCKS + 1, cc_log_number(2, 1000), 6, 1);
	ok(!cc_checkpoint_put(&p, &root, sha256, err, sizeof(err)) && nr_objects() == 6 && p.bytes < first,
	   "only what changed is put: %u objects in all", nr_objects());
	ok(!load_again(sha256, &same) && same, "and all of it is found: %s", err);
	put(9, cc_log_number(2, 1000), 8, 1);
	ok(!cc_checkpoint_put(&p, &root, sha256, err, sizeof(err)) && load_again(sha256, &same) == -EBADMSG &&
	   strstr(err, "place or block of an extent"), "blocks without bytes are refused: %s", err);
	free(root.refs);
	cc_pieces_free(&table);
	cc_vmap_close(map);
}

/* Behind which a place would be 0. */
static void test_last_place(void)
{
	const uint64_t last = cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX);
	struct cc_checkpoint p = { .store = store, .parallel = 1, .pieces = &table };
	uint8_t sha256[CC_ID_SIZE];
	bool same = false;

	if (cc_vmap_open(3 * CC_PAGE_BLOCKS, &map))
		abort();
	add_piece(last, 4092, 4);
	put(0, last, 4092, 4);
	p.map = map;
	make_empty_root();
	root.term = CC_LOG_TERM_MAX;
	ok(!cc_checkpoint_put(&p, &root, sha256, err, sizeof(err)) && !load_again(sha256, &same) && same,
	   "the last place that there is: %s", err);
	put(100, last, 4090, 6);
	ok(!cc_checkpoint_put(&p, &root, sha256, err, sizeof(err)) && load_again(sha256, &same) == -EBADMSG,
	   "blocks before it without bytes are refused: %s", err);
	free(root.refs);
	cc_pieces_free(&table);
	cc_vmap_close(map);
}

static void run_in_store(void)
{
	char dir[] = "/tmp/test-checkpoint-XXXXXX", url[64], command[64];
	struct cc_store_config config;

	if (!mkdtemp(dir))
		abort();
	snprintf(url, sizeof(url), "file://%s", dir);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cc_store_config_init(&config);
	config.url = url;
	if (cc_store_open(&config, &store, err, sizeof(err)))
		abort();
	test_store();
	test_last_place();
	cc_store_close(store);
	if (system(command))
		abort();
}

int main(void)
{
	run_in_store();
	test_pages();
	test_roots();
	test_map_in_one();
	test_dead();
	return tap_done();
}
