// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics of what the module counts: the pool and each of its disks, by one dump of STATS_GET.  It is asked on a
 * socket of its own if there is no session: disks go on reading without a helper.
 */
#include <stdlib.h>
#include <string.h>

#include "metrics-impl.h"

/* What was dumped: the pool's own, and its disks by name. */
struct dump {
	const char *pool_name;
	struct cc_channel_stats pool;
	struct cc_channel_stats *disks;
	struct cc_labels *labels;	/* of each disk */
	struct cc_labels *volumes;	/* the same, of those that are volumes; empty: it is none */
	size_t nr, room;
	bool failed;
};

/* A sample of a family: a counter of enum chunkcache_stat and the label that tells it from its sisters. */
struct column {
	unsigned int stat;
	const char *more;
};

struct family {
	struct cc_metric m;
	struct column columns[6];	/* the last one has no label, or there are six */
	unsigned int nr;
	uint64_t scale;			/* value times this, */
	unsigned int decimals;		/* then divided by 10^decimals */
};

#define ALONE(s) { { CHUNKCACHE_STAT_##s, NULL } }, 1, 1, 0

static const struct family pool_families[] = {
	{ GAUGE("pool_slots", "Slots of the pool by state."), {
		{ CHUNKCACHE_STAT_SLOTS_FREE, "state=\"free\"" },
		{ CHUNKCACHE_STAT_SLOTS_FILLING, "state=\"filling\"" },
		{ CHUNKCACHE_STAT_SLOTS_VALID, "state=\"valid\"" },
		{ CHUNKCACHE_STAT_SLOTS_DYING, "state=\"dying\"" },
		{ CHUNKCACHE_STAT_SLOTS_BAD, "state=\"bad\"" },
		{ CHUNKCACHE_STAT_SLOTS_LOG, "state=\"log\"" } }, 6, 1, 0 },
	{ COUNTER("pool_fills", "Slots that became valid."), ALONE(FILLS) },
	{ COUNTER("pool_evictions", "Valid slots that the replacement policy gave up."), ALONE(EVICTIONS) },
	{ COUNTER("pool_epochs", "Epoch switches, each of which frees a batch of slots."), ALONE(EPOCHS) },
	{ COUNTER("pool_switching_seconds", "Time that epoch switches waited for readers to end."), {
		{ CHUNKCACHE_STAT_SWITCHING_US, NULL } }, 1, 1, 6 },
	{ COUNTER("pool_doorbells", "Doorbells sent to the helper."), ALONE(DOORBELLS) },
	{ COUNTER("pool_messages", "Netlink messages from the helper."), ALONE(MESSAGES) },
	{ COUNTER("pool_messages_refused", "Messages, and records of messages, that were refused."),
	  ALONE(REFUSED) },
	{ COUNTER("pool_journal_pages", "Pages of the journal that were written, of 4096 bytes each."),
	  ALONE(JOURNAL_PAGES) },
	{ COUNTER("pool_journal_records", "Records that were added to the journal."), ALONE(JOURNAL_RECORDS) },
	{ GAUGE("pool_journal_used_pages", "Positions of the journal's ring that are needed still."),
	  ALONE(JOURNAL_USED) },
	{ GAUGE("pool_journal_size_pages", "Positions of the journal's ring, 0 if the pool has none."),
	  ALONE(JOURNAL_SIZE) },
};

static const struct family disk_families[] = {
	{ COUNTER("disk_reads", "Reads of the disk that ended well, by how they were served."), {
		{ CHUNKCACHE_STAT_HITS, "result=\"hit\"" },
		{ CHUNKCACHE_STAT_MISSES, "result=\"miss\"" },
		{ CHUNKCACHE_STAT_COALESCED, "result=\"coalesced\"" },
		{ CHUNKCACHE_STAT_HOLES, "result=\"hole\"" } }, 4, 1, 0 },
	{ COUNTER("disk_read_bytes", "Bytes of all reads that ended well."), {
		{ CHUNKCACHE_STAT_READ_SECTORS, NULL } }, 1, 512, 0 },
	{ COUNTER("disk_read_errors", "Reads of the disk that ended with an error, by reason."), {
		{ CHUNKCACHE_STAT_ERRORS_NOTFOUND, "reason=\"not_found\"" },
		{ CHUNKCACHE_STAT_ERRORS_CORRUPT, "reason=\"corrupt\"" },
		{ CHUNKCACHE_STAT_ERRORS_TIMEOUT, "reason=\"timeout\"" },
		{ CHUNKCACHE_STAT_ERRORS_OTHER, "reason=\"other\"" } }, 4, 1, 0 },
	{ COUNTER("disk_hits_retried", "Hits that failed on the cache device and were served from the store."),
	  ALONE(RETRIED) },
	{ COUNTER("disk_reads_requeued", "Reads given back at a suspend without flush."), ALONE(REQUEUED) },
	{ GAUGE("disk_waiting_reads", "Reads that wait for a chunk now."), ALONE(WAITING) },
	{ GAUGE("disk_oldest_wait_seconds", "How long the oldest of them waits."), {
		{ CHUNKCACHE_STAT_OLDEST_MS, NULL } }, 1, 1, 3 },
	{ GAUGE("disk_mapped_chunks", "Chunks of the disk that have a slot, as far as is known."),
	  ALONE(MAPPED) },
};

/* Of those disks that are volumes. */
static const struct family volume_families[] = {
	{ COUNTER("volume_writes", "Writes of the guest that ended well."), ALONE(WRITES) },
	{ COUNTER("volume_written_bytes", "Bytes of all these."), {
		{ CHUNKCACHE_STAT_WRITTEN_SECTORS, NULL } }, 1, 512, 0 },
	{ COUNTER("volume_partial_writes", "Of less than 4096 bytes: read, merged and written as a block."),
	  ALONE(PARTS) },
	{ COUNTER("volume_fua_writes", "Writes that were durable when they ended (FUA)."), ALONE(FUAS) },
	{ COUNTER("volume_flushes", "Flushes of the guest that ended well."), ALONE(FLUSHES) },
	{ COUNTER("volume_discards", "Discards of the guest, and ranges that it had made zeros."), ALONE(ZEROS) },
	{ COUNTER("volume_discarded_bytes", "Bytes that the guest discarded, or had made zeros."), {
		{ CHUNKCACHE_STAT_DISCARDED_SECTORS, NULL } }, 1, 512, 0 },
	{ COUNTER("volume_write_errors", "Writes, flushes and discards that ended with an error."),
	  ALONE(WRITE_ERRORS) },
	{ COUNTER("volume_delayed_writes", "Writes that waited before they got a place, for whatever."), ALONE(HELD) },
	{ GAUGE("volume_held_writes", "Writes that wait for room now: for a slot, or in the journal."),
	  ALONE(HELD_WRITES) },
	{ COUNTER("volume_throttled_seconds", "Time in which any write waited for room."), {
		{ CHUNKCACHE_STAT_THROTTLED_US, NULL } }, 1, 1, 6 },
	{ GAUGE("volume_uncommitted_bytes", "From the last commit to the last write, unused blocks of log chunks too."), {
		{ CHUNKCACHE_STAT_DIRTY_SECTORS, NULL } }, 1, 512, 0 },
	{ GAUGE("volume_uncommitted_seconds", "How long the oldest of that is there, as the module knows it."), {
		{ CHUNKCACHE_STAT_DIRTY_MS, NULL } }, 1, 1, 3 },
};

static const struct cc_metric module_up =
	GAUGE("module_up", "Whether the kernel module has told its counters.");
static const struct cc_metric undrained =
	GAUGE("pool_undrained_sessions", "Sessions that ended, but whose writes may still be under way.");
static const struct cc_metric waits =
	HISTOGRAM("disk_miss_wait_seconds", "How long reads that missed have waited.");

/* ---- the dump ---- */

static void add_stats(void *arg, const struct cc_channel_stats *st)
{
	struct dump *d = arg;
	size_t room = d->room ? 2 * d->room : 64;
	struct cc_channel_stats *disks = d->disks;

	if (strcmp(st->pool, d->pool_name))
		return;
	if (!st->disk[0]) {
		d->pool = *st;
		return;
	}
	if (d->nr == d->room) {
		disks = realloc(d->disks, room * sizeof(*disks));
		if (!disks) {
			d->failed = true;
			return;
		}
		d->disks = disks;
		d->room = room;
	}
	disks[d->nr++] = *st;
}

static int by_pool_and_disk(const void *a, const void *b)
{
	return strcmp(((const struct cc_channel_stats *)a)->disk, ((const struct cc_channel_stats *)b)->disk);
}

/* While a removed device is still open, another one may have its name; two equal series are an error. */
static void drop_twins(struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->nr; i++)
		if (!n || strcmp(d->disks[n - 1].disk, d->disks[i].disk))
			d->disks[n++] = d->disks[i];
	d->nr = n;
}

/* The kernel counts alike for both; which is which is known in a session. */
static bool is_volume(struct cc_session *s, const char *name)
{
	const struct cc_disk *disk = s->disks ? cc_disks_find_name(s->disks, name) : NULL;

	return disk && disk->info.is_volume;
}

static int make_labels(struct cc_session *s, struct dump *d, const struct cc_labels *pool)
{
	d->labels = malloc((d->nr + 1) * sizeof(*d->labels));
	d->volumes = calloc(d->nr + 1, sizeof(*d->volumes));
	if (!d->labels || !d->volumes)
		return -1;
	for (size_t i = 0; i < d->nr; i++) {
		d->labels[i] = *pool;
		cc_labels_add(&d->labels[i], "disk", d->disks[i].disk);
		if (!is_volume(s, d->disks[i].disk))
			continue;
		d->volumes[i] = *pool;
		cc_labels_add(&d->volumes[i], "volume", d->disks[i].disk);
	}
	return 0;
}

static bool take_dump(struct cc_session *s, const struct cc_labels *pool, struct dump *d)
{
	struct cc_channel *c = s->channel;
	int r = c ? 0 : cc_channel_open(&c);

	if (r)
		return false;
	d->pool_name = s->channel ? s->attachment.pool_name : s->config->pool;
	r = cc_channel_stats_get(c, add_stats, d);
	if (c != s->channel)
		cc_channel_close(c);
	if (r || d->failed || !d->pool.pool[0])
		return false;
	if (d->nr)
		qsort(d->disks, d->nr, sizeof(*d->disks), by_pool_and_disk);
	drop_twins(d);
	return !make_labels(s, d, pool);
}

/* ---- the text ---- */

static void put_row(struct cc_text *t, const struct family *f, const struct cc_labels *l, const uint64_t *n)
{
	for (unsigned int i = 0; i < f->nr; i++)
		cc_text_sample(t, l, f->columns[i].more, n[f->columns[i].stat] * f->scale, f->decimals);
}

/*
 * Of the 32 steps of a factor of two, every other one from 256 us to 17 s: 10 series for each disk, not
 * 33.  What is shorter is in the first bucket, what is longer in the last.
 */
static void take_waits(const uint64_t *n, struct cc_buckets *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int us = 256; us <= 1 << 24; us *= 4)
		ret->bound_us[ret->nr++] = us;
	for (unsigned int i = 0; i < 32; i++) {
		unsigned int bucket = i < 8 ? 0 : (i - 8) / 2 + 1;

		ret->count[bucket < ret->nr ? bucket : ret->nr] += n[CHUNKCACHE_STAT_WAIT_HISTOGRAM + i];
	}
	ret->sum_us = n[CHUNKCACHE_STAT_WAITED_US];
}

static void put_waits(struct cc_text *t, const struct dump *d)
{
	struct cc_buckets b;

	cc_text_family(t, &waits);
	for (size_t i = 0; i < d->nr; i++) {
		take_waits(d->disks[i].n, &b);
		cc_text_histogram(t, &d->labels[i], NULL, &b);
	}
}

static void put_volumes(struct cc_text *t, const struct dump *d)
{
	for (size_t f = 0; f < NR(volume_families); f++) {
		cc_text_family(t, &volume_families[f].m);
		for (size_t i = 0; i < d->nr; i++)
			if (d->volumes[i].len)
				put_row(t, &volume_families[f], &d->volumes[i], d->disks[i].n);
	}
}

void cc_metrics_module(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct dump d = { .nr = 0 };
	bool up = take_dump(s, pool, &d);

	cc_text_one(t, pool, &module_up, up, 0);
	for (size_t f = 0; up && f < NR(pool_families); f++) {
		cc_text_family(t, &pool_families[f].m);
		put_row(t, &pool_families[f], pool, d.pool.n);
	}
	if (up)
		cc_text_one(t, pool, &undrained, d.pool.undrained, 0);
	for (size_t f = 0; up && f < NR(disk_families); f++) {
		cc_text_family(t, &disk_families[f].m);
		for (size_t i = 0; i < d.nr; i++)
			put_row(t, &disk_families[f], &d.labels[i], d.disks[i].n);
	}
	if (up) {
		put_waits(t, &d);
		put_volumes(t, &d);
	}
	free(d.labels);
	free(d.volumes);
	free(d.disks);
}
