// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics of what the helper knows of each volume: what this host alone has, and what has gone to the store. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "metrics-impl.h"
#include "uuid.h"

struct volume_list {
	struct volume_row *rows;
	const struct cc_labels *pool;
	size_t nr, room;
	bool failed;
};

struct volume_row {
	struct cc_labels labels;
	struct cc_volume_figures f;
};

/* ---- values ---- */

static uint64_t is_failed(const struct cc_volume_figures *f)
{
	return *f->why != '\0';
}

static uint64_t dirty(const struct cc_volume_figures *f)
{
	return f->dirty_bytes;
}

static uint64_t journal_pages(const struct cc_volume_figures *f)
{
	return f->journal_pages;
}

static uint64_t oldest_ms(const struct cc_volume_figures *f)
{
	return f->dirty && f->oldest_ns ? (cc_now_ns() - f->oldest_ns) / CC_MS : 0;
}

static uint64_t committed_ms(const struct cc_volume_figures *f)
{
	return f->commit_ns ? (cc_real_ns() - (cc_now_ns() - f->commit_ns)) / CC_MS : 0;
}

static uint64_t nr_commits(const struct cc_volume_figures *f)
{
	return f->commits;
}

static uint64_t nr_packs(const struct cc_volume_figures *f)
{
	return f->packs;
}

static uint64_t put_bytes(const struct cc_volume_figures *f)
{
	return f->stored_bytes;
}

static const struct {
	struct cc_metric m;
	uint64_t (*value)(const struct cc_volume_figures *f);
	unsigned int decimals;
} helper_families[] = {
	{ GAUGE("volume_failed", "Whether the volume failed, or its commits do not get through: the store, or the cache device."),
	  is_failed, 0 },
	{ GAUGE("volume_dirty_bytes", "Data that only this host has: what its loss costs now."), dirty, 0 },
	{ GAUGE("volume_journal_kept_pages", "Pages of the pool's journal that stay for it, with all that were written since."),
	  journal_pages, 0 },
	{ GAUGE("volume_oldest_dirty_seconds", "How long the oldest of that has waited, 0 if there is none."),
	  oldest_ms, 3 },
	{ GAUGE("volume_last_commit_timestamp_seconds", "When the store confirmed the last commit; 0 if none since the "
		"helper attached."), committed_ms, 3 },
	{ COUNTER("volume_commits", "Commits made in the store."), nr_commits, 0 },
	{ COUNTER("volume_packs", "Objects of bytes put for them."), nr_packs, 0 },
	{ COUNTER("volume_stored_bytes", "Bytes of commits and packs put into the store."), put_bytes, 0 },
};

static const struct cc_metric
	volume_info = INFO("volume", "The volume's UUID, its store, and what the helper does with it."),
	journal_broken = GAUGE("helper_journal_broken", "Whether the journal can't be read: nothing is committed."),
	journal_failed = GAUGE("pool_journal_failed", "Whether the journal can't be written: all writes of volumes fail.");

/* ---- the volumes ---- */

/* Those without a device go by their UUID. */
static void add_row(void *arg, const struct cc_volume_figures *f)
{
	struct volume_list *l = arg;
	size_t room = l->room ? 2 * l->room : 16;
	struct volume_row *row = l->rows;
	char uuid[CC_UUID_TEXT];

	if (l->nr == l->room) {
		row = realloc(row, room * sizeof(*row));
		if (!row) {
			l->failed = true;
			return;
		}
		l->rows = row;
		l->room = room;
	}
	row += l->nr++;
	row->f = *f;
	row->labels = *l->pool;
	cc_uuid_text(f->uuid, uuid);
	cc_labels_add(&row->labels, "volume", *f->name ? f->name : uuid);
}

static void put_volume_info(const struct volume_list *l, struct cc_text *t)
{
	char uuid[CC_UUID_TEXT];

	cc_text_family(t, &volume_info);
	for (size_t i = 0; i < l->nr; i++) {
		struct cc_labels labels = l->rows[i].labels;

		cc_uuid_text(l->rows[i].f.uuid, uuid);
		cc_labels_add(&labels, "uuid", uuid);
		cc_labels_add(&labels, "store", l->rows[i].f.store);
		cc_labels_add(&labels, "state", l->rows[i].f.state);
		cc_text_sample(t, &labels, NULL, 1, 0);
	}
}

/* ---- their stores ---- */

static uint64_t packs_under_way(const struct cc_uploads_figures *f)
{
	return f->under_way;
}

static uint64_t yielded_ns(const struct cc_uploads_figures *f)
{
	return f->gave_way_ns;
}

static uint64_t rate_ns(const struct cc_uploads_figures *f)
{
	return f->throttled_ns;
}

struct upload_family {
	struct cc_metric m;
	uint64_t (*value)(const struct cc_uploads_figures *f);
	unsigned int decimals;
};

static const struct upload_family upload_families[] = {
	{ GAUGE("store_packs_under_way", "Packs of all its volumes that are being put, or wait for their turn."),
	  packs_under_way, 0 },
	{ COUNTER("store_packs_yielded_seconds", "What packs have waited as readers waited for a store."), yielded_ns, 9 },
	{ COUNTER("store_uploads_throttled_seconds", "What packs and commits have waited for upload_rate."), rate_ns, 9 },
};

struct upload_samples {
	const struct cc_labels *pool;
	const struct upload_family *family;
	struct cc_text *t;
};

static void put_upload(void *arg, const char *store, const struct cc_uploads_figures *f)
{
	const struct upload_samples *u = arg;
	struct cc_labels l = *u->pool;

	cc_labels_add(&l, "store", store);
	cc_text_sample(u->t, &l, NULL, u->family->value(f), u->family->decimals);
}

static void put_uploads(const struct cc_volumes *all, const struct cc_labels *pool, struct cc_text *t)
{
	for (size_t i = 0; i < NR(upload_families); i++) {
		struct upload_samples u = { .pool = pool, .family = &upload_families[i], .t = t };

		cc_text_family(t, &upload_families[i].m);
		if (all)
			cc_volumes_each_store(all, put_upload, &u);
	}
}

void cc_metrics_volumes(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct volume_list l = { .pool = pool };
	bool broken = s->follow && cc_journal_follow_how(s->follow) == CC_FOLLOW_BROKEN;

	cc_text_one(t, pool, &journal_broken, broken, 0);
	cc_text_one(t, pool, &journal_failed, s->follow && cc_journal_follow_failed(s->follow), 0);
	if (s->follow && s->volumes)
		cc_volumes_each(s->volumes, add_row, &l);
	if (!l.failed) {
		put_volume_info(&l, t);
		for (size_t f = 0; f < NR(helper_families); f++) {
			cc_text_family(t, &helper_families[f].m);
			for (size_t i = 0; i < l.nr; i++)
				cc_text_sample(t, &l.rows[i].labels, NULL, helper_families[f].value(&l.rows[i].f),
					       helper_families[f].decimals);
		}
	}
	put_uploads(s->follow ? s->volumes : NULL, pool, t);
	free(l.rows);
}
