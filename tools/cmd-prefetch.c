// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl prefetch, cached, warm: fetch chunks that nobody reads yet; list those that are there, for another
 * host to fetch.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "chunk-list.h"
#include "chunk-states.h"
#include "command.h"
#include "dm.h"
#include "progress.h"
#include "scan.h"
#include "clock.h"

#define BATCH 256			/* chunks of one request */
#define PERIOD_MS 100			/* between requests */

static const char help_prefetch[] =
	"RANGE is a chunk or FROM-TO, both included; the first chunk is 0.  What is there\n"
	"already and holes are passed over.  Whoever reads goes before.  If it is\n"
	"interrupted, what was asked for last, at most 1024 chunks, still comes.\n"
	"\n"
	"  --all                the whole disk\n"
	"  --from LIST          what `chunkctl cached' printed, of a disk of that image\n"
	"  --rate SIZE          so many bytes a second at most, such as 50M\n";

static const char help_cached[] =
	"Prints the chunks of the disk that are cached, for `chunkctl warm' on another\n"
	"host.\n";

static const char help_warm[] =
	"For a guest that moves: `chunkctl cached DISK' on the old host prints LIST.\n"
	"Here its disk must be up.  If several are of that image, one is enough.\n"
	"\n"
	"  --from LIST          - for standard input\n"
	"  --rate SIZE          so many bytes a second at most, such as 50M\n";

struct job {
	json_t *pools;			/* owns what the names point into */
	const char *pool, *disk, *image;
	struct ctl_chunk_list list;
	uint64_t nr_chunks, chunk_bytes;
	uint64_t rate;			/* bytes per second, 0: no limit */
	/* so far */
	uint64_t queued, there, failed, by_hand;
};

/* ---- which disk ---- */

/* The disk called name, or of image, whichever is not NULL. */
static const json_t *find_disk(const json_t *pools, const char *name, const char *image, const json_t **ret_pool)
{
	json_t *pool, *disk;
	size_t i, j;

	json_array_foreach(pools, i, pool) {
		json_array_foreach(json_object_get(pool, "disks"), j, disk) {
			if (name ? strcmp(ctl_string(disk, "name"), name) :
			    strcmp(ctl_string(disk, "digest"), image))
				continue;
			*ret_pool = pool;
			return disk;
		}
	}
	return NULL;
}

static int open_job(struct job *j, const char *name, const char *image)
{
	const json_t *disk, *pool = NULL;
	struct ctl_asked asked;
	bool unreadable = false;
	json_t *answer;
	int r = ctl_scan(&j->pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	disk = find_disk(j->pools, name, image, &pool);
	if (!disk || !json_is_string(json_object_get(pool, "name"))) {
		ctl_err("%s: no disk of that %s is up", name ? name : image, name ? "name" : "image");
		return CTL_FAILED;
	}
	j->pool = ctl_string(pool, "name");
	j->disk = ctl_string(disk, "name");
	j->image = ctl_string(disk, "digest");
	answer = ctl_ask(j->pool, "map", json_pack("{s:s, s:i}", "disk", j->disk, "count", 1),
			 CTL_ASK_SECONDS, &asked);
	if (!answer) {
		ctl_err("helper of %s: %s", j->pool, asked.why);
		return CTL_FAILED;
	}
	j->nr_chunks = ctl_number(answer, "chunks");
	j->chunk_bytes = ctl_number(answer, "chunk_bytes");
	json_decref(answer);
	return 0;
}

static void close_job(struct job *j)
{
	ctl_chunk_list_free(&j->list);
	json_decref(j->pools);
}

/* ---- fetching ---- */

/* Ask for count chunks from on, or with 0 only how far it is.  How many were taken, or -1 after a message. */
static int64_t ask_for_chunks(struct job *j, uint64_t from, uint64_t count)
{
	json_t *ranges = json_array(), *answer;
	struct ctl_asked asked;
	int64_t taken;

	if (count)
		json_array_append_new(ranges, json_pack("[I, I]", (json_int_t)from, (json_int_t)count));
	answer = ctl_ask(j->pool, "prefetch", json_pack("{s:s, s:o}", "disk", j->disk, "ranges", ranges),
			 CTL_ASK_SECONDS, &asked);
	if (!answer) {
		ctl_err("helper of %s: %s", j->pool, asked.why);
		return -1;
	}
	taken = (int64_t)ctl_number(answer, "taken");
	j->queued += ctl_number(answer, "queued");
	j->there += ctl_number(answer, "there");
	j->failed += ctl_number(answer, "failed");
	j->by_hand = ctl_number(json_object_get(answer, "prefetch"), "by_hand");
	json_decref(answer);
	return taken;
}

static void pause_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / CC_SECOND, .tv_nsec = ns % CC_SECOND };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Chunks of one request, so that the rate holds from one to the next. */
static uint64_t batch(const struct job *j)
{
	uint64_t n = j->rate ? j->rate / j->chunk_bytes * PERIOD_MS / 1000 : BATCH;

	return n < 1 ? 1 : n > BATCH ? BATCH : n;
}

static uint64_t next_time(const struct job *j, uint64_t queued)
{
	uint64_t ns = PERIOD_MS * CC_MS;

	if (j->rate)
		ns = (uint64_t)((double)queued * j->chunk_bytes / j->rate * 1e9);
	return cc_now_ns() + ns;
}

static int fetch_range(struct job *j, struct ctl_range r, struct ctl_progress *p)
{
	while (r.count) {
		uint64_t n = batch(j), queued = j->queued;
		int64_t taken;

		taken = ask_for_chunks(j, r.from, n < r.count ? n : r.count);
		if (taken < 0 || (uint64_t)taken > r.count)
			return CTL_FAILED;
		r.from += taken;
		r.count -= taken;
		ctl_progress_add(p, taken * j->chunk_bytes);
		/* What was there took no time; a full queue takes some. */
		if (j->queued > queued || !taken)
			pause_until(next_time(j, taken ? j->queued - queued : 1));
	}
	return 0;
}

static int fetch(struct job *j)
{
	struct ctl_progress p;
	int r = 0;
	size_t i;

	ctl_progress_start(&p, "prefetch", j->list.count * j->chunk_bytes);
	for (i = 0; !r && i < j->list.nr; i++)
		r = fetch_range(j, j->list.ranges[i], &p);
	while (!r && j->by_hand) {
		pause_until(cc_now_ns() + PERIOD_MS * CC_MS);
		r = ask_for_chunks(j, 0, 0) < 0 ? CTL_FAILED : 0;
	}
	ctl_progress_end(&p);
	if (r)
		return r;
	printf("%s: %" PRIu64 " chunks: %" PRIu64 " asked for, %" PRIu64 " were there or holes, %" PRIu64
	       " could not be asked for\n", j->disk, j->list.count, j->queued, j->there, j->failed);
	return j->failed ? CTL_FAILED : CTL_OK;
}

/* ---- command lines ---- */

static int list_of_file(struct job *j, const char *disk, const char *file)
{
	int r = ctl_chunk_list_read(file, &j->list) ? CTL_FAILED : 0;

	if (!r)
		r = open_job(j, disk, disk ? NULL : j->list.image);
	if (!r && (strcmp(j->list.image, j->image) || j->list.nr_chunks != j->nr_chunks)) {
		ctl_err("%s: is of %s, but %s is of %s", file, j->list.image, j->disk, j->image);
		r = CTL_FAILED;
	}
	return r;
}

static int list_of_ranges(struct job *j, const char *disk, bool all, char **ranges, int nr)
{
	struct ctl_range range;
	int i, r = open_job(j, disk, NULL);

	if (!r && all && ctl_chunk_list_add(&j->list, (struct ctl_range) { 0, j->nr_chunks }))
		r = CTL_FAILED;
	for (i = 0; !r && i < nr; i++) {
		if (ctl_range_parse(ranges[i], j->nr_chunks, &range))
			r = ctl_usage("'%s': expected CHUNK or FROM-TO, of %" PRIu64 " chunks", ranges[i],
				      j->nr_chunks);
		else if (ctl_chunk_list_add(&j->list, range))
			r = CTL_FAILED;
	}
	return r;
}

struct options {
	bool all, help;
	const char *from;
	uint64_t rate;
};

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "all", no_argument, NULL, 'a' },
		{ "from", required_argument, NULL, 'f' },
		{ "rate", required_argument, NULL, 'r' },
		{ 0 }
	};
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case CTL_OPT_HELP:
			o->help = true;
			break;
		case 'a':
			o->all = true;
			break;
		case 'f':
			o->from = optarg;
			break;
		case 'r':
			r = ctl_parse_size("--rate", optarg, &o->rate);
			if (r)
				return r;
			break;
		default:
			return ctl_bad_option(c, argv);
		}
	}
	return 0;
}

static int run_prefetch(const struct ctl_command *cmd, int argc, char **argv)
{
	struct options o = { .all = false };
	int nr, r = parse(argc, argv, &o);
	struct job j = { .pools = NULL };

	if (r || o.help)
		return r ? r : ctl_help(cmd);
	nr = argc - optind - 1;
	if (nr < 0 || !ctl_dm_name_ok(argv[optind]))
		return ctl_usage("expected DISK, a name of [a-zA-Z0-9._-]");
	if ((nr > 0) + o.all + !!o.from != 1)
		return ctl_usage("expected either RANGEs, --all or --from");
	j.rate = o.rate;
	if (o.from)
		r = list_of_file(&j, argv[optind], o.from);
	else
		r = list_of_ranges(&j, argv[optind], o.all, argv + optind + 1, nr);
	if (!r)
		r = fetch(&j);
	close_job(&j);
	return ctl_finish(r);
}

static int run_warm(const struct ctl_command *cmd, int argc, char **argv)
{
	struct options o = { .all = false };
	int r = parse(argc, argv, &o);
	struct job j = { .pools = NULL };

	if (r || o.help)
		return r ? r : ctl_help(cmd);
	if (optind != argc || !o.from || o.all)
		return ctl_usage("expected --from LIST, and no operands");
	j.rate = o.rate;
	r = list_of_file(&j, NULL, o.from);
	if (!r)
		r = fetch(&j);
	close_job(&j);
	return ctl_finish(r);
}

static bool is_cached(const struct ctl_chunks *c, uint64_t chunk)
{
	return c->states[chunk] == CTL_CHUNK_CACHED || c->states[chunk] == CTL_CHUNK_HOT;
}

static void print_cached(const struct job *j, const struct ctl_chunks *c)
{
	struct ctl_range run;

	ctl_chunk_list_head(stdout, j->image, c->nr);
	for (run = (struct ctl_range) { 0, 0 }; run.from < c->nr; run.from += run.count ? run.count : 1) {
		for (run.count = 0; run.from + run.count < c->nr && is_cached(c, run.from + run.count);)
			run.count++;
		if (run.count)
			ctl_range_print(stdout, run);
	}
}

static int run_cached(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_chunks chunks = { 0 };
	struct options o = { .all = false };
	struct job j = { .pools = NULL };
	int r = parse(argc, argv, &o);

	if (r || o.help)
		return r ? r : ctl_help(cmd);
	if (o.all || o.from || o.rate)
		return ctl_usage("takes no options");
	r = ctl_name_operand(argc, argv, 1, "one DISK");
	if (r)
		return r;
	r = open_job(&j, argv[optind], NULL);
	if (!r)
		r = ctl_chunks_get(j.pool, j.disk, &chunks);
	if (!r)
		print_cached(&j, &chunks);
	ctl_chunks_free(&chunks);
	close_job(&j);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_prefetch = {
	.name = "prefetch",
	.synopsis = "DISK (RANGE...|--all|--from LIST) [--rate SIZE]",
	.summary = "Fetch chunks of a disk before they are read",
	.help = help_prefetch,
	.run = run_prefetch,
};

const struct ctl_command ctl_cmd_cached = {
	.name = "cached",
	.synopsis = "DISK",
	.summary = "List the chunks of a disk that are cached",
	.help = help_cached,
	.run = run_cached,
};

const struct ctl_command ctl_cmd_warm = {
	.name = "warm",
	.synopsis = "--from LIST [--rate SIZE]",
	.summary = "Fetch what another host had cached of an image",
	.help = help_warm,
	.run = run_warm,
};
