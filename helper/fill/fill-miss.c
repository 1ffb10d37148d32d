// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Misses: taken from the kernel, looked up, answered at once or hung on a fill.
 */
#include "fill-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PULL_BATCHES	32		/* of one pull, before others have their turn */

static void take_miss(struct cc_fills *f, const struct chunkcache_miss *m);

/* ---- answers by mapping ---- */

static void queue_map(struct cc_fills *f, const struct chunkcache_miss *m, uint32_t slot, uint32_t gen,
		      uint32_t flags)
{
	f->maps[f->nr_maps] = (struct chunkcache_map) {
		.disk = m->disk, .chunk = m->chunk, .count = 1, .slot = slot, .gen = gen, .flags = flags,
	};
	f->map_misses[f->nr_maps++] = *m;
}

/* A mapping that the kernel refused: its miss still waits. */
static void map_refused(struct cc_fills *f, const struct chunkcache_map *map, struct chunkcache_miss *m,
			uint32_t error)
{
	f->stats->refused++;
	if (error == ENOENT)
		return;
	if (error == ESTALE)
		cc_index_slot_gone(f->c.index, map->slot, map->gen);
	else
		m->flags |= CHUNKCACHE_MISS_DATA;
	if (!(map->flags & CHUNKCACHE_MAP_HOLE))
		take_miss(f, m);
	else
		log_limited(f, LOG_ERR, "hole at chunk %llu was refused: %s",
			    (unsigned long long)map->chunk, strerror((int)error));
}

/* Send the gathered mappings.  What is refused may gather new ones: only once, as it asks for bytes then. */
static void flush_maps(struct cc_fills *f)
{
	struct chunkcache_map maps[CHUNKCACHE_MISS_BATCH_MAX];
	struct chunkcache_miss misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct cc_refusals refused;

	while (f->nr_maps && !f->lost) {
		uint32_t nr = f->nr_maps;
		int r;

		memcpy(maps, f->maps, nr * sizeof(maps[0]));
		memcpy(misses, f->map_misses, nr * sizeof(misses[0]));
		f->nr_maps = 0;
		r = cc_channel_map(f->c.channel, maps, nr, &refused);
		cc_fills_channel_result(f, r);
		if (r)
			return;
		f->stats->mapped += nr - refused.nr;
		for (uint32_t i = 0; i < refused.nr; i++) {
			uint32_t n = refused.r[i].index;

			if (n < nr)
				map_refused(f, &maps[n], &misses[n], refused.r[i].error);
		}
	}
}

/* ---- a miss comes ---- */

static enum cc_fetch_priority priority(const struct chunkcache_miss *m)
{
	return m->flags & CHUNKCACHE_MISS_AHEAD ? CC_FETCH_AHEAD : CC_FETCH_DEMAND;
}

/* fill is more urgent than it was. */
static void promote(struct cc_fills *f, struct cc_fill *fill, enum cc_fetch_priority prio)
{
	enum cc_chunk_state state = fill->chunk->state;

	if (state == CC_CHUNK_FETCHED)
		cc_fill_unqueue_slot(fill);
	cc_fill_prefetch_joined(fill);
	fill->prio = prio;
	if (state == CC_CHUNK_FETCHED)
		cc_fill_queue_slot(fill);
	else if (state == CC_CHUNK_FETCHING)
		cc_fetch_promote(f->c.fetch, &fill->req, prio);
	else if (state == CC_CHUNK_WANTED && fill->supply && !fill->due)
		cc_fill_queue(fill);
}

static void join(struct cc_fills *f, struct cc_fill *fill, const struct chunkcache_miss *m)
{
	struct cc_waiter *w = cc_waiters_add(f->waiters, m, fill, &fill->waiters);

	if (!w) {
		cc_fills_short_of_memory(f);
		return;
	}
	w->seen = f->pull;
	if (priority(m) < fill->prio)
		promote(f, fill, priority(m));
}

/* The first who asks for chunk, which is in no slot and in no buffer. */
static void want(struct cc_fills *f, struct cc_chunk *chunk, const struct chunkcache_miss *m)
{
	struct cc_fill *fill = cc_fill_new(f, chunk);

	if (!fill) {
		cc_index_forget(f->c.index, chunk);
		cc_fills_short_of_memory(f);
		return;
	}
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_WANTED);
	fill->prio = priority(m);
	join(f, fill, m);
	if (cc_fill_choose_source(fill))
		cc_fill_queue(fill);
	else
		cc_fill_drop(fill);
}

/* chunk is only in the RAM cache: answer from there, and try again to get it into a slot. */
static void hit_memory(struct cc_fills *f, struct cc_chunk *chunk, const struct chunkcache_miss *m)
{
	struct cc_fill *fill;

	f->stats->ram_hits++;
	cc_fill_answer(f, m, chunk->buf->data);
	if (m->flags & CHUNKCACHE_MISS_DATA)
		return;
	fill = cc_fill_new(f, chunk);
	if (!fill)
		return;
	cc_ramcache_take(f->c.ramcache, chunk->buf);
	cc_fill_verified(fill);
}

static void hit_cached(struct cc_fills *f, struct cc_chunk *chunk, const struct chunkcache_miss *m)
{
	cc_fills_read(f, chunk);
	if (!(m->flags & CHUNKCACHE_MISS_DATA)) {
		queue_map(f, m, chunk->slot, chunk->gen, 0);
		return;
	}
	if (chunk->buf) {
		f->stats->ram_hits++;
		cc_fill_answer(f, m, chunk->buf->data);
		return;
	}
	/* Its slot could not be read, or it would have been a hit. */
	cc_index_unbind(f->c.index, chunk);
	want(f, chunk, m);
}

/* True if m was answered from the memory of failures. */
static bool hit_failed(struct cc_fills *f, struct cc_chunk *chunk, const struct chunkcache_miss *m,
		       const struct cc_disk *disk)
{
	struct cc_failure *x = chunk->failure;

	if (cc_now_ns() < x->until && x->source == disk->source && x->encoding == disk->manifest->encoding) {
		cc_fill_answer_error(f, m, x->class);
		return true;
	}
	cc_failure_free(f, x);
	return false;
}

static void take_chunk(struct cc_fills *f, struct cc_chunk *chunk, const struct chunkcache_miss *m,
		       const struct cc_disk *disk)
{
	switch (chunk->state) {
	case CC_CHUNK_CACHED:
		hit_cached(f, chunk, m);
		break;
	case CC_CHUNK_MEMORY:
		hit_memory(f, chunk, m);
		break;
	case CC_CHUNK_FAILED:
		if (!hit_failed(f, chunk, m, disk))
			want(f, chunk, m);
		break;
	case CC_CHUNK_ABSENT:
	case CC_CHUNK_CANDIDATE:
		want(f, chunk, m);
		break;
	default:
		f->stats->coalesced++;
		join(f, chunk->fill, m);
		if (chunk->state == CC_CHUNK_FETCHED || chunk->state == CC_CHUNK_WRITING)
			cc_fill_answer_must(chunk->fill);
	}
}

static void take_miss(struct cc_fills *f, const struct chunkcache_miss *m)
{
	struct cc_disk *disk = cc_disks_find(f->c.disks, m->disk);
	struct cc_waiter *w;
	struct cc_chunk *chunk;
	const uint8_t *id;

	if (!disk)
		f->unknown_disk = true;
	if (disk && disk->info.is_volume && m->chunk >= disk->nr_chunks) {
		f->c.volume_miss(f->c.arg, m);
		return;
	}
	/* Until the manifest is loaded the kernel keeps it; all are pulled again then. */
	if (!disk || !disk->manifest)
		return;
	if (m->flags & CHUNKCACHE_MISS_HINT) {
		disk->reads->recording.lost += m->len;
		cc_fills_take_hint(f, disk, m->chunk);
		return;
	}
	if (m->chunk >= disk->nr_chunks) {
		cc_fill_answer_error(f, m, CHUNKCACHE_FAIL_OTHER);
		return;
	}
	w = cc_waiters_find(f->waiters, m->disk, m->chunk);
	if (w) {
		struct cc_fill *fill = w->fill;

		cc_waiter_update(w, m);
		w->seen = f->pull;
		/* It was only readahead that asked; now somebody waits. */
		if (priority(m) < fill->prio)
			promote(f, fill, priority(m));
		if (fill->chunk->state == CC_CHUNK_FETCHED || fill->chunk->state == CC_CHUNK_WRITING)
			cc_fill_answer_must(fill);
		return;
	}
	id = cc_manifest_id(disk->manifest, m->chunk);
	if (cc_id_is_hole(id)) {
		queue_map(f, m, 0, 0, CHUNKCACHE_MAP_HOLE);
		return;
	}
	chunk = cc_index_get(f->c.index, disk->source->domain, id);
	if (chunk)
		take_chunk(f, chunk, m, disk);
	else
		cc_fills_short_of_memory(f);
	cc_fills_touch(f, disk, m->chunk, !m->offset);
}

static void waiter_gone(void *arg)
{
	struct cc_fill *fill = arg;

	if (cc_list_empty(&fill->waiters) && fill->chunk->state == CC_CHUNK_WANTED)
		cc_fill_drop(fill);
}

int cc_fills_pull(struct cc_fills *f, bool all, uint32_t *ret_pending, bool *ret_more)
{
	bool first = all, whole = all;
	uint32_t nr, pending;
	int r;

	*ret_more = false;
	if (all)
		f->pull++;
	for (int batch = 0; ; batch++) {
		if (batch >= PULL_BATCHES && !all) {
			*ret_more = true;
			break;
		}
		r = cc_channel_miss_get(f->c.channel, first, CHUNKCACHE_MISS_BATCH_MAX, f->misses,
					&nr, &pending);
		if (r)
			return r;
		first = false;
		*ret_pending |= pending;
		f->stats->misses += nr;
		for (uint32_t i = 0; i < nr; i++)
			take_miss(f, &f->misses[i]);
		flush_maps(f);
		if (f->error)
			return 0;
		if (nr < CHUNKCACHE_MISS_BATCH_MAX && whole) {
			cc_waiters_sweep(f->waiters, f->pull, waiter_gone);
			whole = false;
			all = false;
		}
		if (!nr && !pending)
			break;
	}
	return 0;
}

bool cc_fills_unknown_disk(struct cc_fills *f)
{
	bool unknown = f->unknown_disk;

	f->unknown_disk = false;
	return unknown;
}
