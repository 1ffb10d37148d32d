// SPDX-License-Identifier: GPL-2.0-or-later
/* Out of slots: what an earlier instance left there is read, hashed, and handed over if it is right. */
#include "fill-impl.h"

#include <errno.h>
#include <string.h>

#define ADOPT_PAUSE	(20 * CC_MS)	/* between slots adopted in the background */

static void adopt_failed(struct cc_fill *fill, bool bad)
{
	struct cc_fills *f = fill->f;

	cc_fill_release_slot(f, fill->slot, bad);
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
		adopt_failed(fill, io->bad);
		return;
	}
	cc_sha256(fill->chunk->buf->data, cc_fills_chunk_size(f), digest);
	if (memcmp(digest, fill->chunk->id, CC_ID_SIZE)) {
		adopt_failed(fill, false);
		return;
	}
	cc_fill_answer_must(fill);
	cc_fill_slot_done(fill, true);
}

/* True if the chunk's candidate slot is ours now and being read. */
static bool start_adopt(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;
	uint32_t slot = chunk->slot, gen = 0;
	int r;

	if (slot == CC_NO_SLOT)
		return false;
	r = cc_channel_slot_adopt(f->c.channel, slot, &gen);
	if (r) {
		if (r != -EBUSY)
			cc_fills_channel_result(f, r);
		cc_index_unbind(f->c.index, chunk);
		return false;
	}
	fill->slot = (struct chunkcache_slot) { slot, gen };
	cc_index_bind(f->c.index, chunk, slot, gen);
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_ADOPTING);
	fill->io.done = adopt_read;
	f->in_flight++;
	cc_writer_read(f->c.writer, &fill->io, slot, chunk->buf->data);
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
		struct cc_chunk *chunk = cc_index_at(f->c.index, f->adopt_cursor++);

		if (chunk && chunk->state == CC_CHUNK_CANDIDATE)
			return chunk;
	}
	return NULL;
}

/* When nobody waits, one candidate after the other is looked at, so that later misses find it checked. */
uint64_t cc_fills_step_adopt(struct cc_fills *f, uint64_t now_ns)
{
	struct cc_fill *fill;
	struct cc_chunk *chunk;
	struct cc_buf *buf;

	if (f->nr_fills || !cc_index_count(f->c.index, CC_CHUNK_CANDIDATE))
		return UINT64_MAX;
	if (now_ns < f->adopt_due)
		return f->adopt_due;
	f->adopt_due = now_ns + ADOPT_PAUSE;
	chunk = next_candidate(f);
	if (!chunk)
		return UINT64_MAX;
	buf = cc_ramcache_get(f->c.ramcache, false);
	fill = buf ? cc_fill_new(f, chunk) : NULL;
	if (!fill) {
		if (buf)
			cc_ramcache_put(f->c.ramcache, buf);
		return f->adopt_due;
	}
	chunk->buf = buf;
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_WANTED);
	if (!start_adopt(fill))
		cc_fill_drop(fill);
	return f->adopt_due;
}
