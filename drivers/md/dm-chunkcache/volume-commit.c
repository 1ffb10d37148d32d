// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a volume no store has yet: how much, for how long, and who waits for it.
 *
 * A cut is noted with the time of the first write since the cut before; COMMITTED takes the notes
 * up to its place away.  When there are too many the last one stands for all that are later: what
 * is dirty may look older than it is, never younger.
 */
#include "volume.h"
#include <linux/ktime.h>
#include "trace.h"

void cc_commit_note_write(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	if (!v->log.dirty_since)
		v->log.dirty_since = ktime_get_ns();
}

void cc_commit_note_cut(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (l->nr_notes < CC_CUT_NOTES)
		l->notes[l->nr_notes++].since = l->dirty_since;
	l->notes[l->nr_notes - 1].place = l->cut;
	/* The next write may have begun while the cut was under way. */
	l->dirty_since = l->next == l->cut ? 0 : ktime_get_ns();
}

/* The index-place of what a record says; 0: it is of an earlier term. */
static u64 index_place(const struct cc_volume_log *l, u64 place)
{
	u64 first = cc_place_of_log(l->nr_logs);

	return place >= first + l->bias ? place - l->bias : 0;
}

static void forget_notes(struct cc_volume_log *l)
{
	unsigned int n = 0;

	while (n < l->nr_notes && l->notes[n].place <= l->committed)
		n++;
	l->nr_notes -= n;
	memmove(l->notes, l->notes + n, l->nr_notes * sizeof(l->notes[0]));
}

/* Those that wait for no more than there is now. */
static void take_stored(struct cc_volume *v, struct bio_list *ret)
{
	struct bio_list all = v->storing;
	struct bio *bio;

	bio_list_init(&v->storing);
	while ((bio = bio_list_pop(&all))) {
		if (cc_volume_bio(bio)->place > v->log.committed) {
			bio_list_add(&v->storing, bio);
			continue;
		}
		bio_list_add(ret, bio);
		v->nr_held--;
	}
}

void cc_commit_done(struct cc_volume *v, u64 place)
{
	struct bio_list stored = BIO_EMPTY_LIST;
	struct cc_volume_log *l = &v->log;
	struct bio *bio;

	spin_lock_irq(&v->lock);
	place = index_place(l, place);
	/* What is not cut yet is in no commit. */
	if (place > l->committed && place <= l->cut_done) {
		l->committed = place;
		trace_chunkcache_volume(v->disk.id, place + l->bias, "committed");
		forget_notes(l);
		take_stored(v, &stored);
	}
	spin_unlock_irq(&v->lock);
	while ((bio = bio_list_pop(&stored)))
		cc_hold_end(bio, BLK_STS_OK);
}

bool cc_commit_wait(struct cc_volume *v, struct bio *bio)
{
	struct cc_volume_bio *vb = cc_volume_bio(bio);
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	vb->kind = CC_VB_OURS;
	/* Zeros at the position that comes next are below the one behind it. */
	vb->place = l->next + ((l->zeroed == l->next) << CC_PLACE_BLOCK_SHIFT);
	if (vb->place <= l->committed)
		return false;
	cc_log_wish_cut(v, false);
	cc_hold_add(v, &v->storing, bio);
	return true;
}

/* Blocks from one place to another, with those that are not used. */
static u64 blocks_between(const struct cc_volume *v, u64 from, u64 to)
{
	u64 logs = cc_place_index(to) - cc_place_index(from);

	return (logs << v->blocks_shift) + cc_place_block(to) - cc_place_block(from);
}

void cc_commit_gauges(struct cc_disk *disk, u64 *ret)
{
	struct cc_volume *v = disk->volume;
	struct cc_volume_log *l = &v->log;
	u64 now = ktime_get_ns(), since, sectors, ms;

	spin_lock_irq(&v->lock);
	sectors = blocks_between(v, l->committed, l->next) << CC_SECTORS_PER_BLOCK_SHIFT;
	since = l->nr_notes ? l->notes[0].since : l->dirty_since;
	ms = since ? div_u64(now - since, NSEC_PER_MSEC) : 0;
	ret[CHUNKCACHE_STAT_HELD_WRITES] += v->nr_held;
	if (v->throttled_since)
		ret[CHUNKCACHE_STAT_THROTTLED_US] += div_u64(now - v->throttled_since,
							     NSEC_PER_USEC);
	spin_unlock_irq(&v->lock);
	ret[CHUNKCACHE_STAT_DIRTY_SECTORS] += sectors;
	ret[CHUNKCACHE_STAT_DIRTY_MS] = max(ret[CHUNKCACHE_STAT_DIRTY_MS], ms);
}
