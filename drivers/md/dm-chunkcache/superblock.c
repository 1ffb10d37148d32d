// SPDX-License-Identifier: GPL-2.0-only
/* Reading and checking a pool device's superblock. */
#include "superblock.h"
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/crc32c.h>
#include <linux/gfp.h>
#include <linux/string.h>
#include <chunkcache/format.h>
#include <chunkcache/journal.h>

static_assert(sizeof(struct cc_superblock) == CC_SB_SIZE);
static_assert(CC_SB_SIZE <= PAGE_SIZE);

static int read_block(struct block_device *bdev, sector_t sector, struct page *page)
{
	struct bio_vec bvec;
	struct bio bio;
	int r;

	bio_init(&bio, bdev, &bvec, 1, REQ_OP_READ | REQ_META);
	bio.bi_iter.bi_sector = sector;
	__bio_add_page(&bio, page, CC_SB_SIZE, 0);
	r = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return r;
}

static bool crc_ok(struct cc_superblock *sb)
{
	__le32 crc = sb->crc;
	u32 sum;

	sb->crc = 0;
	sum = ~crc32c(~0, sb, CC_SB_SIZE);
	sb->crc = crc;
	return sum == le32_to_cpu(crc);
}

/* [start, start + size) in sectors, if it is aligned and lies in [CC_META_START, end). */
static bool area_inside(u64 start, u64 size, u64 end, sector_t *ret_start, sector_t *ret_end)
{
	if ((start | size) & (CC_SB_SIZE - 1) || start < CC_META_START ||
	    start > end || size > end - start)
		return false;
	*ret_start = start >> SECTOR_SHIFT;
	*ret_end = (start + size) >> SECTOR_SHIFT;
	return true;
}

static bool areas_overlap(sector_t a, sector_t a_end, sector_t b, sector_t b_end)
{
	return a < b_end && b < a_end;
}

/* The same for its journal.  The other areas are checked. */
static char *check_journal(const struct cc_superblock *sb, u64 end, struct cc_geometry *geo)
{
	u64 offset = le64_to_cpu(sb->journal_offset), size = le64_to_cpu(sb->journal_size);
	u64 dirty_max = le64_to_cpu(sb->dirty_max);

	geo->journal_start = 0;
	geo->journal_end = 0;
	geo->dirty_max = 0;
	if (!(le32_to_cpu(sb->incompat) & CC_SB_JOURNAL))
		return NULL;
	if (size < CC_JOURNAL_SIZE_MIN || size > CC_JOURNAL_SIZE_MAX || size % CC_JOURNAL_POSITION)
		return "Superblock journal size is out of range";
	if (!area_inside(offset, size, end, &geo->journal_start, &geo->journal_end))
		return "Superblock journal does not fit";
	if (areas_overlap(geo->journal_start, geo->journal_end, geo->slots_start, geo->slots_end) ||
	    areas_overlap(geo->journal_start, geo->journal_end, geo->table_start, geo->table_end) ||
	    areas_overlap(geo->journal_start, geo->journal_end,
			  geo->manifest_start, geo->manifest_end))
		return "Superblock journal overlaps another area";
	/* One at least is left for what is read. */
	if (!dirty_max || dirty_max >= le64_to_cpu(sb->nr_slots))
		return "Superblock limit of dirty slots is out of range";
	geo->dirty_max = dirty_max;
	return NULL;
}

/* NULL, or what is wrong with it. */
static char *check_superblock(struct cc_superblock *sb, u64 bytes, struct cc_geometry *geo)
{
	unsigned int shift = le32_to_cpu(sb->slot_shift);
	u64 nr = le64_to_cpu(sb->nr_slots);
	u64 slots = le64_to_cpu(sb->slots_offset);
	u64 tail = bytes > CC_TAIL_SIZE ? bytes - CC_TAIL_SIZE : 0;
	char *why;

	if (memcmp(sb->magic, CC_SB_MAGIC, sizeof(sb->magic)))
		return "No chunkcache superblock on cache device";
	if (le32_to_cpu(sb->version) != CC_SB_VERSION)
		return "Superblock version is not supported";
	if (!crc_ok(sb))
		return "Superblock checksum is wrong";
	if (le32_to_cpu(sb->incompat) & ~CC_SB_JOURNAL)
		return "Superblock has an unknown feature";
	if (shift < CC_CHUNK_SHIFT_MIN || shift > CC_CHUNK_SHIFT_MAX)
		return "Superblock slot size is out of range";
	if (!nr || nr > CC_NR_SLOTS_MAX)
		return "Superblock number of slots is out of range";
	if (slots & (max(1ULL << shift, 1ULL << 20) - 1) ||
	    !area_inside(slots, nr << shift, bytes, &geo->slots_start, &geo->slots_end))
		return "Superblock slots do not fit the cache device";
	if (!area_inside(le64_to_cpu(sb->table_offset), le64_to_cpu(sb->table_size), tail,
			 &geo->table_start, &geo->table_end) ||
	    le64_to_cpu(sb->table_size) < nr * sizeof(struct cc_table_entry))
		return "Superblock slot table does not fit";
	if (le64_to_cpu(sb->table_size) > CC_TABLE_SIZE_MAX)
		return "Superblock slot table is larger than any";
	if (!area_inside(le64_to_cpu(sb->manifest_offset), le64_to_cpu(sb->manifest_size), tail,
			 &geo->manifest_start, &geo->manifest_end) ||
	    le64_to_cpu(sb->manifest_size) < CC_MANIFEST_DIR_SIZE ||
	    le64_to_cpu(sb->manifest_size) > CC_MANIFEST_AREA_MAX)
		return "Superblock manifest area does not fit";
	if (areas_overlap(geo->slots_start, geo->slots_end, geo->table_start, geo->table_end) ||
	    areas_overlap(geo->slots_start, geo->slots_end,
			  geo->manifest_start, geo->manifest_end) ||
	    areas_overlap(geo->table_start, geo->table_end,
			  geo->manifest_start, geo->manifest_end))
		return "Superblock areas overlap";
	why = check_journal(sb, tail, geo);
	if (why)
		return why;
	/* What a guest has in a slot there would be taken for the superblock of a RAID, say. */
	nr = min(nr, tail > slots ? (tail - slots) >> shift : 0);
	if (!nr)
		return "Cache device is too small: no slot may reach into the last 2 MiB";
	geo->slots_end = geo->slots_start + (nr << (shift - SECTOR_SHIFT));

	import_uuid(&geo->uuid, sb->uuid);
	geo->nr_slots = nr;
	geo->max_slots = min_t(u64, CC_NR_SLOTS_MAX, le64_to_cpu(sb->table_size) /
						     sizeof(struct cc_table_entry));
	geo->slot_shift = shift - SECTOR_SHIFT;
	return NULL;
}

int cc_superblock_read(struct block_device *bdev, struct cc_geometry *ret, char **error)
{
	static const sector_t where[] = { CC_SB_OFFSET_A >> SECTOR_SHIFT,
					  CC_SB_OFFSET_B >> SECTOR_SHIFT };
	u64 bytes = bdev_nr_bytes(bdev);
	struct page *page = alloc_page(GFP_KERNEL);
	struct cc_superblock *sb;
	int r = -EIO;
	u64 best = 0;
	unsigned int i;

	if (!page) {
		*error = "No memory to read the superblock";
		return -ENOMEM;
	}
	sb = page_address(page);
	*error = "Cannot read superblock of cache device";
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		struct cc_geometry geo;
		char *why;

		if (bytes < ((u64)where[i] << SECTOR_SHIFT) + CC_SB_SIZE ||
		    read_block(bdev, where[i], page))
			continue;
		why = check_superblock(sb, bytes, &geo);
		if (why) {
			if (r) {
				*error = why;
				r = -EINVAL;
			}
		} else if (r || le64_to_cpu(sb->sequence) > best) {
			*ret = geo;
			best = le64_to_cpu(sb->sequence);
			r = 0;
		}
	}
	__free_page(page);
	return r;
}

bool cc_superblock_readable(struct block_device *bdev)
{
	struct page *page = alloc_page(GFP_NOIO);
	int r;

	if (!page)
		return false;
	r = read_block(bdev, CC_SB_OFFSET_A >> SECTOR_SHIFT, page);
	__free_page(page);
	return !r;
}
