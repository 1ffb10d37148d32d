// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Superblocks with a checksum that is right.  What is taken has its areas on the device, none on another, and
 * encodes to a superblock that says the same.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunkcache/journal.h"
#include "crc32c.h"
#include "fuzz.h"
#include "superblock.h"

#define DEVICE	(1ULL << 34)

struct area {
	uint64_t begin, end;
};

static void check_geometry(const struct cc_pool_geometry *g)
{
	const struct area areas[] = {
		{ g->manifest_offset, g->manifest_offset + g->manifest_size },
		{ g->table_offset, g->table_offset + g->table_size },
		{ g->slots_offset, g->slots_offset + (g->nr_slots << g->slot_shift) },
		{ g->journal_offset, g->journal_offset + g->journal_size },
	};
	unsigned int nr = g->journal_size ? 4 : 3;

	for (unsigned int i = 0; i < nr; i++) {
		fuzz_check(areas[i].begin >= CC_META_START && areas[i].begin < areas[i].end && areas[i].end <= DEVICE);
		for (unsigned int j = 0; j < i; j++)
			fuzz_check(areas[i].end <= areas[j].begin || areas[j].end <= areas[i].begin);
	}
	fuzz_check(g->table_size / sizeof(struct cc_table_entry) >= g->nr_slots);
	fuzz_check(cc_superblock_max_slots(g) >= g->nr_slots);
	cc_superblock_slots_on(g, DEVICE);
}

static void check_again(const struct cc_pool_geometry *g)
{
	uint8_t *buf = malloc(CC_SB_SIZE);
	struct cc_pool_geometry again;
	char err[200];

	cc_superblock_encode(g, buf);
	fuzz_check(!cc_superblock_check(buf, DEVICE, &again, err, sizeof(err)));
	fuzz_check(!memcmp(g, &again, sizeof(again)));
	free(buf);
}

/* A journal for a pool that has none leaves a pool, too. */
static void check_journal(struct cc_pool_geometry g)
{
	uint64_t taken;
	char err[200] = "";

	if (g.journal_size)
		return;
	if (cc_superblock_add_journal(&g, 0, &taken, err, sizeof(err)))
		fuzz_check_reason(err);
	else
		check_geometry(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cc_superblock *sb = calloc(1, CC_SB_SIZE);
	struct cc_pool_geometry g;
	char err[200] = "";
	int r;

	memcpy(sb, data, size < CC_SB_SIZE ? size : CC_SB_SIZE);
	sb->crc = 0;
	sb->crc = htole32(cc_crc32c(sb, CC_SB_SIZE));
	memset(&g, 0, sizeof(g));
	r = cc_superblock_check(sb, DEVICE, &g, err, sizeof(err));
	if (r) {
		fuzz_check(r == -ENODATA || r == -EPROTO || r == -EINVAL);
		fuzz_check_reason(err);
	} else {
		check_geometry(&g);
		check_again(&g);
		check_journal(g);
	}
	sb->crc ^= 1;
	fuzz_check(r == -ENODATA || cc_superblock_check(sb, DEVICE, &g, err, sizeof(err)) == -EILSEQ);
	free(sb);
	return 0;
}

static void put(const char *name, uint32_t slot_shift, bool journal)
{
	struct cc_pool_geometry g;
	uint8_t buf[CC_SB_SIZE];
	uint64_t taken;
	char err[200];

	if (cc_superblock_layout(1ULL << 33, slot_shift, 0, 0, &g, err, sizeof(err)) ||
	    (journal && cc_superblock_add_journal(&g, 0, &taken, err, sizeof(err))))
		fuzz_broken(__FILE__, __LINE__, err);
	g.uuid[0] = 1;
	cc_superblock_encode(&g, buf);
	/* All behind is zeros. */
	fuzz_seed(name, buf, 128);
}

void fuzz_seeds(void)
{
	put("pool", 20, false);
	put("small-slots", 16, false);
	put("journal", 20, true);
}
