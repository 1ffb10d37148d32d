// SPDX-License-Identifier: GPL-2.0-or-later
/* A fork as a new volume; see volume-rescue.h. */
#include "volume-rescue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "uuid.h"
#include "volume-name.h"

#define CUT_BYTES (64u << 20)		/* a commit of the new volume */

/* Blocks that are moved.  In the order of their old places, so that each log chunk is read once. */
struct moved {
	uint64_t place, block;
	uint64_t at;			/* in the new log, in blocks */
	uint32_t count;
};

struct copy {
	const struct cc_volume_rescue *r;
	struct cc_volume_state from, to;
	struct moved *moved;
	size_t nr_moved, room;
	uint32_t chunk_blocks;
	uint8_t uuid[16];
	uint8_t *chunk;			/* the log chunk that was read last, of the store */
	uint64_t chunk_key;
	struct chunkcache_record *records;
	size_t nr_records;
	uint64_t *cuts;
	size_t nr_cuts;
	char why[300];			/* of a read that failed */
};

/* ---- what there is ---- */

static int read_fork(struct copy *c, char *err, size_t errlen)
{
	const struct cc_volume_dirty *d = c->r->fork;
	int r = cc_volume_log_read(&c->from.log, err, errlen);

	if (!r && c->from.log.last.term != c->r->term) {
		snprintf(err, errlen, "the log has no term %u, in which this pool wrote", c->r->term);
		r = -EBADMSG;
	}
	for (size_t i = 0; !r && i < d->nr_records; i++) {
		r = cc_vmap_apply(c->from.map, &d->records[i]);
		if (r)
			snprintf(err, errlen, "what this pool wrote: %s", strerror(-r));
	}
	return r;
}

static int note_moved(void *arg, const struct cc_vmap_extent *e)
{
	struct copy *c = arg;

	for (uint64_t done = 0; done < e->count; ) {
		uint64_t left = e->count - done, room = c->room ? c->room * 2 : 1024;
		struct moved *all;

		if (c->nr_moved == c->room) {
			all = reallocarray(c->moved, room, sizeof(*all));
			if (!all)
				return -ENOMEM;
			c->moved = all;
			c->room = room;
		}
		c->moved[c->nr_moved] = (struct moved){
			.place = cc_place_nth(e->place, done), .block = e->block + done,
			.count = left < INT32_MAX ? left : INT32_MAX,
		};
		done += c->moved[c->nr_moved++].count;
	}
	return 0;
}

/* Zeros first: they take no room, and are below all data. */
static int by_old_place(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;
	bool x_data = cc_place_is_data(x->place), y_data = cc_place_is_data(y->place);

	if (x_data != y_data)
		return x_data - y_data;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* ---- its bytes ---- */

static int load_old_chunk(struct copy *c, uint64_t key)
{
	const struct cc_piece *of;
	size_t nr = cc_pieces_of(&c->from.pieces, key, &of);
	int r;

	if (c->chunk_key == key)
		return 0;
	c->chunk_key = 0;
	r = cc_pieces_read(c->r->store, cc_volume_state_origin(&c->from, key), of, nr, c->chunk,
			   (size_t)c->chunk_blocks << CC_BLOCK_SHIFT, c->why, sizeof(c->why));
	if (!r)
		c->chunk_key = key;
	return r;
}

/* How many of a run from place on, within one log chunk, are below what the store has, or all above. */
static uint32_t on_one_side(uint64_t place, uint32_t blocks, uint64_t upto)
{
	uint64_t below = cc_place_position(upto) - cc_place_position(place);

	return place < upto && below < blocks ? (uint32_t)below : blocks;
}

static int read_old(struct copy *c, uint64_t place, uint32_t blocks, uint8_t *buf)
{
	const struct cc_volume_dirty *d = c->r->fork;
	uint64_t key = cc_place_log_key(place);
	uint32_t block = cc_place_block(place);
	int r;

	if (place > c->from.log.last.upto)
		return d->read(d->arg, key, block, blocks, buf);
	r = load_old_chunk(c, key);
	if (!r)
		memcpy(buf, c->chunk + ((size_t)block << CC_BLOCK_SHIFT), (size_t)blocks << CC_BLOCK_SHIFT);
	return r;
}

/* The last one that begins at a position or before it. */
static const struct moved *moved_at(const struct copy *c, uint64_t at)
{
	size_t low = 0, high = c->nr_moved;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->moved[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return &c->moved[low - 1];
}

static int read_moved(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	struct copy *c = arg;
	uint64_t at = (uint64_t)cc_log_count(cc_place_number(key)) * c->chunk_blocks + block;
	int r = 0;

	while (!r && blocks) {
		const struct moved *m = moved_at(c, at);
		uint64_t done = at - m->at, place = cc_place_nth(m->place, done);
		uint32_t n = m->count - done < blocks ? m->count - done : blocks;

		n = on_one_side(place, n, c->from.log.last.upto);
		r = read_old(c, place, n, buf);
		buf = (uint8_t *)buf + ((size_t)n << CC_BLOCK_SHIFT);
		at += n;
		blocks -= n;
	}
	return r;
}

/* ---- the new log ---- */

static uint64_t new_place(const struct copy *c, uint64_t at)
{
	return cc_place(cc_log_number(c->to.log.own_term, at / c->chunk_blocks), at % c->chunk_blocks);
}

static void add_moved_record(struct copy *c, const struct moved *m, uint64_t done, uint32_t count)
{
	bool data = cc_place_is_data(m->place);

	c->records[c->nr_records++] = (struct chunkcache_record){
		.type = data ? CC_JOURNAL_WRITE : CC_JOURNAL_ZERO, .count = count, .block = m->block + done,
		.place = data ? new_place(c, m->at + done) : new_place(c, 0) & ~CC_PLACE_DATA,
	};
}

/* Cut where log chunks of the new one end. */
static void add_moved_records(struct copy *c, const struct moved *m)
{
	uint64_t done = 0;

	if (!cc_place_is_data(m->place)) {
		add_moved_record(c, m, 0, m->count);
		return;
	}
	while (done < m->count) {
		uint32_t room = c->chunk_blocks - (m->at + done) % c->chunk_blocks;
		uint32_t n = m->count - done < room ? m->count - done : room;

		add_moved_record(c, m, done, n);
		done += n;
	}
}

static int make_records(struct copy *c)
{
	uint64_t end = 0, step = CUT_BYTES >> CC_BLOCK_SHIFT;

	for (size_t i = 0; i < c->nr_moved; i++) {
		c->moved[i].at = end;
		end += cc_place_is_data(c->moved[i].place) ? c->moved[i].count : 0;
	}
	/* Zeros at the first place are below the last cut only if that is behind it. */
	end += !end;
	c->records = calloc(c->nr_moved + end / c->chunk_blocks + 1, sizeof(*c->records));
	c->cuts = calloc(end / step + 1, sizeof(*c->cuts));
	if (!c->records || !c->cuts)
		return -ENOMEM;
	for (size_t i = 0; i < c->nr_moved; i++)
		add_moved_records(c, &c->moved[i]);
	for (uint64_t at = step; at < end; at += step)
		c->cuts[c->nr_cuts++] = new_place(c, at) & ~CC_PLACE_DATA;
	c->cuts[c->nr_cuts++] = new_place(c, end) & ~CC_PLACE_DATA;
	return 0;
}

static int commit_moved(struct copy *c, char *err, size_t errlen)
{
	struct cc_volume_dirty d = {
		.records = c->records, .nr_records = c->nr_records, .cuts = c->cuts, .nr_cuts = c->nr_cuts,
		.read = read_moved, .arg = c, .uploads = c->r->fork->uploads,
	};
	struct cc_commit_counts counts = { 0 };
	uint64_t upto = 0;
	int r = 0;

	while (!r && upto < c->cuts[c->nr_cuts - 1]) {
		r = c->r->stop && c->r->stop(c->r->arg) ? -ECANCELED : 0;
		if (!r)
			r = cc_volume_commit(&c->to, &d, &counts, &upto, err, errlen);
	}
	if (r && *c->why)
		snprintf(err, errlen, "%s", c->why);
	return r;
}

/* ---- the new volume ---- */

static int open_new(struct copy *c, char *err, size_t errlen)
{
	struct cc_commit first = { .size = c->from.log.last.size, .chunk_shift = c->from.log.last.chunk_shift };
	int r;

	memcpy(first.base, c->from.log.last.base, sizeof(first.base));
	r = cc_uuid_random(c->uuid);
	if (r) {
		snprintf(err, errlen, "there are no random numbers");
		return r;
	}
	r = cc_volume_log_create(c->r->store, c->uuid, &first, err, errlen);
	if (r)
		return r;
	cc_volume_state_init(&c->to, c->r->store, c->uuid, c->r->self, c->r->host);
	r = cc_volume_log_read(&c->to.log, err, errlen);
	return r ? r : cc_volume_log_take(&c->to.log, err, errlen);
}

static int close_new(struct copy *c, char *err, size_t errlen)
{
	struct cc_commit close = { .type = CC_COMMIT_CLOSE };
	enum cc_store_result res;
	int r = cc_volume_state_checkpoint(&c->to, true, err, errlen);

	if (!r)
		r = cc_volume_log_append(&c->to.log, &close, NULL, 0, err, errlen);
	if (r)
		return r;
	res = cc_volume_put_name(c->r->store, c->r->as, c->uuid, err, errlen);
	return !res ? 0 : res == CC_STORE_EXISTS ? -EEXIST : -EIO;
}

static int check_new_name(const struct cc_volume_rescue *r, char *err, size_t errlen)
{
	uint8_t uuid[16];
	enum cc_store_result res = cc_volume_uuid(r->store, r->as, uuid, err, errlen);

	if (res == CC_STORE_NOTFOUND)
		return 0;
	if (!res || res == CC_STORE_CORRUPT)
		snprintf(err, errlen, "%s: there is a volume of that name", r->as);
	return !res || res == CC_STORE_CORRUPT ? -EEXIST : -EIO;
}

static int copy_all(struct copy *c, char *err, size_t errlen)
{
	int r = open_new(c, err, errlen);

	if (r)
		return r;
	snprintf(err, errlen, "out of memory");
	c->chunk_blocks = 1u << (c->from.log.last.chunk_shift - CC_BLOCK_SHIFT);
	c->chunk = aligned_alloc(4096, (size_t)c->chunk_blocks << CC_BLOCK_SHIFT);
	r = c->chunk ? cc_vmap_each(c->from.map, note_moved, c) : -ENOMEM;
	if (r)
		return r;
	if (c->nr_moved)
		qsort(c->moved, c->nr_moved, sizeof(*c->moved), by_old_place);
	r = make_records(c);
	if (!r)
		r = commit_moved(c, err, errlen);
	return r ? r : close_new(c, err, errlen);
}

int cc_volume_rescue_run(const struct cc_volume_rescue *r, char *err, size_t errlen)
{
	struct copy *c = calloc(1, sizeof(*c));
	int error;

	if (!c) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	c->r = r;
	cc_volume_state_init(&c->from, r->store, r->volume, r->self, r->host);
	c->from.log.parallel = r->parallel;
	c->from.log.last_term = r->term;
	error = check_new_name(r, err, errlen);
	if (!error)
		error = read_fork(c, err, errlen);
	if (!error)
		error = copy_all(c, err, errlen);
	cc_volume_state_free(&c->from);
	cc_volume_state_free(&c->to);
	free(c->moved);
	free(c->records);
	free(c->cuts);
	free(c->chunk);
	free(c);
	return error;
}
