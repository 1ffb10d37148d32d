// SPDX-License-Identifier: GPL-2.0-or-later
/* What a commit gets of a journal with more than goes into it: all that is below its cuts, and not much else. */
#include <stdlib.h>

#include "tap.h"
#include "volume/place.h"
#include "volume/volume-commit.h"
#include "volume/volumes-impl.h"

#define LOGS		1024u
#define LOG_BLOCKS	256u		/* of 1 MiB */
#define WRITES_MAX	(LOGS * LOG_BLOCKS)
#define SLACK		(8u << 20)	/* beyond a commit: a cut, and two log chunks that end it */

static struct cc_journal_log logs[LOGS];
static struct cc_journal_write writes[WRITES_MAX];
static uint64_t cuts[LOGS + 1];
static struct cc_journal_volume j = { .term = 3, .logs = logs, .writes = writes, .cuts = cuts };

static uint64_t nth_place(uint64_t nth)
{
	return cc_place(cc_log_number(3, nth / LOG_BLOCKS + 1), nth % LOG_BLOCKS);
}

/* Blocks in a row, of which those below first are committed, and a cut after each length at random. */
static void fill_journal(uint32_t blocks, uint32_t first)
{
	uint32_t cut = first;

	j.nr_logs = j.nr_cuts = j.nr_writes = 0;
	for (uint32_t i = first / LOG_BLOCKS; i <= (blocks - 1) / LOG_BLOCKS; i++)
		logs[j.nr_logs++] = (struct cc_journal_log){ .key = cc_place_log_key(nth_place(i * LOG_BLOCKS)) };
	for (uint32_t i = first; i < blocks; i++) {
		writes[j.nr_writes++].r = (struct chunkcache_record){
			.type = CC_JOURNAL_WRITE, .count = 1, .place = nth_place(i),
		};
		logs[i / LOG_BLOCKS - first / LOG_BLOCKS].dirty_blocks++;
	}
	while (j.nr_cuts < LOGS && (cut += 1 + rand() % 700) <= blocks)
		cuts[j.nr_cuts++] = nth_place(cut) & ~CC_PLACE_DATA;
}

/* Of the writes, those from stored on and below end: are they what s has? */
static bool has_just(const struct cc_volume_snapshot *s, uint64_t stored, uint64_t end)
{
	size_t nr = 0;

	for (size_t i = 0; i < j.nr_writes; i++)
		if (writes[i].r.place >= stored && writes[i].r.place < end &&
		    (nr == s->dirty.nr_records || s->dirty.records[nr++].place != writes[i].r.place))
			return false;
	return nr == s->dirty.nr_records;
}

static void test_commit(void)
{
	unsigned int wrong = 0, few = 0, much = 0, partial = 0;

	for (unsigned int i = 0; i < 100; i++) {
		uint32_t blocks = 1 + rand() % WRITES_MAX, first = rand() % blocks;
		/* The helper knows of a commit before the journal says so. */
		uint64_t stored = nth_place(first + rand() % (blocks - first)) & ~CC_PLACE_DATA, end = stored;
		struct cc_volume_snapshot s = { 0 };

		fill_journal(blocks, first);
		if (cc_volume_take_snapshot(NULL, &j, false, stored, &s))
			exit(1);
		if (s.dirty.nr_cuts)
			end = s.cuts[s.dirty.nr_cuts - 1];
		wrong += !has_just(&s, stored, end);
		if (j.nr_cuts && end < cuts[j.nr_cuts - 1]) {
			partial++;
			few += s.dirty.nr_records < CC_COMMIT_BYTES >> CC_BLOCK_SHIFT;
		}
		much += s.dirty.nr_records > (CC_COMMIT_BYTES + SLACK) >> CC_BLOCK_SHIFT;
		cc_volume_free_snapshot(&s);
	}
	ok(!wrong, "what is below its cuts is there, and nothing else (%u of 100 wrong)", wrong);
	ok(partial && !few, "a part of what is dirty fills a commit (%u of %u do not)", few, partial);
	ok(!much, "and not much more than one (%u have more)", much);
}

static void test_all(void)
{
	struct cc_volume_snapshot s = { 0 };

	fill_journal(WRITES_MAX, 0);
	j.dirty_blocks = WRITES_MAX;
	ok(!cc_volume_take_snapshot(NULL, &j, true, 0, &s) && has_just(&s, 0, UINT64_MAX), "all of it for who opens");
	ok(s.cuts[s.dirty.nr_cuts - 1] == cc_place_term_end(3), "up to the end of the term");
	cc_volume_free_snapshot(&s);
}

int main(void)
{
	srand(1);
	test_commit();
	test_all();
	return tap_done();
}
