// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Telling the kernel what a volume is: its log chunks, numbered from 0 in the order of their places, and which
 * block lies where in them.
 */
#include "volumes-impl.h"

#include <errno.h>
#include <stdlib.h>

#include "volume/place.h"

int cc_volume_number_logs(struct cc_volume *v)
{
	const struct cc_pieces *p = &v->store.pieces;
	uint64_t *keys = calloc(p->nr + 1, sizeof(*keys));
	uint32_t nr = 0;

	if (!keys)
		return -ENOMEM;
	/* Below all that there are, for zeros: nobody writes in term 1. */
	keys[nr++] = cc_place_log_key(cc_place(cc_log_number(1, 0), 0));
	for (size_t i = 0; i < p->nr; i++) {
		uint64_t key = cc_place_log_key(p->all[i].place);

		/* Those of this term are numbered by the kernel. */
		if (cc_log_term(cc_place_number(key)) < v->term && keys[nr - 1] != key)
			keys[nr++] = key;
	}
	free(v->keys);
	v->keys = keys;
	v->nr_keys = nr;
	return 0;
}

struct load {
	struct cc_volume *v;
	const struct cc_journal_log **logs; /* by index, with a slot that readers may have; NULL: none */
	struct chunkcache_extent extents[CHUNKCACHE_EXTENT_BATCH_MAX];
	uint32_t nr;
};

/*
 * The last one that is not behind key: zeros of a log chunk without data get the index of the one before it, as
 * all that the kernel writes is above.
 */
static uint32_t index_of(const struct cc_volume *v, uint64_t key)
{
	uint32_t low = 0, high = v->nr_keys;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (v->keys[middle] <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* ---- slots ---- */

/* What the journal has now: slots that were cleaned since the task began may be somebody else's. */
static const struct cc_journal_log *log_with_slot(const struct cc_volume *v, uint64_t key)
{
	struct cc_journal_volume *j = cc_volume_journal(v);
	const struct cc_journal_log *log = j ? cc_journal_volume_log(j, key) : NULL;

	return log && log->slot != CC_NO_SLOT ? log : NULL;
}

/* The last record that begins at place or before it; the commit has sorted them.  NULL: none. */
static const struct chunkcache_record *record_at(const struct cc_volume_dirty *d, uint64_t place)
{
	size_t low = 0, high = d->nr_records;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->records[middle].place <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &d->records[low - 1] : NULL;
}

static bool journal_names(const struct cc_volume_dirty *d, const struct cc_vmap_extent *e)
{
	uint64_t done = 0;

	while (done < e->count) {
		uint64_t place = cc_place_nth(e->place, done), within;
		const struct chunkcache_record *r = record_at(d, place);

		if (!r || r->type != CC_JOURNAL_WRITE)
			return false;
		within = cc_place_position(place) - cc_place_position(r->place);
		if (within >= r->count || r->block + within != e->block + done)
			return false;
		done += r->count - within;
	}
	return true;
}

/*
 * What the journal does not name in a slot is what that held before, perhaps somebody else's.  That it is the volume's
 * nobody says but the store, which may be hostile, or further than a cache device that was set back: there such a log
 * chunk is read.
 */
static int distrust_slot(void *arg, const struct cc_vmap_extent *e)
{
	struct load *l = arg;
	uint64_t key = cc_place_log_key(e->place);
	uint32_t index = index_of(l->v, key);

	if (!cc_place_is_data(e->place))
		return 0;
	if (index >= l->v->nr_keys || l->v->keys[index] != key)
		return -EBADMSG;
	if (l->logs[index] && !journal_names(&l->v->snapshot.dirty, e))
		l->logs[index] = NULL;
	return 0;
}

static int choose_slots(struct load *l)
{
	l->logs = calloc(l->v->nr_keys + 1, sizeof(*l->logs));
	if (!l->logs)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->v->nr_keys; i++)
		l->logs[i] = log_with_slot(l->v, l->v->keys[i]);
	return cc_vmap_each(l->v->store.map, distrust_slot, l);
}

/*
 * A helper that died before VOLUME_START has told some: the same, as log chunks are only added, with higher numbers.
 * Blocks are told again: the higher place wins.
 */
static int load_logs(struct load *l)
{
	static struct chunkcache_log logs[CHUNKCACHE_EXTENT_BATCH_MAX];
	struct cc_volume *v = l->v;
	uint32_t nr = 0;
	int r = v->info.nr_logs > v->nr_keys ? -EPROTO : 0;

	for (uint32_t i = v->info.nr_logs; !r && i < v->nr_keys; i++) {
		const struct cc_journal_log *log = l->logs[i];

		logs[nr++] = (struct chunkcache_log){
			.log = v->keys[i], .slot = log ? log->slot : 0, .gen = log ? log->gen : 0,
		};
		if (nr == CHUNKCACHE_EXTENT_BATCH_MAX || i + 1 == v->nr_keys) {
			r = cc_channel_volume_load_logs(v->all->c.channel, v->info.id, logs, nr);
			nr = 0;
		}
	}
	return r;
}

/* ---- blocks ---- */

static int flush_extents(struct load *l)
{
	int r = l->nr ? cc_channel_volume_load_extents(l->v->all->c.channel, l->v->info.id, l->extents, l->nr) : 0;

	l->nr = 0;
	return r;
}

/* Zeros keep nothing of their place but that they are below all that comes. */
static uint64_t index_place(const struct cc_volume *v, uint64_t place)
{
	uint64_t index = index_of(v, cc_place_log_key(place));
	uint64_t rest = place & ~(CC_PLACE_LOG_MASK << CC_PLACE_LOG_SHIFT);

	return rest | index << CC_PLACE_LOG_SHIFT;
}

static int load_extent(void *arg, const struct cc_vmap_extent *e)
{
	struct load *l = arg;
	uint64_t done = 0;
	int r = 0;

	while (!r && done < e->count) {
		uint64_t left = e->count - done;

		l->extents[l->nr++] = (struct chunkcache_extent){
			.block = e->block + done, .place = index_place(l->v, cc_place_nth(e->place, done)),
			.count = left < UINT32_MAX ? left : UINT32_MAX,
		};
		done += l->extents[l->nr - 1].count;
		if (l->nr == CHUNKCACHE_EXTENT_BATCH_MAX)
			r = flush_extents(l);
	}
	return r;
}

int cc_volume_load(struct cc_volume *v)
{
	struct load *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->v = v;
	r = choose_slots(l);
	if (!r)
		r = load_logs(l);
	if (!r)
		r = cc_vmap_each(v->store.map, load_extent, l);
	if (!r)
		r = flush_extents(l);
	free(l->logs);
	free(l);
	return r;
}
