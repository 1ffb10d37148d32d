// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes blocks of 4 KiB at random places, a step of them every few ms, and what the helper says of
 * them: COMMITTED, below which all is in the store.
 */
#include "commits.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "kernel.h"
#include "scatter.h"
#include "volume/place.h"
#include "work.h"

#define BLOCKS		(1u << 20)	/* of the volume */
#define STEP_MAX	4096u		/* blocks at once: others have their turn */
#define STEPS_MAX	(1u << 16)	/* that are in no commit */
#define WARM_UP		(3 * CC_SECOND)	/* by then commits follow each other */

/* What was written and is in no commit, a step at a time. */
static struct step {
	uint64_t place, ns;		/* of its first write */
} steps[STEPS_MAX];
static uint64_t first_step, nr_steps;
static uint64_t nr_written, last_place;	/* blocks */

struct commit {
	uint64_t ns, blocks;		/* when it was told; all of the guest's up to it */
	uint64_t oldest_ns;		/* the first write in it */
};

static struct commit *commits;
static size_t nr_commits;

/* What the guest is to do. */
static uint64_t begun_ns, bytes_per_s, length_ns, wanted_blocks;

static uint64_t write_blocks(uint64_t nr)
{
	uint64_t i;

	for (i = 0; i < nr; i++) {
		uint64_t place = bench_kernel_write(bench_kernel.handle, bench_kernel.term,
						    scatter(nr_written + i, BLOCKS));

		if (!place)
			break;
		if (!i)
			steps[nr_steps++ % STEPS_MAX] = (struct step){ place, cc_now_ns() };
		last_place = place;
	}
	if (nr_steps - first_step == STEPS_MAX)
		errx(1, "nothing is committed");
	return i;
}

/* All of the guest's below place, which is the first of its life. */
static uint64_t blocks_below(uint64_t place)
{
	unsigned int shift = cc_pooldev_geometry(bench_kernel.pooldev)->slot_shift - CC_BLOCK_SHIFT;

	return ((uint64_t)(cc_log_count(cc_place_number(place)) - 1) << shift) + cc_place_block(place);
}

static void note_committed(uint64_t place)
{
	uint64_t oldest_ns = 0;

	for (; first_step < nr_steps && steps[first_step % STEPS_MAX].place < place; first_step++)
		if (!oldest_ns)
			oldest_ns = steps[first_step % STEPS_MAX].ns;
	if (!oldest_ns)
		return;
	commits = reallocarray(commits, nr_commits + 1, sizeof(*commits));
	if (!commits)
		errx(1, "out of memory");
	commits[nr_commits++] = (struct commit){ cc_now_ns(), blocks_below(place), oldest_ns };
}

static void start_guest(void)
{
	bench_volume_create(BLOCKS);
	bench_work_start();
	bench_kernel.committed = note_committed;
	bench_kernel_plug(bench_uuid, BLOCKS * 8);
}

/* Has it a volume to write to? */
static bool guest_runs(uint64_t now_ns)
{
	if (bench_kernel.started_ns && !begun_ns)
		begun_ns = now_ns;
	return begun_ns;
}

/* ---- as much as goes ---- */

static bool write_all(uint64_t now_ns)
{
	if (!guest_runs(now_ns))
		return true;
	nr_written += write_blocks(STEP_MAX);
	return nr_commits < 2 || commits[nr_commits - 1].blocks - commits[0].blocks < wanted_blocks;
}

void bench_upload(uint64_t bytes)
{
	const struct commit *last;
	double s;

	wanted_blocks = bytes >> CC_BLOCK_SHIFT;
	start_guest();
	bench_work_run(write_all);
	last = &commits[nr_commits - 1];
	s = (double)(last->ns - commits[0].ns) / CC_SECOND;
	printf("upload bytes_per_s %.0f\n", (last->blocks - commits[0].blocks) * CC_BLOCK_SIZE / s);
	printf("upload commits %zu\n", nr_commits - 1);
	bench_work_stop();
}

/* ---- at a rate ---- */

/* Then until all of it is in the store, or what is late would not be seen. */
static bool write_at_rate(uint64_t now_ns)
{
	uint64_t due;

	if (!guest_runs(now_ns))
		return true;
	if (now_ns - begun_ns >= length_ns)
		return !nr_commits || commits[nr_commits - 1].blocks <= blocks_below(last_place);
	due = (double)(now_ns - begun_ns) / CC_SECOND * bytes_per_s / CC_BLOCK_SIZE;
	if (due > nr_written)
		nr_written += write_blocks(due - nr_written);
	return true;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_lags(void)
{
	double *lags = calloc(nr_commits + 1, sizeof(*lags));
	size_t nr = 0;

	if (!lags)
		errx(1, "out of memory");
	for (size_t i = 0; i < nr_commits; i++)
		if (commits[i].oldest_ns >= begun_ns + WARM_UP)
			lags[nr++] = (double)(commits[i].ns - commits[i].oldest_ns) / CC_SECOND;
	if (!nr)
		errx(1, "no commit");
	qsort(lags, nr, sizeof(*lags), by_number);
	printf("lag commits %zu\n", nr);
	printf("lag p50_s %.3f\n", lags[nr / 2]);
	printf("lag p99_s %.3f\n", lags[(nr * 99 - 1) / 100]);
	free(lags);
}

void bench_lag(uint64_t rate, uint64_t seconds)
{
	start_guest();
	bytes_per_s = rate;
	length_ns = WARM_UP + seconds * CC_SECOND;
	bench_work_run(write_at_rate);
	print_lags();
	bench_work_stop();
}
