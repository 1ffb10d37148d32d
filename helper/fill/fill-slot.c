// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slots: checked bytes are written and handed to the kernel with all mappings that are known; and
 * slots that an earlier instance filled are read, hashed and handed over in the same way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill-impl.h"

#define ADOPT_PAUSE	(20 * CC_MS)	/* between slots adopted in the background */
#define SPARE_PAUSE	(10 * CC_MS)	/* between requests for slots that nobody waits for */

static void release_slot(struct cc_fills *f, struct chunkcache_slot slot, bool bad)
{
	if (!f->lost)
		cc_fills_channel_result(f, cc_channel_slot_release(f->c.channel, &slot, 1, bad));
}

/* ---- into a slot ---- */

static bool waits(void *arg, uint64_t disk, uint64_t chunk)
{
	return cc_waiters_find(arg, disk, chunk);
}

/*
 * Mappings for the slot: first of those who wait, then of all disks that have the chunk as well.  If it is for
 * nobody, all are marked: so it is heard of whether and when it was of use.
 */
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
	nr += cc_disks_maps(f->c.disks, fill->chunk->domain, fill->chunk->id, fill->slot,
			    &f->maps[nr], CHUNKCACHE_MAP_BATCH_MAX - nr, waits, f->waiters);
	for (uint32_t i = 0; fill->for_disk && i < nr; i++)
		f->maps[i].flags = CHUNKCACHE_MAP_MARK;
	return nr;
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
			cc_fill_answer(f, &w->m, fill->chunk->buf->data);
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

		cc_fills_channel_result(f, r);
		if (r) {
			cc_fill_answer_all(fill);
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
	bool prefetch = cc_list_empty(&fill->waiters) && (adopted || fill->for_disk);
	uint64_t key;
	uint32_t nr;
	int r;

	memcpy(&key, k->id, sizeof(key));
	nr = collect_maps(fill);
	r = f->lost ? -ENOTCONN : cc_channel_slot_done(f->c.channel, fill->slot, key, prefetch, f->maps, nr,
						       &f->refusals);
	if (r) {
		/* After a lost answer the slot may be VALID: then it is only not known here. */
		cc_fills_channel_result(f, r);
		if (r != -ENOBUFS && r != -ESTALE)
			release_slot(f, fill->slot, false);
		cc_fill_to_memory(fill);
		return;
	}
	serve_mapped(fill, nr);
	map_rest(fill);
	f->stats->filled++;
	f->stats->adopted += adopted;
	cc_fill_prefetch_ended(fill, true);
	cc_fill_free(fill);
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
	cc_fill_to_memory(fill);
}

static void start_write(struct cc_fill *fill, struct chunkcache_slot slot)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	cc_fill_unqueue_slot(fill);
	fill->slot = slot;
	cc_index_bind(f->c.index, k, slot.slot, slot.gen);
	cc_index_set_state(f->c.index, k, CC_CHUNK_WRITING);
	fill->io.done = write_completed;
	f->in_flight++;
	cc_writer_write(f->c.writer, &fill->io, slot.slot, k->buf->data);
}

void cc_fill_queue_slot(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	fill->due = cc_now_ns() + f->c.slot_wait_ms * CC_MS;
	cc_list_del(&fill->node);
	if (fill->for_disk) {
		cc_list_add_tail(&f->spare, &fill->node);
		f->nr_spare++;
		return;
	}
	cc_list_add_tail(&f->fetched, &fill->node);
	f->nr_fetched++;
	f->ask_slots = true;
}

void cc_fill_unqueue_slot(struct cc_fill *fill)
{
	cc_list_del(&fill->node);
	if (fill->for_disk)
		fill->f->nr_spare--;
	else
		fill->f->nr_fetched--;
}

/* Bytes are in the buffer and right: a slot is wanted. */
void cc_fill_verified(struct cc_fill *fill)
{
	cc_index_set_state(fill->f->c.index, fill->chunk, CC_CHUNK_FETCHED);
	cc_fill_queue_slot(fill);
	cc_fill_answer_must(fill);
}

/* Slots for the count first of queue, as far as there are. */
static void alloc_slots(struct cc_fills *f, struct cc_list *queue, uint32_t count)
{
	uint32_t nr = 0;
	int r;

	if (count > CHUNKCACHE_SLOT_BATCH_MAX)
		count = CHUNKCACHE_SLOT_BATCH_MAX;
	r = cc_channel_slot_alloc(f->c.channel, count, queue == &f->spare, f->slots, &nr);
	cc_fills_channel_result(f, r);
	for (uint32_t i = 0; !r && i < nr; i++) {
		struct cc_fill *fill = cc_list_entry(queue->next, struct cc_fill, node);

		if (f->slots[i].slot >= f->c.max_slots) {
			f->error = -EPROTO;
			return;
		}
		start_write(fill, f->slots[i]);
	}
}

/* Returns when the next one has waited long enough. */
static uint64_t step_fetched(struct cc_fills *f, uint64_t now_ns)
{
	struct cc_fill *fill;

	if (!f->nr_fetched)
		return UINT64_MAX;
	fill = cc_list_entry(f->fetched.next, struct cc_fill, node);
	if (f->ask_slots || fill->due <= now_ns) {
		f->ask_slots = false;
		alloc_slots(f, &f->fetched, f->nr_fetched);
	}
	while (f->nr_fetched && !f->lost) {
		fill = cc_list_entry(f->fetched.next, struct cc_fill, node);
		if (fill->due > now_ns)
			return fill->due;
		f->stats->no_slot++;
		cc_fill_unqueue_slot(fill);
		cc_fill_to_memory(fill);
	}
	return UINT64_MAX;
}

/* What nobody waits for gets slots after the others, or is dropped; no bell rings for it. */
static uint64_t step_spare(struct cc_fills *f, uint64_t now_ns)
{
	struct cc_fill *fill;

	if (!f->nr_spare || f->nr_fetched || f->lost)
		return UINT64_MAX;
	if (now_ns >= f->spare_due) {
		alloc_slots(f, &f->spare, f->nr_spare);
		f->spare_due = f->nr_spare ? now_ns + SPARE_PAUSE : 0;
	}
	while (f->nr_spare && !f->lost) {
		fill = cc_list_entry(f->spare.next, struct cc_fill, node);
		if (fill->due > now_ns)
			return f->spare_due;
		f->stats->no_slot++;
		cc_fill_unqueue_slot(fill);
		cc_fill_drop(fill);
	}
	return UINT64_MAX;
}

uint64_t cc_fills_step_slots(struct cc_fills *f, uint64_t now_ns)
{
	uint64_t fetched = step_fetched(f, now_ns), spare = step_spare(f, now_ns);

	return fetched < spare ? fetched : spare;
}

void cc_fills_slots_free(struct cc_fills *f)
{
	f->ask_slots = true;
}

/* ---- out of a slot that an earlier instance filled ---- */

static void adopt_failed(struct cc_fill *fill, bool bad)
{
	struct cc_fills *f = fill->f;

	release_slot(f, fill->slot, bad);
	cc_index_unbind(f->c.index, fill->chunk);
	if (f->draining || !cc_fill_choose_source(fill))
		cc_fill_drop(fill);
	else
		cc_fill_start_fetch(fill);
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
	cc_sha256(fill->chunk->buf->data, cc_fills_chunk_size(f), digest);
	if (memcmp(digest, fill->chunk->id, CC_ID_SIZE)) {
		adopt_failed(fill, false);
		return;
	}
	cc_fill_answer_must(fill);
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
			cc_fills_channel_result(f, r);
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

void cc_fills_start_adoptable(struct cc_fills *f)
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
		cc_fill_queue(fill);
	}
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
uint64_t cc_fills_step_adopt(struct cc_fills *f, uint64_t now_ns)
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
	fill = buf ? cc_fill_new(f, k) : NULL;
	if (!fill) {
		if (buf)
			cc_ramcache_put(f->c.ramcache, buf);
		return f->adopt_due;
	}
	k->buf = buf;
	cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
	if (!start_adopt(fill))
		cc_fill_drop(fill);
	return f->adopt_due;
}
