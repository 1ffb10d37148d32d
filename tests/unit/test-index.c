// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the fill engine stands on: index of chunks and slots, places of a chunk in an image, buffers and RAM cache,
 * entries of the slot table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/index.h"
#include "pool/places.h"
#include "fill/ramcache.h"
#include "pool/slot-table.h"

static int nr, failed;

static void ok(int good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++nr, name);
	failed += !good;
}

static void make_id(uint8_t id[CC_ID_SIZE], uint32_t n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	cc_sha256(text, strlen(text), id);
}

/* ---- index ---- */

static struct cc_chunk *cached(struct cc_index *x, uint64_t domain, uint32_t n, uint32_t slot, uint32_t gen)
{
	uint8_t id[CC_ID_SIZE];
	struct cc_chunk *k;

	make_id(id, n);
	k = cc_index_get(x, domain, id);
	cc_index_bind(x, k, slot, gen);
	cc_index_set_state(x, k, CC_CHUNK_CACHED);
	return k;
}

static void test_many(void)
{
	struct cc_index *x;
	uint8_t id[CC_ID_SIZE];
	int wrong = 0;

	cc_index_open(5000, &x);
	for (uint32_t i = 0; i < 5000; i++)
		cached(x, i % 2, i, i, i + 1);
	for (uint32_t i = 0; i < 5000; i++) {
		struct cc_chunk *k;

		make_id(id, i);
		k = cc_index_find(x, i % 2, id);
		wrong += !k || k->slot != i || k->gen != i + 1 || cc_index_at(x, i) != k;
		wrong += cc_index_find(x, !(i % 2), id) != NULL;
	}
	ok(!wrong, "index: 5000 chunks, each found in its domain only");
	ok(cc_index_count(x, CC_CHUNK_CACHED) == 5000, "index: count by state");
	cc_index_close(x);
}

static void test_slots(void)
{
	struct cc_chunk *a, *b;
	uint8_t id[CC_ID_SIZE];
	struct cc_index *x;
	struct cc_buf buf;

	cc_index_open(4, &x);
	ok(!cc_index_at(x, 4) && !cc_index_at(x, CC_NO_SLOT), "index: no slot outside");
	a = cached(x, 1, 1, 0, 5);
	cc_index_slot_gone(x, 0, 4);
	ok(cc_index_at(x, 0) == a, "index: another generation's end changes nothing");
	cc_index_slot_gone(x, 0, 5);
	make_id(id, 1);
	ok(!cc_index_at(x, 0) && !cc_index_find(x, 1, id), "index: a slot that is gone takes its chunk along");
	a = cached(x, 1, 1, 0, 6);
	a->buf = &buf;
	b = cached(x, 1, 2, 0, 7);
	ok(cc_index_at(x, 0) == b && a->state == CC_CHUNK_MEMORY && a->slot == CC_NO_SLOT,
	   "index: who loses its slot stays in memory if it is there");
	cc_index_bind(x, b, 1, 1);
	ok(!cc_index_at(x, 0) && cc_index_at(x, 1) == b, "index: a chunk is bound to one slot");
	cc_index_forget(x, b);
	make_id(id, 2);
	ok(!cc_index_at(x, 1) && !cc_index_find(x, 1, id), "index: forgotten");
	cc_index_close(x);
}

/* ---- places ---- */

static void test_places(void)
{
	enum { N = 3000 };
	uint8_t *ids = calloc(N, CC_ID_SIZE), id[CC_ID_SIZE];
	struct cc_manifest m = { .nr_chunks = N, .ids = ids };
	struct cc_places *p = NULL;
	uint64_t seen = 0, last = 0;
	int wrong = 0;

	/* every 7th a hole, every 3rd the same one, the others each its own */
	for (uint32_t i = 0; i < N; i++)
		if (i % 7)
			make_id(&ids[i * CC_ID_SIZE], i % 3 ? i : 0);
	ok(!cc_places_build(&m, &p), "places: built");
	make_id(id, 0);
	for (uint64_t c = cc_places_first(p, id); c != CC_NO_PLACE; c = cc_places_next(p, c)) {
		wrong += c % 3 || !(c % 7) || (seen && c <= last);
		last = c;
		seen++;
	}
	ok(!wrong && seen == N / 3 - (N + 20) / 21, "places: all of a chunk that is there often, in order");
	for (uint32_t i = 0; i < N; i++) {
		if (!(i % 7) || !(i % 3))
			continue;
		make_id(id, i);
		wrong += cc_places_first(p, id) != i || cc_places_next(p, i) != CC_NO_PLACE;
	}
	ok(!wrong, "places: the one of each other");
	make_id(id, N + 1);
	ok(cc_places_first(p, id) == CC_NO_PLACE, "places: none of a chunk that is not there");
	cc_places_free(p);
	free(ids);
}

/* ---- buffers ---- */

static int evicted;

static void evict(void *arg, void *owner)
{
	*(int *)owner = -1;
	evicted++;
}

static void test_ramcache(void)
{
	struct cc_ramcache_config c = {
		.chunk_size = 65536, .nr_fill = 2, .nr_cache = 2, .nr_reserved = 1, .evict = evict,
	};
	struct cc_ramcache *rc = NULL;
	struct cc_buf *b[5];
	int owner[4] = { 0 };

	ok(!cc_ramcache_open(&c, &rc), "buffers: allocated");
	for (int i = 0; i < 3; i++)
		b[i] = cc_ramcache_get(rc, false);
	ok(b[2] && !cc_ramcache_get(rc, false), "buffers: the last is for demand");
	b[3] = cc_ramcache_get(rc, true);
	ok(b[3] && !cc_ramcache_get(rc, true), "buffers: no more than there are");
	ok(!((uintptr_t)b[1]->data % 4096) && b[0]->data != b[1]->data, "buffers: aligned, distinct");
	cc_ramcache_keep(rc, b[0], &owner[0], false);
	cc_ramcache_keep(rc, b[1], &owner[1], false);
	ok(cc_ramcache_nr_idle(rc) == 2 && !evicted, "buffers: two may be idle");
	cc_ramcache_keep(rc, b[2], &owner[2], false);
	ok(evicted == 1 && owner[0] == -1, "buffers: the oldest goes");
	cc_ramcache_keep(rc, b[3], &owner[3], true);
	ok(evicted == 2 && owner[3] == -1 && !owner[1], "buffers: a cold one goes before older ones");
	cc_ramcache_take(rc, b[1]);
	ok(cc_ramcache_nr_idle(rc) == 1 && cc_ramcache_nr_busy(rc) == 1, "buffers: idle to busy");
	cc_ramcache_put(rc, b[1]);
	for (int i = 0; i < 4; i++)
		b[i] = cc_ramcache_get(rc, true);
	ok(b[3] && evicted == 3 && owner[2] == -1, "buffers: idle ones are taken when none is free");
	cc_ramcache_close(rc);
}

/* ---- slot table ---- */

static void test_entries(void)
{
	struct cc_slot_record r = { .domain = cc_domain_key("main"), .instance = 0x0123456789abcdefULL, .gen = 42 };
	struct cc_slot_record back;
	struct cc_table_entry e, bad, zero;
	int taken = 0;

	make_id(r.id, 1);
	memset(&back, 0, sizeof(back));
	memset(&zero, 0, sizeof(zero));
	cc_table_entry_encode(&r, &e);
	ok(!cc_table_entry_decode(&e, &back) && !memcmp(r.id, back.id, CC_ID_SIZE) && r.domain == back.domain &&
	   r.instance == back.instance && r.gen == back.gen, "slot table: entry and back");
	ok(cc_table_entry_decode(&zero, &back) == -ENOENT, "slot table: an empty entry");
	for (size_t i = 0; i < sizeof(e) * 8; i++) {
		bad = e;
		((uint8_t *)&bad)[i / 8] ^= (uint8_t)(1 << i % 8);
		taken += !cc_table_entry_decode(&bad, &back);
	}
	ok(!taken, "slot table: every flipped bit is seen");
	ok(cc_domain_key("a") != cc_domain_key("b"), "slot table: domains differ");
}

int main(void)
{
	test_many();
	test_slots();
	test_places();
	test_ramcache();
	test_entries();
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}
