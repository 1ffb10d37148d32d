// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Superblocks: see superblock.h.  Owns no device.
 */
#include "superblock.h"

#include <endian.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunkcache/journal.h"
#include "crc32c.h"

#define BLOCK			4096ULL
#define MIB			(1ULL << 20)
#define MANIFEST_AREA_MIN	(CC_MANIFEST_DIR_SIZE + 64 * BLOCK)
#define GROWTH_DEFAULT		4		/* how many times as large a pool can become */
#define MANIFEST_AREA_DEFAULT	(256 * MIB)	/* what a large device gets */
#define DIRTY_SHARE		8		/* of the slots, by default: an eighth */
#define DIRTY_MIN		2		/* slots: one that takes writes, and one beside it */

_Static_assert(sizeof(struct cc_superblock) == CC_SB_SIZE, "superblock is one block");
_Static_assert(sizeof(struct cc_table_entry) == 64, "table entry size");
_Static_assert(sizeof(struct cc_manifest_entry) == 64, "manifest entry size");

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

__attribute__((format(printf, 4, 5)))
static int fail(char *err, size_t errlen, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return error;
}

static uint64_t default_manifest_bytes(uint64_t device_bytes)
{
	uint64_t share = round_up(device_bytes / 64, BLOCK);

	if (share < MIB)
		return MIB;
	return share < MANIFEST_AREA_DEFAULT ? share : MANIFEST_AREA_DEFAULT;
}

uint64_t cc_superblock_max_slots(const struct cc_pool_geometry *g)
{
	uint64_t nr = g->table_size / sizeof(struct cc_table_entry);

	return nr < CC_NR_SLOTS_MAX ? nr : CC_NR_SLOTS_MAX;
}

uint64_t cc_superblock_slots_on(const struct cc_pool_geometry *g, uint64_t device_bytes)
{
	uint64_t max = cc_superblock_max_slots(g), nr;

	if (device_bytes <= g->slots_offset + CC_TAIL_SIZE)
		return 0;
	nr = (device_bytes - CC_TAIL_SIZE - g->slots_offset) >> g->slot_shift;
	return nr < max ? nr : max;
}

/* Room for the slots of a pool of max_bytes. */
static uint64_t table_bytes(uint64_t max_bytes, uint32_t slot_shift)
{
	uint64_t nr = max_bytes >> slot_shift;

	if (nr > CC_NR_SLOTS_MAX)
		nr = CC_NR_SLOTS_MAX;
	return round_up(nr * sizeof(struct cc_table_entry), BLOCK);
}

int cc_superblock_layout(uint64_t device_bytes, uint32_t slot_shift, uint64_t manifest_bytes,
			 uint64_t max_bytes, struct cc_pool_geometry *ret, char *err, size_t errlen)
{
	struct cc_pool_geometry g = { .slot_shift = slot_shift, .sequence = 1 };
	uint64_t slot;

	if (slot_shift < CC_CHUNK_SHIFT_MIN || slot_shift > CC_CHUNK_SHIFT_MAX)
		return fail(err, errlen, -EINVAL, "slot size: expected a power of two from 64 KiB to 16 MiB");
	slot = 1ULL << slot_shift;
	if (!manifest_bytes)
		manifest_bytes = default_manifest_bytes(device_bytes);
	if (manifest_bytes < MANIFEST_AREA_MIN || manifest_bytes > device_bytes ||
	    manifest_bytes > CC_MANIFEST_AREA_MAX)
		return fail(err, errlen, -EINVAL,
			    "manifest area: expected %llu bytes up to the size of the device, at most %llu",
			    (unsigned long long)MANIFEST_AREA_MIN, CC_MANIFEST_AREA_MAX);
	if (!max_bytes)
		max_bytes = GROWTH_DEFAULT * device_bytes;
	if (max_bytes < device_bytes)
		return fail(err, errlen, -EINVAL,
			    "largest size: expected at least that of the device, %llu bytes",
			    (unsigned long long)device_bytes);

	g.manifest_offset = CC_HEAD_SIZE;
	g.manifest_size = round_up(manifest_bytes, BLOCK);
	g.table_offset = g.manifest_offset + g.manifest_size;
	g.table_size = table_bytes(max_bytes, slot_shift);
	g.slots_offset = round_up(g.table_offset + g.table_size, slot > MIB ? slot : MIB);
	g.nr_slots = cc_superblock_slots_on(&g, device_bytes);
	if (!g.nr_slots)
		return fail(err, errlen, -EINVAL,
			    "device of %llu bytes is too small for one slot of %llu bytes",
			    (unsigned long long)device_bytes, (unsigned long long)slot);
	*ret = g;
	return 0;
}

/* ---- journal ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Twice what it takes if each block of dirty_max slots was written by itself, as guests' random writes are. */
static uint64_t journal_bytes(uint64_t dirty_max, uint32_t slot_shift)
{
	uint64_t records = dirty_max << (slot_shift - CC_BLOCK_SHIFT);
	uint64_t pages = (records + CC_JOURNAL_RECORDS - 1) / CC_JOURNAL_RECORDS;
	uint64_t bytes = 2 * pages * CC_JOURNAL_POSITION;

	if (bytes < CC_JOURNAL_SIZE_MIN)
		return CC_JOURNAL_SIZE_MIN;
	return bytes < CC_JOURNAL_SIZE_MAX ? bytes : CC_JOURNAL_SIZE_MAX;
}

/* Where what lies in front of the slots ends. */
static uint64_t areas_end(const struct cc_pool_geometry *g)
{
	uint64_t end = CC_HEAD_SIZE;

	if (g->manifest_offset < g->slots_offset)
		end = larger(end, g->manifest_offset + g->manifest_size);
	if (g->table_offset < g->slots_offset)
		end = larger(end, g->table_offset + g->table_size);
	return end;
}

static uint64_t default_dirty(uint64_t nr_slots)
{
	return larger(nr_slots / DIRTY_SHARE, DIRTY_MIN);
}

int cc_superblock_add_journal(struct cc_pool_geometry *pool, uint64_t dirty_bytes, uint64_t *ret_taken,
			      char *err, size_t errlen)
{
	struct cc_pool_geometry g = *pool;
	uint64_t slot = 1ULL << g.slot_shift, taken, end;

	g.dirty_max = dirty_bytes ? dirty_bytes >> g.slot_shift : default_dirty(g.nr_slots);
	if (dirty_bytes && (g.dirty_max < DIRTY_MIN || g.dirty_max > g.nr_slots / 2))
		return fail(err, errlen, -EINVAL, "dirty limit: expected %llu bytes up to half of the slots, %llu",
			    (unsigned long long)DIRTY_MIN << g.slot_shift,
			    (unsigned long long)g.nr_slots / 2 << g.slot_shift);
	g.journal_offset = areas_end(&g);
	g.journal_size = journal_bytes(g.dirty_max, g.slot_shift);
	end = g.journal_offset + g.journal_size;
	taken = end > g.slots_offset ? round_up(end - g.slots_offset, larger(slot, MIB)) >> g.slot_shift : 0;
	if ((!dirty_bytes && taken > g.nr_slots / DIRTY_SHARE) || g.nr_slots < taken + 2 * DIRTY_MIN)
		return fail(err, errlen, -EINVAL, "%llu slots of %llu bytes are too few for a journal of %llu bytes",
			    (unsigned long long)g.nr_slots, (unsigned long long)slot,
			    (unsigned long long)g.journal_size);
	g.slots_offset += taken << g.slot_shift;
	cc_superblock_set_slots(&g, g.nr_slots - taken);
	*pool = g;
	*ret_taken = taken;
	return 0;
}

void cc_superblock_set_slots(struct cc_pool_geometry *g, uint64_t nr_slots)
{
	g->nr_slots = nr_slots;
	if (g->dirty_max > nr_slots / 2)
		g->dirty_max = larger(nr_slots / 2, 1);
}

/* ---- encoding and checks ---- */

void cc_superblock_encode(const struct cc_pool_geometry *g, void *buf)
{
	struct cc_superblock *sb = buf;

	memset(sb, 0, sizeof(*sb));
	memcpy(sb->magic, CC_SB_MAGIC, sizeof(sb->magic));
	sb->version = htole32(CC_SB_VERSION);
	memcpy(sb->uuid, g->uuid, sizeof(sb->uuid));
	sb->slot_shift = htole32(g->slot_shift);
	sb->nr_slots = htole64(g->nr_slots);
	sb->manifest_offset = htole64(g->manifest_offset);
	sb->manifest_size = htole64(g->manifest_size);
	sb->table_offset = htole64(g->table_offset);
	sb->table_size = htole64(g->table_size);
	sb->slots_offset = htole64(g->slots_offset);
	sb->created = htole64(g->created);
	sb->sequence = htole64(g->sequence);
	if (g->journal_size) {
		sb->incompat = htole32(CC_SB_JOURNAL);
		sb->journal_offset = htole64(g->journal_offset);
		sb->journal_size = htole64(g->journal_size);
		sb->dirty_max = htole64(g->dirty_max);
	}
	sb->crc = htole32(cc_crc32c(sb, sizeof(*sb)));
}

/* An area must be made of blocks, behind the superblocks, and before limit. */
static int check_area(const char *name, uint64_t offset, uint64_t size, uint64_t limit,
		      char *err, size_t errlen)
{
	if (offset % BLOCK || size % BLOCK || offset < CC_META_START || !size)
		return fail(err, errlen, -EINVAL,
			    "superblock: %s: offset %llu or size %llu is out of range", name,
			    (unsigned long long)offset, (unsigned long long)size);
	if (size > limit || offset > limit - size)
		return fail(err, errlen, -EINVAL,
			    "superblock: %s of %llu bytes at %llu ends past the device (%llu bytes)",
			    name, (unsigned long long)size, (unsigned long long)offset,
			    (unsigned long long)limit);
	return 0;
}

struct area {
	const char *name;
	uint64_t offset, size;
};

static int check_overlap(const struct area *a, const struct area *b, char *err, size_t errlen)
{
	if (a->offset + a->size <= b->offset || b->offset + b->size <= a->offset)
		return 0;
	return fail(err, errlen, -EINVAL, "superblock: %s and %s overlap", a->name, b->name);
}

static int check_places(const struct cc_pool_geometry *g, uint64_t device_bytes, char *err, size_t errlen)
{
	const struct area areas[] = {
		{ "manifest area", g->manifest_offset, g->manifest_size },
		{ "slot table", g->table_offset, g->table_size },
		{ "slots", g->slots_offset, g->nr_slots << g->slot_shift },
		{ "journal", g->journal_offset, g->journal_size },
	};
	unsigned int nr = g->journal_size ? 4 : 3;
	int r = 0;

	for (unsigned int i = 0; !r && i < nr; i++)
		r = check_area(areas[i].name, areas[i].offset, areas[i].size, device_bytes, err, errlen);
	for (unsigned int i = 0; !r && i < nr; i++)
		for (unsigned int j = i + 1; !r && j < nr; j++)
			r = check_overlap(&areas[i], &areas[j], err, errlen);
	return r;
}

static int check_journal(const struct cc_pool_geometry *g, char *err, size_t errlen)
{
	if (g->journal_size % CC_JOURNAL_POSITION || g->journal_size < CC_JOURNAL_SIZE_MIN ||
	    g->journal_size > CC_JOURNAL_SIZE_MAX)
		return fail(err, errlen, -EINVAL, "superblock: journal_size %llu: expected %u..%llu, a multiple of %u",
			    (unsigned long long)g->journal_size, CC_JOURNAL_SIZE_MIN, CC_JOURNAL_SIZE_MAX,
			    CC_JOURNAL_POSITION);
	if (!g->dirty_max || g->dirty_max >= g->nr_slots)
		return fail(err, errlen, -EINVAL, "superblock: dirty_max %llu, expected 1..%llu",
			    (unsigned long long)g->dirty_max, (unsigned long long)g->nr_slots - 1);
	return 0;
}

static int check_areas(const struct cc_pool_geometry *g, uint64_t device_bytes, char *err, size_t errlen)
{
	uint64_t align = g->slot_shift > 20 ? 1ULL << g->slot_shift : MIB;
	int r = check_places(g, device_bytes, err, errlen);

	if (r)
		return r;
	if (g->slots_offset % align)
		return fail(err, errlen, -EINVAL, "superblock: slots_offset %llu is not aligned to %llu",
			    (unsigned long long)g->slots_offset, (unsigned long long)align);
	if (g->manifest_size < CC_MANIFEST_DIR_SIZE || g->manifest_size > CC_MANIFEST_AREA_MAX)
		return fail(err, errlen, -EINVAL, "superblock: manifest_size %llu: expected %u..%llu",
			    (unsigned long long)g->manifest_size, (unsigned int)CC_MANIFEST_DIR_SIZE,
			    CC_MANIFEST_AREA_MAX);
	if (g->table_size > CC_TABLE_SIZE_MAX)
		return fail(err, errlen, -EINVAL, "superblock: table_size %llu: expected at most %llu",
			    (unsigned long long)g->table_size, CC_TABLE_SIZE_MAX);
	if (g->table_size < g->nr_slots * sizeof(struct cc_table_entry))
		return fail(err, errlen, -EINVAL, "superblock: table_size %llu does not fit %llu slots",
			    (unsigned long long)g->table_size, (unsigned long long)g->nr_slots);
	return 0;
}

static int check_superblock(const struct cc_superblock *sb, char *err, size_t errlen)
{
	struct cc_superblock copy;

	if (memcmp(sb->magic, CC_SB_MAGIC, sizeof(sb->magic)))
		return fail(err, errlen, -ENODATA, "no pool here: superblock magic not found");
	copy = *sb;
	copy.crc = 0;
	if (le32toh(sb->crc) != cc_crc32c(&copy, sizeof(copy)))
		return fail(err, errlen, -EILSEQ, "superblock: checksum is wrong");
	if (le32toh(sb->version) != CC_SB_VERSION)
		return fail(err, errlen, -EPROTO, "superblock: version %u, expected %u",
			    le32toh(sb->version), CC_SB_VERSION);
	if (le32toh(sb->incompat) & ~CC_SB_JOURNAL)
		return fail(err, errlen, -EPROTO, "superblock: unknown features 0x%x",
			    le32toh(sb->incompat) & ~CC_SB_JOURNAL);
	return 0;
}

int cc_superblock_check(const void *buf, uint64_t device_bytes,
			struct cc_pool_geometry *ret, char *err, size_t errlen)
{
	const struct cc_superblock *sb = buf;
	struct cc_pool_geometry g = { .journal_size = 0 };
	bool journal;
	int r;

	r = check_superblock(sb, err, errlen);
	if (r)
		return r;
	journal = sb->incompat;
	memcpy(g.uuid, sb->uuid, sizeof(g.uuid));
	g.slot_shift = le32toh(sb->slot_shift);
	g.nr_slots = le64toh(sb->nr_slots);
	g.manifest_offset = le64toh(sb->manifest_offset);
	g.manifest_size = le64toh(sb->manifest_size);
	g.table_offset = le64toh(sb->table_offset);
	g.table_size = le64toh(sb->table_size);
	g.slots_offset = le64toh(sb->slots_offset);
	g.created = le64toh(sb->created);
	g.sequence = le64toh(sb->sequence);
	if (journal) {
		g.journal_offset = le64toh(sb->journal_offset);
		g.journal_size = le64toh(sb->journal_size);
		g.dirty_max = le64toh(sb->dirty_max);
	}
	if (g.slot_shift < CC_CHUNK_SHIFT_MIN || g.slot_shift > CC_CHUNK_SHIFT_MAX)
		return fail(err, errlen, -EINVAL, "superblock: slot_shift %u, expected %u..%u",
			    g.slot_shift, CC_CHUNK_SHIFT_MIN, CC_CHUNK_SHIFT_MAX);
	if (!g.nr_slots || g.nr_slots > CC_NR_SLOTS_MAX)
		return fail(err, errlen, -EINVAL, "superblock: nr_slots %llu, expected 1..%u",
			    (unsigned long long)g.nr_slots, CC_NR_SLOTS_MAX);
	r = check_areas(&g, device_bytes, err, errlen);
	if (!r && journal)
		r = check_journal(&g, err, errlen);
	if (r)
		return r;
	*ret = g;
	return 0;
}

static int write_copy(int fd, const void *buf, off_t offset)
{
	ssize_t n = pwrite(fd, buf, CC_SB_SIZE, offset);

	if (n != CC_SB_SIZE)
		return n < 0 ? -errno : -EIO;
	return fsync(fd) ? -errno : 0;
}

int cc_superblock_write(int fd, const struct cc_pool_geometry *g)
{
	uint8_t buf[CC_SB_SIZE];
	int r;

	cc_superblock_encode(g, buf);
	r = write_copy(fd, buf, CC_SB_OFFSET_B);
	return r ? r : write_copy(fd, buf, CC_SB_OFFSET_A);
}

int cc_device_bytes(int fd, uint64_t *ret_bytes)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode)) {
		*ret_bytes = (uint64_t)st.st_size;
		return 0;
	}
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		return -errno;
	*ret_bytes = bytes;
	return 0;
}

static int read_copy(int fd, uint64_t offset, void *buf, char *err, size_t errlen)
{
	ssize_t n = pread(fd, buf, CC_SB_SIZE, (off_t)offset);

	if (n == CC_SB_SIZE)
		return 0;
	if (n < 0)
		return fail(err, errlen, -errno, "superblock at byte %llu: %s",
			    (unsigned long long)offset, strerror(errno));
	return fail(err, errlen, -ENODATA, "no pool here: device ends before the superblock");
}

int cc_superblock_read(int fd, struct cc_pool_geometry *ret, char *err, size_t errlen)
{
	struct cc_pool_geometry a, b;
	char err_b[160];
	uint64_t bytes;
	void *buf;
	int ra, rb;

	ra = cc_device_bytes(fd, &bytes);
	if (ra)
		return fail(err, errlen, ra, "size of the device: %s", strerror(-ra));
	if (posix_memalign(&buf, CC_SB_SIZE, CC_SB_SIZE))
		return fail(err, errlen, -ENOMEM, "out of memory");
	ra = read_copy(fd, CC_SB_OFFSET_A, buf, err, errlen);
	if (!ra)
		ra = cc_superblock_check(buf, bytes, &a, err, errlen);
	rb = read_copy(fd, CC_SB_OFFSET_B, buf, err_b, sizeof(err_b));
	if (!rb)
		rb = cc_superblock_check(buf, bytes, &b, err_b, sizeof(err_b));
	free(buf);
	if (ra && rb)
		return ra;
	*ret = ra || (!rb && b.sequence > a.sequence) ? b : a;
	return 0;
}
