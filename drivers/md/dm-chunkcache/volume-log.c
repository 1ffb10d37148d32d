// SPDX-License-Identifier: GPL-2.0-only
/* Log chunks of a volume: places, the spare, cuts.  States are in volume.h. */
#include "volume.h"
#include <linux/sched/mm.h>
#include "pool.h"
#include "trace.h"

/* The journal has what is staged after so long; it takes three times as long to write it. */
#define LAZY_HAND_OVER	(HZ / 4)

/* ---- records ---- */

void cc_log_hand_over(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (l->nr_staged)
		l->seq = cc_journal_add(v->journal, l->staged, l->nr_staged);
	l->nr_staged = 0;
}

void cc_log_add(struct cc_volume *v, u8 type, u64 block, u64 place, u32 count)
{
	cc_log_stage(v, type, block, place, count);
	cc_log_hand_over(v);
}

void cc_log_staged(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	if (v->log.nr_staged == CC_LOG_BATCH)
		cc_log_hand_over(v);
	else
		queue_delayed_work(v->disk.slots->wq, &v->lazy, LAZY_HAND_OVER);
}

void cc_log_lazy(struct work_struct *work)
{
	struct cc_volume *v = container_of(to_delayed_work(work), struct cc_volume, lazy);

	spin_lock_irq(&v->lock);
	cc_log_hand_over(v);
	spin_unlock_irq(&v->lock);
}

/* ---- places ---- */

/* SPARE -> OPEN. */
static noinline bool open_log(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	if (!l->spare.gen || !cc_journal_reserve_vital(v->journal, 1))
		return false;
	cc_log_add(v, CC_JOURNAL_OPEN, l->spare.slot, l->next, l->spare.gen);
	l->sector = cc_disk_remap(&v->disk, 0, cc_slot(l->spare.slot));
	l->room = v->block_mask + 1;
	l->nr_cuts = 0;
	l->spare.gen = 0;
	trace_chunkcache_volume(v->disk.id, l->next + l->bias, "log opened");
	/* For the next spare. */
	cc_hold_kick(v);
	return true;
}

/*
 * OPEN -> FULL.  What it took since the last cut is worth one; the work that the next OPEN or the
 * next wish asks for makes it.
 */
static noinline void close_log(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	trace_chunkcache_volume(v->disk.id, l->next + l->bias, "log full");
	l->room = 0;
	l->next = cc_place_of_log(cc_place_index(l->next) + 1);
	l->wish_cut = true;
}

/* Whatever the write is held for, what was taken before it can be cut. */
static bool reserve_cut(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	if (!l->cut_reserved)
		l->cut_reserved = cc_journal_reserve_vital(v->journal, 1);
	return l->cut_reserved;
}

/* None is left. */
static noinline bool reserve_more(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	if (!reserve_cut(v))
		return false;
	if (cc_journal_reserve_ahead(v->journal, CC_LOG_BATCH))
		l->reserved = CC_LOG_BATCH;
	else
		l->reserved = cc_journal_reserve(v->journal, 1);
	if (l->reserved)
		cc_commit_note_write(v);
	return l->reserved;
}

void cc_log_release(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	if (v->log.reserved)
		cc_journal_release(v->journal, v->log.reserved);
	v->log.reserved = 0;
}

bool cc_log_reserve(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (unlikely(!l->reserved) && !reserve_more(v))
		return false;
	l->reserved--;
	return true;
}

static void advance(struct cc_volume *v, u32 blocks)
{
	struct cc_volume_log *l = &v->log;

	l->room -= blocks;
	l->sector += (sector_t)blocks << CC_SECTORS_PER_BLOCK_SHIFT;
	if (unlikely(!l->room))
		close_log(v);
	else
		l->next += (u64)blocks << CC_PLACE_BLOCK_SHIFT;
}

bool cc_log_take(struct cc_volume *v, struct cc_volume_bio *vb, bool whole)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (whole && l->room && l->room < vb->blocks)
		close_log(v);
	if (unlikely(!l->room) && !open_log(v))
		return false;
	if (unlikely(!cc_log_reserve(v)))
		return false;
	vb->blocks = min(vb->blocks, l->room);
	vb->place = l->next | CC_PLACE_DATA;
	vb->sector = l->sector;
	vb->parity = l->parity;
	l->inflight[l->parity]++;
	advance(v, vb->blocks);
	return true;
}

void cc_log_abandon(struct cc_volume *v, u64 place)
{
	lockdep_assert_held(&v->lock);
	if (v->log.room && cc_place_index(v->log.next) == cc_place_index(place))
		close_log(v);
}

/* ---- cuts ---- */

/* All below it have ended. */
static void end_cut(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	l->cutting = false;
	cc_log_add(v, CC_JOURNAL_CUT, 0, l->cut, 0);
	l->cut_reserved = false;
	/* A volume that is idle from now on keeps none. */
	cc_log_release(v);
	l->cut_done = l->cut;
	cc_commit_note_cut(v);
	trace_chunkcache_volume(v->disk.id, l->cut + l->bias, "cut done");
	cc_journal_tell(v->journal, l->cut_hurry);
}

void cc_log_end_flip(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	l->flipped = false;
	if (l->cutting)
		end_cut(v);
	if (l->settling)
		cc_partial_drained(v);
	l->settling = false;
	/* Slots may be closed now, blocks be read, and another flip may be wished for. */
	cc_hold_kick(v);
}

/*
 * The cut of zeros at the position that the next data will take lies behind that: it is used up.
 * Without a slot to be had they are left to a later cut.
 */
static void pass_zeros(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	if (l->zeroed == l->next && (l->room || open_log(v)))
		advance(v, 1);
}

/* Is there to be one, and where? */
static bool place_cut(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;
	bool seal = l->wish_seal;

	if (!(l->wish_cut || seal) || l->state != CHUNKCACHE_VOLUME_RUNNING)
		return false;
	pass_zeros(v);
	if (seal && l->room && cc_place_block(l->next))
		close_log(v);
	if (l->next == l->cut) {
		l->wish_cut = false;
		l->wish_seal = false;
		l->wish_hurry = false;
		return false;
	}
	/* Else room() brings us here again. */
	if (!reserve_cut(v))
		return false;
	if (l->room && cc_place_block(l->next) && ++l->nr_cuts >= CC_PIECES_MAX)
		close_log(v);
	l->cut_hurry = l->wish_hurry;
	l->wish_cut = false;
	l->wish_seal = false;
	l->wish_hurry = false;
	l->cut = l->next;
	trace_chunkcache_volume(v->disk.id, l->cut + l->bias, "cut");
	return true;
}

static void start_flip(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (l->flipped)
		return;
	l->cutting = place_cut(v);
	l->settling = l->wish_drain;
	if (!l->cutting && !l->settling)
		return;
	if (l->settling)
		cc_partial_drain(v);
	l->wish_drain = false;
	l->flipped = true;
	l->parity ^= 1;
	/* The other one is 0 since the flip before has ended. */
	if (!l->inflight[l->parity ^ 1])
		cc_log_end_flip(v);
}

void cc_log_wish_cut(struct cc_volume *v, bool seal)
{
	lockdep_assert_held(&v->lock);
	v->log.wish_cut = true;
	v->log.wish_hurry = true;
	v->log.wish_seal |= seal;
	cc_hold_kick(v);
}

void cc_log_wish_drain(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	v->log.wish_drain = true;
	cc_hold_kick(v);
}

/* ---- the work's part ---- */

struct log_entry {
	struct cc_volume *v;
	cc_chunk_t chunk;
	cc_entry_t entry;
};

/* With the slot lock held. */
static void set_log_entry(void *arg)
{
	struct log_entry *e = arg;
	struct cc_disk *disk = &e->v->disk;
	int more = cc_chunk_map_set(&disk->map, e->chunk, e->entry);

	WRITE_ONCE(disk->nr_mapped, disk->nr_mapped + more);
}

int cc_log_map(struct cc_volume *v, u32 index, const struct chunkcache_slot *slot)
{
	struct cc_chunk_map *map = &v->disk.map;
	struct log_entry e = {
		.v = v,
		.chunk = cc_chunk(v->first_log + index),
		.entry = cc_entry(cc_slot(slot->slot), slot->gen, false),
	};
	int r;

	lockdep_assert_held(v->disk.cmd);
	r = cc_chunk_map_grow(map, cc_chunk_nr(e.chunk) + 1);
	if (r || !slot->gen)
		return r;
	r = cc_chunk_map_prepare(map, e.chunk);
	if (r)
		return r;
	return cc_slots_use_log(v->disk.slots, cc_slot(slot->slot), slot->gen, set_log_entry, &e);
}

static void give_slot_back(struct cc_volume *v, const struct chunkcache_slot *slot)
{
	cc_slots_set_log_closed(v->disk.slots, cc_slot(slot->slot));
	cc_slots_drop(v->disk.slots, cc_slot(slot->slot), slot->gen, false);
}

/*
 * Only the work gets a spare, and the log chunk that it will be does not change before it is
 * there.
 */
static void get_spare(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;
	struct chunkcache_slot slot;
	unsigned int noio;
	u32 index;
	bool want;

	spin_lock_irq(&v->lock);
	want = l->state == CHUNKCACHE_VOLUME_RUNNING && !l->spare.gen;
	index = cc_place_index(l->next) + !!l->room;
	/* The last index: behind it they would start over. */
	want &= index != U32_MAX;
	spin_unlock_irq(&v->lock);
	/* Else freed() brings us here again. */
	if (!want || cc_slots_alloc_log(v->disk.slots, &slot))
		return;
	noio = memalloc_noio_save();
	mutex_lock(v->disk.cmd);
	if (cc_log_map(v, index, &slot)) {
		give_slot_back(v, &slot);
	} else {
		spin_lock_irq(&v->lock);
		l->spare = slot;
		spin_unlock_irq(&v->lock);
	}
	mutex_unlock(v->disk.cmd);
	memalloc_noio_restore(noio);
}

/* FULL -> CLOSED, of what the last cut that is done has behind it. */
static void close_slots(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;
	u32 index, end;

	spin_lock_irq(&v->lock);
	index = l->closed;
	end = max(index, cc_place_index(l->cut_done));
	l->closed = end;
	spin_unlock_irq(&v->lock);
	for (; index < end; index++) {
		cc_entry_t e = cc_chunk_map_get(&v->disk.map, cc_chunk(v->first_log + index));

		cc_slots_set_log_closed(v->disk.slots, cc_entry_slot(e));
	}
}

void cc_log_work(struct cc_volume *v)
{
	get_spare(v);
	spin_lock_irq(&v->lock);
	start_flip(v);
	spin_unlock_irq(&v->lock);
	close_slots(v);
}

void cc_log_finish(struct cc_volume *v)
{
	struct cc_volume_log *l = &v->log;
	struct chunkcache_slot spare;

	spin_lock_irq(&v->lock);
	if (l->room)
		close_log(v);
	l->wish_cut = true;
	start_flip(v);
	/* Also without room for a record: nothing is in flight. */
	l->cut_done = l->next;
	spare = l->spare;
	l->spare.gen = 0;
	cc_log_release(v);
	if (l->cut_reserved)
		cc_journal_release(v->journal, 1);
	l->cut_reserved = false;
	spin_unlock_irq(&v->lock);
	close_slots(v);
	if (spare.gen)
		give_slot_back(v, &spare);
}
