// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest wrote, from records and slots to a store, and as another host finds it there: at each commit the
 * volume is as it was at that cut, and nothing that was in the slots before gets out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "httpd.h"
#include "tap.h"
#include "volume/place.h"
#include "volume/volume-name.h"
#include "volume/volume-rescue.h"

#define CHUNK_SHIFT	16
#define CHUNK_BLOCKS	16
#define BLOCKS		600
#define LOGS		4096
#define OTHERS		0xee		/* what the slots are full of */

static char err[400];
static const uint8_t vol[16] = { 0x77 }, pool_a[16] = { 'A' }, pool_b[16] = { 'B' };

static struct guest {
	uint8_t *slots;			/* LOGS log chunks */
	uint32_t term;
	uint64_t next;			/* position, in blocks, in this term */
	struct chunkcache_record *records;
	size_t nr_records;
	uint64_t cuts[64];
	size_t nr_cuts;
	uint32_t content[BLOCKS];	/* 0: base; 1: zeros; else what was written */
	uint32_t at_cut[64][BLOCKS];
	uint64_t lost_at;		/* if not 0, reading fails from here on */
	bool slow;			/* reading takes a while */
} g;

static unsigned int nr_readers, most_readers;

static struct cc_store_config config;
static struct cc_store *store;
static struct cc_uploads *uploads;
static uint8_t looked_at[16];		/* the volume that is compared */

static uint64_t position_place(uint64_t position)
{
	return cc_place(cc_log_number(g.term, position / CHUNK_BLOCKS), position % CHUNK_BLOCKS);
}

static int read_slots(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	uint64_t at = (uint64_t)cc_log_count(cc_place_number(key)) * CHUNK_BLOCKS + block;

	if (g.lost_at && at + blocks > g.lost_at)
		return -EIO;
	if (g.slow) {
		unsigned int readers = __atomic_add_fetch(&nr_readers, 1, __ATOMIC_SEQ_CST);

		if (readers > __atomic_load_n(&most_readers, __ATOMIC_SEQ_CST))
			__atomic_store_n(&most_readers, readers, __ATOMIC_SEQ_CST);
		usleep(200);
		__atomic_sub_fetch(&nr_readers, 1, __ATOMIC_SEQ_CST);
	}
	memcpy(buf, g.slots + at * CC_BLOCK_SIZE, (size_t)blocks * CC_BLOCK_SIZE);
	return 0;
}

static void guest_write_to(uint32_t block, uint32_t count, uint32_t value)
{
	g.records[g.nr_records++] = (struct chunkcache_record){
		.type = CC_JOURNAL_WRITE, .count = count, .block = block, .place = position_place(g.next),
	};
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = g.slots + (g.next + i) * CC_BLOCK_SIZE;

		for (size_t k = 0; k < CC_BLOCK_SIZE; k += sizeof(value))
			memcpy(at + k, &value, sizeof(value));
		g.content[block + i] = value;
	}
	g.next += count;
}

static void guest_write(uint32_t value)
{
	uint32_t count = 1 + rand() % 6, room = CHUNK_BLOCKS - g.next % CHUNK_BLOCKS;

	guest_write_to(rand() % (BLOCKS - 6), count < room ? count : room, value);
}

static void guest_zero(void)
{
	uint32_t count = 1 + rand() % 40, block = rand() % (BLOCKS - 40);

	g.records[g.nr_records++] = (struct chunkcache_record){
		.type = CC_JOURNAL_ZERO, .count = count, .block = block,
		.place = position_place(g.next) & ~CC_PLACE_DATA,
	};
	for (uint32_t i = 0; i < count; i++)
		g.content[block + i] = 1;
}

/* The order of the journal is not that of the places. */
static void shuffle_records(void)
{
	for (size_t i = g.nr_records - 1; i; i--) {
		size_t other = rand() % (i + 1);
		struct chunkcache_record r = g.records[i];

		g.records[i] = g.records[other];
		g.records[other] = r;
	}
}

static void cut_here(void)
{
	g.cuts[g.nr_cuts] = position_place(g.next) & ~CC_PLACE_DATA;
	memcpy(g.at_cut[g.nr_cuts++], g.content, sizeof(g.content));
}

static void guest_cut(void)
{
	g.next++;			/* a place that nobody used, as after an error; zeros before it are below */
	cut_here();
}

/* A run of blocks in one log chunk, a cut in the middle of it. */
static void guest_run_over_cut(void)
{
	g.next += CHUNK_BLOCKS - g.next % CHUNK_BLOCKS;
	guest_write_to(7, 2, 0x70000);
	cut_here();
	guest_write_to(9, 2, 0x70001);
	guest_cut();
}

static void guest_work(unsigned int cuts, unsigned int writes)
{
	while (cuts--) {
		for (unsigned int i = 0; i < writes; i++) {
			if (rand() % 8)
				guest_write(0x10000 + g.nr_records);
			else if (!(rand() % 4))
				guest_zero();
			else if (g.next % CHUNK_BLOCKS)
				g.next++;
		}
		guest_cut();
	}
	shuffle_records();
}

static void guest_start(uint32_t term)
{
	g.term = term;
	g.next = 0;
	g.nr_cuts = 0;
	g.nr_records = 0;
	g.slots = malloc((size_t)LOGS * CHUNK_BLOCKS * CC_BLOCK_SIZE);
	memset(g.slots, OTHERS, (size_t)LOGS * CHUNK_BLOCKS * CC_BLOCK_SIZE);
	g.records = calloc(100000, sizeof(*g.records));
}

static void guest_end(void)
{
	free(g.slots);
	free(g.records);
	g.slots = NULL;
}

/* ---- as another host sees it ---- */

static bool is_value(const uint8_t *block, uint32_t value)
{
	for (size_t k = 0; k < CC_BLOCK_SIZE; k += sizeof(value))
		if (memcmp(block + k, &value, sizeof(value)))
			return false;
	return true;
}

static unsigned int wrong_blocks(struct cc_volume_state *s, const uint32_t want[BLOCKS])
{
	static uint8_t buf[1 << CHUNK_SHIFT];
	unsigned int wrong = 0;

	for (uint64_t block = 0; block < BLOCKS; block++) {
		uint64_t place = cc_vmap_get(s->map, block);
		const struct cc_piece *of;
		size_t nr;

		if (want[block] <= 1) {
			wrong += want[block] ? !place || cc_place_is_data(place) : place != 0;
			continue;
		}
		nr = cc_pieces_of(&s->pieces, place, &of);
		if (!cc_place_is_data(place) ||
		    cc_pieces_read(store, looked_at, of, nr, buf, sizeof(buf), err, sizeof(err)) ||
		    !is_value(buf + cc_place_block(place) * CC_BLOCK_SIZE, want[block]))
			wrong++;
	}
	return wrong;
}

static unsigned int others_bytes(struct cc_volume_state *s)
{
	static uint8_t buf[1 << CHUNK_SHIFT];
	unsigned int found = 0;

	for (size_t i = 0; i < s->pieces.nr; i++) {
		if (s->pieces.all[i].count &&
		    cc_pieces_read(store, looked_at, &s->pieces.all[i], 1, buf, sizeof(buf), err, sizeof(err)))
			return 999;
		for (size_t k = 0; k < sizeof(buf); k += CC_BLOCK_SIZE)
			found += is_value(buf + k, OTHERS * 0x01010101u);
	}
	return found;
}

static int open_state(struct cc_volume_state *s, const uint8_t self[16], bool take)
{
	int r;

	cc_volume_state_init(s, store, vol, self, "host");
	r = cc_volume_log_read(&s->log, err, sizeof(err));
	return r || !take ? r : cc_volume_log_take(&s->log, err, sizeof(err));
}

static size_t cut_of(uint64_t upto)
{
	for (size_t i = 0; i < g.nr_cuts; i++)
		if (g.cuts[i] == upto)
			return i;
	return 63;
}

static struct cc_volume_dirty dirty_of_guest(void)
{
	return (struct cc_volume_dirty){
		.records = g.records, .nr_records = g.nr_records,
		.cuts = g.cuts, .nr_cuts = g.nr_cuts, .read = read_slots, .read_side_by_side = true,
		.uploads = uploads,
	};
}

/* All cuts, some at a time; after each commit somebody looks. */
static void test_cuts(struct cc_volume_state *s, bool checkpoints)
{
	struct cc_commit_counts counts = { 0 };
	unsigned int wrong = 0, others = 0, looks = 0;
	uint64_t upto = 0;
	int r = 0;

	for (size_t cuts = 1; !r && cuts <= g.nr_cuts; cuts += 1 + rand() % 3) {
		struct cc_volume_dirty d = dirty_of_guest();
		struct cc_volume_state b;

		d.nr_cuts = cuts;
		r = cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err));
		if (!r && checkpoints && rand() % 2)
			r = cc_volume_state_checkpoint(s, false, err, sizeof(err));
		if (r || open_state(&b, pool_b, false)) {
			r = -1;
			break;
		}
		looks++;
		wrong += wrong_blocks(&b, g.at_cut[cut_of(upto)]) + wrong_blocks(s, g.at_cut[cut_of(upto)]);
		others += others_bytes(&b);
		cc_volume_state_free(&b);
	}
	ok(!r && looks && !wrong, "%u commits, another host sees each cut as it was (%u blocks wrong)%s%s", looks, wrong,
	   r ? ": " : "", r ? err : "");
	ok(!others, "and no byte of what was in the slots before (%u blocks)", others);
	ok(counts.commits == looks, "one object a commit and %" PRIu64 " packs", counts.packs);
}

static void test_errors(struct cc_volume_state *s)
{
	struct cc_volume_dirty d = dirty_of_guest();
	struct cc_commit_counts counts = { 0 };
	uint64_t upto, before = s->log.last.upto;

	g.nr_cuts = 0;
	g.nr_records = 0;
	guest_work(1, 20);
	d = dirty_of_guest();
	g.lost_at = 1;
	ok(cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err)) == -EIO && upto == before && !counts.commits,
	   "what can't be read is not committed: %s", err);
	g.lost_at = 0;
	ok(!cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err)) && upto == g.cuts[0], "later it is");
	ok(!cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err)) && counts.commits == 1, "once");
}

/*
 * More than goes into a commit: packs, and several commits with one cut at least.  Read by the threads that put them,
 * if that may be.
 */
static void test_packs(struct cc_volume_state *s, bool side_by_side)
{
	struct cc_volume_dirty d;
	struct cc_commit_counts counts = { 0 };
	uint64_t upto, before = s->log.last.upto, first = g.next;
	unsigned int nr = 0;
	int r;

	g.nr_cuts = 0;
	g.nr_records = 0;
	guest_work(1, 600);		/* about 8 MiB */
	guest_work(2, 6000);		/* 2 * 70 MiB */
	d = dirty_of_guest();
	d.read_side_by_side = side_by_side;
	g.lost_at = first + 4096;	/* 16 MiB */
	ok(cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err)) == -EIO && upto == before && !counts.commits,
	   "what can't be read into a pack is not committed: %s", err);
	g.lost_at = 0;
	counts = (struct cc_commit_counts){ 0 };
	g.slow = true;
	most_readers = 0;
	do {
		r = cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err));
		nr++;
	} while (!r && upto < g.cuts[g.nr_cuts - 1] && nr < 10);
	ok(!r && nr > 1 && nr < 5, "much is committed in %u pieces: %s", nr, r ? err : "");
	ok(counts.packs == counts.bytes / CC_PACK_SIZE - (counts.bytes % CC_PACK_SIZE < counts.bytes / 100),
	   "%" PRIu64 " packs for %" PRIu64 " bytes", counts.packs, counts.bytes);
	g.slow = false;
	ok(side_by_side ? most_readers > 1 : most_readers == 1, "%u read at once", most_readers);
	ok(!wrong_blocks(s, g.at_cut[g.nr_cuts - 1]), "all of it is right");
}

/* ---- a fork ---- */

static int commit_rest(struct cc_volume_state *s)
{
	struct cc_volume_dirty d = dirty_of_guest();
	struct cc_commit_counts counts = { 0 };
	uint64_t upto = 0;
	int r = 0;

	while (!r && upto < g.cuts[g.nr_cuts - 1])
		r = cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err));
	return r;
}

static bool volume_is(const char *name, const uint32_t want[BLOCKS])
{
	struct cc_volume_state s;
	bool same;

	if (cc_volume_uuid(store, name, looked_at, err, sizeof(err)))
		return false;
	cc_volume_state_init(&s, store, looked_at, pool_b, "host");
	same = !cc_volume_log_read(&s.log, err, sizeof(err)) && cc_volume_log_closed(&s.log) &&
	       !wrong_blocks(&s, want) && !others_bytes(&s);
	cc_volume_state_free(&s);
	memcpy(looked_at, vol, sizeof(looked_at));
	return same;
}

/* Pool a has written, some of it committed, when b takes over and writes on. */
static void test_fork(void)
{
	struct cc_volume_dirty fork;
	struct cc_volume_rescue rescue = {
		.store = store, .volume = vol, .self = pool_a, .host = "host", .fork = &fork, .as = "saved", .parallel = 4,
	};
	struct cc_volume_state a, b;
	struct cc_commit c = { .type = CC_COMMIT_RESIZE, .size = (uint64_t)BLOCKS * 2 << CC_BLOCK_SHIFT };
	struct cc_commit_counts counts = { 0 };
	uint64_t upto;

	if (!ok(!open_state(&a, pool_a, true), "opened: %s", err))
		return;
	guest_start(a.log.own_term);
	guest_work(1, 40);
	guest_run_over_cut();
	fork = dirty_of_guest();
	fork.nr_cuts = 2;
	ok(!cc_volume_commit(&a, &fork, &counts, &upto, err, sizeof(err)) && upto == g.cuts[1], "part of it is committed");
	ok(!open_state(&b, pool_b, true) && !cc_volume_state_checkpoint(&b, false, err, sizeof(err)) &&
	   !cc_volume_log_append(&b.log, &c, NULL, 0, err, sizeof(err)), "another host goes on: %s", err);
	ok(cc_volume_commit(&a, &(struct cc_volume_dirty){ .records = g.records, .nr_records = g.nr_records,
			    .cuts = g.cuts, .nr_cuts = 3, .read = read_slots, .uploads = uploads },
			    &counts, &upto, err, sizeof(err)) == -ESTALE, "the rest can't be: %s", err);
	fork = dirty_of_guest();
	rescue.term = a.log.last.term - 1;
	ok(!cc_volume_rescue_run(&rescue, err, sizeof(err)), "rescued: %s", err);
	ok(volume_is("saved", g.content), "the new volume has all that was written: %s", err);
	ok(cc_volume_rescue_run(&rescue, err, sizeof(err)) == -EEXIST, "not twice to one name: %s", err);
	g.lost_at = 1;
	rescue.as = "lost";
	ok(cc_volume_rescue_run(&rescue, err, sizeof(err)) == -EIO && !volume_is("lost", g.content),
	   "what can't be read makes no volume: %s", err);
	g.lost_at = 0;
	guest_end();
	cc_volume_state_free(&a);
	cc_volume_state_free(&b);
}

/* A guest that discards for long while the store is away: more records than an object takes. */
static void test_many_zeros(void)
{
	enum { CUTS = 8, EACH = 300000 };
	static const uint8_t other[16] = { 0x79 };
	struct cc_commit c = { .size = (uint64_t)BLOCKS << CC_BLOCK_SHIFT, .chunk_shift = CHUNK_SHIFT };
	uint64_t cuts[CUTS], upto = 0;
	struct cc_volume_dirty d = {
		.records = calloc((size_t)CUTS * EACH, sizeof(*d.records)), .nr_records = (size_t)CUTS * EACH,
		.cuts = cuts, .nr_cuts = CUTS, .read = read_slots, .uploads = uploads,
	};
	struct cc_commit_counts counts = { 0 };
	struct cc_volume_state s;
	int r = cc_volume_log_create(store, other, &c, err, sizeof(err));

	cc_volume_state_init(&s, store, other, pool_a, "host-a");
	if (!d.records || r || cc_volume_log_read(&s.log, err, sizeof(err)) ||
	    cc_volume_log_take(&s.log, err, sizeof(err)))
		httpd_fatal(err);
	for (size_t i = 0; i < d.nr_records; i++)
		d.records[i] = (struct chunkcache_record){
			.type = CC_JOURNAL_ZERO, .block = i % BLOCKS, .count = 1,
			.place = cc_place(cc_log_number(s.log.own_term, i / EACH), 1) & ~CC_PLACE_DATA,
		};
	for (unsigned int i = 0; i < CUTS; i++)
		cuts[i] = cc_place(cc_log_number(s.log.own_term, i + 1), 0) & ~CC_PLACE_DATA;
	while (!r && upto < cuts[CUTS - 1])
		r = cc_volume_commit(&s, &d, &counts, &upto, err, sizeof(err));
	ok(!r && counts.commits >= 4, "zeros: more than an object takes go into %u", (unsigned int)counts.commits);
	free(d.records);
	cc_volume_state_free(&s);
}

static void test_volume(void)
{
	struct cc_commit c = { .size = (uint64_t)BLOCKS << CC_BLOCK_SHIFT, .chunk_shift = CHUNK_SHIFT };
	struct cc_volume_state a, b;

	ok(!cc_volume_log_create(store, vol, &c, err, sizeof(err)), "created: %s", err);
	if (!ok(!open_state(&a, pool_a, true) && a.log.own_term == 2, "opened: %s", err))
		return;
	guest_start(2);
	guest_work(20, 12);
	test_cuts(&a, false);
	test_errors(&a);
	test_packs(&a, true);
	guest_end();
	cc_volume_state_free(&a);
	/* Another host goes on. */
	if (!ok(!open_state(&b, pool_b, true) && b.log.own_term == 3, "opened by another: %s", err))
		return;
	guest_start(3);
	guest_work(12, 12);
	test_cuts(&b, true);
	ok(!commit_rest(&b), "the rest: %s", err);
	test_packs(&b, false);
	guest_end();
	cc_volume_state_free(&b);
}

int main(void)
{
	char dir[64], url[128];

	make_temp_dir(dir);
	snprintf(url, sizeof(url), "file://%s", dir);
	cc_store_config_init(&config);
	config.url = url;
	if (cc_store_open(&config, &store, err, sizeof(err)) ||
	    cc_uploads_open(&(struct cc_uploads_config){ .store = store, .parallel = 3 }, &uploads))
		return 1;
	memcpy(looked_at, vol, sizeof(looked_at));
	test_volume();
	test_fork();
	test_many_zeros();
	cc_uploads_close(uploads);
	cc_store_close(store);
	remove_tree(dir);
	return tap_done();
}
