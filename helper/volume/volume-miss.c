// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks of volumes that are not on the cache device: log chunks that were evicted, or that another host wrote; those
 * of the base are the fill engine's.  They are fetched in a thread, checked, and put into a slot; without one, or if
 * the kernel asks for it, the readers get the bytes themselves.
 */
#include "volumes-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/place.h"

#define MISSES_MAX 32			/* of a store, a chunk in memory each; the kernel keeps the others */

struct volume_miss {
	struct cc_list node;
	struct cc_volumes *all;
	struct cc_volume_store *at;
	struct chunkcache_miss m;
	struct cc_job job;
	struct cc_slot_io io;
	struct chunkcache_slot slot;
	/* what to fetch */
	uint8_t volume[16];		/* in whose directory it is */
	struct cc_piece pieces[CC_PIECES_MAX];
	size_t nr_pieces;
	uint64_t key;			/* for the kernel's policy */
	size_t size;
	void *buf;
	int result;
	char err[400];
};

static void fail_miss(struct cc_volumes *all, const struct chunkcache_miss *m, uint32_t class)
{
	struct chunkcache_fail fail = { .disk = m->disk, .chunk = m->chunk, .cookie = m->cookie, .class = class };
	struct cc_refusals refused;

	cc_volume_channel(all, cc_channel_miss_fail(all->c.channel, &fail, 1, &refused));
}

static void end_miss(struct volume_miss *x)
{
	cc_list_del(&x->node);
	x->all->nr_misses--;
	x->at->nr_misses--;
	/* The kernel has others for us. */
	x->all->started |= x->at->full;
	x->at->full = false;
	free(x->buf);
	free(x);
}

static void answer_bytes(struct volume_miss *x)
{
	uint64_t pos = x->m.offset & ~511u, end = (uint64_t)x->m.offset + (x->m.len ? x->m.len : 512);
	int r = 0;

	if (end > x->size)
		end = x->size;
	end = (end + 511) & ~511ULL;
	while (!r && pos < end) {
		uint32_t n = end - pos < CHUNKCACHE_DATA_MAX ? end - pos : CHUNKCACHE_DATA_MAX;

		r = cc_channel_miss_data(x->all->c.channel, &x->m, pos, (uint8_t *)x->buf + pos, n, pos + n == end);
		pos += n;
	}
	cc_volume_channel(x->all, r);
}

/* ---- into a slot ---- */

static void miss_slot_written(struct cc_slot_io *io, int error)
{
	struct volume_miss *x = cc_list_entry(io, struct volume_miss, io);
	struct chunkcache_map map = {
		.disk = x->m.disk, .chunk = x->m.chunk, .count = 1, .slot = x->slot.slot, .gen = x->slot.gen,
	};
	struct cc_refusals refused = { 0 };
	int r = error;

	if (!r)
		r = cc_channel_slot_done(x->all->c.channel, x->slot, x->key, false, &map, 1, &refused);
	else
		cc_channel_slot_release(x->all->c.channel, &x->slot, 1, io->bad);
	if (r || refused.nr)
		answer_bytes(x);
	end_miss(x);
}

static bool write_slot(struct volume_miss *x)
{
	uint32_t nr = 0;
	int r = cc_channel_slot_alloc(x->all->c.channel, 1, false, &x->slot, &nr);

	if (r || !nr) {
		/* Of an answer that was lost the slots are found by cc_volumes_holds(). */
		x->slot.gen = 0;
		cc_volume_channel(x->all, r);
		return false;
	}
	x->io.done = miss_slot_written;
	cc_writer_write(x->all->c.writer, &x->io, x->slot.slot, x->buf);
	return true;
}

/* ---- fetching ---- */

static void run_miss(struct cc_job *job)
{
	struct volume_miss *x = cc_list_entry(job, struct volume_miss, job);

	x->result = cc_pieces_read(x->at->source->store, x->volume, x->pieces, x->nr_pieces, x->buf, x->size, x->err,
				   sizeof(x->err));
}

static void miss_done(struct cc_job *job)
{
	struct volume_miss *x = cc_list_entry(job, struct volume_miss, job);

	if (x->result) {
		cc_log(LOG_ERR, "volume: %s", x->err);
		fail_miss(x->all, &x->m, x->result == -EBADMSG ? CHUNKCACHE_FAIL_CORRUPT :
			  x->result == -ENODATA ? CHUNKCACHE_FAIL_NOTFOUND : CHUNKCACHE_FAIL_TIMEOUT);
		end_miss(x);
		return;
	}
	if (!(x->m.flags & CHUNKCACHE_MISS_DATA) && !x->all->draining && write_slot(x))
		return;
	answer_bytes(x);
	end_miss(x);
}

/* The log chunk of an index, as VOLUME_LOAD and the kernel have numbered them. */
static uint64_t key_of_index(const struct cc_volume *v, uint64_t index)
{
	if (index < v->nr_keys)
		return v->keys[index];
	return cc_place_log_key(cc_place(cc_log_number(v->term, index - v->nr_keys), 0));
}

/* False: the store has nothing of it. */
static bool describe_miss(struct cc_volume *v, struct volume_miss *x)
{
	const struct cc_piece *of;

	x->key = key_of_index(v, x->m.chunk - v->info.first_log);
	/* A task adds to the volume, and leaves its origins as they are. */
	memcpy(x->volume, cc_volume_state_origin(&v->store, x->key), sizeof(x->volume));
	x->nr_pieces = cc_pieces_of(&v->pieces, x->key, &of);
	if (x->nr_pieces)
		memcpy(x->pieces, of, x->nr_pieces * sizeof(*of));
	return x->nr_pieces;
}

static void map_hole(struct cc_volumes *all, const struct chunkcache_miss *m)
{
	struct chunkcache_map map = { .disk = m->disk, .chunk = m->chunk, .count = 1, .flags = CHUNKCACHE_MAP_HOLE };
	struct cc_refusals refused;

	cc_volume_channel(all, cc_channel_map(all->c.channel, &map, 1, &refused));
}

static bool is_under_way(const struct cc_volumes *all, const struct chunkcache_miss *m)
{
	cc_list_each(n, &all->misses) {
		const struct volume_miss *x = cc_list_entry(n, struct volume_miss, node);

		if (x->m.disk == m->disk && x->m.chunk == m->chunk && x->m.cookie == m->cookie)
			return true;
	}
	return false;
}

static void start_miss(struct cc_volume *v, const struct chunkcache_miss *m)
{
	struct cc_volumes *all = v->all;
	struct volume_miss *x = calloc(1, sizeof(*x));

	if (x) {
		x->size = (size_t)1 << cc_pooldev_geometry(all->c.pooldev)->slot_shift;
		x->buf = aligned_alloc(4096, x->size);
	}
	if (!x || !x->buf) {
		free(x);
		all->error = -ENOMEM;
		return;
	}
	x->all = all;
	x->m = *m;
	x->at = v->at;
	cc_list_add_tail(&all->misses, &x->node);
	all->nr_misses++;
	x->at->nr_misses++;
	if (describe_miss(v, x)) {
		x->job = (struct cc_job){ .run = run_miss, .done = miss_done };
		cc_worker_submit(x->at->misses, &x->job);
		return;
	}
	fail_miss(all, m, CHUNKCACHE_FAIL_OTHER);
	end_miss(x);
}

static struct cc_volume *volume_of_disk(struct cc_volumes *all, uint64_t disk)
{
	cc_list_each(n, &all->volumes) {
		struct cc_volume *v = cc_list_entry(n, struct cc_volume, node);

		if (v->info.id == disk)
			return v;
	}
	return NULL;
}

/* Until a volume runs, and while there are too many, the kernel keeps it: all are pulled again. */
void cc_volumes_take_miss(struct cc_volumes *all, const struct chunkcache_miss *m)
{
	struct cc_volume *v = volume_of_disk(all, m->disk);

	if (!v || v->life != CC_VOLUME_RUNNING || all->draining || m->flags & CHUNKCACHE_MISS_HINT ||
	    is_under_way(all, m))
		return;
	if (m->chunk < v->info.first_log) {
		/* Behind the base; one of the base comes here before the fill engine knows of that. */
		if (!v->base || m->chunk >= v->base->manifest.nr_chunks)
			map_hole(all, m);
		return;
	}
	v->at->full |= v->at->nr_misses >= MISSES_MAX;
	if (!v->at->full)
		start_miss(v, m);
}

bool cc_volumes_holds(const struct cc_volumes *all, uint32_t slot, uint32_t gen)
{
	cc_list_each(n, &all->misses) {
		const struct volume_miss *x = cc_list_entry(n, struct volume_miss, node);

		if (x->slot.gen == gen && x->slot.slot == slot)
			return true;
	}
	return false;
}

void cc_volume_misses_forget(struct cc_volumes *all)
{
	while (!cc_list_empty(&all->misses))
		end_miss(cc_list_entry(all->misses.next, struct volume_miss, node));
}
