// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which manifests the area keeps when there is no room for all: what was not used for longest goes, no more of it
 * than has to, and it takes no time.  The device and the clock are ours.
 */
#include <endian.h>
#include <string.h>
#include <time.h>

#include "pool/manifest-area.h"
#include "tap.h"

#define BLOCK	4096u
#define DOMAIN	7
#define NR	700		/* manifests that are compared with the model */

static struct cc_pool_geometry geometry;
static time_t now;

time_t time(time_t *ret)
{
	if (ret)
		*ret = now;
	return now;
}

/* ---- in place of pooldev.c ---- */

const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd)
{
	return &geometry;
}

int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset)
{
	memset(buf, 0, len);
	return 0;
}

void cc_pooldev_submit(struct cc_pooldev *pd, struct cc_io *io)
{
	io->done(io, 0);
}

/* ---- what should be kept ---- */

static struct entry {
	time_t used;			/* 0: none */
	uint64_t block, nr;
} model[NR];

static uint64_t nr_blocks(void)
{
	return (geometry.manifest_size - CC_MANIFEST_DIR_SIZE) / BLOCK;
}

/* The first place that is free, tried block by block. */
static bool model_room(unsigned int max, uint64_t nr, uint64_t *ret_block)
{
	for (uint64_t at = 0; at + nr <= nr_blocks();) {
		uint64_t next = at;

		for (unsigned int i = 0; i < max; i++)
			if (model[i].used && model[i].block < at + nr && model[i].block + model[i].nr > next)
				next = model[i].block + model[i].nr;
		if (next == at) {
			*ret_block = at;
			return true;
		}
		at = next;
	}
	return false;
}

static void model_store(unsigned int max, unsigned int n, uint64_t nr)
{
	uint64_t block;

	while (!model_room(max, nr, &block)) {
		unsigned int oldest = 0;

		for (unsigned int i = 0; i < max; i++)
			if (model[i].used && (!model[oldest].used || model[i].used < model[oldest].used))
				oldest = i;
		model[oldest].used = 0;
	}
	model[n] = (struct entry) { now, block, nr };
}

/* ---- tests ---- */

static const uint8_t *digest(unsigned int n)
{
	static uint8_t d[CC_ID_SIZE];

	memset(d, 0xaa, sizeof(d));
	memcpy(d, &n, sizeof(n));
	return d;
}

static struct cc_manifest_area *open_area(uint64_t blocks)
{
	struct cc_manifest_area *a;

	geometry.manifest_offset = 1 << 20;
	geometry.manifest_size = CC_MANIFEST_DIR_SIZE + blocks * BLOCK;
	now = 1000;
	if (cc_manifest_area_open(NULL, &a))
		exit(1);
	return a;
}

static void store(struct cc_manifest_area *a, unsigned int n, uint32_t blocks)
{
	static uint8_t data[64 << 20];

	now++;
	cc_manifest_area_store(a, DOMAIN, digest(n), data, blocks * BLOCK);
}

/* The block where it is, or -1; that it was looked for is no use of it here. */
static int64_t block_of(struct cc_manifest_area *a, unsigned int n)
{
	uint64_t offset;
	uint32_t size;

	if (cc_manifest_area_find(a, DOMAIN, digest(n), &offset, &size))
		return -1;
	return (offset - geometry.manifest_offset - CC_MANIFEST_DIR_SIZE) / BLOCK;
}

static void test_like_the_model(void)
{
	struct cc_manifest_area *a = open_area(300);
	unsigned int x = 1, n, wrong = 0;
	uint64_t offset;
	uint32_t size;

	memset(model, 0, sizeof(model));
	for (n = 0; n < NR; n++) {
		uint32_t blocks;

		x = x * 1664525 + 1013904223;
		blocks = 1 + (x >> 16) % (x >> 28 ? 12 : 250);
		store(a, n, blocks);
		model_store(n, n, blocks);
		/* One of those before is used. */
		x = x * 1664525 + 1013904223;
		now++;
		if (!cc_manifest_area_find(a, DOMAIN, digest((x >> 16) % (n + 1)), &offset, &size))
			model[(x >> 16) % (n + 1)].used = now;
	}
	for (unsigned int i = 0; i < n; i++)
		wrong += block_of(a, i) != (model[i].used ? (int64_t)model[i].block : -1);
	ok(!wrong, "%u manifests of all sizes: %u are not where they should be", n, wrong);
	cc_manifest_area_close(a);
}

/* All entries are taken, and a manifest comes that wants nearly all of the area. */
static void test_time(void)
{
	struct cc_manifest_area *a = open_area(16384);
	clock_t start;
	double ms;

	for (unsigned int n = 0; n < CC_MANIFEST_DIR_ENTRIES; n++)
		store(a, n, 4);
	start = clock();
	store(a, CC_MANIFEST_DIR_ENTRIES, 16380);
	ms = (clock() - start) * 1e3 / CLOCKS_PER_SEC;
	ok(block_of(a, CC_MANIFEST_DIR_ENTRIES) == 0 && block_of(a, CC_MANIFEST_DIR_ENTRIES - 1) == 16380,
	   "the one that was used last stays");
	ok(block_of(a, CC_MANIFEST_DIR_ENTRIES - 2) < 0, "the others had to go");
	note("in %.1f ms", ms);
	ok(ms < 200, "which holds up nobody");
	store(a, CC_MANIFEST_DIR_ENTRIES + 1, 16384);
	ok(block_of(a, CC_MANIFEST_DIR_ENTRIES + 1) == 0, "one that takes all of it");
	store(a, CC_MANIFEST_DIR_ENTRIES + 2, 16385);
	ok(block_of(a, CC_MANIFEST_DIR_ENTRIES + 1) == 0 && block_of(a, CC_MANIFEST_DIR_ENTRIES + 2) < 0,
	   "one that does not fit drops nothing");
	cc_manifest_area_close(a);
}

/* Room there is, but no entry. */
static void test_entries(void)
{
	struct cc_manifest_area *a = open_area(2 * CC_MANIFEST_DIR_ENTRIES);

	for (unsigned int n = 0; n <= CC_MANIFEST_DIR_ENTRIES; n++)
		store(a, n, 1);
	ok(block_of(a, 0) < 0 && block_of(a, 1) == 1 && block_of(a, CC_MANIFEST_DIR_ENTRIES) == 0,
	   "without an entry the oldest makes way");
	cc_manifest_area_close(a);
}

int main(void)
{
	test_like_the_model();
	test_time();
	test_entries();
	return tap_done();
}
