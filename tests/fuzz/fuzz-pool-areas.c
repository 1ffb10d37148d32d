// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slot table and the manifest area of a pool device: hints that anything may have happened to.  Entries get a
 * checksum that is right.  What is taken of the table encodes to the same entry; what the area finds and where it
 * writes lies in it, and no manifest on another.  Here the device is memory.
 *
 * Input: entries of 64 bytes, alternately of the table and of the directory.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "fuzz.h"
#include "manifest.h"
#include "pool/manifest-area.h"
#include "pool/slot-table.h"

#define ENTRY		64u
#define NR_SLOTS	256u
#define NR_ENTRIES	16u		/* of an input: each is looked for among all of the directory */
#define AREA_BLOCKS	64u
#define BLOCK		4096u

static struct cc_pool_geometry geometry = {
	.slot_shift = 16, .nr_slots = NR_SLOTS, .manifest_offset = 1 << 20,
	.manifest_size = CC_MANIFEST_DIR_SIZE + AREA_BLOCKS * BLOCK, .table_offset = 4 << 20,
	.table_size = NR_SLOTS * ENTRY, .slots_offset = 8 << 20,
};
static struct cc_table_entry table[NR_SLOTS];
static struct cc_manifest_entry directory[CC_MANIFEST_DIR_ENTRIES];

/* ---- in place of pooldev.c ---- */

const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd)
{
	return &geometry;
}

int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset)
{
	if (offset == geometry.manifest_offset && len == sizeof(directory))
		memcpy(buf, directory, sizeof(directory));
	else if (offset == geometry.table_offset && len == sizeof(table))
		memcpy(buf, table, sizeof(table));
	else
		fuzz_broken(__FILE__, __LINE__, "a read of an area");
	return 0;
}

void cc_pooldev_submit(struct cc_pooldev *pd, struct cc_io *io)
{
	fuzz_check(io->write && io->len % BLOCK == 0 && io->offset >= geometry.manifest_offset);
	fuzz_check(io->offset + io->len <= geometry.manifest_offset + geometry.manifest_size);
	io->done(io, 0);
}

/* ---- checks ---- */

static void check_record(void *arg, uint32_t slot, const struct cc_slot_record *r)
{
	struct cc_table_entry again;

	++*(unsigned int *)arg;
	fuzz_check(slot < NR_SLOTS);
	cc_table_entry_encode(r, &again);
	/* What is reserved is not looked at. */
	fuzz_check(!memcmp(&again, &table[slot], offsetof(struct cc_table_entry, reserved)));
}

static bool find(struct cc_manifest_area *a, const struct cc_manifest_entry *e, uint64_t *ret_at, uint32_t *ret_size)
{
	uint64_t domain;

	memcpy(&domain, e->domain, sizeof(domain));
	if (cc_id_is_hole(e->digest) || cc_manifest_area_find(a, domain, e->digest, ret_at, ret_size))
		return false;
	fuzz_check(*ret_size && *ret_at >= geometry.manifest_offset + CC_MANIFEST_DIR_SIZE);
	fuzz_check(*ret_at + *ret_size <= geometry.manifest_offset + geometry.manifest_size);
	return true;
}

/* A new one is found, and on nothing that is found as well, as long as the entries that were there are not. */
static void check_store(struct cc_manifest_area *a, uint32_t size)
{
	static const uint8_t digest[CC_ID_SIZE] = { 0xff, 0xfe };
	struct cc_manifest_entry e = { .digest = { 0xff, 0xfe } };
	uint8_t *data = calloc(1, size + 1u);
	uint64_t at;
	uint32_t found;

	cc_manifest_area_store(a, 0, digest, data, size);
	if (find(a, &e, &at, &found) && size)
		fuzz_check(found);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct cc_manifest_area *a;
	unsigned int nr = 0, seen = 0;
	uint64_t at;
	uint32_t len = fuzz_take_u32(&in) % (AREA_BLOCKS * BLOCK + 2);

	memset(table, 0, sizeof(table));
	memset(directory, 0, sizeof(directory));
	for (; in.left && nr < NR_ENTRIES; nr++) {
		fuzz_take(&in, &table[nr], ENTRY);
		table[nr].crc = 0;
		table[nr].crc = htole32(cc_crc32c(&table[nr], ENTRY));
		fuzz_take(&in, &directory[nr], ENTRY);
		directory[nr].crc = 0;
		directory[nr].crc = htole32(cc_crc32c(&directory[nr], ENTRY));
	}
	fuzz_check(!cc_slot_table_load(NULL, check_record, &seen) && seen <= nr);
	if (cc_manifest_area_open(NULL, &a))
		abort();
	for (unsigned int i = 0; i < nr; i++)
		find(a, &directory[i], &at, &(uint32_t){ 0 });
	check_store(a, len);
	cc_manifest_area_close(a);
	return 0;
}

void fuzz_seeds(void)
{
	uint8_t buf[4 + 4 * ENTRY] = { 0, 0x20 };
	const struct cc_slot_record r = { .id = { 1 }, .domain = 2, .instance = 3, .gen = 4 };

	for (unsigned int i = 0; i < 2; i++) {
		struct cc_manifest_entry e = {
			.digest = { (uint8_t)(i + 1) }, .block = htole32(i * 3), .size = htole32(5000),
			.used = htole64(i),
		};
		struct cc_table_entry t;

		cc_table_entry_encode(&r, &t);
		memcpy(buf + 4 + i * 2 * ENTRY, &t, ENTRY);
		memcpy(buf + 4 + (i * 2 + 1) * ENTRY, &e, ENTRY);
	}
	fuzz_seed("entries", buf, sizeof(buf));
}
