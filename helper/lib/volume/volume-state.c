// SPDX-License-Identifier: GPL-2.0-or-later
/* What the store knows of a volume; see volume-state.h. */
#include "volume-state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "clock.h"
#include "manifest.h"
#include "place.h"
#include "verify.h"
#include "volume-name.h"

#define DROP_INTERVAL (10 * CC_SECOND)	/* a read is not under way for longer before its pieces are looked up */

/* ---- reading the log ---- */

static struct cc_checkpoint checkpoint_of(struct cc_volume_state *s)
{
	return (struct cc_checkpoint){
		.store = s->log.store, .parallel = s->log.parallel, .map = s->map, .pieces = &s->pieces,
	};
}

/* c is the CHECKPOINT with which the reading of the log begins. */
static int load_map(struct cc_volume_state *s, const struct cc_commit *c, char *err, size_t errlen)
{
	struct cc_checkpoint p = checkpoint_of(s);
	const struct cc_root *root = &s->root;
	int r = cc_checkpoint_get_root(s->log.store, s->log.volume, c->map_term, c->map, &s->root, err, errlen);

	if (r)
		return r;
	if (root->chunk_shift != c->chunk_shift || root->number >= c->number || root->upto != c->upto ||
	    root->size != c->size || memcmp(root->base, c->base, sizeof(root->base))) {
		snprintf(err, errlen, "number %" PRIu64 " of the log: its map is not that of what is before it", c->number);
		return -EBADMSG;
	}
	return cc_checkpoint_load(&p, root, err, errlen);
}

static int apply_commit(struct cc_volume_state *s, const struct cc_commit *c, char *err, size_t errlen)
{
	int r = c->type == CC_COMMIT_RESIZE ? cc_vmap_grow(s->map, c->size >> CC_BLOCK_SHIFT) : 0;

	if (!r && c->type == CC_COMMIT_OPEN)
		r = cc_pieces_begin_term(&s->pieces);
	for (uint32_t i = 0; !r && i < c->nr_pieces; i++)
		r = cc_pieces_add(&s->pieces, &c->pieces[i]);
	for (uint32_t i = 0; !r && i < c->nr_records; i++)
		r = cc_vmap_apply(s->map, &c->records[i]);
	s->since_checkpoint = c->type == CC_COMMIT_CHECKPOINT ? 0 : s->since_checkpoint + 1;
	if (!r)
		return 0;
	snprintf(err, errlen, "number %" PRIu64 " of the log: %s", c->number,
		 r == -EFBIG ? CC_VMAP_TOO_LARGE : strerror(-r));
	return r == -ENOMEM ? r : -EBADMSG;
}

/* Of the map's places.  Who can write to the store could have all be taken otherwise, by a record for each leaf. */
static uint64_t map_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
}

int cc_volume_state_open_map(struct cc_volume_state *s, uint64_t size, char *err, size_t errlen)
{
	int r = cc_vmap_open(size >> CC_BLOCK_SHIFT, &s->map);

	if (r)
		snprintf(err, errlen, "a volume of %" PRIu64 " bytes: %s", size, strerror(-r));
	else
		cc_vmap_limit(s->map, map_memory());
	return r;
}

static int take_object(void *arg, const struct cc_commit *c, char *err, size_t errlen)
{
	struct cc_volume_state *s = arg;
	int r;

	if (s->map)
		return apply_commit(s, c, err, errlen);
	r = cc_volume_state_open_map(s, c->size, err, errlen);
	if (r)
		return r;
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
	cc_root_free(&s->root);
	s->map = NULL;
}

/* ---- making a checkpoint ---- */

/* What is now, with the pages that the root before has, and its origins. */
static int begin_root(const struct cc_volume_state *s, struct cc_root *root)
{
	const struct cc_commit *last = &s->log.last;
	const struct cc_root *before = &s->root;

	*root = (struct cc_root){
		.chunk_shift = last->chunk_shift, .term = s->log.own_term, .number = last->number, .upto = last->upto,
		.size = last->size, .nr_origins = before->nr_origins, .origins = before->origins,
		.nr_refs = before->nr_refs, .refs = calloc(before->nr_refs + 1, sizeof(*root->refs)),
	};
	if (!root->refs)
		return -ENOMEM;
	memcpy(root->volume, s->log.volume, sizeof(root->volume));
	memcpy(root->base, last->base, sizeof(root->base));
	for (size_t i = 0; i < before->nr_refs; i++)
		root->refs[i] = before->refs[i];
	return 0;
}

/* Others may look at the origins, which stay what they are. */
static void take_refs_of(struct cc_volume_state *s, const struct cc_root *root)
{
	free(s->root.refs);
	s->root.refs = root->refs;
	s->root.nr_refs = root->nr_refs;
}

/* Not more often than reads take, however often somebody wants a snapshot: see pieces.h. */
static int drop_dead(struct cc_volume_state *s, bool last)
{
	uint64_t now_ns = cc_now_ns();

	if (!last && s->drop_ns && now_ns < s->drop_ns + DROP_INTERVAL)
		return 0;
	s->drop_ns = now_ns;
	return cc_pieces_drop_dead(&s->pieces, s->map, last ? 0 : s->log.own_term);
}

int cc_volume_state_checkpoint(struct cc_volume_state *s, bool last, char *err, size_t errlen)
{
	struct cc_commit c = { .type = CC_COMMIT_CHECKPOINT };
	struct cc_checkpoint p = checkpoint_of(s);
	struct cc_root root;
	int r;

	snprintf(err, errlen, "out of memory");
	r = drop_dead(s, last);
	if (r)
		return r;
	r = begin_root(s, &root);
	if (!r)
		r = cc_checkpoint_put(&p, &root, c.map, err, errlen);
	s->map_bytes = p.bytes;
	if (!r)
		r = cc_volume_log_append(&s->log, &c, NULL, 0, err, errlen);
	if (r) {
		free(root.refs);
		return r;
	}
	take_refs_of(s, &root);
	cc_vmap_saved(s->map);
	cc_pieces_saved(&s->pieces);
	return 0;
}

const uint8_t *cc_volume_state_origin(const struct cc_volume_state *s, uint64_t place)
{
	return s->root.nr_origins ? cc_root_volume(&s->root, cc_log_term(cc_place_number(place))) : s->log.volume;
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
