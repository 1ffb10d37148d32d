// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CRC-32C and the superblock: layout, encoding, and that every value out of range is refused.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chunkcache/journal.h"
#include "crc32c.h"
#include "superblock.h"

#define GIB (1ULL << 30)

static int nr, failed;
static char err[160];

static void ok(int good, const char *name)
{
	printf("%sok %d - %s%s%s\n", good ? "" : "not ", ++nr, name, good ? "" : ": ", good ? "" : err);
	failed += !good;
}

static void test_crc(void)
{
	uint8_t zeros[32] = { 0 };

	ok(cc_crc32c("123456789", 9) == 0xe3069283, "crc: check value");
	ok(cc_crc32c(zeros, 32) == 0x8a9136aa, "crc: 32 zeros (RFC 3720)");
}

static void test_layout(void)
{
	struct cc_pool_geometry g, back;
	struct cc_superblock sb;
	uint64_t size;
	int bad = 0;

	for (uint32_t shift = CC_CHUNK_SHIFT_MIN; shift <= CC_CHUNK_SHIFT_MAX; shift++) {
		for (size = 64ULL << 20; size < 64 * GIB; size = size * 3 / 2 + 512) {
			if (cc_superblock_layout(size, shift, 0, 0, &g, err, sizeof(err))) {
				bad++;
				continue;
			}
			cc_superblock_encode(&g, &sb);
			bad += cc_superblock_check(&sb, size, &back, err, sizeof(err)) != 0;
			bad += memcmp(&g, &back, sizeof(g)) != 0;
		}
	}
	ok(!bad, "layout: all sizes encode and check");
	ok(cc_superblock_layout(1 << 20, 20, 0, 0, &g, err, sizeof(err)) == -EINVAL, "layout: too small");
	ok(cc_superblock_layout(GIB, 15, 0, 0, &g, err, sizeof(err)) == -EINVAL, "layout: slot too small");
	ok(cc_superblock_layout(GIB, 25, 0, 0, &g, err, sizeof(err)) == -EINVAL, "layout: slot too large");
	ok(cc_superblock_layout(GIB, 20, 4096, 0, &g, err, sizeof(err)) == -EINVAL,
	   "layout: manifest area too small");
	ok(cc_superblock_layout(13 << 20, 20, 0, 0, &g, err, sizeof(err)) == 0 && g.nr_slots == 1,
	   "layout: one slot");
	ok(cc_superblock_layout((13 << 20) - 512, 20, 0, 0, &g, err, sizeof(err)) == -EINVAL,
	   "layout: none that reaches into the tail");
}

/* Nothing of a tenant's where signatures are looked for. */
static void test_ends(void)
{
	struct cc_pool_geometry g;
	int bad = 0;

	for (uint32_t shift = CC_CHUNK_SHIFT_MIN; shift <= CC_CHUNK_SHIFT_MAX; shift++) {
		for (uint64_t size = 64ULL << 20; size < 64 * GIB; size = size * 5 / 4 + 512) {
			cc_superblock_layout(size, shift, 1 << 20, 0, &g, err, sizeof(err));
			bad += g.manifest_offset < 8 << 20 || g.table_offset < 8 << 20 || g.slots_offset < 8 << 20;
			bad += g.slots_offset + (g.nr_slots << shift) > size - (2 << 20);
			bad += g.slots_offset + ((g.nr_slots + 1) << shift) <= size - (2 << 20);
		}
	}
	ok(!bad, "layout: 8 MiB at the start, 2 MiB at the end are left alone, and no slot is lost beside");
	ok(cc_superblock_slots_on(&g, g.slots_offset) == 0, "slots on a device without room");
	ok(cc_superblock_slots_on(&g, g.slots_offset + CC_TAIL_SIZE + (1 << 24)) == 1, "one slot and the tail");
	ok(cc_superblock_slots_on(&g, g.slots_offset + CC_TAIL_SIZE + (1 << 24) - 1) == 0, "less than that");
}

static void test_journal_sizes(void)
{
	struct cc_pool_geometry g, back;
	struct cc_superblock sb;
	uint64_t taken;
	int bad = 0;

	for (uint32_t shift = CC_CHUNK_SHIFT_MIN; shift <= CC_CHUNK_SHIFT_MAX; shift++) {
		for (uint64_t size = 1ULL << 30; size < 16384 * GIB; size = size * 5 / 3 + 512) {
			uint64_t nr_before, records;

			cc_superblock_layout(size, shift, 1 << 20, 0, &g, err, sizeof(err));
			nr_before = g.nr_slots;
			bad += cc_superblock_add_journal(&g, 0, &taken, err, sizeof(err)) != 0;
			cc_superblock_encode(&g, &sb);
			bad += cc_superblock_check(&sb, size, &back, err, sizeof(err)) != 0;
			bad += memcmp(&g, &back, sizeof(g)) != 0;
			bad += g.nr_slots + taken != nr_before || g.nr_slots != cc_superblock_slots_on(&g, size);
			bad += g.dirty_max > nr_before / 8 + 2 || g.dirty_max < nr_before / 9;
			bad += taken << shift > g.journal_size + (1 << 24);
			records = g.dirty_max << shift >> CC_BLOCK_SHIFT;
			bad += g.journal_size < CC_JOURNAL_SIZE_MAX &&
			       g.journal_size / CC_JOURNAL_POSITION * CC_JOURNAL_RECORDS < 2 * records;
		}
	}
	ok(!bad, "journal: each size encodes and checks, has room for twice the dirty limit, takes no slot too many");
}

static int adds(uint64_t device, uint64_t dirty_bytes, struct cc_pool_geometry *ret)
{
	uint64_t taken;

	cc_superblock_layout(device, 20, 0, 0, ret, err, sizeof(err));
	return cc_superblock_add_journal(ret, dirty_bytes, &taken, err, sizeof(err));
}

static void test_journal_bounds(void)
{
	struct cc_pool_geometry g, before;

	ok(!adds(GIB, 100 << 20, &g) && g.dirty_max == 100 && g.journal_size == 2ULL * 205 * CC_JOURNAL_POSITION,
	   "journal: dirty limit as asked, twice 25600 records");
	ok(adds(GIB, 1 << 20, &g) == -EINVAL, "journal: a limit of one slot");
	ok(adds(GIB, 600 << 20, &g) == -EINVAL, "journal: more than half of the slots");
	cc_superblock_layout(20 << 20, 20, 0, 0, &before, err, sizeof(err));
	ok(adds(20 << 20, 0, &g) == -EINVAL && !memcmp(&g, &before, sizeof(g)),
	   "journal: too small a pool, which stays as it was");
	ok(!adds(20 << 20, 2 << 20, &g) && g.nr_slots == 6 && g.dirty_max == 2,
	   "journal: a small pool has one if somebody asks for it");
	ok(!adds(GIB, 0, &g) && g.dirty_max > 100, "journal: an eighth by default");
	cc_superblock_set_slots(&g, 50);
	ok(g.dirty_max == 25, "journal: a pool that shrinks lowers its limit");
	cc_superblock_set_slots(&g, 1);
	ok(g.dirty_max == 1, "journal: down to one slot");
}

static struct cc_superblock good;

/* Is sb, with its checksum made right again, refused with error on a device of bytes? */
static int refused_on(uint64_t bytes, struct cc_superblock *sb, int error)
{
	struct cc_pool_geometry g = { .nr_slots = 42 };

	sb->crc = 0;
	sb->crc = htole32(cc_crc32c(sb, sizeof(*sb)));
	return cc_superblock_check(sb, bytes, &g, err, sizeof(err)) == error && g.nr_slots == 42;
}

static int refused(struct cc_superblock *sb, int error)
{
	return refused_on(GIB, sb, error);
}

#define TRY(error, field, value) do {					\
	struct cc_superblock sb_ = good;				\
	sb_.field = (value);						\
	ok(refused(&sb_, error), "check: " #field " = " #value);	\
} while (0)

static void test_check_journal(void)
{
	struct cc_pool_geometry g;
	struct cc_superblock sb;
	uint64_t taken;

	cc_superblock_layout(GIB, 20, 0, 0, &g, err, sizeof(err));
	cc_superblock_add_journal(&g, 0, &taken, err, sizeof(err));
	cc_superblock_encode(&g, &good);
	TRY(-EPROTO, incompat, htole32(CC_SB_JOURNAL | 2));
	TRY(-EINVAL, journal_offset, 0);
	TRY(-EINVAL, journal_offset, htole64(g.journal_offset + 512));
	TRY(-EINVAL, journal_offset, good.table_offset);
	TRY(-EINVAL, journal_offset, good.slots_offset);
	TRY(-EINVAL, journal_offset, good.manifest_offset);
	TRY(-EINVAL, journal_offset, htole64(-8192ULL));
	TRY(-EINVAL, journal_size, 0);
	TRY(-EINVAL, journal_size, htole64(CC_JOURNAL_SIZE_MIN - CC_JOURNAL_POSITION));
	TRY(-EINVAL, journal_size, htole64(CC_JOURNAL_SIZE_MIN + CC_JOURNAL_PAGE));
	TRY(-EINVAL, journal_size, htole64(CC_JOURNAL_SIZE_MAX + CC_JOURNAL_POSITION));
	TRY(-EINVAL, journal_size, htole64(-8192ULL));
	TRY(-EINVAL, dirty_max, 0);
	TRY(-EINVAL, dirty_max, htole64(g.nr_slots + 1));
	sb = good;
	sb.incompat = 0;
	sb.crc = 0;
	sb.crc = htole32(cc_crc32c(&sb, sizeof(sb)));
	ok(!cc_superblock_check(&sb, GIB, &g, err, sizeof(err)) && !g.journal_size && !g.dirty_max,
	   "check: without the bit there is no journal");
}

static void test_check(void)
{
	struct cc_pool_geometry g;
	struct cc_superblock sb;

	cc_superblock_layout(GIB, 20, 0, 0, &g, err, sizeof(err));
	cc_superblock_encode(&g, &good);
	TRY(-ENODATA, magic[3], 'x');
	TRY(-EPROTO, version, htole32(2));
	TRY(-EPROTO, incompat, htole32(2));
	TRY(-EINVAL, slot_shift, htole32(15));
	TRY(-EINVAL, slot_shift, htole32(0xffffffff));
	TRY(-EINVAL, nr_slots, 0);
	TRY(-EINVAL, nr_slots, htole64(1ULL << 29));
	TRY(-EINVAL, nr_slots, htole64(g.nr_slots + 1024));
	TRY(-EINVAL, manifest_offset, 0);
	TRY(-EINVAL, manifest_offset, htole64(CC_META_START + 512));
	TRY(-EINVAL, manifest_offset, htole64(-4096ULL));
	TRY(-EINVAL, manifest_size, 0);
	TRY(-EINVAL, manifest_size, htole64(-4096ULL));
	TRY(-EINVAL, table_offset, good.manifest_offset);
	TRY(-EINVAL, table_size, htole64(4096));
	TRY(-EINVAL, slots_offset, good.table_offset);
	TRY(-EINVAL, slots_offset, htole64(g.slots_offset + 4096));
	TRY(-EINVAL, slots_offset, htole64(2 * GIB));
	sb = good;
	sb.reserved[100] ^= 1;
	ok(cc_superblock_check(&sb, GIB, &g, err, sizeof(err)) == -EILSEQ, "check: flipped bit");
}

/* On devices that are large enough for areas of any size; both are behind the slots. */
static void test_large_areas(void)
{
	const uint64_t device = 1ULL << 60, at = 1ULL << 50;
	const uint64_t tables[] = {
		CC_TABLE_SIZE_MAX + 4096, 1ULL << 44, (1ULL << 44) + 4096, 1ULL << 52,
	};
	const uint64_t manifests[] = { CC_MANIFEST_AREA_MAX + 4096, 1ULL << 52 };
	struct cc_pool_geometry g;
	struct cc_superblock sb;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		sb = good;
		sb.table_offset = htole64(at);
		sb.table_size = htole64(tables[i]);
		ok(refused_on(device, &sb, -EINVAL), "check: a table larger than any");
	}
	for (size_t i = 0; i < sizeof(manifests) / sizeof(manifests[0]); i++) {
		sb = good;
		sb.manifest_offset = htole64(at);
		sb.manifest_size = htole64(manifests[i]);
		ok(refused_on(device, &sb, -EINVAL), "check: a manifest area larger than any");
	}
	ok(cc_superblock_layout(device, 24, CC_MANIFEST_AREA_MAX + 4096, 0, &g, err, sizeof(err)) == -EINVAL,
	   "layout: nor is one made");
	ok(!cc_superblock_layout(device, 16, CC_MANIFEST_AREA_MAX, 0, &g, err, sizeof(err)) &&
	   g.table_size == CC_TABLE_SIZE_MAX, "layout: the largest table");
	cc_superblock_encode(&g, &sb);
	ok(!cc_superblock_check(&sb, device, &g, err, sizeof(err)), "check: the largest of both");
}

static void write_copy(int fd, off_t offset, uint64_t sequence)
{
	struct cc_pool_geometry g;
	struct cc_superblock sb;

	cc_superblock_layout(GIB, 20, 0, 0, &g, err, sizeof(err));
	g.sequence = sequence;
	cc_superblock_encode(&g, &sb);
	if (!sequence)
		memset(&sb, 0, sizeof(sb));
	if (pwrite(fd, &sb, sizeof(sb), offset) != sizeof(sb))
		abort();
}

static uint64_t read_sequence(int fd)
{
	struct cc_pool_geometry g = { 0 };

	return cc_superblock_read(fd, &g, err, sizeof(err)) ? 0 : g.sequence;
}

static void test_copies(void)
{
	char path[] = "/tmp/test-superblock.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || unlink(path) || ftruncate(fd, GIB))
		abort();
	ok(read_sequence(fd) == 0, "copies: none");
	write_copy(fd, CC_SB_OFFSET_B, 7);
	ok(read_sequence(fd) == 7, "copies: only B");
	write_copy(fd, CC_SB_OFFSET_A, 6);
	ok(read_sequence(fd) == 7, "copies: B is newer");
	write_copy(fd, CC_SB_OFFSET_A, 8);
	ok(read_sequence(fd) == 8, "copies: A is newer");
	write_copy(fd, CC_SB_OFFSET_B, 0);
	ok(read_sequence(fd) == 8, "copies: only A");
	close(fd);
}

int main(void)
{
	test_crc();
	test_layout();
	test_journal_sizes();
	test_journal_bounds();
	test_ends();
	test_check_journal();
	test_check();
	test_large_areas();
	test_copies();
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}
