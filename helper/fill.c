// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill engine; see fill.h and the states in index.h.  Owns fills and waiters.  Knows no
 * attributes, no HTTP and no disk format: it moves chunks from state to state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "loop.h"
#include "ratelimit.h"
#include "waiters.h"

#define BACKOFF_MIN	CC_SECOND
#define BACKOFF_MAX	(30 * CC_SECOND)
#define DOWN_FAILURES	4		/* in a row: the store is down */
#define DOWN_IN_FLIGHT	2		/* what probes it then */
#define FAILED_TTL	(3 * CC_SECOND)	/* how long "not to be had" is remembered */
#define MAX_FAILURES	4096		/* chunks in that memory */
#define PULL_BATCHES	32		/* of one pull, before others have their turn */
#define ADOPT_PAUSE	(20 * CC_MS)	/* between slots adopted in the background */

/* The work on one chunk.  The chunk's state says where it is. */
struct cc_fill {
	struct cc_list node;		/* source's wanted, ahead or retry; or adoptable; or fetched */
	struct cc_fills *f;
	struct cc_chunk *chunk;
	struct cc_source *source;	/* where to fetch it; NULL while nobody waits (adoption) */
	uint32_t encoding;
	bool ahead;			/* only readahead waits */
	struct cc_list waiters;
	uint64_t due;			/* in retry: when; in fetched: how long to wait for a slot */
	uint64_t backoff;
	struct chunkcache_slot slot;	/* ADOPTING, WRITING */
	struct cc_fetch_req req;
	struct cc_slot_io io;
};

/* A chunk that the store does not have, remembered for a while so that nobody asks it again and again. */
struct cc_failure {
	struct cc_list node;
	struct cc_chunk *chunk;
	struct cc_source *source;	/* it may be had from another one */
	uint32_t encoding;
	uint32_t class;
	uint64_t until;
};

struct cc_fills {
	struct cc_fills_config c;
	struct cc_fill_stats *stats;
	struct cc_waiters *waiters;
	struct cc_list adoptable;	/* fills whose chunk may be in a slot already */
	struct cc_list fetched;		/* fills that wait for a slot, oldest first */
	struct cc_list failures;	/* oldest first */
	unsigned int nr_failures;
	unsigned int nr_fetched;
	unsigned int nr_fills;
	unsigned int in_flight;
	bool ask_slots;			/* there is reason to think that SLOT_ALLOC gives some */
	bool draining;
	bool lost;
	bool unknown_disk;
	int error;			/* of the channel, since the last step */
	uint64_t pull;			/* number of the pull under way */
	uint32_t adopt_cursor;		/* slots before it were looked at */
	uint64_t adopt_due;
	struct cc_ratelimit limit;
	/* answers by MAP that are gathered during a pull */
	uint32_t nr_maps;
	struct chunkcache_map maps[CHUNKCACHE_MAP_BATCH_MAX];
	struct chunkcache_miss map_misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct chunkcache_miss misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct chunkcache_slot slots[CHUNKCACHE_SLOT_BATCH_MAX];
	struct cc_refusals refusals;
};

static void take_miss(struct cc_fills *f, const struct chunkcache_miss *m);
static void start_fetch(struct cc_fill *fill);

#define log_limited(f, ...) do {				\
	if (cc_ratelimit_pass(&(f)->limit))			\
		cc_log(__VA_ARGS__);				\
} while (0)

static size_t chunk_size(const struct cc_fills *f)
{
	return (size_t)1 << f->c.slot_shift;
}

/* Keep what matters of a channel's error; that a disk or miss has gone does not. */
static void channel_result(struct cc_fills *f, int r)
{
	if (r && r != -ENOENT && r != -ESTALE)
		f->error = r;
	if (r == -ENOTCONN)
		f->lost = true;
}

/* ---- answers ---- */

/* The bytes that m asks for, out of the whole chunk in data. */
static void answer_data(struct cc_fills *f, const struct chunkcache_miss *m, const void *data)
{
	uint64_t pos = m->offset & ~511u;
	uint64_t end = (uint64_t)m->offset + (m->len ? m->len : 512);
	int r = 0;

	if (end > chunk_size(f))
		end = chunk_size(f);
	end = (end + 511) & ~511ULL;
	f->stats->data++;
	while (!r && !f->lost && pos < end) {
		uint32_t n = end - pos < CHUNKCACHE_DATA_MAX ? (uint32_t)(end - pos) : CHUNKCACHE_DATA_MAX;

		r = cc_channel_miss_data(f->c.channel, m, (uint32_t)pos, (const char *)data + pos, n,
					 pos + n == end);
		pos += n;
	}
	channel_result(f, r);
}

static void answer_fail(struct cc_fills *f, const struct chunkcache_miss *m, uint32_t class)
{
	struct chunkcache_fail fail = {
		.disk = m->disk, .chunk = m->chunk, .cookie = m->cookie, .class = class,
	};

	f->stats->failed++;
	if (!f->lost)
		channel_result(f, cc_channel_miss_fail(f->c.channel, &fail, 1, &f->refusals));
}

/* Everybody who waits for fill gets bytes and leaves. */
static void answer_all_data(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		answer_data(f, &w->m, fill->chunk->buf->data);
		cc_waiters_free(f->waiters, w);
	}
}

/* Those who must have bytes get them as soon as there are some. */
static void answer_must_data(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		if (!(w->m.flags & CHUNKCACHE_MISS_DATA))
			continue;
		answer_data(f, &w->m, fill->chunk->buf->data);
		cc_waiters_free(f->waiters, w);
	}
}

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
		channel_result(f, r);
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

/* ---- fills ---- */

static struct cc_fill *fill_new(struct cc_fills *f, struct cc_chunk *k)
{
	struct cc_fill *fill = calloc(1, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->f = f;
	fill->chunk = k;
	fill->backoff = BACKOFF_MIN;
	cc_list_init(&fill->node);
	cc_list_init(&fill->waiters);
	k->fill = fill;
	f->nr_fills++;
	return fill;
}

/* The work is over; what becomes of the chunk is the caller's. */
static void fill_free(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	while (!cc_list_empty(&fill->waiters))
		cc_waiters_free(f->waiters, cc_list_entry(fill->waiters.next, struct cc_waiter, node));
	cc_list_del(&fill->node);
	fill->chunk->fill = NULL;
	f->nr_fills--;
	free(fill);
}

/* Drop the fill and all that is known of its chunk. */
static void fill_drop(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	if (k->buf)
		cc_ramcache_put(f->c.ramcache, k->buf);
	k->buf = NULL;
	fill_free(fill);
	cc_index_forget(f->c.index, k);
}

/* The fill's bytes are in no slot: they stay in the RAM cache as long as that has room. */
static void fill_to_memory(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	answer_all_data(fill);
	fill_free(fill);
	cc_index_unbind(f->c.index, k);
	cc_index_set_state(f->c.index, k, CC_CHUNK_MEMORY);
	cc_ramcache_keep(f->c.ramcache, k->buf, k, false);
}

static void release_slot(struct cc_fills *f, struct chunkcache_slot slot, bool bad)
{
	if (!f->lost)
		channel_result(f, cc_channel_slot_release(f->c.channel, &slot, 1, bad));
}

/* Where the next waiter's disk has the chunk; false if nobody waits any more. */
static bool choose_source(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);
		struct cc_disk *disk = cc_disks_find(f->c.disks, w->m.disk);

		if (!disk || !disk->manifest) {
			cc_waiters_free(f->waiters, w);
			continue;
		}
		fill->source = disk->source;
		fill->encoding = disk->manifest->encoding;
		/* The next time it is another one's turn. */
		cc_list_del(&w->node);
		cc_list_add_tail(&fill->waiters, &w->node);
		return true;
	}
	return false;
}

/* What may be in a slot already does not wait behind others for its store. */
static void fill_queue(struct cc_fill *fill)
{
	struct cc_list *queue = fill->ahead ? &fill->source->ahead : &fill->source->wanted;

	cc_list_del(&fill->node);
	cc_list_add_tail(fill->chunk->slot != CC_NO_SLOT ? &fill->f->adoptable : queue, &fill->node);
}

static void fill_retry(struct cc_fill *fill, uint64_t now_ns)
{
	struct cc_source *s = fill->source;

	fill->due = now_ns + fill->backoff;
	fill->backoff = fill->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : fill->backoff * 2;
	cc_list_del(&fill->node);
	cc_list_add_tail(&s->retry, &fill->node);
	if (fill->due < s->next_retry)
		s->next_retry = fill->due;
}

static void failure_free(struct cc_fills *f, struct cc_failure *x)
{
	cc_list_del(&x->node);
	x->chunk->failure = NULL;
	f->nr_failures--;
	free(x);
}

/* ---- a miss comes ---- */

static void join(struct cc_fills *f, struct cc_fill *fill, const struct chunkcache_miss *m)
{
	struct cc_waiter *w = cc_waiters_add(f->waiters, m, fill, &fill->waiters);
	bool ahead = m->flags & CHUNKCACHE_MISS_AHEAD;

	/* Without memory the kernel still has the miss, and it comes again. */
	if (!w)
		return;
	w->seen = f->pull;
	if (!fill->ahead || ahead)
		return;
	fill->ahead = false;
	if (fill->chunk->state == CC_CHUNK_FETCHING)
		cc_fetch_promote(f->c.fetch, &fill->req, CC_FETCH_DEMAND);
	else if (fill->chunk->state == CC_CHUNK_WANTED && fill->source && !fill->due)
		fill_queue(fill);
}

/* The first who asks for k, which is in no slot and in no buffer. */
static void want(struct cc_fills *f, struct cc_chunk *k, const struct chunkcache_miss *m)
{
	struct cc_fill *fill = fill_new(f, k);

	if (!fill) {
		cc_index_forget(f->c.index, k);
		return;
	}
	cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
	fill->ahead = m->flags & CHUNKCACHE_MISS_AHEAD;
	join(f, fill, m);
	if (choose_source(fill))
		fill_queue(fill);
	else
		fill_drop(fill);
}

static void fetched(struct cc_fill *fill);

/* k is only in the RAM cache: answer from there, and try again to get it into a slot. */
static void hit_memory(struct cc_fills *f, struct cc_chunk *k, const struct chunkcache_miss *m)
{
	struct cc_fill *fill;

	f->stats->ram_hits++;
	answer_data(f, m, k->buf->data);
	if (m->flags & CHUNKCACHE_MISS_DATA)
		return;
	fill = fill_new(f, k);
	if (!fill)
		return;
	cc_ramcache_take(f->c.ramcache, k->buf);
	fetched(fill);
}

static void hit_cached(struct cc_fills *f, struct cc_chunk *k, const struct chunkcache_miss *m)
{
	if (!(m->flags & CHUNKCACHE_MISS_DATA)) {
		queue_map(f, m, k->slot, k->gen, 0);
		return;
	}
	if (k->buf) {
		f->stats->ram_hits++;
		answer_data(f, m, k->buf->data);
		return;
	}
	/* Its slot could not be read, or it would have been a hit. */
	cc_index_unbind(f->c.index, k);
	want(f, k, m);
}

/* True if m was answered from the memory of failures. */
static bool hit_failed(struct cc_fills *f, struct cc_chunk *k, const struct chunkcache_miss *m,
		       const struct cc_disk *disk)
{
	struct cc_failure *x = k->failure;

	if (cc_now_ns() < x->until && x->source == disk->source && x->encoding == disk->manifest->encoding) {
		answer_fail(f, m, x->class);
		return true;
	}
	failure_free(f, x);
	return false;
}

static void take_chunk(struct cc_fills *f, struct cc_chunk *k, const struct chunkcache_miss *m,
		       const struct cc_disk *disk)
{
	switch (k->state) {
	case CC_CHUNK_CACHED:
		hit_cached(f, k, m);
		break;
	case CC_CHUNK_MEMORY:
		hit_memory(f, k, m);
		break;
	case CC_CHUNK_FAILED:
		if (!hit_failed(f, k, m, disk))
			want(f, k, m);
		break;
	case CC_CHUNK_ABSENT:
	case CC_CHUNK_CANDIDATE:
		want(f, k, m);
		break;
	default:
		f->stats->coalesced++;
		join(f, k->fill, m);
		if (k->state == CC_CHUNK_FETCHED || k->state == CC_CHUNK_WRITING)
			answer_must_data(k->fill);
	}
}

static void take_miss(struct cc_fills *f, const struct chunkcache_miss *m)
{
	struct cc_disk *disk = cc_disks_find(f->c.disks, m->disk);
	struct cc_waiter *w;
	struct cc_chunk *k;
	const uint8_t *id;

	if (!disk)
		f->unknown_disk = true;
	/* Until the manifest is loaded the kernel keeps it; all are pulled again then. */
	if (!disk || !disk->manifest || m->flags & CHUNKCACHE_MISS_HINT)
		return;
	if (m->chunk >= disk->manifest->nr_chunks) {
		answer_fail(f, m, CHUNKCACHE_FAIL_OTHER);
		return;
	}
	w = cc_waiters_find(f->waiters, m->disk, m->chunk);
	if (w) {
		struct cc_fill *fill = w->fill;

		cc_waiter_update(w, m);
		w->seen = f->pull;
		if (fill->chunk->state == CC_CHUNK_FETCHED || fill->chunk->state == CC_CHUNK_WRITING)
			answer_must_data(fill);
		return;
	}
	id = cc_manifest_id(disk->manifest, m->chunk);
	if (cc_id_is_hole(id)) {
		queue_map(f, m, 0, 0, CHUNKCACHE_MAP_HOLE);
		return;
	}
	k = cc_index_get(f->c.index, disk->source->domain, id);
	if (k)
		take_chunk(f, k, m, disk);
}

static void waiter_gone(void *arg)
{
	struct cc_fill *fill = arg;

	if (cc_list_empty(&fill->waiters) && fill->chunk->state == CC_CHUNK_WANTED)
		fill_drop(fill);
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

/* ---- into a slot ---- */

static bool waits(void *arg, uint64_t disk, uint64_t chunk)
{
	return cc_waiters_find(arg, disk, chunk);
}

/* Mappings for the slot: first of those who wait, then of all disks that have the chunk as well. */
static uint32_t collect_maps(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	uint32_t nr = 0;

	cc_list_each(n, &fill->waiters) {
		const struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		if (nr == CHUNKCACHE_MAP_BATCH_MAX)
			return nr;
		f->maps[nr++] = (struct chunkcache_map) {
			.disk = w->m.disk, .chunk = w->m.chunk, .count = 1,
			.slot = fill->slot.slot, .gen = fill->slot.gen,
		};
	}
	return nr + cc_disks_maps(f->c.disks, fill->chunk->domain, fill->chunk->id, fill->slot,
				  &f->maps[nr], CHUNKCACHE_MAP_BATCH_MAX - nr, waits, f->waiters);
}

/* After the kernel took nr mappings but those in f->refusals: their waiters are served. */
static void serve_mapped(struct cc_fill *fill, uint32_t nr)
{
	struct cc_fills *f = fill->f;
	bool refused[CHUNKCACHE_MAP_BATCH_MAX] = { false };
	uint32_t i = 0;

	for (uint32_t j = 0; j < f->refusals.nr; j++) {
		if (f->refusals.r[j].index < nr)
			refused[f->refusals.r[j].index] = true;
		f->stats->refused++;
	}
	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		if (i >= nr)
			return;
		if (refused[i++])
			answer_data(f, &w->m, fill->chunk->buf->data);
		cc_waiters_free(f->waiters, w);
	}
}

/* More waiters than one SLOT_DONE can name. */
static void map_rest(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	while (!cc_list_empty(&fill->waiters) && !f->lost) {
		uint32_t nr = collect_maps(fill);
		int r = cc_channel_map(f->c.channel, f->maps, nr, &f->refusals);

		channel_result(f, r);
		if (r) {
			answer_all_data(fill);
			return;
		}
		serve_mapped(fill, nr);
	}
}

/* The bytes are in the slot: tell the kernel. */
static void slot_done(struct cc_fill *fill, bool adopted)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;
	bool prefetch = adopted && cc_list_empty(&fill->waiters);
	uint64_t key;
	uint32_t nr;
	int r;

	memcpy(&key, k->id, sizeof(key));
	nr = collect_maps(fill);
	r = f->lost ? -ENOTCONN : cc_channel_slot_done(f->c.channel, fill->slot, key, prefetch, f->maps, nr,
						       &f->refusals);
	if (r) {
		/* After a lost answer the slot may be VALID: then it is only not known here. */
		channel_result(f, r);
		if (r != -ENOBUFS && r != -ESTALE)
			release_slot(f, fill->slot, false);
		fill_to_memory(fill);
		return;
	}
	serve_mapped(fill, nr);
	map_rest(fill);
	f->stats->filled++;
	f->stats->adopted += adopted;
	fill_free(fill);
	cc_index_set_state(f->c.index, k, CC_CHUNK_CACHED);
	cc_slot_table_mark(f->c.table, k->slot, cc_now_ns());
	cc_ramcache_keep(f->c.ramcache, k->buf, k, true);
}

static void write_completed(struct cc_slot_io *io, int error)
{
	struct cc_fill *fill = cc_list_entry(io, struct cc_fill, io);
	struct cc_fills *f = fill->f;

	f->in_flight--;
	if (!error) {
		slot_done(fill, false);
		return;
	}
	f->stats->write_errors++;
	log_limited(f, LOG_ERR, "slot %u: write: %s", fill->slot.slot,
		    error == -EBADMSG ? "read back, the bytes are others" : strerror(-error));
	release_slot(f, fill->slot, cc_writer_medium_error(error));
	fill_to_memory(fill);
}

static void start_write(struct cc_fill *fill, struct chunkcache_slot slot)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	cc_list_del(&fill->node);
	f->nr_fetched--;
	fill->slot = slot;
	cc_index_bind(f->c.index, k, slot.slot, slot.gen);
	cc_index_set_state(f->c.index, k, CC_CHUNK_WRITING);
	fill->io.done = write_completed;
	f->in_flight++;
	cc_writer_write(f->c.writer, &fill->io, slot.slot, k->buf->data);
}

/* Bytes are in the buffer and right: a slot is wanted. */
static void fetched(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_index_set_state(f->c.index, fill->chunk, CC_CHUNK_FETCHED);
	fill->due = cc_now_ns() + f->c.slot_wait_ms * CC_MS;
	cc_list_del(&fill->node);
	cc_list_add_tail(&f->fetched, &fill->node);
	f->nr_fetched++;
	f->ask_slots = true;
	answer_must_data(fill);
}

static void alloc_slots(struct cc_fills *f)
{
	uint32_t count = f->nr_fetched < CHUNKCACHE_SLOT_BATCH_MAX ? f->nr_fetched : CHUNKCACHE_SLOT_BATCH_MAX;
	uint32_t nr = 0;
	int r = cc_channel_slot_alloc(f->c.channel, count, false, f->slots, &nr);

	f->ask_slots = false;
	channel_result(f, r);
	for (uint32_t i = 0; !r && i < nr; i++) {
		struct cc_fill *fill = cc_list_entry(f->fetched.next, struct cc_fill, node);

		if (f->slots[i].slot >= f->c.nr_slots) {
			f->error = -EPROTO;
			return;
		}
		start_write(fill, f->slots[i]);
	}
}

/* Returns when the next one has waited long enough. */
static uint64_t step_slots(struct cc_fills *f, uint64_t now_ns)
{
	struct cc_fill *fill;

	if (!f->nr_fetched)
		return UINT64_MAX;
	fill = cc_list_entry(f->fetched.next, struct cc_fill, node);
	if (f->ask_slots || fill->due <= now_ns)
		alloc_slots(f);
	while (f->nr_fetched && !f->lost) {
		fill = cc_list_entry(f->fetched.next, struct cc_fill, node);
		if (fill->due > now_ns)
			return fill->due;
		f->stats->no_slot++;
		cc_list_del(&fill->node);
		f->nr_fetched--;
		fill_to_memory(fill);
	}
	return UINT64_MAX;
}

void cc_fills_slots_free(struct cc_fills *f)
{
	f->ask_slots = true;
}

/* ---- out of the store ---- */

static void source_answered(struct cc_source *s)
{
	s->failures = 0;
	if (!s->down)
		return;
	s->down = false;
	s->next_retry = 0;
	/* What waits for its next try need not wait for an answer that has just come. */
	cc_list_each(n, &s->retry)
		cc_list_entry(n, struct cc_fill, node)->due = 0;
	cc_log(LOG_NOTICE, "store %s answers again", s->config->name);
}

static void source_failed(struct cc_source *s)
{
	if (++s->failures < DOWN_FAILURES || s->down)
		return;
	s->down = true;
	cc_log(LOG_WARNING, "store %s does not answer; reads wait for it", s->config->name);
}

static void remember_failure(struct cc_fills *f, struct cc_chunk *k, struct cc_source *source,
			     uint32_t encoding, uint32_t class)
{
	struct cc_failure *x = calloc(1, sizeof(*x));

	if (!x) {
		cc_index_forget(f->c.index, k);
		return;
	}
	*x = (struct cc_failure) {
		.chunk = k, .source = source, .encoding = encoding, .class = class,
		.until = cc_now_ns() + FAILED_TTL,
	};
	k->failure = x;
	cc_list_add_tail(&f->failures, &x->node);
	f->nr_failures++;
}

/* The store does not have the chunk, or not the right one: all who want it from there get an error. */
static void fetch_refused(struct cc_fill *fill, uint32_t class)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;
	struct cc_source *source = fill->source;
	uint32_t encoding = fill->encoding;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);
		struct cc_disk *disk = cc_disks_find(f->c.disks, w->m.disk);

		if (disk && disk->manifest &&
		    (disk->source != source || disk->manifest->encoding != encoding))
			continue;
		answer_fail(f, &w->m, class);
		cc_waiters_free(f->waiters, w);
	}
	cc_ramcache_put(f->c.ramcache, k->buf);
	k->buf = NULL;
	if (choose_source(fill)) {
		cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
		fill->due = 0;
		fill_queue(fill);
		return;
	}
	fill_free(fill);
	cc_index_set_state(f->c.index, k, CC_CHUNK_FAILED);
	remember_failure(f, k, source, encoding, class);
}

/* Trouble that may pass: the kernel holds the readers under their own rule, and here it is tried again. */
static void fetch_again(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	cc_ramcache_put(f->c.ramcache, k->buf);
	k->buf = NULL;
	if (!choose_source(fill)) {
		fill_drop(fill);
		return;
	}
	cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
	fill_retry(fill, cc_now_ns());
}

static void log_failure(struct cc_fill *fill)
{
	const struct cc_fetch_req *req = &fill->req;
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(req->id, hex);
	log_limited(fill->f, LOG_WARNING, "store %s: chunk %.16s: %s", fill->source->config->name, hex,
		    req->error[0] ? req->error : cc_store_result_name(req->result));
}

void cc_fills_fetched(struct cc_fills *f, struct cc_fetch_req *req)
{
	struct cc_fill *fill = req->arg;

	f->in_flight--;
	fill->source->in_flight--;
	f->stats->bytes += req->bytes_fetched;
	if (f->draining) {
		fill_drop(fill);
		return;
	}
	if (req->result != CC_STORE_OK) {
		f->stats->errors[req->result]++;
		log_failure(fill);
	}
	switch (req->result) {
	case CC_STORE_OK:
		f->stats->fetched++;
		source_answered(fill->source);
		fetched(fill);
		break;
	case CC_STORE_NOTFOUND:
		source_answered(fill->source);
		fetch_refused(fill, CHUNKCACHE_FAIL_NOTFOUND);
		break;
	case CC_STORE_CORRUPT:
	case CC_STORE_TOOBIG:
		source_answered(fill->source);
		fetch_refused(fill, CHUNKCACHE_FAIL_CORRUPT);
		break;
	default:
		source_failed(fill->source);
		fetch_again(fill);
	}
}

/* The chunk has a buffer. */
static void start_fetch(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	cc_index_set_state(f->c.index, k, CC_CHUNK_FETCHING);
	fill->due = 0;
	fill->req = (struct cc_fetch_req) {
		.store = fill->source->store, .encoding = fill->encoding, .buf = k->buf->data,
		.buf_size = chunk_size(f), .arg = fill,
	};
	memcpy(fill->req.id, k->id, CC_ID_SIZE);
	f->in_flight++;
	fill->source->in_flight++;
	cc_fetch_submit(f->c.fetch, &fill->req, fill->ahead ? CC_FETCH_AHEAD : CC_FETCH_DEMAND);
}

/* ---- out of a slot that an earlier instance filled ---- */

static void adopt_failed(struct cc_fill *fill, bool bad)
{
	struct cc_fills *f = fill->f;

	release_slot(f, fill->slot, bad);
	cc_index_unbind(f->c.index, fill->chunk);
	if (f->draining || !choose_source(fill))
		fill_drop(fill);
	else
		start_fetch(fill);
}

static void adopt_read(struct cc_slot_io *io, int error)
{
	struct cc_fill *fill = cc_list_entry(io, struct cc_fill, io);
	struct cc_fills *f = fill->f;
	uint8_t digest[CC_ID_SIZE];

	f->in_flight--;
	if (error) {
		adopt_failed(fill, cc_writer_medium_error(error));
		return;
	}
	cc_sha256(fill->chunk->buf->data, chunk_size(f), digest);
	if (memcmp(digest, fill->chunk->id, CC_ID_SIZE)) {
		adopt_failed(fill, false);
		return;
	}
	answer_must_data(fill);
	slot_done(fill, true);
}

/* True if the chunk's candidate slot is ours now and being read. */
static bool start_adopt(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;
	uint32_t slot = k->slot, gen = 0;
	int r;

	if (slot == CC_NO_SLOT)
		return false;
	r = cc_channel_slot_adopt(f->c.channel, slot, &gen);
	if (r) {
		if (r != -EBUSY)
			channel_result(f, r);
		cc_index_unbind(f->c.index, k);
		return false;
	}
	fill->slot = (struct chunkcache_slot) { slot, gen };
	cc_index_bind(f->c.index, k, slot, gen);
	cc_index_set_state(f->c.index, k, CC_CHUNK_ADOPTING);
	fill->io.done = adopt_read;
	f->in_flight++;
	cc_writer_read(f->c.writer, &fill->io, slot, k->buf->data);
	return true;
}

static struct cc_chunk *next_candidate(struct cc_fills *f)
{
	while (f->adopt_cursor < f->c.nr_slots) {
		struct cc_chunk *k = cc_index_at(f->c.index, f->adopt_cursor++);

		if (k && k->state == CC_CHUNK_CANDIDATE)
			return k;
	}
	return NULL;
}

/* When nobody waits, one candidate after the other is looked at, so that later misses find it checked. */
static uint64_t step_adopt(struct cc_fills *f, uint64_t now_ns)
{
	struct cc_fill *fill;
	struct cc_chunk *k;
	struct cc_buf *buf;

	if (f->nr_fills || !cc_index_count(f->c.index, CC_CHUNK_CANDIDATE))
		return UINT64_MAX;
	if (now_ns < f->adopt_due)
		return f->adopt_due;
	f->adopt_due = now_ns + ADOPT_PAUSE;
	k = next_candidate(f);
	if (!k)
		return UINT64_MAX;
	buf = cc_ramcache_get(f->c.ramcache, false);
	fill = buf ? fill_new(f, k) : NULL;
	if (!fill) {
		if (buf)
			cc_ramcache_put(f->c.ramcache, buf);
		return f->adopt_due;
	}
	k->buf = buf;
	cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
	if (!start_adopt(fill))
		fill_drop(fill);
	return f->adopt_due;
}

/* ---- scheduling ---- */

static void retry_due(struct cc_source *s, uint64_t now_ns)
{
	if (now_ns < s->next_retry)
		return;
	s->next_retry = UINT64_MAX;
	cc_list_each_safe(n, &s->retry) {
		struct cc_fill *fill = cc_list_entry(n, struct cc_fill, node);

		if (fill->due <= now_ns) {
			fill->due = 0;
			fill_queue(fill);
		} else if (fill->due < s->next_retry) {
			s->next_retry = fill->due;
		}
	}
}

/* No store may hold all buffers: one that does not answer would take the others with it. */
static unsigned int in_flight_max(const struct cc_fills *f, const struct cc_source *s)
{
	unsigned int share = f->c.sources->nr > 1 ? f->c.nr_buffers * 3 / 4 : f->c.nr_buffers;

	if (s->down)
		return DOWN_IN_FLIGHT;
	return share ? share : 1;
}

/* Start one fill of s; false if there is none, or nothing to start it with. */
static bool start_one(struct cc_fills *f, struct cc_source *s)
{
	bool demand = !cc_list_empty(&s->wanted);
	struct cc_list *queue = demand ? &s->wanted : &s->ahead;
	struct cc_fill *fill;

	if (cc_list_empty(queue) || s->in_flight >= in_flight_max(f, s))
		return false;
	fill = cc_list_entry(queue->next, struct cc_fill, node);
	fill->chunk->buf = cc_ramcache_get(f->c.ramcache, demand);
	if (!fill->chunk->buf)
		return false;
	cc_list_del(&fill->node);
	start_fetch(fill);
	return true;
}

static void start_adoptable(struct cc_fills *f)
{
	while (!cc_list_empty(&f->adoptable) && !f->error) {
		struct cc_fill *fill = cc_list_entry(f->adoptable.next, struct cc_fill, node);
		struct cc_buf *buf = cc_ramcache_get(f->c.ramcache, true);

		if (!buf)
			return;
		cc_list_del(&fill->node);
		fill->chunk->buf = buf;
		if (start_adopt(fill))
			continue;
		fill->chunk->buf = NULL;
		cc_ramcache_put(f->c.ramcache, buf);
		fill_queue(fill);
	}
}

static uint64_t step_sources(struct cc_fills *f, uint64_t now_ns)
{
	uint64_t due = UINT64_MAX;
	bool started = true;

	for (unsigned int i = 0; i < f->c.sources->nr; i++) {
		struct cc_source *s = &f->c.sources->s[i];

		retry_due(s, now_ns);
		if (s->next_retry < due)
			due = s->next_retry;
	}
	start_adoptable(f);
	while (started && !f->error) {
		started = false;
		for (unsigned int i = 0; i < f->c.sources->nr; i++)
			started |= start_one(f, &f->c.sources->s[i]);
	}
	return due;
}

static void expire_failures(struct cc_fills *f, uint64_t now_ns)
{
	while (f->nr_failures) {
		struct cc_failure *x = cc_list_entry(f->failures.next, struct cc_failure, node);
		struct cc_chunk *k = x->chunk;

		if (now_ns < x->until && f->nr_failures <= MAX_FAILURES)
			return;
		failure_free(f, x);
		cc_index_forget(f->c.index, k);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t cc_fills_step(struct cc_fills *f, uint64_t now_ns, int *ret_error)
{
	uint64_t due = UINT64_MAX;

	expire_failures(f, now_ns);
	if (!f->draining && !f->error) {
		due = step_slots(f, now_ns);
		due = earlier(due, step_sources(f, now_ns));
		due = earlier(due, step_adopt(f, now_ns));
	}
	*ret_error = f->error;
	f->error = 0;
	return due;
}

/* ---- life ---- */

int cc_fills_open(const struct cc_fills_config *c, struct cc_fill_stats *stats, struct cc_fills **ret_fills)
{
	struct cc_fills *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = cc_waiters_open(&f->waiters);
	if (r) {
		free(f);
		return r;
	}
	f->c = *c;
	f->stats = stats;
	cc_list_init(&f->adoptable);
	cc_list_init(&f->fetched);
	cc_list_init(&f->failures);
	*ret_fills = f;
	return 0;
}

static void drop_list(struct cc_list *list)
{
	while (!cc_list_empty(list))
		fill_drop(cc_list_entry(list->next, struct cc_fill, node));
}

void cc_fills_close(struct cc_fills *f)
{
	if (!f)
		return;
	while (f->nr_failures)
		failure_free(f, cc_list_entry(f->failures.next, struct cc_failure, node));
	cc_waiters_close(f->waiters);
	free(f);
}

static void cancel_fetch(void *arg, struct cc_chunk *k)
{
	struct cc_fills *f = arg;

	if (k->state == CC_CHUNK_FETCHING)
		cc_fetch_cancel(f->c.fetch, &k->fill->req);
}

void cc_fills_drain(struct cc_fills *f, bool lost)
{
	f->lost |= lost;
	if (f->draining)
		return;
	f->draining = true;
	for (unsigned int i = 0; i < f->c.sources->nr; i++) {
		struct cc_source *s = &f->c.sources->s[i];

		drop_list(&s->wanted);
		drop_list(&s->ahead);
		drop_list(&s->retry);
	}
	drop_list(&f->adoptable);
	drop_list(&f->fetched);
	f->nr_fetched = 0;
	cc_index_each(f->c.index, cancel_fetch, f);
}

bool cc_fills_holds(struct cc_fills *f, uint32_t slot, uint32_t gen)
{
	const struct cc_chunk *k = cc_index_at(f->c.index, slot);

	return k && k->gen == gen && (k->state == CC_CHUNK_WRITING || k->state == CC_CHUNK_ADOPTING);
}

unsigned int cc_fills_in_flight(const struct cc_fills *f)
{
	return f->in_flight;
}

uint64_t cc_fills_waiting(const struct cc_fills *f)
{
	return cc_waiters_count(f->waiters);
}

void cc_fills_evicted(void *index, void *chunk)
{
	struct cc_chunk *k = chunk;

	k->buf = NULL;
	if (k->state == CC_CHUNK_MEMORY)
		cc_index_forget(index, k);
}
