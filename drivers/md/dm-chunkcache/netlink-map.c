// SPDX-License-Identifier: GPL-2.0-only
/* MAP and SLOT_DONE: which chunk of a disk is where. */
#include "netlink-impl.h"
#include <linux/slab.h>
#include "dev.h"
#include "pool.h"
#include "volume.h"

/* One record of MAP, checked: what the slot lock's section needs. */
struct map_one {
	struct cc_disk *disk;
	cc_chunk_t chunk;
	cc_entry_t entry;
};

static void set_entry(struct cc_disk *disk, cc_chunk_t chunk, cc_entry_t entry)
{
	int more = cc_chunk_map_set(&disk->map, chunk, entry);

	WRITE_ONCE(disk->nr_mapped, disk->nr_mapped + more);
}

/*
 * With the slot lock held and the slot VALID.  The entry is written before the misses are
 * looked at: who looks for a miss after us finds the entry.
 */
static void map_valid(void *arg)
{
	struct map_one *m = arg;
	/* Pairs with the release in book_slots(). */
	u16 share = smp_load_acquire(&m->disk->dev->share_id);

	set_entry(m->disk, m->chunk, m->entry);
	cc_slots_charge(m->disk->slots, cc_entry_slot(m->entry), share);
	cc_miss_mapped(m->disk, m->chunk, m->entry);
}

/* Without memory the first of them are holes and the rest is as it was. */
static int map_hole(struct cc_disk *disk, u64 chunk, u64 count)
{
	int r = 0;
	u64 i;

	for (i = 0; i < count; i++) {
		r = cc_chunk_map_prepare(&disk->map, cc_chunk(chunk + i));
		if (r)
			break;
		set_entry(disk, cc_chunk(chunk + i), CC_ENTRY_HOLE);
		cond_resched();
	}
	cc_miss_hole(disk, cc_chunk(chunk), i);
	return r;
}

/* Would a log chunk that no store has be lost, or one be a hole, which none ever is? */
static bool hides_log(const struct cc_disk *disk, const struct chunkcache_map *rec)
{
	cc_entry_t e;

	if (!disk->volume || rec->chunk + rec->count <= disk->volume->first_log)
		return false;
	if (rec->flags & CHUNKCACHE_MAP_HOLE)
		return true;
	e = cc_chunk_map_get(&disk->map, cc_chunk(rec->chunk));
	return cc_entry_mapped(e) &&
	       cc_slots_is_log(disk->slots, cc_entry_slot(e), cc_entry_gen(e));
}

/* Check a record and get its entry's page ready. */
static int map_prepare(struct cc_pool *pool, const struct chunkcache_map *rec,
		       struct map_one *ret)
{
	bool hole = rec->flags & CHUNKCACHE_MAP_HOLE;
	struct cc_disk *disk = cc_disk_find(pool, rec->disk);

	if (!disk)
		return -ENOENT;
	if (rec->flags & ~(CHUNKCACHE_MAP_HOLE | CHUNKCACHE_MAP_MARK) || rec->reserved ||
	    !rec->count || (hole && (rec->slot || rec->gen || rec->flags & CHUNKCACHE_MAP_MARK)) ||
	    (!hole && (rec->count != 1 || !rec->gen)))
		return -EINVAL;
	if (rec->chunk >= disk->map.nr_chunks || rec->count > disk->map.nr_chunks - rec->chunk)
		return -ERANGE;
	if (hides_log(disk, rec))
		return -EBUSY;
	ret->disk = disk;
	ret->chunk = cc_chunk(rec->chunk);
	ret->entry = cc_entry(cc_slot(rec->slot), rec->gen, rec->flags & CHUNKCACHE_MAP_MARK);
	return hole ? 0 : cc_chunk_map_prepare(&disk->map, ret->chunk);
}

static int map_one(struct cc_pool *pool, const struct chunkcache_map *rec)
{
	struct map_one m;
	int r = map_prepare(pool, rec, &m);

	if (r)
		return r;
	if (rec->flags & CHUNKCACHE_MAP_HOLE)
		return map_hole(m.disk, rec->chunk, rec->count);
	return cc_slots_use(&pool->slots, cc_slot(rec->slot), rec->gen, map_valid, &m);
}

int cc_do_map(struct cc_cmd *c)
{
	u64 left = CHUNKCACHE_MAP_CHUNKS_MAX;
	struct chunkcache_map rec;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_MAPS, sizeof(rec),
			       CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = cc_cmd_batch_begin(c, CHUNKCACHE_CMD_MAP, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_MAPS, i, &rec);
		r = rec.count > left ? -E2BIG : map_one(c->pool, &rec);
		if (r)
			cc_cmd_refuse(c, i, r);
		/* What was refused otherwise has taken its time as well. */
		if (r != -E2BIG)
			left -= rec.count;
		cond_resched();
	}
	return cc_cmd_batch_end(c);
}

struct slot_done {
	struct map_one *maps;
	u32 nr;
};

static void make_mappings(void *arg)
{
	struct slot_done *d = arg;
	u32 i;

	for (i = 0; i < d->nr; i++)
		map_valid(&d->maps[i]);
}

/* Check the mappings of a SLOT_DONE; the good ones go into d. */
static int prepare_mappings(struct cc_cmd *c, const struct chunkcache_slot *slot, u32 n,
			    struct slot_done *d)
{
	struct chunkcache_map rec;
	u32 i;
	int r;

	d->maps = kvmalloc_array(n, sizeof(*d->maps), GFP_KERNEL);
	if (!d->maps)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct map_one *m = &d->maps[d->nr];

		cc_cmd_get_record(c->info, CHUNKCACHE_A_MAPS, i, &rec);
		r = map_prepare(c->pool, &rec, m);
		if (!r && (rec.flags & CHUNKCACHE_MAP_HOLE || rec.slot != slot->slot ||
			   rec.gen != slot->gen))
			r = -EINVAL;
		if (r)
			cc_cmd_refuse(c, i, r);
		else
			d->nr++;
	}
	return 0;
}

int cc_do_slot_done(struct cc_cmd *c)
{
	struct slot_done d = {};
	struct chunkcache_slot slot;
	u32 one, n = 0;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(slot), 1, &one);
	if (!r && c->info->attrs[CHUNKCACHE_A_MAPS])
		r = cc_cmd_get_records(c->info, CHUNKCACHE_A_MAPS, sizeof(struct chunkcache_map),
				       CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = cc_cmd_require(c->info, CHUNKCACHE_A_KEY);
	if (!r)
		r = cc_cmd_batch_begin(c, CHUNKCACHE_CMD_SLOT_DONE, n ?: 1);
	if (r)
		return r;
	cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, 0, &slot);
	if (n)
		r = prepare_mappings(c, &slot, n, &d);
	if (!r)
		r = cc_slots_done(&c->pool->slots, cc_session_owner(c->session),
				  cc_slot(slot.slot), slot.gen,
				  nla_get_u64(c->info->attrs[CHUNKCACHE_A_KEY]),
				  c->info->attrs[CHUNKCACHE_A_PREFETCH], make_mappings, &d);
	kvfree(d.maps);
	return r ? r : cc_cmd_batch_end(c);
}
