// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks that are fetched though nobody waits for them: from the first touches of a disk to what
 * should be fetched next (which is prefetch.c's to say), and what becomes of each.
 *
 * A fill for nobody has for_disk set until somebody waits for it; it takes only what is left over, buffers,
 * requests and slots, and is dropped rather than tried again.  All mappings of its chunk are marked, so
 * that the first hit is heard of.
 */
#include <errno.h>

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
	const struct cc_chunk *k;

	if (cc_id_is_hole(id))
		return true;
	k = cc_index_find(a->f->c.index, a->disk->source->domain, id);
	return k && k->state != CC_CHUNK_ABSENT;
}

/* ---- begin ---- */

enum cc_prefetch_result cc_fills_prefetch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk, bool by_hand)
{
	struct disk_arg a = { f, disk };
	struct cc_fill *fill;
	struct cc_chunk *k;

	if (there(&a, chunk))
		return CC_PREFETCH_THERE;
	if (f->draining || f->lost || disk->source->down)
		return CC_PREFETCH_NOT;
	k = cc_index_get(f->c.index, disk->source->domain, cc_manifest_id(disk->manifest, chunk));
	fill = k ? cc_fill_new(f, k) : NULL;
	if (!fill) {
		if (k)
			cc_index_forget(f->c.index, k);
		return CC_PREFETCH_NOT;
	}
	cc_index_set_state(f->c.index, k, CC_CHUNK_WANTED);
	fill->prio = CC_FETCH_PREFETCH;
	fill->for_disk = disk->info.id;
	fill->by_hand = by_hand;
	fill->source = disk->source;
	fill->encoding = disk->manifest->encoding;
	disk->prefetch.pending++;
	disk->prefetch.by_hand += by_hand;
	cc_fill_queue(fill);
	return CC_PREFETCH_QUEUED;
}

void cc_fills_touch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk)
{
	struct disk_arg a = { f, disk };
	uint64_t c, beside[2];
	struct cc_stream *s;
	unsigned int nr;

	cc_recording_touch(&disk->recording, chunk, cc_now_ns());
	if (cc_fills_replay_touch(disk, chunk))
		return;
	s = cc_streams_touch(&disk->streams, chunk, there, &a);
	while (s && (c = cc_stream_next(&disk->streams, s, there, &a)) != CC_NO_CHUNK)
		if (cc_fills_prefetch(f, disk, c, false) == CC_PREFETCH_NOT)
			return;
	nr = cc_streams_beside(&disk->streams, chunk, there, &a, beside);
	for (unsigned int i = 0; i < nr; i++)
		cc_fills_prefetch(f, disk, beside[i], false);
}

/* ---- what becomes of it ---- */

void cc_fill_prefetch_started(struct cc_fill *fill)
{
	struct cc_disk *disk;

	if (!fill->for_disk)
		return;
	fill->started_ns = cc_now_ns();
	fill->f->prefetching++;
	fill->source->prefetching++;
	disk = cc_disks_find(fill->f->c.disks, fill->for_disk);
	if (disk)
		disk->prefetch.fetched++;
}

/* From now on the fill is like any other.  Returns its disk if that is still there. */
static struct cc_disk *leave(struct cc_fill *fill)
{
	struct cc_disk *disk = cc_disks_find(fill->f->c.disks, fill->for_disk);

	if (fill->started_ns) {
		fill->f->prefetching--;
		fill->source->prefetching--;
	}
	fill->for_disk = 0;
	if (disk) {
		disk->prefetch.pending--;
		disk->prefetch.by_hand -= fill->by_hand;
	}
	return disk;
}

void cc_fill_prefetch_joined(struct cc_fill *fill)
{
	struct cc_disk *disk;

	if (!fill->for_disk)
		return;
	disk = leave(fill);
	if (!disk || !fill->started_ns)
		return;
	disk->prefetch.late++;
	disk->prefetch.saved_ns += cc_now_ns() - fill->started_ns;
}

void cc_fill_prefetch_ended(struct cc_fill *fill, bool cached)
{
	uint64_t id = fill->for_disk;
	struct cc_disk *disk;

	if (!id)
		return;
	disk = leave(fill);
	if (cached && disk) {
		disk->prefetch.ready++;
		fill->chunk->unread_of = id;
		fill->chunk->fetch_ns = fill->req.total_ns - fill->req.queued_ns;
	} else if (disk) {
		disk->prefetch.dropped++;
		if (!fill->by_hand)
			cc_streams_died(&disk->streams);
	}
}

void cc_fills_read(struct cc_fills *f, struct cc_chunk *k)
{
	struct cc_disk *disk;

	if (!k->unread_of)
		return;
	disk = cc_disks_find(f->c.disks, k->unread_of);
	k->unread_of = 0;
	if (!disk)
		return;
	disk->prefetch.ready--;
	disk->prefetch.used++;
	disk->prefetch.saved_ns += k->fetch_ns;
	cc_streams_used(&disk->streams);
}

void cc_fills_take_hint(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk)
{
	struct cc_chunk *k;

	if (chunk >= disk->manifest->nr_chunks)
		return;
	k = cc_index_find(f->c.index, disk->source->domain, cc_manifest_id(disk->manifest, chunk));
	if (k)
		cc_fills_read(f, k);
	cc_fills_touch(f, disk, chunk);
}

void cc_fills_unread(void *fills, struct cc_chunk *k)
{
	struct cc_fills *f = fills;
	struct cc_disk *disk = cc_disks_find(f->c.disks, k->unread_of);

	k->unread_of = 0;
	if (!disk)
		return;
	disk->prefetch.ready--;
	disk->prefetch.unread++;
	cc_streams_died(&disk->streams);
}
