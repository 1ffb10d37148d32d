// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks that are fetched though nobody waits for them: from the first touches of a disk to what
 * should be fetched next (which is prefetch.c's to say).
 *
 * A fill for nobody has for_disk set until somebody waits for it; it takes only what is left over, buffers,
 * requests and slots, and is dropped rather than tried again.  All mappings of its chunk are marked, so
 * that the first hit is heard of.
 */
#include "fill-impl.h"

struct disk_arg {
	struct cc_fills *f;
	const struct cc_disk *disk;
};

/* What a slot may hold from an earlier life of the pool is there: checking it takes no fetch. */
static bool there(void *arg, uint64_t chunk)
{
	const struct disk_arg *a = arg;
	const uint8_t *id = cc_manifest_id(a->disk->manifest, chunk);
	const struct cc_chunk *c;

	if (cc_id_is_hole(id))
		return true;
	c = cc_index_find(a->f->c.index, a->disk->source->domain, id);
	return c && c->state != CC_CHUNK_ABSENT;
}

/* ---- begin ---- */

enum cc_prefetch_result cc_fills_prefetch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk,
					  enum cc_prefetch_cause cause)
{
	struct disk_arg a = { f, disk };
	struct cc_fill *fill;
	struct cc_chunk *c;

	if (there(&a, chunk))
		return CC_PREFETCH_THERE;
	if (f->draining || f->lost || cc_supply_of(f->c.supplies, disk->source)->down)
		return CC_PREFETCH_NOT;
	c = cc_index_get(f->c.index, disk->source->domain, cc_manifest_id(disk->manifest, chunk));
	fill = c ? cc_fill_new(f, c) : NULL;
	if (!fill) {
		if (c)
			cc_index_forget(f->c.index, c);
		return CC_PREFETCH_NOT;
	}
	cc_index_set_state(f->c.index, c, CC_CHUNK_WANTED);
	fill->prio = CC_FETCH_PREFETCH;
	fill->for_disk = disk->info.id;
	fill->cause = cause;
	fill->supply = cc_supply_of(f->c.supplies, disk->source);
	fill->encoding = disk->manifest->encoding;
	disk->reads->prefetch.pending++;
	disk->reads->prefetch.by_hand += cause == CC_PREFETCH_BY_HAND;
	if (cause != CC_PREFETCH_BY_HAND)
		cc_allowance_give(&disk->reads->allowance);
	cc_fill_queue(fill);
	return CC_PREFETCH_QUEUED;
}

/* disk reads chunk, for the first time in a while.  True if its trace says so. */
static bool touch_replay(struct cc_disk *disk, uint64_t chunk)
{
	struct cc_replay *r = &disk->reads->replay;
	enum cc_replay_state before = r->state;
	bool match = cc_replay_touch(r, chunk);

	if (r->state == CC_REPLAY_LEFT && before != r->state)
		cc_log(LOG_INFO, "disk %s: does not read what its boot trace says; left after %u of %u chunks",
		       disk->info.name, r->given, r->nr);
	return match;
}

void cc_fills_touch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk, bool at_start)
{
	struct cc_streams *ss = &disk->reads->streams;
	struct disk_arg a = { f, disk };
	struct cc_allowance *left = &disk->reads->allowance;
	uint64_t next, beside[2];
	struct cc_stream *s;
	unsigned int nr;

	cc_allowance_touch(left);
	cc_recording_touch(&disk->reads->recording, chunk, cc_now_ns());
	if (touch_replay(disk, chunk))
		return;
	s = cc_streams_touch(ss, chunk, at_start, there, &a);
	while (s && cc_allowance_left(left) && (next = cc_stream_next(ss, s, there, &a)) != CC_NO_CHUNK)
		if (cc_fills_prefetch(f, disk, next, CC_PREFETCH_GUESS) == CC_PREFETCH_NOT)
			return;
	nr = cc_streams_beside(ss, chunk, there, &a, beside);
	for (unsigned int i = 0; i < nr && cc_allowance_left(left); i++)
		cc_fills_prefetch(f, disk, beside[i], CC_PREFETCH_GUESS);
}

void cc_fills_take_hint(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk)
{
	struct cc_chunk *c;

	if (chunk >= disk->nr_chunks)
		return;
	c = cc_index_find(f->c.index, disk->source->domain, cc_manifest_id(disk->manifest, chunk));
	if (c)
		cc_fills_read(f, c);
	/* Where it was read is not known; of a stream's own chunk that does not matter. */
	cc_fills_touch(f, disk, chunk, false);
}
