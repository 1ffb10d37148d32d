// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics of what the helper knows of each disk: image, prefetch, what it has cost. */
#include <stdlib.h>
#include <string.h>

#include "metrics-impl.h"

struct list {
	const struct cc_disk **disks;	/* by name */
	struct cc_labels *labels;	/* of each */
	size_t nr, room;
	bool failed;
};

/* ---- values ---- */

static uint64_t size_bytes(const struct cc_disk *disk)
{
	return disk->info.sectors * 512;
}

static uint64_t nr_chunks(const struct cc_disk *disk)
{
	return disk->nr_chunks;
}

static uint64_t is_refused(const struct cc_disk *disk)
{
	return disk->state == CHUNKCACHE_DISK_REFUSED;
}

static uint64_t gets_of_disk(const struct cc_disk *disk)
{
	return disk->account ? disk->account->gets : 0;
}

static uint64_t get_bytes(const struct cc_disk *disk)
{
	return disk->account ? disk->account->bytes : 0;
}

static uint64_t prefetches(const struct cc_disk *disk)
{
	return disk->reads->prefetch.fetched;
}

static uint64_t pending(const struct cc_disk *disk)
{
	return disk->reads->prefetch.pending;
}

static uint64_t saved_ms(const struct cc_disk *disk)
{
	return disk->reads->prefetch.saved_ns / CC_MS;
}

static const struct {
	struct cc_metric m;
	uint64_t (*value)(const struct cc_disk *disk);
	unsigned int decimals;
} families[] = {
	{ GAUGE("disk_size_bytes", "Length of the disk."), size_bytes, 0 },
	{ GAUGE("disk_chunks", "Chunks of the disk, 0 while its manifest is not loaded."), nr_chunks, 0 },
	{ GAUGE("disk_manifest_refused", "Whether the disk is down, as its manifest is not to be had."),
	  is_refused, 0 },
	{ COUNTER("disk_gets", "GETs for chunks that the disk was the first to ask for."), gets_of_disk, 0 },
	{ COUNTER("disk_get_bytes", "Bytes that they brought."), get_bytes, 0 },
	{ COUNTER("disk_prefetches", "Fetches begun before anybody asked for the chunk."), prefetches, 0 },
	{ GAUGE("disk_pending_prefetches", "Of those, the ones queued or under way."), pending, 0 },
	{ COUNTER("disk_prefetch_saved_seconds", "What readers of prefetched chunks did not have to wait."),
	  saved_ms, 3 },
};

static const struct cc_metric
	info = INFO("disk", "The disk's store and the digest of its manifest."),
	ended = COUNTER("disk_prefetches_ended", "Prefetched chunks by what became of them: read in time, "
			"asked for on their way, evicted unread, or not had at all."),
	rest = COUNTER("unattributed_gets", "GETs for no disk in particular, or for disks long gone.");

/* ---- the disks ---- */

static void add_to_list(void *arg, const struct cc_disk *disk)
{
	struct list *l = arg;
	size_t room = l->room ? 2 * l->room : 64;
	const struct cc_disk **disks;

	if (l->nr == l->room) {
		disks = realloc(l->disks, room * sizeof(*disks));
		if (!disks) {
			l->failed = true;
			return;
		}
		l->disks = disks;
		l->room = room;
	}
	l->disks[l->nr++] = disk;
}

/* A reload makes two of a name for a moment: the newest comes first. */
static int by_disk_name(const void *a, const void *b)
{
	const struct cc_disk *x = *(const struct cc_disk *const *)a, *y = *(const struct cc_disk *const *)b;
	int r = strcmp(x->info.name, y->info.name);

	return r ? r : (x->info.id < y->info.id) - (x->info.id > y->info.id);
}

static bool make_list(struct cc_session *s, const struct cc_labels *pool, struct list *l)
{
	size_t n = 0;

	cc_disks_each(s->disks, add_to_list, l);
	if (l->failed)
		return false;
	if (l->nr)
		qsort(l->disks, l->nr, sizeof(*l->disks), by_disk_name);
	for (size_t i = 0; i < l->nr; i++)
		if (!n || strcmp(l->disks[n - 1]->info.name, l->disks[i]->info.name))
			l->disks[n++] = l->disks[i];
	l->nr = n;
	l->labels = malloc((n + 1) * sizeof(*l->labels));
	if (!l->labels)
		return false;
	for (size_t i = 0; i < n; i++) {
		l->labels[i] = *pool;
		cc_labels_add(&l->labels[i], "disk", l->disks[i]->info.name);
	}
	return true;
}

/* ---- the text ---- */

static void put_info(const struct list *l, struct cc_text *t)
{
	char digest[2 * CC_ID_SIZE + 1];

	cc_text_family(t, &info);
	for (size_t i = 0; i < l->nr; i++) {
		struct cc_labels labels = l->labels[i];

		cc_id_to_hex(l->disks[i]->info.digest, digest);
		cc_labels_add(&labels, "store", l->disks[i]->info.store);
		cc_labels_add(&labels, "digest", digest);
		cc_text_sample(t, &labels, NULL, 1, 0);
	}
}

static void put_ended(const struct list *l, struct cc_text *t)
{
	cc_text_family(t, &ended);
	for (size_t i = 0; i < l->nr; i++) {
		const struct cc_prefetch_stats *p = &l->disks[i]->reads->prefetch;

		cc_text_sample(t, &l->labels[i], "result=\"used\"", p->used, 0);
		cc_text_sample(t, &l->labels[i], "result=\"late\"", p->late, 0);
		cc_text_sample(t, &l->labels[i], "result=\"unread\"", p->unread, 0);
		cc_text_sample(t, &l->labels[i], "result=\"dropped\"", p->dropped, 0);
	}
}

void cc_metrics_disks(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct list l = { .nr = 0 };

	cc_text_one(t, pool, &rest, s->sources->accounts.rest.gets, 0);
	if (s->disks && make_list(s, pool, &l)) {
		put_info(&l, t);
		for (size_t f = 0; f < NR(families); f++) {
			cc_text_family(t, &families[f].m);
			for (size_t i = 0; i < l.nr; i++)
				cc_text_sample(t, &l.labels[i], NULL, families[f].value(l.disks[i]),
					       families[f].decimals);
		}
		put_ended(&l, t);
	}
	free(l.labels);
	free(l.disks);
}
