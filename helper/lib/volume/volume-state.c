// SPDX-License-Identifier: GPL-2.0-or-later
/* What the store knows of a volume; see volume-state.h. */
#include "volume-state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "manifest.h"
#include "place.h"
#include "verify.h"
#include "volume-name.h"

/* ---- reading the log ---- */

static int add_extent(struct cc_vmap *map, const struct chunkcache_extent *e)
{
	struct chunkcache_record r = {
		.type = cc_place_is_data(e->place) ? CC_JOURNAL_WRITE : CC_JOURNAL_ZERO,
		.count = e->count, .block = e->block, .place = e->place,
	};

	return cc_vmap_apply(map, &r);
}

static int take_checkpoint(struct cc_volume_state *s, struct cc_checkpoint *p)
{
	for (size_t i = 0; i < p->nr_extents; i++) {
		int r = add_extent(s->map, &p->extents[i]);

		if (r)
			return r;
	}
	s->pieces = p->pieces;
	p->pieces = (struct cc_pieces){ 0 };
	return 0;
}

/* c is the CHECKPOINT with which the reading of the log begins. */
static int load_map(struct cc_volume_state *s, const struct cc_commit *c, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], reason[160] = "out of memory";
	struct cc_checkpoint p = { 0 };
	enum cc_store_result res;
	void *object;
	size_t size;
	int r;

	cc_map_name(s->log.volume, c->map_term, c->map, name);
	res = cc_store_get(s->log.store, name, CC_MAP_SIZE_MAX, &object, &size, err, errlen);
	if (res)
		return res == CC_STORE_NOTFOUND || res == CC_STORE_TOOBIG ? -EBADMSG : -EIO;
	r = cc_checkpoint_decode(object, size, c->map, c->size >> CC_BLOCK_SHIFT, c->term, &p, reason, sizeof(reason));
	free(object);
	s->map_bytes = size;
	if (!r && (memcmp(p.volume, c->volume, sizeof(p.volume)) || p.chunk_shift != c->chunk_shift ||
		   p.number >= c->number || p.upto != c->upto)) {
		snprintf(reason, sizeof(reason), "is not the map of number %" PRIu64 " of the log", c->number);
		r = -EINVAL;
	}
	if (!r)
		r = take_checkpoint(s, &p);
	cc_checkpoint_free(&p);
	if (r)
		snprintf(err, errlen, "%s: %s", name, r == -ERANGE ? "an extent is out of range" : reason);
	return r && r != -ENOMEM ? -EBADMSG : r;
}

static int apply_commit(struct cc_volume_state *s, const struct cc_commit *c, char *err, size_t errlen)
{
	int r = c->type == CC_COMMIT_RESIZE ? cc_vmap_grow(s->map, c->size >> CC_BLOCK_SHIFT) : 0;

	if (c->type == CC_COMMIT_OPEN)
		cc_pieces_begin_term(&s->pieces);
	for (uint32_t i = 0; !r && i < c->nr_pieces; i++)
		r = cc_pieces_add(&s->pieces, &c->pieces[i]);
	for (uint32_t i = 0; !r && i < c->nr_records; i++)
		r = cc_vmap_apply(s->map, &c->records[i]);
	s->since_checkpoint = c->type == CC_COMMIT_CHECKPOINT ? 0 : s->since_checkpoint + 1;
	if (!r)
		return 0;
	snprintf(err, errlen, "number %" PRIu64 " of the log: %s", c->number, strerror(-r));
	return r == -ENOMEM ? r : -EBADMSG;
}

static int take_object(void *arg, const struct cc_commit *c, char *err, size_t errlen)
{
	struct cc_volume_state *s = arg;
	int r;

	if (s->map)
		return apply_commit(s, c, err, errlen);
	r = cc_vmap_open(c->size >> CC_BLOCK_SHIFT, &s->map);
	if (r) {
		snprintf(err, errlen, "a volume of %" PRIu64 " bytes: %s", c->size, strerror(-r));
		return r;
	}
	return c->type == CC_COMMIT_CHECKPOINT ? load_map(s, c, err, errlen) : 0;
}

void cc_volume_state_init(struct cc_volume_state *s, struct cc_store *store, const uint8_t volume[16],
			  const uint8_t self[16], const char *host)
{
	*s = (struct cc_volume_state){ 0 };
	cc_volume_log_init(&s->log, store, volume, self, host, take_object, s);
}

void cc_volume_state_free(struct cc_volume_state *s)
{
	cc_vmap_close(s->map);
	cc_pieces_free(&s->pieces);
	s->map = NULL;
}

/* ---- making a checkpoint ---- */

struct extents {
	struct chunkcache_extent *all;
	size_t nr, room;
};

static int collect_extent(void *arg, const struct cc_vmap_extent *e)
{
	struct extents *x = arg;
	uint64_t done = 0;

	while (done < e->count) {
		uint32_t count = e->count - done < UINT32_MAX ? e->count - done : UINT32_MAX;

		if (x->nr == x->room) {
			size_t room = x->room ? x->room * 2 : 256;
			struct chunkcache_extent *all = reallocarray(x->all, room, sizeof(*all));

			if (!all)
				return -ENOMEM;
			x->all = all;
			x->room = room;
		}
		x->all[x->nr++] = (struct chunkcache_extent){
			.block = e->block + done, .place = cc_place_nth(e->place, done), .count = count,
		};
		done += count;
	}
	return 0;
}

static int put_map(struct cc_volume_state *s, const struct extents *x, uint8_t ret_sha256[CC_ID_SIZE], char *err,
		   size_t errlen)
{
	struct cc_checkpoint p = {
		.chunk_shift = s->log.last.chunk_shift, .number = s->log.last.number, .upto = s->log.last.upto,
		.pieces = s->pieces, .extents = x->all, .nr_extents = x->nr,
	};
	char name[CC_OBJECT_NAME_MAX];
	enum cc_store_result res;
	void *object;
	size_t size;
	int r;

	memcpy(p.volume, s->log.volume, sizeof(p.volume));
	r = cc_checkpoint_encode(&p, &object, &size, ret_sha256);
	if (r)
		return r;
	cc_map_name(s->log.volume, s->log.own_term, ret_sha256, name);
	res = cc_store_put(s->log.store, name, object, size, err, errlen);
	free(object);
	s->map_bytes = size;
	return res ? -EIO : 0;
}

int cc_volume_state_checkpoint(struct cc_volume_state *s, bool last, char *err, size_t errlen)
{
	struct cc_commit c = { .type = CC_COMMIT_CHECKPOINT };
	struct extents x = { 0 };
	int r;

	snprintf(err, errlen, "out of memory");
	r = cc_pieces_drop_dead(&s->pieces, s->map, last ? 0 : s->log.own_term);
	if (!r)
		r = cc_vmap_each(s->map, collect_extent, &x);
	if (!r)
		r = put_map(s, &x, c.map, err, errlen);
	free(x.all);
	return r ? r : cc_volume_log_append(&s->log, &c, NULL, 0, err, errlen);
}

/* ---- bytes ---- */

static int read_piece(struct cc_store *store, const uint8_t volume[16], const struct cc_piece *p, void *buf, char *err,
		      size_t errlen)
{
	size_t size = (size_t)p->count << CC_BLOCK_SHIFT, got = 0;
	char name[CC_OBJECT_NAME_MAX], reason[160];
	enum cc_store_result res;
	uint64_t total;

	if (p->pack_term)
		cc_pack_name(volume, p->pack_term, p->pack, name);
	else
		cc_commit_name(volume, p->commit, name);
	res = cc_store_get_range(store, name, p->offset, buf, size, &got, &total, err, errlen);
	if (res)
		return res == CC_STORE_NOTFOUND ? -EBADMSG : -EIO;
	if (got == size && !cc_verify(buf, size, p->sha256, reason, sizeof(reason)))
		return 0;
	snprintf(err, errlen, "%s: %s at %" PRIu64, name,
		 got == size ? "other bytes than it should have" : "ends too soon", p->offset);
	return -EBADMSG;
}

int cc_pieces_read(struct cc_store *store, const uint8_t volume[16], const struct cc_piece *pieces, size_t nr,
		   void *buf, size_t size, char *err, size_t errlen)
{
	uint8_t *to = buf;
	int r = 0;

	memset(buf, 0, size);
	for (size_t i = 0; !r && i < nr; i++) {
		size_t at = (size_t)cc_place_block(pieces[i].place) << CC_BLOCK_SHIFT;

		if (at + ((size_t)pieces[i].count << CC_BLOCK_SHIFT) > size) {
			snprintf(err, errlen, "a piece is beyond its log chunk");
			return -EBADMSG;
		}
		if (!pieces[i].count) {
			snprintf(err, errlen, "nothing of the log chunk is in the store any more");
			return -EBADMSG;
		}
		r = read_piece(store, volume, &pieces[i], to + at, err, errlen);
	}
	return r;
}
