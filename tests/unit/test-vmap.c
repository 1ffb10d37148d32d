// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Places and the map of a volume: the higher place wins in whatever order records come, and again; relocations
 * count where their source is; extents say what the blocks say.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "chunkcache/format.h"
#include "tap.h"
#include "volume/place.h"
#include "volume/vmap.h"

#define BLOCKS		3000u		/* no multiple of a leaf's */
#define RECORDS		400u
#define LOG_BLOCKS	256u

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static struct chunkcache_record record(uint8_t type, uint64_t block, uint32_t count, uint64_t place)
{
	return (struct chunkcache_record) { .type = type, .volume = 1, .block = block, .count = count, .place = place };
}

static uint64_t zeros_at(uint64_t number, uint32_t block)
{
	return cc_place(number, block) & ~(uint64_t)CC_PLACE_DATA;
}

static void test_places(void)
{
	uint64_t number = cc_log_number(CC_LOG_TERM_MAX, 0xffffffff), p = cc_place(number, 4095);

	ok(cc_place_number(p) == number && cc_place_block(p) == 4095 && cc_place_is_guest(p) && cc_place_is_data(p),
	   "place: the largest comes apart as it was made");
	ok(cc_log_term(number) == CC_LOG_TERM_MAX && cc_log_count(number) == 0xffffffff, "place: term and count");
	ok(p == UINT64_MAX, "place: no bit is left over");
	ok(cc_place(5, 7) < zeros_at(5, 8) && zeros_at(5, 8) < cc_place(5, 8), "place: zeros lie below the data that follows");
	ok(cc_place(5, 4095) < cc_place(6, 0), "place: log chunks follow each other");
	ok((cc_place(5, 0) & ~CC_PLACE_GUEST) < cc_place(0, 0), "place: the cleaner's are below all of the guest's");
	ok(cc_place_nth(cc_place(5, 7), 3) == cc_place(5, 10) && cc_place_nth(zeros_at(5, 7), 3) == zeros_at(5, 7),
	   "place: of a run");
	ok(cc_place_term_end(3) > cc_place(cc_log_number(3, 0xffffffff), 4095) &&
	   cc_place_term_end(3) < cc_place(cc_log_number(4, 0), 0), "place: the end of a term");
}

/* ---- the rule, beside an array ---- */

static uint64_t plain[BLOCKS];

static void plain_apply(const struct chunkcache_record *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t place = cc_place_nth(r->place, i), *old = &plain[r->block + i];

		if (r->type == CC_JOURNAL_RELOCATE ? *old == cc_place_nth(r->arg, i) : place > *old)
			*old = place;
	}
}

static struct chunkcache_record random_write(uint32_t *position)
{
	uint32_t count = 1 + below(below(4) ? 8 : 200);
	uint32_t in_log = *position % LOG_BLOCKS;
	uint64_t place;
	struct chunkcache_record r;

	if (!below(5)) {
		count = 1 + below(BLOCKS);
		place = zeros_at(*position / LOG_BLOCKS, in_log);
		r = record(CC_JOURNAL_ZERO, 0, count, place);
	} else {
		if (count > LOG_BLOCKS - in_log)
			count = LOG_BLOCKS - in_log;
		place = cc_place(*position / LOG_BLOCKS, in_log);
		*position += count;
		r = record(CC_JOURNAL_WRITE, 0, count, place);
	}
	r.block = below(BLOCKS - count + 1);
	return r;
}

static unsigned int differing(const struct cc_vmap *m)
{
	unsigned int nr = 0;

	for (uint64_t i = 0; i < BLOCKS; i++)
		nr += cc_vmap_get(m, i) != plain[i];
	return nr;
}

static uint64_t covered[BLOCKS];

static int cover(void *arg, const struct cc_vmap_extent *e)
{
	unsigned int *bad = arg;

	for (uint64_t i = 0; i < e->count; i++) {
		*bad += covered[e->block + i] != 0;
		covered[e->block + i] = cc_place_nth(e->place, i);
	}
	*bad += cc_place_log_key(cc_place_nth(e->place, e->count - 1)) != cc_place_log_key(e->place);
	return 0;
}

static unsigned int extents_differ(const struct cc_vmap *m)
{
	unsigned int bad = 0;

	memset(covered, 0, sizeof(covered));
	cc_vmap_each(m, cover, &bad);
	return bad + (memcmp(covered, plain, sizeof(plain)) != 0);
}

static void shuffle(struct chunkcache_record *r, unsigned int nr)
{
	for (unsigned int i = nr; i > 1; i--) {
		unsigned int j = below(i);
		struct chunkcache_record t = r[i - 1];

		r[i - 1] = r[j];
		r[j] = t;
	}
}

static void test_rule(void)
{
	unsigned int wrong = 0, wrong_extents = 0, wrong_order = 0;

	for (unsigned int round = 0; round < 60; round++) {
		struct chunkcache_record r[RECORDS];
		struct cc_vmap *m, *other;
		uint32_t position = 0;

		memset(plain, 0, sizeof(plain));
		cc_vmap_open(BLOCKS, &m);
		cc_vmap_open(BLOCKS, &other);
		for (unsigned int i = 0; i < RECORDS; i++) {
			r[i] = random_write(&position);
			plain_apply(&r[i]);
			cc_vmap_apply(m, &r[i]);
		}
		wrong += differing(m);
		wrong_extents += extents_differ(m);
		shuffle(r, RECORDS);
		for (unsigned int i = 0; i < 2 * RECORDS; i++)
			cc_vmap_apply(other, &r[i % RECORDS]);
		wrong_order += differing(other);
		cc_vmap_close(m);
		cc_vmap_close(other);
	}
	ok(!wrong, "rule: random records as an array has them (%u blocks differ)", wrong);
	ok(!wrong_order, "rule: in any order, and all of them twice (%u blocks differ)", wrong_order);
	ok(!wrong_extents, "extents: each block once, and none over the end of a log chunk");
}

static void test_relocation(void)
{
	struct chunkcache_record w1 = record(CC_JOURNAL_WRITE, 10, 4, cc_place(5, 0));
	struct chunkcache_record w2 = record(CC_JOURNAL_WRITE, 11, 1, cc_place(5, 4));
	struct chunkcache_record r = record(CC_JOURNAL_RELOCATE, 10, 4, cc_place(1, 20) & ~CC_PLACE_GUEST);
	struct cc_vmap *m;

	r.arg = w1.place;
	cc_vmap_open(100, &m);
	cc_vmap_apply(m, &r);
	ok(!cc_vmap_get(m, 10), "relocation: nothing where its source is not");
	cc_vmap_apply(m, &w1);
	cc_vmap_apply(m, &w2);
	cc_vmap_apply(m, &r);
	ok(cc_vmap_get(m, 10) == r.place && cc_vmap_get(m, 12) == cc_place_nth(r.place, 2), "relocation: where it is");
	ok(cc_vmap_get(m, 11) == w2.place, "relocation: what was written meanwhile stays");
	cc_vmap_close(m);
}

static void test_uniform(void)
{
	struct chunkcache_record all = record(CC_JOURNAL_ZERO, 0, 0xffffff, zeros_at(2, 0));
	struct chunkcache_record lower = record(CC_JOURNAL_WRITE, 600, 1, cc_place(1, 0));
	struct chunkcache_record higher = record(CC_JOURNAL_WRITE, 601, 1, cc_place(2, 0));
	struct cc_vmap *m;

	ok(!cc_vmap_open(1ULL << 38, &m), "a map of the largest volume");
	cc_vmap_apply(m, &all);
	cc_vmap_apply(m, &lower);
	cc_vmap_apply(m, &higher);
	ok(cc_vmap_get(m, 600) == all.place && cc_vmap_get(m, 601) == higher.place, "zeros of many leaves, and a write in one");
	all.place = zeros_at(1, 0);
	cc_vmap_apply(m, &all);
	ok(cc_vmap_get(m, 5000) == zeros_at(2, 0), "lower zeros change nothing");
	cc_vmap_close(m);
}

static void test_bad_records(void)
{
	struct chunkcache_record good = record(CC_JOURNAL_WRITE, 99, 1, cc_place(1, 0)), r;
	struct cc_vmap *m;

	cc_vmap_open(100, &m);
#define BAD(field, value) do {							\
	r = good;								\
	r.field = (value);							\
	ok(cc_vmap_apply(m, &r) == -ERANGE, "refused: " #field " = " #value);	\
} while (0)
	BAD(block, 100);
	BAD(block, UINT64_MAX);
	BAD(count, 0);
	BAD(count, 2);
	BAD(count, UINT32_MAX);
	BAD(place, zeros_at(1, 0));
	BAD(type, CC_JOURNAL_ZERO);
	good = record(CC_JOURNAL_WRITE, 10, 5, cc_place(1, 0));
	BAD(place, cc_place(1, 4092));
	BAD(type, CC_JOURNAL_RELOCATE);
	ok(!cc_vmap_get(m, 99) && !cc_vmap_get(m, 10), "and nothing was changed");
	r = record(CC_JOURNAL_CUT, 0, 0, cc_place(9, 9));
	ok(!cc_vmap_apply(m, &r), "others are passed over");
	ok(cc_vmap_grow(m, 99) == -EINVAL && cc_vmap_grow(m, (1ULL << 38) + 1) == -EINVAL, "grow: bounds");
	ok(!cc_vmap_apply(m, &good) && !cc_vmap_grow(m, 2000) && cc_vmap_get(m, 12) == cc_place(1, 2), "grow: keeps");
	cc_vmap_close(m);
	ok(cc_vmap_open(0, &m) == -EINVAL && cc_vmap_open((1ULL << 38) + 1, &m) == -EINVAL, "open: bounds");
}

/* In KiB, at most so far. */
static long memory_used(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* What whoever can write to the store can make of a volume's size, and of records that are far apart. */
static void test_memory(void)
{
	struct chunkcache_record r = record(CC_JOURNAL_WRITE, 0, 1, cc_place(1, 0));
	long before = memory_used();
	struct cc_vmap *m;
	int error = 0;

	ok(!cc_vmap_open(1ULL << 36, &m) && !cc_vmap_grow(m, (1ULL << 36) + (1 << 20)) &&
	   memory_used() < before + (64 << 10), "memory: none for what nobody has written, of whatever size");
	cc_vmap_limit(m, 100 * 4096);
	for (unsigned int i = 0; !error && i < 1000; i++) {
		r.block = (uint64_t)i << 16;
		r.place = cc_place(1, i);
		error = cc_vmap_apply(m, &r);
	}
	ok(error == -EFBIG && cc_vmap_get(m, 99 << 16) == cc_place(1, 99) && !cc_vmap_get(m, 100 << 16),
	   "memory: so much for places, and no more");
	r.block = (99 << 16) + 1;
	ok(!cc_vmap_apply(m, &r), "memory: what has some goes on");
	cc_vmap_close(m);
}

static int stop_at_once(void *arg, const struct cc_vmap_extent *e)
{
	++*(unsigned int *)arg;
	return -EIO;
}

static void test_stop(void)
{
	struct chunkcache_record a = record(CC_JOURNAL_WRITE, 0, 1, cc_place(1, 0));
	struct chunkcache_record b = record(CC_JOURNAL_WRITE, 9, 1, cc_place(1, 1));
	unsigned int calls = 0;
	struct cc_vmap *m;

	cc_vmap_open(BLOCKS, &m);
	cc_vmap_apply(m, &a);
	cc_vmap_apply(m, &b);
	ok(cc_vmap_each(m, stop_at_once, &calls) == -EIO && calls == 1, "extents: end when told to");
	cc_vmap_close(m);
}

int main(void)
{
	test_places();
	test_rule();
	test_relocation();
	test_uniform();
	test_bad_records();
	test_memory();
	test_stop();
	return tap_done();
}
