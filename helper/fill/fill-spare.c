// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of chunks that were fetched though nobody waited for them: joined, ended, read, or lost
 * unread.
 */
#include "fill-impl.h"

void cc_fill_prefetch_started(struct cc_fill *fill)
{
	struct cc_disk *disk;

	if (!fill->for_disk)
		return;
	fill->started_ns = cc_now_ns();
	fill->f->prefetching++;
	fill->supply->prefetching++;
	disk = cc_disks_find(fill->f->c.disks, fill->for_disk);
	if (disk)
		disk->reads->prefetch.fetched++;
}

/* From now on the fill is like any other.  Returns its disk if that is still there. */
static struct cc_disk *leave_prefetch(struct cc_fill *fill)
{
	struct cc_disk *disk = cc_disks_find(fill->f->c.disks, fill->for_disk);

	if (fill->started_ns) {
		fill->f->prefetching--;
		fill->supply->prefetching--;
	}
	fill->for_disk = 0;
	if (disk) {
		disk->reads->prefetch.pending--;
		disk->reads->prefetch.by_hand -= fill->cause == CC_PREFETCH_BY_HAND;
	}
	return disk;
}

void cc_fill_prefetch_joined(struct cc_fill *fill)
{
	struct cc_disk *disk;

	if (!fill->for_disk)
		return;
	disk = leave_prefetch(fill);
	if (disk && fill->cause != CC_PREFETCH_BY_HAND)
		cc_allowance_settle(&disk->reads->allowance);
	if (!disk || !fill->started_ns)
		return;
	disk->reads->prefetch.late++;
	disk->reads->prefetch.saved_ns += cc_now_ns() - fill->started_ns;
}

void cc_fill_prefetch_ended(struct cc_fill *fill, bool cached)
{
	uint64_t id = fill->for_disk;
	struct cc_disk *disk;

	if (!id)
		return;
	disk = leave_prefetch(fill);
	if (cached && disk) {
		disk->reads->prefetch.ready++;
		fill->chunk->unread_of = id;
		fill->chunk->unread_allowed = fill->cause != CC_PREFETCH_BY_HAND;
		fill->chunk->fetch_ns = fill->req.total_ns - fill->req.queued_ns;
	} else if (disk) {
		disk->reads->prefetch.dropped++;
		/* What was fetched has its price though it can't be kept. */
		if (fill->cause != CC_PREFETCH_BY_HAND && !fill->started_ns)
			cc_allowance_settle(&disk->reads->allowance);
	}
}

void cc_fills_read(struct cc_fills *f, struct cc_chunk *chunk)
{
	struct cc_disk *disk;

	if (!chunk->unread_of)
		return;
	disk = cc_disks_find(f->c.disks, chunk->unread_of);
	chunk->unread_of = 0;
	if (!disk)
		return;
	disk->reads->prefetch.ready--;
	disk->reads->prefetch.used++;
	disk->reads->prefetch.saved_ns += chunk->fetch_ns;
	if (chunk->unread_allowed)
		cc_allowance_settle(&disk->reads->allowance);
}

void cc_fills_unread(void *fills, struct cc_chunk *chunk)
{
	struct cc_fills *f = fills;
	struct cc_disk *disk = cc_disks_find(f->c.disks, chunk->unread_of);

	chunk->unread_of = 0;
	if (!disk)
		return;
	disk->reads->prefetch.ready--;
	disk->reads->prefetch.unread++;
}
