// SPDX-License-Identifier: GPL-2.0-only
/* Zeros of a volume: discard and write-zeroes.  The way of them is in volume.h. */
#include "volume.h"
#include <linux/sched.h>

static bool set_in_leaf(struct cc_volume *v, u64 block, unsigned int n, u64 place)
{
	u64 step = place & CC_PLACE_DATA ? 1 << CC_PLACE_BLOCK_SHIFT : 0;
	u64 *leaf = cc_overlay_make_leaf(&v->overlay, cc_chunk(block >> v->blocks_shift), GFP_NOIO);
	unsigned int i;

	if (!leaf)
		return false;
	leaf += block & v->block_mask;
	/* A write with a higher place may end at any time: compare each, with the lock. */
	spin_lock_irq(&v->lock);
	for (i = 0; i < n; i++)
		cc_overlay_raise(&leaf[i], place + i * step);
	spin_unlock_irq(&v->lock);
	return true;
}

bool cc_volume_set_blocks(struct cc_volume *v, u64 block, unsigned int n, u64 place)
{
	cc_chunk_t chunk = cc_chunk(block >> v->blocks_shift);
	bool ok;

	if (n == v->block_mask + 1 && !(place & CC_PLACE_DATA) &&
	    (cc_overlay_zero_chunk(&v->overlay, chunk, place, GFP_NOIO, &ok) || !ok))
		return ok;
	return set_in_leaf(v, block, n, place);
}

bool cc_zero_walk(struct cc_volume *v, struct bio *bio)
{
	/* What a discard has of further blocks is left as it is. */
	u64 first = DIV_ROUND_UP_ULL(bio->bi_iter.bi_sector, CC_SECTORS_PER_BLOCK);
	u64 end = max(first, bio_end_sector(bio) >> CC_SECTORS_PER_BLOCK_SHIFT);
	struct cc_volume_bio *vb = cc_volume_bio(bio);
	struct cc_volume_log *l = &v->log;
	u64 block, n;
	bool ok;

	if (first == end) {
		cc_hold_end(bio, BLK_STS_OK);
		return true;
	}
	spin_lock_irq(&v->lock);
	ok = !cc_partial_overlaps(v, first, end - first) && cc_log_reserve(v);
	if (ok) {
		vb->place = l->next;
		l->zeroed = l->next;
		vb->parity = l->parity;
		l->inflight[l->parity]++;
	}
	spin_unlock_irq(&v->lock);
	if (!ok)
		return false;
	for (block = first; block < end; block += n) {
		n = min_t(u64, end - block, v->block_mask + 1 - (block & v->block_mask));
		if (!cc_volume_set_blocks(v, block, n, vb->place))
			break;
		cond_resched();
	}
	/* Without memory for the rest of it: what reads as zeros now, does so after a crash. */
	spin_lock_irq(&v->lock);
	if (block > first)
		cc_log_add(v, CC_JOURNAL_ZERO, first, vb->place, block - first);
	else
		cc_journal_release(v->journal, 1);
	cc_log_put(v, vb->parity);
	spin_unlock_irq(&v->lock);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_ZEROS, 1);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_DISCARDED_SECTORS,
			    (block - first) << CC_SECTORS_PER_BLOCK_SHIFT);
	cc_hold_end(bio, block < end ? BLK_STS_RESOURCE : BLK_STS_OK);
	return true;
}
