// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The helper's code for volumes over a kernel that is played (kernel.h), by the wall clock.  POOL is a file that
 * chunkctl formatted; prints lines "PART NAME VALUE".
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commits.h"
#include "kernel.h"
#include "scatter.h"
#include "volume/journal-follow.h"
#include "volume/place.h"
#include "volume/volume-state.h"
#include "work.h"

static const char usage[] =
"Usage: bench-volume-helper recovery POOL RECORDS\n"
"         a journal with so many writes of 4 KiB in no store: the time until it was resumed\n"
"       bench-volume-helper make POOL file://DIR BLOCKS COMMITS\n"
"         a volume with so many blocks apart from each other: a checkpoint, and the last ones in so many commits\n"
"       bench-volume-helper open POOL s3://BUCKET ENDPOINT\n"
"         the time from its device to VOLUME_START\n"
"       bench-volume-helper upload POOL s3://BUCKET ENDPOINT BYTES\n"
"         the rate of so many bytes, written as fast as they go\n"
"       bench-volume-helper lag POOL s3://BUCKET ENDPOINT BYTES_PER_S SECONDS\n"
"         how old what a commit makes durable is\n";

#define TERM_OF_CRASH	2
#define COMMIT_BLOCKS	512u		/* of `make': 2 MiB */

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end)
		errx(2, "%s: expected a number", text);
	return n;
}

static void print_ms(const char *name, uint64_t from_ns, uint64_t to_ns)
{
	printf("%s ms %.1f\n", name, (to_ns - from_ns) / (double)CC_MS);
}

/* ---- recovery ---- */

/* A host that ends with all this in its journal. */
static void crash_with(uint64_t records)
{
	bench_kernel_name(1, bench_uuid, TERM_OF_CRASH);
	for (uint64_t i = 0; i < records; i++)
		if (!bench_kernel_write(1, TERM_OF_CRASH, scatter(i, 1u << 24)))
			errx(1, "the pool has room for %" PRIu64 " writes only", i);
	bench_kernel_flush();
	bench_kernel_reboot();
}

static void measure_recovery(const char *pool, uint64_t records)
{
	struct cc_journal_follow_config c = { .instance = 2 };
	struct cc_journal_follow *f;
	uint64_t start_ns;
	size_t found;
	int r;

	bench_kernel_open(pool, true);
	c.pooldev = bench_kernel.pooldev;
	c.nr_slots = cc_pooldev_geometry(c.pooldev)->nr_slots;
	crash_with(records);
	start_ns = cc_now_ns();
	r = cc_journal_follow_open(&c, &f);
	if (r || cc_journal_follow_how(f) != CC_FOLLOW_FOLLOWING || !bench_kernel.resumed_ns)
		errx(1, "no recovery: %s", r ? strerror(-r) : cc_journal_follow_why(f));
	found = cc_journal_state_find(cc_journal_follow_volumes(f), bench_uuid)->nr_writes;
	if (found != records)
		errx(1, "%zu of %" PRIu64 " records were found", found, records);
	print_ms("recovery", start_ns, bench_kernel.resumed_ns);
	cc_journal_follow_close(f);
}

/* ---- opening ---- */

/* Blocks from i on, of all, each in no run with another; their bytes are in a pack that nobody reads. */
static void append_data(struct cc_volume_state *s, uint64_t i, uint64_t all)
{
	struct chunkcache_record records[COMMIT_BLOCKS];
	struct cc_piece pieces[COMMIT_BLOCKS];
	uint32_t in_log = 1u << (s->log.last.chunk_shift - CC_BLOCK_SHIFT);
	struct cc_commit c = {
		.type = CC_COMMIT_DATA, .records = records, .nr_records = COMMIT_BLOCKS, .pieces = pieces,
	};
	char why[400];

	for (uint32_t n = 0; n < COMMIT_BLOCKS; n++, i++) {
		uint64_t number = cc_log_number(TERM_OF_CRASH, i / in_log + 1);

		records[n] = (struct chunkcache_record){
			.type = CC_JOURNAL_WRITE, .count = 1, .block = 2 * scatter(i, all),
			.place = cc_place(number, i % in_log),
		};
		if (!(i % in_log))
			pieces[c.nr_pieces++] = (struct cc_piece){
				.place = records[n].place, .count = in_log, .pack_term = TERM_OF_CRASH,
				.pack = { 1 }, .sha256 = { 2 },
			};
	}
	c.upto = cc_place(cc_log_number(TERM_OF_CRASH, i / in_log + 1), i % in_log) & ~CC_PLACE_DATA;
	if (cc_volume_log_append(&s->log, &c, NULL, 0, why, sizeof(why)))
		errx(1, "%s", why);
}

/* As its owner leaves it that dies with its host's memory: no CLOSE. */
static void make_volume(const char *pool, char *url, uint64_t blocks, uint64_t commits)
{
	uint64_t last = blocks - commits * COMMIT_BLOCKS;
	struct cc_volume_state s;
	char why[400];

	bench_kernel_open(pool, false);
	cc_volume_state_init(&s, bench_store_open(url, NULL), bench_uuid,
			     cc_pooldev_geometry(bench_kernel.pooldev)->uuid, "bench");
	bench_volume_create(2 * blocks);
	if (cc_volume_log_read(&s.log, why, sizeof(why)) || cc_volume_log_take(&s.log, why, sizeof(why)))
		errx(1, "%s", why);
	for (uint64_t i = 0; i < blocks; i += COMMIT_BLOCKS) {
		if (i == last && cc_volume_state_checkpoint(&s, false, why, sizeof(why)))
			errx(1, "%s", why);
		append_data(&s, i, blocks);
	}
	cc_volume_state_free(&s);
	bench_store_close();
}

static bool wait_for_start(uint64_t now_ns)
{
	return !bench_kernel.started_ns;
}

static void measure_open(void)
{
	uint64_t start_ns = cc_now_ns();

	bench_work_start();
	bench_kernel_plug(bench_uuid, 8);
	bench_work_run(wait_for_start);
	print_ms("open", start_ns, bench_kernel.started_ns);
	printf("open extents %" PRIu64 "\n", bench_kernel.nr_extents);
	bench_work_stop();
}

/* ---- with a store ---- */

static bool run_with_store(int argc, char **argv)
{
	bool opens = argc == 5 && !strcmp(argv[1], "open");
	bool uploads = argc == 6 && !strcmp(argv[1], "upload");
	bool lags = argc == 7 && !strcmp(argv[1], "lag");

	if (!opens && !uploads && !lags)
		return false;
	bench_kernel_open(argv[2], false);
	bench_store_open(argv[3], argv[4]);
	if (opens)
		measure_open();
	else if (uploads)
		bench_upload(number_of(argv[5]));
	else
		bench_lag(number_of(argv[5]), number_of(argv[6]));
	bench_store_close();
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "recovery"))
		measure_recovery(argv[2], number_of(argv[3]));
	else if (argc == 6 && !strcmp(argv[1], "make"))
		make_volume(argv[2], argv[3], number_of(argv[4]), number_of(argv[5]));
	else if (!run_with_store(argc, argv))
		errx(2, "%s", usage);
	return 0;
}
