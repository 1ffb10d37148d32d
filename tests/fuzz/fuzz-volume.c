// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole volume out of a hostile store: its log is read to the end and a map is made of it, from objects whose sums
 * are right, each built on the one before it.  Whatever came, blocks of the map are at places that pieces have, and
 * a refusal has a reason.
 *
 * Input: objects of the log, each behind four bytes of length; the highest bit of that: it is a root or a
 * page of a checkpoint's map.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "fuzz.h"
#include "manifest.h"
#include "store/store-impl.h"
#include "volume/checkpoint.h"
#include "volume/place.h"
#include "volume/volume-name.h"
#include "volume/volume-state.h"

#define OBJECTS_MAX	8
#define IS_MAP		(1u << 31)
#define SIZE_MAX_LOG	(1ULL << 32)	/* bytes of the volume, so that the map's memory is bounded here */

static const uint8_t volume[16] = { 1 }, pool[16] = { 2 };

static struct object {
	uint8_t *data;
	size_t size;
	char name[CC_OBJECT_NAME_MAX];
} objects[OBJECTS_MAX];
static size_t nr_objects;

/* ---- the store ---- */

static struct object *find_object(const char *name)
{
	for (size_t i = 0; i < nr_objects; i++)
		if (!strcmp(objects[i].name, name))
			return &objects[i];
	return NULL;
}

static enum cc_store_result get(struct cc_store *s, const char *name, size_t max, void **ret_data, size_t *ret_size,
				char *err, size_t errlen)
{
	struct object *o = find_object(name);

	snprintf(err, errlen, "%s: not there, or too big", name);
	if (!o)
		return CC_STORE_NOTFOUND;
	if (o->size > max)
		return CC_STORE_TOOBIG;
	*ret_data = fuzz_copy(o->data, o->size);
	*ret_size = o->size;
	return CC_STORE_OK;
}

static enum cc_store_result get_range(struct cc_store *s, const char *name, uint64_t offset, void *buf, size_t size,
				      size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen)
{
	struct object *o = find_object(name);

	snprintf(err, errlen, "%s: not there, or shorter", name);
	if (!o)
		return CC_STORE_NOTFOUND;
	if (offset > o->size)
		return CC_STORE_ERROR;
	*ret_got = size < o->size - offset ? size : o->size - offset;
	memcpy(buf, o->data + offset, *ret_got);
	*ret_total = o->size;
	return CC_STORE_OK;
}

static enum cc_store_result head(struct cc_store *s, const char *name, uint64_t *ret_size, char *err, size_t errlen)
{
	struct object *o = find_object(name);

	snprintf(err, errlen, "%s: not there", name);
	if (o)
		*ret_size = o->size;
	return o ? CC_STORE_OK : CC_STORE_NOTFOUND;
}

/* ---- objects ---- */

/* Named as what it says it is; a commit is made to follow the one before, with sums that are right. */
static void mend_commit(struct object *o, uint64_t number, const uint8_t before[CC_ID_SIZE])
{
	struct cc_commit_header *h = (void *)o->data;
	uint64_t offset = le64toh(h->data_offset);

	memcpy(h->magic, CC_COMMIT_MAGIC, sizeof(h->magic));
	memcpy(h->volume, volume, sizeof(volume));
	memcpy(h->before, before, CC_ID_SIZE);
	h->number = htole64(number);
	if (le64toh(h->size) > SIZE_MAX_LOG)
		h->size = htole64(SIZE_MAX_LOG);
	h->crc = 0;
	memset(h->digest, 0, sizeof(h->digest));
	if (offset < sizeof(*h) || offset > o->size)
		return;
	cc_sha256(o->data, offset, h->digest);
	h->crc = htole32(cc_crc32c(o->data, offset));
}

static void make_objects(struct fuzz_input *in)
{
	uint8_t before[CC_ID_SIZE] = { 0 }, sha256[CC_ID_SIZE];
	uint8_t map[CC_ID_SIZE] = { 0 };
	uint64_t number = 1;

	for (nr_objects = 0; in->left && nr_objects < OBJECTS_MAX; nr_objects++) {
		struct object *o = &objects[nr_objects];
		uint32_t word = fuzz_take_u32(in);
		struct cc_commit_header *h;

		o->size = (word & ~IS_MAP) % 65536;
		if (o->size > in->left)
			o->size = in->left;
		if (!(word & IS_MAP) && o->size < sizeof(*h))
			o->size = sizeof(*h);
		o->data = malloc(o->size);
		fuzz_take(in, o->data, o->size);
		if (word & IS_MAP) {
			cc_sha256(o->data, o->size, sha256);
			memcpy(map, sha256, sizeof(map));
			cc_map_name(volume, 2, sha256, o->name);
			continue;
		}
		h = (void *)o->data;
		if (le32toh(h->type) == CC_COMMIT_CHECKPOINT)
			memcpy(h->map, map, sizeof(map));
		mend_commit(o, number, before);
		memcpy(before, h->digest, sizeof(before));
		cc_commit_name(volume, number++, o->name);
	}
}

/* ---- checks ---- */

static int check_extent(void *arg, const struct cc_vmap_extent *e)
{
	struct cc_volume_state *s = arg;
	const struct cc_piece *of;

	fuzz_check(e->count && e->block + e->count <= cc_vmap_nr_blocks(s->map));
	if (cc_place_is_data(e->place))
		fuzz_check(cc_pieces_of(&s->pieces, e->place, &of) > 0 &&
			   cc_place_block(e->place) + e->count <= CC_PLACE_BLOCK_MASK + 1);
	return 0;
}

static void check_pieces(const struct cc_pieces *p)
{
	for (size_t i = 1; i < p->nr; i++)
		fuzz_check(cc_place_position(p->all[i - 1].place) + p->all[i - 1].count <=
			   cc_place_position(p->all[i].place));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cc_store_ops ops = { .get = get, .get_range = get_range, .head = head };
	struct fuzz_input in = { data, size };
	static struct cc_store_config config = { .name = (char *)"store" };
	struct cc_store store = { .config = &config, .ops = &ops };
	struct cc_volume_state s;
	char err[400] = "";
	int r;

	make_objects(&in);
	cc_volume_state_init(&s, &store, volume, pool, "host");
	r = cc_volume_log_read(&s.log, err, sizeof(err));
	if (r) {
		fuzz_check(r == -EBADMSG || r == -ENOENT || r == -EIO || r == -ENOMEM);
		fuzz_check_reason(err);
	} else {
		check_pieces(&s.pieces);
		fuzz_check(s.map && !cc_vmap_each(s.map, check_extent, &s));
	}
	cc_volume_state_free(&s);
	while (nr_objects)
		free(objects[--nr_objects].data);
	return 0;
}

/* ---- seeds ---- */

static uint8_t seed[1 << 16];
static size_t seed_size;

static void add(const void *object, size_t size, uint32_t flag)
{
	uint32_t word = (uint32_t)size | flag;

	memcpy(seed + seed_size, &word, sizeof(word));
	memcpy(seed + seed_size + sizeof(word), object, size);
	seed_size += sizeof(word) + size;
}

static void add_commit(struct cc_commit *c, const void *data, size_t data_size)
{
	size_t size;
	void *object;

	memcpy(c->volume, volume, sizeof(volume));
	c->chunk_shift = 20;
	c->size = 1 << 24;
	if (cc_commit_encode(c, data, data_size, &object, &size))
		abort();
	add(object, size, 0);
	free(object);
}

static void add_page(struct cc_map_page *p, const struct cc_commit *c, uint8_t sha256[CC_ID_SIZE])
{
	void *object;
	size_t size;

	p->chunk_shift = 20;
	p->number = c->number - 1;
	memcpy(p->volume, volume, sizeof(volume));
	if (cc_page_encode(p, &object, &size, sha256))
		abort();
	add(object, size, IS_MAP);
	free(object);
}

static void add_map(uint64_t upto, uint64_t place, struct cc_commit *c)
{
	struct cc_piece piece = { .place = place, .count = 2, .commit = 3, .offset = 1000, .sha256 = { 1 } };
	struct chunkcache_extent extents[] = {
		{ .block = 3, .place = place, .count = 2 }, { .block = 10, .place = place - 1, .count = 5 },
	};
	struct cc_map_page pieces_page = {
		.kind = CC_MAP_PIECES, .index = cc_pieces_page(place), .nr = 1, .pieces = &piece,
	};
	struct cc_map_page extents_page = { .kind = CC_MAP_EXTENTS, .nr = 2, .extents = extents };
	struct cc_ref refs[] = {
		{ .kind = CC_MAP_PIECES, .index = pieces_page.index, .term = 2 }, { .kind = CC_MAP_EXTENTS, .term = 2 },
	};
	struct cc_root root = {
		.volume = { 1 }, .chunk_shift = 20, .term = 2, .number = c->number - 1, .upto = upto, .size = 1 << 24,
		.refs = refs, .nr_refs = 2,
	};
	void *object;
	size_t size;

	add_page(&pieces_page, c, refs[0].sha256);
	add_page(&extents_page, c, refs[1].sha256);
	if (cc_root_encode(&root, &object, &size, c->map))
		abort();
	add(object, size, IS_MAP);
	free(object);
	c->map_number = c->number;
	c->map_term = c->term;
}

void fuzz_seeds(void)
{
	static const uint8_t data[2 * CC_BLOCK_SIZE];
	const uint64_t place = cc_place(cc_log_number(2, 0), 0), upto = cc_place_nth(place, 2) - 1;
	struct cc_piece piece = { .place = place, .count = 2, .offset = cc_commit_data_offset(1, 1), .sha256 = { 1 } };
	struct chunkcache_record record = { .type = CC_JOURNAL_WRITE, .count = 2, .block = 3, .place = place };
	struct cc_commit first = { .type = CC_COMMIT_OPEN, .term = 1, .number = 1, .nonce = 1 };
	struct cc_commit open = { .type = CC_COMMIT_OPEN, .term = 2, .number = 2, .before = { 1 }, .nonce = 2,
				  .owner = { 2 } };
	struct cc_commit commit = { .type = CC_COMMIT_DATA, .term = 2, .number = 3, .before = { 1 }, .owner = { 2 },
				    .upto = upto, .pieces = &piece, .nr_pieces = 1, .records = &record,
				    .nr_records = 1 };
	struct cc_commit checkpoint = { .type = CC_COMMIT_CHECKPOINT, .term = 2, .number = 4, .before = { 1 },
					.owner = { 2 }, .upto = upto };
	struct cc_commit close = { .type = CC_COMMIT_CLOSE, .term = 2, .number = 4, .before = { 1 }, .owner = { 2 },
				   .upto = upto };

	add_commit(&first, NULL, 0);
	add_commit(&open, NULL, 0);
	fuzz_seed("open", seed, seed_size);
	add_commit(&commit, data, sizeof(data));
	fuzz_seed("commit", seed, seed_size);
	add_map(upto, place, &checkpoint);
	add_commit(&checkpoint, NULL, 0);
	fuzz_seed("checkpoint", seed, seed_size);
	seed_size = 0;
	add_commit(&first, NULL, 0);
	add_commit(&open, NULL, 0);
	add_commit(&commit, data, sizeof(data));
	add_commit(&close, NULL, 0);
	fuzz_seed("close", seed, seed_size);
}
