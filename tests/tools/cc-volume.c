// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cc-volume STORE NAME POOL STEP...: a volume's owner without a kernel and a cache device: what it would append
 * to the log for what a guest does.  POOL is any text: whose it is.  Steps, in order:
 *
 *	open			read the log, take the volume, whoever has it
 *	write BLOCK COUNT N	blocks full of the byte N, but that each begins with its number
 *	zero BLOCK COUNT
 *	commit			what was written since
 *	checkpoint
 *	close
 *
 * Without close the owner is one that died.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "volume/place.h"
#include "volume/volume-commit.h"
#include "volume/volume-name.h"

#define RECORDS_MAX	4096

static char err[400] = "out of memory";
static struct cc_store_config config;
static struct cc_volume_state state;
static struct chunkcache_record records[RECORDS_MAX];
static uint64_t cut;
static struct cc_volume_dirty dirty = { .records = records, .cuts = &cut, .nr_cuts = 1 };
static uint64_t next;			/* block, over all log chunks of the term */
static uint8_t *written;		/* so far */

static void fail(const char *what)
{
	fprintf(stderr, "cc-volume: %s: %s\n", what, err);
	exit(1);
}

static uint32_t blocks_of_chunk(void)
{
	return 1u << (state.log.last.chunk_shift - CC_BLOCK_SHIFT);
}

static uint64_t next_place(void)
{
	return cc_place(cc_log_number(state.log.own_term, next / blocks_of_chunk()), next % blocks_of_chunk());
}

static int read_written(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	uint64_t at = (uint64_t)cc_log_count(cc_place_number(key)) * blocks_of_chunk() + block;

	memcpy(buf, written + (at << CC_BLOCK_SHIFT), (size_t)blocks << CC_BLOCK_SHIFT);
	return 0;
}

static void add(uint8_t type, uint64_t block, uint32_t count, uint64_t place)
{
	if (dirty.nr_records == RECORDS_MAX)
		fail("too many writes without a commit");
	records[dirty.nr_records++] = (struct chunkcache_record){ .type = type, .block = block, .count = count,
								   .place = place };
}

static void do_open(void)
{
	int r;

	do {
		r = cc_volume_log_read(&state.log, err, sizeof(err));
		if (!r)
			r = cc_volume_log_take(&state.log, err, sizeof(err));
	} while (r == -EAGAIN);
	if (r)
		fail("open");
}

static void do_write(uint64_t block, uint32_t count, uint8_t byte)
{
	while (count) {
		uint32_t room = blocks_of_chunk() - next % blocks_of_chunk(), n = count < room ? count : room;

		add(CC_JOURNAL_WRITE, block, n, next_place());
		written = realloc(written, (next + n) << CC_BLOCK_SHIFT);
		if (!written)
			fail("write");
		memset(written + (next << CC_BLOCK_SHIFT), byte, (size_t)n << CC_BLOCK_SHIFT);
		count -= n;
		for (; n; n--, next++, block++)
			memcpy(written + (next << CC_BLOCK_SHIFT), &block, sizeof(block));
	}
}

static void do_commit(void)
{
	struct cc_commit_counts counts = { 0 };
	uint64_t upto = 0;
	void *all;

	next++;				/* as a cut that zeros lie below */
	all = realloc(written, next << CC_BLOCK_SHIFT);
	if (!all)
		fail("memory");
	written = all;
	cut = next_place() & ~CC_PLACE_DATA;
	if (cc_volume_commit(&state, &dirty, &counts, &upto, err, sizeof(err)))
		fail("commit");
	dirty.nr_records = 0;
}

static uint64_t number(char ***at)
{
	char *end, *s = *++*at;
	uint64_t n = s ? strtoull(s, &end, 0) : 0;

	if (!s || !*s || *end)
		fail("expected a number");
	return n;
}

static bool next_is_close(char **at)
{
	return at[1] && !strcmp(at[1], "close");
}

static void do_step(char ***at)
{
	struct cc_commit close = { .type = CC_COMMIT_CLOSE };
	const char *step = **at;
	uint64_t block = 0;
	uint32_t count = 0;

	if (!strcmp(step, "write") || !strcmp(step, "zero")) {
		block = number(at);
		count = number(at);
	}
	if (!strcmp(step, "open"))
		do_open();
	else if (!strcmp(step, "write"))
		do_write(block, count, number(at));
	else if (!strcmp(step, "zero"))
		add(CC_JOURNAL_ZERO, block, count, next_place() & ~CC_PLACE_DATA);
	else if (!strcmp(step, "commit"))
		do_commit();
	else if (!strcmp(step, "checkpoint") && cc_volume_state_checkpoint(&state, next_is_close(*at), err, sizeof(err)))
		fail(step);
	else if (!strcmp(step, "close") && cc_volume_log_append(&state.log, &close, NULL, 0, err, sizeof(err)))
		fail(step);
}

int main(int argc, char **argv)
{
	struct cc_uploads_config uploads = { .parallel = 4 };
	uint8_t uuid[16], self[16] = { 0 };

	if (argc < 4) {
		fprintf(stderr, "usage: cc-volume STORE NAME POOL STEP...\n");
		return 2;
	}
	cc_store_config_init(&config);
	config.url = argv[1];
	if (cc_store_open(&config, &uploads.store, err, sizeof(err)) ||
	    cc_volume_uuid(uploads.store, argv[2], uuid, err, sizeof(err)) || cc_uploads_open(&uploads, &dirty.uploads))
		fail(argv[1]);
	memcpy(self, argv[3], strnlen(argv[3], sizeof(self)));
	cc_volume_state_init(&state, uploads.store, uuid, self, argv[3]);
	dirty.read = read_written;
	for (char **at = argv + 4; *at; at++)
		do_step(&at);
	cc_uploads_close(dirty.uploads);
	cc_volume_state_free(&state);
	cc_store_close(uploads.store);
	free(written);
	return 0;
}
