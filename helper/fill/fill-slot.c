// SPDX-License-Identifier: GPL-2.0-or-later
/* Into slots: checked bytes are written and handed to the kernel with all mappings that are known. */
#include "fill-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_PAUSE	(10 * CC_MS)	/* between requests for slots that nobody waits for */

void cc_fill_release_slot(struct cc_fills *f, struct chunkcache_slot slot, bool bad)
{
	if (!f->lost)
		cc_fills_channel_result(f, cc_channel_slot_release(f->c.channel, &slot, 1, bad));
}

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

void cc_fill_slot_done(struct cc_fill *fill, bool adopted)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;
	bool prefetch = cc_list_empty(&fill->waiters) && (adopted || fill->for_disk);
	uint64_t key;
	uint32_t nr;
	int r;

	memcpy(&key, chunk->id, sizeof(key));
	nr = collect_maps(fill);
	r = f->lost ? -ENOTCONN : cc_channel_slot_done(f->c.channel, fill->slot, key, prefetch, f->maps, nr,
						       &f->refusals);
	if (r) {
		/* After a lost answer the slot may be VALID: then it is only not known here. */
		cc_fills_channel_result(f, r);
		if (r != -ENOBUFS && r != -ESTALE)
			cc_fill_release_slot(f, fill->slot, false);
		cc_fill_to_memory(fill);
		return;
	}
	serve_mapped(fill, nr);
	map_rest(fill);
	f->stats->filled++;
	f->stats->adopted += adopted;
	cc_fill_prefetch_ended(fill, true);
	cc_fill_free(fill);
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_CACHED);
	cc_slot_table_mark(f->c.table, chunk->slot, cc_now_ns());
	cc_ramcache_keep(f->c.ramcache, chunk->buf, chunk, true);
}

static void write_completed(struct cc_slot_io *io, int error)
{
	struct cc_fill *fill = cc_list_entry(io, struct cc_fill, io);
	struct cc_fills *f = fill->f;

	f->in_flight--;
	if (!error) {
		cc_fill_slot_done(fill, false);
		return;
	}
	f->stats->write_errors++;
	log_limited(f, LOG_ERR, "slot %u: write: %s", fill->slot.slot,
		    error == -EBADMSG ? "read back, the bytes are others" : strerror(-error));
	cc_fill_release_slot(f, fill->slot, io->bad);
	cc_fill_to_memory(fill);
}

static void start_write(struct cc_fill *fill, struct chunkcache_slot slot)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;

	cc_fill_unqueue_slot(fill);
	fill->slot = slot;
	cc_index_bind(f->c.index, chunk, slot.slot, slot.gen);
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_WRITING);
	fill->io.done = write_completed;
	f->in_flight++;
	cc_writer_write(f->c.writer, &fill->io, slot.slot, chunk->buf->data);
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
