// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log of a volume: objects of hostile stores, ownership, lost answers, zombies; and two owners at random, who
 * die at any request, against the rules of Documentation/design.rst.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "manifest.h"
#include "lying-store.h"
#include "store/store-proof.h"
#include "tap.h"
#include "volume/volume-log.h"
#include "volume/volume-name.h"
#include "volume/volume-trim.h"

#define CHUNK_SHIFT	16
#define CHUNK_BLOCKS	(1u << (CHUNK_SHIFT - CC_BLOCK_SHIFT))
#define VOLUME_BLOCKS	4096

static char err[400];
static const uint8_t vol[16] = { 0x11, 0x22, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const uint8_t pool_a[16] = { 'A' }, pool_b[16] = { 'B' };

static uint64_t place_of(uint32_t term, uint32_t count, uint32_t block)
{
	return CC_PLACE_GUEST | ((uint64_t)term << CC_LOG_COUNT_BITS | count) << CC_PLACE_LOG_SHIFT |
	       (uint64_t)block << CC_PLACE_BLOCK_SHIFT;
}

/* ---- the store ---- */

struct lie_object *lie_find(struct lying_store *s, const char *name)
{
	struct lie_object *o = s->objects;

	while (o && (!o->landed || strcmp(o->name, name)))
		o = o->next;
	return o;
}

static struct lie_object *add_object(struct lying_store *s, const char *name, const void *data, size_t size)
{
	struct lie_object *o = calloc(1, sizeof(*o));

	snprintf(o->name, sizeof(o->name), "%s", name);
	o->data = malloc(size + 1);
	memcpy(o->data, data, size);
	o->size = size;
	o->next = s->objects;
	s->objects = o;
	return o;
}

static void let_land(struct lying_store *s, struct lie_object *o)
{
	if (!s->ignores_condition && lie_find(s, o->name))
		return;
	o->landed = true;
	if (s->landed)
		s->landed(s->arg, o);
}

void lie_plant(struct lying_store *s, const char *name, const void *data, size_t size)
{
	add_object(s, name, data, size)->landed = true;
}

bool lie_land_one(struct lying_store *s, unsigned int which)
{
	struct lie_object *o, **late[64];
	unsigned int nr = 0;

	for (struct lie_object **p = &s->objects; *p && nr < 64; p = &(*p)->next)
		if (!(*p)->landed && !(*p)->gone)
			late[nr++] = p;
	if (!nr)
		return false;
	o = *late[which % nr];
	*late[which % nr] = o->next;
	if (!lie_find(s, o->name)) {
		o->next = s->objects;
		s->objects = o;
		let_land(s, o);
	} else {
		free(o->data);
		free(o);
	}
	return true;
}

static void others(struct lying_store *s)
{
	if (s->meanwhile)
		s->meanwhile(s->arg);
}

static enum cc_store_result lie_create(struct cc_store *store, const char *name, const void *data, size_t size,
				       char *e, size_t errlen)
{
	struct lying_store *s = (struct lying_store *)store;
	enum lie lie = s->next;

	s->next = LIE_NONE;
	others(s);
	s->creates++;
	snprintf(e, errlen, "the store is away");
	if (lie == LIE_NEVER)
		return CC_STORE_ERROR;
	if (lie == LIE_LATE) {
		add_object(s, name, data, size);
		return CC_STORE_TIMEOUT;
	}
	if (!s->ignores_condition && lie_find(s, name))
		return lie == LIE_LOST ? CC_STORE_ERROR : CC_STORE_EXISTS;
	let_land(s, add_object(s, name, data, size));
	return lie == LIE_LOST ? CC_STORE_ERROR : lie == LIE_TWICE ? CC_STORE_EXISTS : CC_STORE_OK;
}

static enum cc_store_result lie_head(struct cc_store *store, const char *name, uint64_t *ret_size, char *e,
				     size_t errlen)
{
	struct lying_store *s = (struct lying_store *)store;
	struct lie_object *o;

	others(s);
	s->heads++;
	o = lie_find(s, name);
	if (!o)
		return CC_STORE_NOTFOUND;
	*ret_size = o->size;
	return CC_STORE_OK;
}

static enum cc_store_result lie_get_range(struct cc_store *store, const char *name, uint64_t offset, void *buf,
					  size_t size, size_t *ret_got, uint64_t *ret_total, char *e, size_t errlen)
{
	struct lying_store *s = (struct lying_store *)store;
	struct lie_object *o;

	others(s);
	s->gets++;
	o = lie_find(s, name);
	if (!o)
		return CC_STORE_NOTFOUND;
	*ret_total = o->size;
	*ret_got = o->size - offset < size ? o->size - offset : size;
	memcpy(buf, (uint8_t *)o->data + offset, *ret_got);
	return CC_STORE_OK;
}

static enum cc_store_result lie_get(struct cc_store *store, const char *name, size_t max, void **ret_data,
				    size_t *ret_size, char *e, size_t errlen)
{
	struct lie_object *o = lie_find((struct lying_store *)store, name);

	if (!o)
		return CC_STORE_NOTFOUND;
	*ret_data = malloc(o->size + 1);
	memcpy(*ret_data, o->data, o->size);
	*ret_size = o->size;
	return CC_STORE_OK;
}

static enum cc_store_result lie_remove(struct cc_store *store, const char *name, char *e, size_t errlen)
{
	struct lying_store *s = (struct lying_store *)store;
	struct lie_object *o;

	others(s);
	while ((o = lie_find(s, name))) {
		o->landed = false;
		o->gone = true;
	}
	return CC_STORE_OK;
}

static const struct cc_store_ops lie_ops = {
	.create = lie_create, .get = lie_get, .remove = lie_remove, .head = lie_head, .get_range = lie_get_range,
};

void lie_init(struct lying_store *s)
{
	*s = (struct lying_store){ 0 };
	cc_store_init(&s->base, &s->config, CC_STORE_KIND_FILE, &lie_ops);
}

void lie_free(struct lying_store *s)
{
	while (s->objects) {
		struct lie_object *o = s->objects;

		s->objects = o->next;
		free(o->data);
		free(o);
	}
}

/* ---- objects ---- */

/* A commit of two pieces in it, and three records. */
static void *make_commit(struct cc_commit *c, size_t *ret_size)
{
	static struct cc_piece pieces[2];
	static struct chunkcache_record records[3];
	static uint8_t data[4 * CC_BLOCK_SIZE];
	uint64_t at = cc_commit_data_offset(2, 3);
	void *object = NULL;

	pieces[0] = (struct cc_piece){ .place = place_of(2, 0, 0) | CC_PLACE_DATA, .count = 3, .offset = at };
	pieces[1] = (struct cc_piece){ .place = place_of(2, 1, 4) | CC_PLACE_DATA, .count = 1,
				       .offset = at + 3 * CC_BLOCK_SIZE };
	records[0] = (struct chunkcache_record){ .type = CC_JOURNAL_WRITE, .count = 2, .block = 7,
						 .place = place_of(2, 0, 1) | CC_PLACE_DATA };
	records[1] = (struct chunkcache_record){ .type = CC_JOURNAL_ZERO, .count = 100, .block = 0,
						 .place = place_of(2, 1, 0) };
	records[2] = (struct chunkcache_record){ .type = CC_JOURNAL_WRITE, .count = 1, .block = 7,
						 .place = place_of(2, 1, 4) | CC_PLACE_DATA };
	*c = (struct cc_commit){
		.type = CC_COMMIT_DATA, .term = 2, .chunk_shift = CHUNK_SHIFT, .number = 3,
		.size = VOLUME_BLOCKS * CC_BLOCK_SIZE, .upto = place_of(2, 1, 5), .before = { 1 }, .owner = { 'A' },
		.host = "host-a", .pieces = pieces, .nr_pieces = 2, .records = records, .nr_records = 3,
	};
	memcpy(c->volume, vol, sizeof(vol));
	if (cc_commit_encode(c, data, sizeof(data), &object, ret_size))
		abort();
	return object;
}

static void test_round(void)
{
	struct cc_commit c, d;
	size_t size;
	void *object = make_commit(&c, &size);
	int r = cc_commit_decode(object, size, size, &d, err, sizeof(err));

	ok(!r && d.number == 3 && d.nr_pieces == 2 && d.nr_records == 3 && d.upto == c.upto &&
	   !memcmp(d.digest, c.digest, sizeof(d.digest)) && !strcmp(d.host, "host-a") && d.pieces[1].commit == 3 &&
	   d.pieces[1].offset == c.pieces[1].offset && d.records[1].count == 100, "a commit is read as it was made: %s", err);
	if (!r)
		cc_commit_free(&d);
	r = cc_commit_decode(object, cc_commit_head_size(object, 4096), size, &d, err, sizeof(err));
	ok(!r, "its head is enough");
	if (!r)
		cc_commit_free(&d);
	free(object);
}

/* Sums made right again, as one would who can write to the store. */
static void fix_sums(uint8_t *object)
{
	struct cc_commit_header *h = (void *)object;
	size_t head = cc_commit_data_offset(2, 3);

	h->crc = 0;
	memset(h->digest, 0, sizeof(h->digest));
	cc_sha256(object, head, h->digest);
	h->crc = cc_crc32c(object, head);
}

#define FIELD(f) offsetof(struct cc_commit_header, f), sizeof(((struct cc_commit_header *)0)->f)
#define PIECE(i, f) sizeof(struct cc_commit_header) + i * sizeof(struct cc_commit_piece) + \
	offsetof(struct cc_commit_piece, f), sizeof(((struct cc_commit_piece *)0)->f)
#define RECORD(i, f) sizeof(struct cc_commit_header) + 2 * sizeof(struct cc_commit_piece) + \
	i * sizeof(struct cc_commit_record) + offsetof(struct cc_commit_record, f), \
	sizeof(((struct cc_commit_record *)0)->f)

static const struct hostile {
	const char *what;
	size_t offset, size;
	uint64_t value;
	const char *says;
} hostile[] = {
	{ "version", FIELD(version), 2, "version" },
	{ "type 0", FIELD(type), 0, "type" },
	{ "type 6", FIELD(type), 6, "type" },
	{ "term 0", FIELD(term), 0, "term" },
	{ "a term too high", FIELD(term), 1 << 18, "term" },
	{ "number 0", FIELD(number), 0, "number" },
	{ "number 1", FIELD(number), 1, "before" },
	{ "size 0", FIELD(size), 0, "size" },
	{ "size", FIELD(size), 4097, "size" },
	{ "a size below its records", FIELD(size), 8 * 4096, "block and count" },
	{ "chunk_shift 15", FIELD(chunk_shift), 15, "chunk_shift" },
	{ "chunk_shift 64", FIELD(chunk_shift), 64, "chunk_shift" },
	{ "cut with DATA", FIELD(cut), CC_PLACE_GUEST | 1, "cut" },
	{ "cut below its pieces", FIELD(cut), CC_PLACE_GUEST | 1ULL << 46, "cut" },
	{ "cut of the cleaner", FIELD(cut), 8, "cut" },
	{ "more pieces", FIELD(nr_pieces), 3, "data_offset" },
	{ "2^32 - 1 pieces", FIELD(nr_pieces), UINT32_MAX, "data_offset" },
	{ "fewer records", FIELD(nr_records), 2, "data_offset" },
	{ "data_offset", FIELD(data_offset), 8, "data_offset" },
	{ "data_offset behind the end", FIELD(data_offset), 1 << 20, "data_offset" },
	{ "data_offset 2^63", FIELD(data_offset), 1ULL << 63, "data_offset" },
	{ "a nonce", FIELD(nonce), 1, "nonce" },
	{ "reserved", FIELD(reserved2), 1, "reserved" },
	{ "host", FIELD(host[0]), 7, "host" },
	{ "host without end", FIELD(host[63]), 'x', "host" },
	{ "map", FIELD(map_number), 1, "map" },
	{ "map_term", FIELD(map_term), 1, "map" },
	{ "a piece without DATA", PIECE(0, place), CC_PLACE_GUEST, "place of a piece" },
	{ "pieces on each other", PIECE(1, place), CC_PLACE_GUEST | 2ULL << 45 | 2 << 1 | 1, "order" },
	{ "more bytes than there are", PIECE(0, count), 16, "offset" },
	{ "an empty piece", PIECE(0, count), 0, "count" },
	{ "a piece of 2^32 - 1 blocks", PIECE(1, count), UINT32_MAX, "count" },
	{ "a piece beyond its log chunk", PIECE(1, count), 13, "count" },
	{ "a piece behind the object", PIECE(1, offset), 1 << 20, "offset" },
	{ "a piece at 2^64 - 1", PIECE(1, offset), UINT64_MAX, "offset" },
	{ "a piece in the head", PIECE(1, offset), 0, "offset" },
	{ "a pack of a later term", PIECE(1, pack_term), 3, "pack_term" },
	{ "a pack without a name", PIECE(1, pack_term), 2, "pack of" },
	{ "a pack's name without a pack", PIECE(1, pack[9]), 1, "pack of" },
	{ "a record's type", RECORD(0, type), CC_JOURNAL_CUT, "type of a record" },
	{ "a record's reserved", RECORD(0, reserved), 1, "reserved" },
	{ "a record of nothing", RECORD(0, count), 0, "count" },
	{ "a record behind the end", RECORD(0, block), VOLUME_BLOCKS - 1, "block" },
	{ "a record at 2^64 - 1", RECORD(0, block), UINT64_MAX, "block" },
	{ "a record beyond its piece", RECORD(0, count), 3, "place of a record" },
	{ "a record without bytes", RECORD(2, place), 0, "order" },
	{ "a record with arg", RECORD(2, arg), 1, "arg" },
	{ "zeros of the cleaner", RECORD(1, place), 0, "order" },
};

static bool is_refused(const struct hostile *t)
{
	struct cc_commit c, d;
	size_t size;
	uint8_t *object = make_commit(&c, &size);
	int r;

	memcpy(object + t->offset, &t->value, t->size);
	fix_sums(object);
	*err = 0;
	r = cc_commit_decode(object, size, size, &d, err, sizeof(err));
	if (!r)
		cc_commit_free(&d);
	free(object);
	return r == -EINVAL && strstr(err, t->says);
}

/* At the last places that there are the place behind a run is no number of 64 bits. */
static void test_last_places(void)
{
	const uint64_t last = place_of(CC_LOG_TERM_MAX, UINT32_MAX, 4080) | CC_PLACE_DATA;
	struct cc_commit c, d;
	size_t size;
	void *object;
	int r;

	free(make_commit(&c, &size));
	c.term = CC_LOG_TERM_MAX;
	c.chunk_shift = CC_CHUNK_SHIFT_MAX;
	c.upto = UINT64_MAX - 1;
	c.nr_records = 1;
	c.pieces[0].place = last;
	c.pieces[0].count = 2;
	c.pieces[0].pack_term = c.pieces[1].pack_term = 1;
	c.pieces[0].pack[0] = c.pieces[1].pack[0] = 1;
	c.pieces[0].offset = c.pieces[1].offset = 0;
	c.pieces[1].place = last + 4;
	c.pieces[1].count = 11;
	c.records[0] = (struct chunkcache_record){ .type = CC_JOURNAL_WRITE, .count = 30, .place = last + 4 };
	if (cc_commit_encode(&c, NULL, 0, &object, &size))
		abort();
	r = cc_commit_decode(object, size, size, &d, err, sizeof(err));
	ok(r == -EINVAL && strstr(err, "place of a record"), "a record behind the last place: %s", err);
	free(object);
	c.nr_records = 0;
	c.pieces[0].place = last + 4;
	c.pieces[0].count = 14;
	c.pieces[1].place = last;
	c.pieces[1].count = 1;
	if (cc_commit_encode(&c, NULL, 0, &object, &size))
		abort();
	r = cc_commit_decode(object, size, size, &d, err, sizeof(err));
	ok(r == -EINVAL && strstr(err, "cut"), "a piece that no cut can be above: %s", err);
	free(object);
}

static void test_hostile(void)
{
	struct cc_commit c, d;
	size_t size, bad = 0;
	uint8_t *object;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		ok(is_refused(&hostile[i]), "refused: %s: %s", hostile[i].what, err);
	object = make_commit(&c, &size);
	for (size_t i = 0; i < cc_commit_head_size(object, size); i++) {
		object[i] ^= 0x10;
		if (!cc_commit_decode(object, size, size, &d, err, sizeof(err))) {
			cc_commit_free(&d);
			bad++;
		}
		object[i] ^= 0x10;
	}
	ok(!bad, "each changed byte of the head is noticed, %zu were not", bad);
	for (size_t have = 0; have < cc_commit_head_size(object, size); have++) {
		uint8_t *copy = malloc(have + 1);	/* so that the sanitizer sees a byte too far */

		memcpy(copy, object, have);
		if (!cc_commit_decode(copy, have, have, &d, err, sizeof(err)))
			bad++;
		free(copy);
	}
	ok(!bad, "each shorter object is refused");
	free(object);
}

/* ---- the log, step by step ---- */

static int count_object(void *arg, const struct cc_commit *c, char *e, size_t errlen)
{
	++*(unsigned int *)arg;
	return 0;
}

static void make_volume(struct lying_store *s)
{
	struct cc_commit c = { .size = VOLUME_BLOCKS * CC_BLOCK_SIZE, .chunk_shift = CHUNK_SHIFT };

	lie_init(s);
	if (cc_volume_log_create(&s->base, vol, &c, err, sizeof(err)))
		abort();
}

static void init_log(struct cc_volume_log *l, struct lying_store *s, const uint8_t self[16], unsigned int *seen)
{
	cc_volume_log_init(l, &s->base, vol, self, self == pool_a ? "host-a" : "host-b", count_object, seen);
}

/* One more piece of the log chunk (term, n). */
static int append_data(struct cc_volume_log *l, uint32_t n)
{
	static uint8_t data[CC_BLOCK_SIZE];
	struct cc_piece p = { .place = place_of(l->own_term, n, 0) | CC_PLACE_DATA, .count = 1,
			      .offset = cc_commit_data_offset(1, 1) };
	struct chunkcache_record r = { .type = CC_JOURNAL_WRITE, .count = 1, .block = n, .place = p.place };
	struct cc_commit c = { .type = CC_COMMIT_DATA, .upto = place_of(l->own_term, n + 1, 0), .pieces = &p,
			       .nr_pieces = 1, .records = &r, .nr_records = 1 };

	memset(data, n, sizeof(data));
	return cc_volume_log_append(l, &c, data, sizeof(data), err, sizeof(err));
}

static int open_log(struct cc_volume_log *l)
{
	int r;

	do {
		r = cc_volume_log_read(l, err, sizeof(err));
		if (!r)
			r = cc_volume_log_take(l, err, sizeof(err));
	} while (r == -EAGAIN);
	return r;
}

static void test_append(void)
{
	struct cc_volume_log a, b;
	struct lying_store s;
	unsigned int seen_a = 0, seen_b = 0;
	int bad = 0;

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen_a);
	ok(!cc_volume_log_read(&a, err, sizeof(err)) && cc_volume_log_closed(&a) && !cc_volume_log_foreign(&a),
	   "a new volume is nobody's");
	ok(append_data(&a, 0) == -ESTALE, "nothing is appended by who has not opened it: %s", err);
	ok(!open_log(&a) && a.own_term == 2 && a.next == 3 && a.run_term == 2, "opened");
	for (int i = 0; i < 40; i++)
		bad += append_data(&a, i) != 0;
	ok(!bad && a.next == 43 && seen_a == 42, "40 commits");
	init_log(&b, &s, pool_b, &seen_b);
	s.heads = s.gets = 0;
	ok(!cc_volume_log_read(&b, err, sizeof(err)) && seen_b == 42 && b.next == 43 && cc_volume_log_foreign(&b) &&
	   !strcmp(b.last.host, "host-a") && s.heads < 16, "somebody else sees all of it, and whose it is");
	ok(!cc_volume_log_probe(&a, err, sizeof(err)), "the owner is told that it is its own");
	ok(!cc_volume_log_take(&b, err, sizeof(err)) && b.own_term == 3, "and takes it over");
	ok(cc_volume_log_probe(&a, err, sizeof(err)) == -ESTALE && strstr(err, "host-b"), "the first is told: %s", err);
	ok(append_data(&a, 40) == -ESTALE && append_data(&a, 40) == -ESTALE, "and appends no more");
	ok(!append_data(&b, 0), "the second does");
	lie_free(&s);
}

static void test_lost_answers(void)
{
	struct cc_volume_log a, b;
	struct lying_store s;
	unsigned int seen = 0, seen_b = 0;

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	s.next = LIE_TWICE;
	ok(!open_log(&a) && a.own_term == 2 && a.next == 3, "OPEN: 412 for one's own");
	s.next = LIE_TWICE;
	ok(!append_data(&a, 0) && a.next == 4, "commit: 412 for one's own");
	s.next = LIE_LOST;
	ok(append_data(&a, 1) == -EIO && a.next == 4, "an answer lost is not taken for a yes: %s", err);
	ok(append_data(&a, 2) == -EAGAIN && a.next == 5 && a.last.upto == place_of(2, 2, 0),
	   "what was made then is found, and counts: %s", err);
	s.next = LIE_LATE;
	ok(append_data(&a, 2) == -EIO, "an answer that never comes");
	ok(!append_data(&a, 2) && a.next == 6, "made again");
	lie_land_one(&s, 0);
	ok(!append_data(&a, 3) && a.next == 7, "the late one changes nothing");
	/* The helper dies with a commit under way; the next one has more to commit. */
	s.next = LIE_LATE;
	append_data(&a, 4);
	init_log(&b, &s, pool_a, &seen_b);
	ok(!cc_volume_log_read(&b, err, sizeof(err)) && !cc_volume_log_resume(&b, 2, err, sizeof(err)), "a new helper resumes");
	lie_land_one(&s, 0);
	ok(append_data(&b, 5) == -EAGAIN && b.last.upto == place_of(2, 5, 0) && !append_data(&b, 5),
	   "what its predecessor sent is its own: %s", err);
	lie_free(&s);
}

/* Who decided to go on with its journal, and finds another OPEN there, has to decide anew. */
static void test_race(void)
{
	struct cc_volume_log a, b;
	struct lying_store s;
	unsigned int seen = 0;

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	init_log(&b, &s, pool_b, &seen);
	ok(!cc_volume_log_read(&a, err, sizeof(err)) && !cc_volume_log_read(&b, err, sizeof(err)), "two read the same");
	ok(!cc_volume_log_take(&b, err, sizeof(err)), "one is first");
	ok(cc_volume_log_take(&a, err, sizeof(err)) == -EAGAIN && !a.own_term && cc_volume_log_foreign(&a),
	   "the other is to decide anew, and sees whose it is");
	ok(!append_data(&b, 0) && cc_volume_log_take(&a, err, sizeof(err)) == -EAGAIN && a.last.number == 3,
	   "as often as it takes");
	/* Two pools with one UUID, as of a device that was copied. */
	init_log(&a, &s, pool_b, &seen);
	ok(!cc_volume_log_read(&a, err, sizeof(err)) && !cc_volume_log_take(&a, err, sizeof(err)) && a.own_term == 3,
	   "a copy of the owner opens");
	ok(append_data(&b, 1) == -ESTALE, "and fences the one it is a copy of");
	lie_free(&s);
	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	init_log(&b, &s, pool_a, &seen);
	cc_volume_log_read(&a, err, sizeof(err));
	cc_volume_log_read(&b, err, sizeof(err));
	ok(!cc_volume_log_take(&a, err, sizeof(err)) &&
		   cc_volume_log_take(&b, err, sizeof(err)) == -EAGAIN && !b.own_term,
	   "a copy does not take the other's OPEN for its own");
	lie_free(&s);
}

/* An object of a lower term at the number that comes next, as a late request of a zombie makes it. */
static void plant_zombie(struct lying_store *s, const struct cc_volume_log *l, uint32_t term, bool right_before)
{
	struct cc_commit c = {
		.type = CC_COMMIT_DATA, .term = term, .chunk_shift = CHUNK_SHIFT, .number = l->next,
		.size = l->last.size, .upto = place_of(term, 99, 0), .before = { 7 }, .owner = { 'A' },
	};
	char name[CC_OBJECT_NAME_MAX];
	void *object;
	size_t size;

	memcpy(c.volume, vol, sizeof(vol));
	if (right_before)
		memcpy(c.before, l->last.digest, sizeof(c.before));
	else
		memcpy(c.owner, l->last.owner, sizeof(c.owner));
	if (cc_commit_encode(&c, NULL, 0, &object, &size))
		abort();
	cc_commit_name(vol, l->next, name);
	lie_plant(s, name, object, size);
	free(object);
}

static void test_zombie(void)
{
	struct cc_volume_log a, b, c;
	struct lying_store s;
	unsigned int seen = 0, seen_c = 0;

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	open_log(&a);
	append_data(&a, 0);
	init_log(&b, &s, pool_b, &seen);
	open_log(&b);
	plant_zombie(&s, &b, 2, true);
	ok(!append_data(&b, 0) && b.last.number == 6, "an object of a lower term is stepped over: %s", err);
	plant_zombie(&s, &b, 3, false);
	ok(!append_data(&b, 1) && b.last.number == 8, "so is one that was built on another");
	init_log(&c, &s, pool_a, &seen_c);
	ok(!cc_volume_log_read(&c, err, sizeof(err)) && seen_c == 6 && c.last.number == 8 && c.last.upto == b.last.upto,
	   "whoever opens does the same: %u objects count", seen_c);
	plant_zombie(&s, &b, 2, true);
	ok(!cc_volume_log_probe(&b, err, sizeof(err)) && b.next == 10, "and the probe");
	lie_free(&s);
}

static void test_damage(void)
{
	struct cc_volume_log a;
	struct lying_store s;
	unsigned int seen = 0;
	char name[CC_OBJECT_NAME_MAX];

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	open_log(&a);
	append_data(&a, 0);
	append_data(&a, 1);
	cc_commit_name(vol, 3, name);
	((uint8_t *)lie_find(&s, name)->data)[100] ^= 1;
	init_log(&a, &s, pool_a, &seen);
	ok(open_log(&a) == -EBADMSG && strstr(err, "log/0000000000000003"), "damage is not stepped over: %s", err);
	cc_commit_name(vol, a.next + 5, name);
	init_log(&a, &s, pool_a, &seen);
	a.volume[0]++;
	ok(cc_volume_log_read(&a, err, sizeof(err)) == -ENOENT, "no such volume: %s", err);
	lie_free(&s);
}

static void test_rules(void)
{
	struct cc_volume_log a;
	struct lying_store s;
	unsigned int seen = 0;
	struct cc_commit c = { .type = CC_COMMIT_DATA };

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	open_log(&a);
	append_data(&a, 3);
	s.creates = 0;
	ok(append_data(&a, 2) == -EINVAL && !s.creates, "what is below the last commit is not sent: %s", err);
	c.upto = place_of(9, 0, 0);
	ok(cc_volume_log_append(&a, &c, NULL, 0, err, sizeof(err)) == -EINVAL && !s.creates, "nor of a term to come: %s", err);
	c = (struct cc_commit){ .type = CC_COMMIT_RESIZE, .size = 4096 };
	ok(cc_volume_log_append(&a, &c, NULL, 0, err, sizeof(err)) == -EINVAL, "a volume does not shrink: %s", err);
	c = (struct cc_commit){ .type = CC_COMMIT_RESIZE, .size = 2 * VOLUME_BLOCKS * CC_BLOCK_SIZE };
	ok(!cc_volume_log_append(&a, &c, NULL, 0, err, sizeof(err)) && a.last.size == c.size, "it grows");
	c = (struct cc_commit){ .type = CC_COMMIT_CHECKPOINT, .map = { 5 } };
	ok(!cc_volume_log_append(&a, &c, NULL, 0, err, sizeof(err)) && a.last.map_number == 5, "a checkpoint");
	append_data(&a, 4);
	c = (struct cc_commit){ .type = CC_COMMIT_CLOSE };
	ok(!cc_volume_log_append(&a, &c, NULL, 0, err, sizeof(err)) && cc_volume_log_closed(&a), "closed: %s", err);
	seen = 0;
	init_log(&a, &s, pool_b, &seen);
	ok(!open_log(&a) && seen == 4 && a.own_term == 3 && a.last.size == 2 * VOLUME_BLOCKS * CC_BLOCK_SIZE,
	   "opened from the checkpoint on, %u objects", seen);
	s.creates = 0;
	a.last.term = CC_LOG_TERM_MAX - 1;
	ok(cc_volume_log_take(&a, err, sizeof(err)) == -ENOSPC && !s.creates, "no term is opened that has no end: %s", err);
	lie_free(&s);
}

/* A gc that leaves what has to stay, and nothing else; all of the log is its. */
static int trim_log(struct lying_store *s, struct cc_trim *t, int64_t forks_since)
{
	static struct cc_trim_commit commits[64];
	struct cc_volume_log l;
	char name[CC_OBJECT_NAME_MAX];
	int r;

	*t = (struct cc_trim){ .all = commits };
	for (uint64_t n = 1; n < 64; n++) {
		struct lie_object *o;

		cc_commit_name(vol, n, name);
		o = lie_find(s, name);
		if (o)
			commits[t->nr++] = (struct cc_trim_commit){ .number = n, .size = o->size, .time = n };
	}
	cc_volume_log_init(&l, &s->base, vol, pool_a, "gc", NULL, NULL);
	r = cc_volume_log_read(&l, err, sizeof(err));
	if (!r)
		r = cc_volume_trim(&l, t, forks_since, err, sizeof(err));
	if (!r && t->raise)
		r = cc_volume_floor_create(&s->base, vol, &t->floor, err, sizeof(err));
	for (size_t i = 0; !r && i < t->nr; i++) {
		cc_commit_name(vol, commits[i].number, name);
		if (!commits[i].keep)
			cc_store_delete(&s->base, name, err, sizeof(err));
	}
	return r;
}

static bool log_is(struct lying_store *s, const char *map)
{
	char name[CC_OBJECT_NAME_MAX];
	bool same = true;

	for (uint64_t n = 1; map[n - 1]; n++) {
		cc_commit_name(vol, n, name);
		same &= (lie_find(s, name) != NULL) == (map[n - 1] == 'x');
	}
	return same;
}

static int append_checkpoint(struct cc_volume_log *l)
{
	struct cc_commit c = { .type = CC_COMMIT_CHECKPOINT, .map = { 5 } };

	return cc_volume_log_append(l, &c, NULL, 0, err, sizeof(err));
}

static void test_floor(void)
{
	struct cc_volume_log a, b, slow;
	struct cc_commit c;
	struct lying_store s;
	struct cc_trim t;
	unsigned int seen = 0;

	make_volume(&s);
	init_log(&a, &s, pool_a, &seen);
	open_log(&a);			/* 2 */
	append_data(&a, 0);
	append_checkpoint(&a);
	append_data(&a, 1);
	append_data(&a, 2);		/* 6 */
	init_log(&slow, &s, pool_b, &seen);
	ok(!cc_volume_log_read(&slow, err, sizeof(err)) && slow.next == 7, "one reads the log");
	append_data(&a, 3);
	append_data(&a, 4);
	append_checkpoint(&a);		/* 9 */
	append_data(&a, 5);
	ok(!trim_log(&s, &t, INT64_MAX) && t.floor.index == 1 && t.floor.number == 9 && !t.floor.nr_forks &&
	   log_is(&s, "xx......xx."), "what is below the newest checkpoint goes, but opens: %s", err);
	ok(cc_volume_log_take(&slow, err, sizeof(err)) == -EIO && !slow.own_term && strstr(err, "begins at number 9"),
	   "who read it before can't take a number that was freed: %s", err);
	seen = 0;
	init_log(&b, &s, pool_b, &seen);
	ok(!open_log(&b) && seen == 3 && b.own_term == 3 && b.last.number == 11 && b.floor.number == 9,
	   "it is read from there on, and taken");
	ok(append_data(&a, 6) == -ESTALE, "from who had it: %s", err);
	append_data(&b, 0);
	append_checkpoint(&b);		/* 13 */
	ok(!trim_log(&s, &t, 5) && t.floor.index == 2 && t.floor.number == 13, "another floor");
	ok(t.floor.nr_forks == 1 && t.floor.forks[0].term == 2 && t.floor.forks[0].number == 9, "with a fork");
	ok(log_is(&s, "xx....x.xxx.x"),
	   "what one may have who was taken over is kept: %s", err);
	seen = 0;
	init_log(&slow, &s, pool_a, &seen);
	slow.last_term = 2;
	ok(!cc_volume_log_read(&slow, err, sizeof(err)) && seen == 2 && slow.last.number == 10,
	   "and is read up to the end of its term: %s", err);
	ok(!trim_log(&s, &t, INT64_MAX) && t.floor.index == 3 && !t.floor.nr_forks && log_is(&s, "xx....x..xx.x"),
	   "not for ever: %s", err);
	init_log(&slow, &s, pool_a, &seen);
	slow.last_term = 2;
	ok(cc_volume_log_read(&slow, err, sizeof(err)) == -EBADMSG && strstr(err, "end of term 2"),
	   "then there is no rescue: %s", err);
	t.floor.index = 1;
	ok(cc_volume_floor_create(&s.base, vol, &t.floor, err, sizeof(err)) == -ESTALE, "a gc that slept: %s", err);
	c = (struct cc_commit){ .type = CC_COMMIT_CLOSE };
	cc_volume_log_append(&b, &c, NULL, 0, err, sizeof(err));
	init_log(&a, &s, pool_a, &seen);
	open_log(&a);			/* 15 */
	append_checkpoint(&a);
	ok(!trim_log(&s, &t, 5) && t.floor.number == 16 && !t.floor.nr_forks, "who has closed it has no fork");
	lie_free(&s);
}

static void test_hostile_floors(void)
{
	static const char *const texts[] = {
		"", "\n", "0\n", "9", "-9\n", "9 \n", "9223372036854775808\n", "99999999999999999999\n", "9\n1 2",
		"9\n1 9\n", "9\n0 1\n", "9\n1 1\n1 2\n", "9\n262144 1\n", "9\n1  2\n", "9\nx\n",
	};
	char name[CC_OBJECT_NAME_MAX], text[64];
	struct cc_volume_floor f = { 0 };
	struct lying_store s;
	size_t bad = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		lie_init(&s);
		cc_floor_name(vol, 1, name);
		lie_plant(&s, name, texts[i], strlen(texts[i]));
		bad += cc_volume_floor_read(&s.base, vol, 1, &f, err, sizeof(err)) != -EBADMSG;
		lie_free(&s);
	}
	ok(!bad, "floors that are none: %zu of them were taken for one; %s", bad, err);
	lie_init(&s);
	for (uint64_t i = 1; i <= 300; i++) {
		cc_floor_name(vol, i, name);
		snprintf(text, sizeof(text), "%" PRIu64 "\n1 %" PRIu64 "\n3 7\n", i + 10, i);
		lie_plant(&s, name, text, strlen(text));
	}
	ok(!cc_volume_floor_read(&s.base, vol, 32, &f, err, sizeof(err)) && f.index == 300 && f.number == 310 &&
	   f.nr_forks == 2 && f.forks[0].number == 300 && cc_volume_floor_of_term(&f, 2) == 7 &&
	   cc_volume_floor_of_term(&f, 4) == 310, "the last of many: %s", err);
	lie_free(&s);
}

static void test_proof(void)
{
	struct lying_store s;

	lie_init(&s);
	ok(!cc_store_prove_create(&s.base, "probe", err, sizeof(err)) && !lie_find(&s, "probe"), "a store that keeps its word");
	s.next = LIE_TWICE;
	ok(!cc_store_prove_create(&s.base, "probe", err, sizeof(err)), "also if an answer was lost");
	s.ignores_condition = true;
	ok(cc_store_prove_create(&s.base, "probe", err, sizeof(err)) == CC_STORE_UNSUPPORTED && strstr(err, "If-None-Match"),
	   "one that ignores the condition is found out: %s", err);
	lie_free(&s);
}

/* ---- two owners and two gcs at random ---- */

#define NUMBERS 96

static struct world {
	struct lying_store store;
	unsigned int seed, depth;
	struct host {
		const uint8_t *self;
		struct cc_volume_log log;
		unsigned int seen;
		enum { OFF, READ, OWNER } state;
		bool busy, dying;
		unsigned int asleep;	/* for so many steps: what it knows gets old */
		uint32_t journal_term;	/* of what survives in its journal; 0: none */
		uint32_t sealed;	/* log chunks of it */
	} hosts[2];
	/* each is at some step of its own, for as long as it takes: one of them is out of date, mostly */
	struct gc {
		struct cc_volume_log log;
		struct cc_trim trim;
		struct cc_trim_commit commits[NUMBERS];
		bool busy, decided;
		size_t next;
	} gcs[2];
	unsigned int deleted;
	/* what a commit was acknowledged for: its number and digest, and that it must count for ever */
	uint64_t acknowledged[NUMBERS];
	uint8_t digests[NUMBERS][CC_ID_SIZE];
	unsigned int nr_acknowledged;
	const char *broken;
} w;

static unsigned int chance(unsigned int n)
{
	return rand_r(&w.seed) / 7 % n;
}

static int check_object(void *arg, const struct cc_commit *c, char *e, size_t errlen)
{
	return 0;
}

/* The object of a name that was there first, whatever was made where it had been. */
static struct lie_object *find_first(const char *name)
{
	struct lie_object *found = NULL;

	for (struct lie_object *o = w.store.objects; o; o = o->next)
		if ((o->landed || o->gone) && !strcmp(o->name, name))
			found = o;
	return found;
}

/* The log with all that was deleted, read by the letter of the rules and none of the code under test but decode. */
static void check_truth(void *arg, const struct lie_object *unused)
{
	struct cc_commit last = { 0 };
	uint8_t known[NUMBERS][CC_ID_SIZE] = { 0 };

	for (uint64_t n = 1; n < NUMBERS; n++) {
		char name[CC_OBJECT_NAME_MAX];
		struct lie_object *o;
		struct cc_commit c;
		bool counts;

		cc_commit_name(vol, n, name);
		o = find_first(name);
		if (!o)
			break;
		if (cc_commit_decode(o->data, o->size, o->size, &c, err, sizeof(err))) {
			w.broken = "an object can't be read";
			return;
		}
		counts = n == 1 || (!memcmp(c.before, last.digest, 32) &&
				    (c.type == CC_COMMIT_OPEN ? c.term > last.term : c.term == last.term));
		if (counts)
			memcpy(known[n], c.digest, sizeof(known[n]));
		if (counts && n > 1 && c.type == CC_COMMIT_DATA) {
			if (memcmp(c.owner, last.owner, 16))
				w.broken = "a commit of another owner counts";
			if (c.nr_pieces && c.pieces[0].place > last.upto + CC_PLACE_DATA &&
			    last.upto >> 45 == c.upto >> 45)
				w.broken = "a log chunk was left out";
		}
		if (counts)
			last = c;
		cc_commit_free(&c);
	}
	for (unsigned int i = 0; i < w.nr_acknowledged; i++)
		if (memcmp(known[w.acknowledged[i]], w.digests[i], CC_ID_SIZE))
			w.broken = "what was acknowledged does not count";
}

static void host_step(struct host *h);
static void gc_step(struct gc *g);

static void meanwhile(void *arg)
{
	if (w.depth >= 2)
		return;
	w.depth++;
	if (!chance(4))
		lie_land_one(&w.store, chance(64));
	if (!chance(3))
		host_step(&w.hosts[chance(2)]);
	if (!chance(20))
		gc_step(&w.gcs[chance(2)]);
	w.depth--;
	if (!w.store.next && !chance(4))
		w.store.next = 1 + chance(4);
	if (!chance(30))
		w.hosts[chance(2)].dying = true;
}

static void acknowledge(const struct host *h)
{
	if (h->log.last.number < NUMBERS && w.nr_acknowledged < NUMBERS) {
		memcpy(w.digests[w.nr_acknowledged], h->log.last.digest, CC_ID_SIZE);
		w.acknowledged[w.nr_acknowledged++] = h->log.last.number;
	}
	check_truth(NULL, NULL);
}

static void step_checkpoint(struct host *h)
{
	struct cc_commit c = { .type = CC_COMMIT_CHECKPOINT, .map = { 1 } };
	int r = cc_volume_log_append(&h->log, &c, NULL, 0, err, sizeof(err));

	if (r == -ESTALE)
		h->state = OFF;
	else if (!r && !h->dying)
		acknowledge(h);
}

/* All log chunks that were sealed and are in no commit, one commit each or all in one. */
static void step_owner(struct host *h)
{
	struct cc_piece p = { .count = 1 };
	struct cc_commit c = { .type = CC_COMMIT_DATA, .pieces = &p, .nr_pieces = 1 };
	static uint8_t data[CC_BLOCK_SIZE];
	uint32_t term = h->log.own_term, at = 0;
	int r;

	if (!chance(6)) {
		r = cc_volume_log_probe(&h->log, err, sizeof(err));
		if (r == -ESTALE)
			h->state = OFF;
		return;
	}
	if (!chance(4)) {
		step_checkpoint(h);
		return;
	}
	h->sealed += chance(2);
	if (h->log.last.upto >> 45 == place_of(term, 0, 0) >> 45)
		at = h->log.last.upto >> CC_PLACE_LOG_SHIFT;
	if (at >= h->sealed)
		return;
	p.place = place_of(term, at, 0) | CC_PLACE_DATA;
	p.offset = cc_commit_data_offset(1, 0);
	c.upto = place_of(term, at + 1, 0);
	data[0] = chance(256);		/* other bytes each time it is tried */
	r = cc_volume_log_append(&h->log, &c, data, sizeof(data), err, sizeof(err));
	if (h->dying)
		return;
	if (!r)
		acknowledge(h);
	else if (r == -ESTALE)
		h->state = OFF;
	else if (r != -EAGAIN && r != -EIO)
		w.broken = err;
}

static void step_off(struct host *h)
{
	int r;

	cc_volume_log_init(&h->log, &w.store.base, vol, h->self, "h", check_object, h);
	r = cc_volume_log_read(&h->log, err, sizeof(err));
	if (!r)
		h->state = READ;
	else if (r != -EIO)
		w.broken = err;
}

/* Takes it, whoever has it: the people who run both hosts said so. */
static void step_read(struct host *h)
{
	bool carries = h->journal_term && h->journal_term >= h->log.run_term &&
		       !memcmp(h->log.last.owner, h->self, 16);
	int r = cc_volume_log_take(&h->log, err, sizeof(err));

	if (h->dying || !r || r != -EAGAIN)
		h->state = r || h->dying ? OFF : OWNER;
	if (r || h->dying)
		return;
	if (carries && h->log.run_term > h->journal_term)
		w.broken = "a fork was merged";
	acknowledge(h);
	h->journal_term = h->log.own_term;
	h->sealed = 0;
}

/* The helper dies, the kernel and the term live on; or the host. */
static void die(struct host *h)
{
	uint32_t term = h->log.own_term;

	h->dying = false;
	if (h->state != OWNER || chance(2)) {
		h->state = OFF;
		return;
	}
	step_off(h);
	if (h->state != READ || cc_volume_log_resume(&h->log, term, err, sizeof(err)))
		h->state = OFF;
	else
		h->state = OWNER;
}

static void host_step(struct host *h)
{
	if (h->busy || h->log.next >= NUMBERS - 4)
		return;
	if (h->asleep && --h->asleep)
		return;
	if (!chance(12))
		h->asleep = chance(60);
	h->busy = true;
	if (h->dying)
		die(h);
	else if (h->state == OWNER)
		step_owner(h);
	else if (h->state == READ)
		step_read(h);
	else if (!chance(6))
		step_off(h);
	h->busy = false;
}

/* What there is of the log, as a LIST tells it. */
static void list_log(struct gc *g)
{
	char prefix[CC_OBJECT_NAME_MAX];

	cc_volume_prefix(vol, prefix);
	strcat(prefix, "log/");
	g->trim.all = g->commits;
	g->trim.nr = 0;
	for (struct lie_object *o = w.store.objects; o; o = o->next)
		if (o->landed && !strncmp(o->name, prefix, strlen(prefix)) && g->trim.nr < NUMBERS)
			g->commits[g->trim.nr++] = (struct cc_trim_commit){
				.number = strtoull(o->name + strlen(prefix), NULL, 16), .size = o->size };
}

static bool gc_decides(struct gc *g)
{
	int r;

	cc_volume_log_init(&g->log, &w.store.base, vol, pool_a, "gc", NULL, NULL);
	list_log(g);
	r = cc_volume_log_read(&g->log, err, sizeof(err));
	if (!r)
		r = cc_volume_trim(&g->log, &g->trim, chance(2) ? 0 : INT64_MAX, err, sizeof(err));
	if (!r && g->trim.raise)
		r = cc_volume_floor_create(&w.store.base, vol, &g->trim.floor, err, sizeof(err));
	if (r && r != -EIO && r != -ESTALE)
		w.broken = err;
	return !r;
}

/* It decides, or deletes one more. */
static void gc_step(struct gc *g)
{
	char name[CC_OBJECT_NAME_MAX];

	if (g->busy)
		return;
	g->busy = true;
	if (!g->decided) {
		g->next = 0;
		g->decided = gc_decides(g);
	}
	while (g->decided && g->next < g->trim.nr && g->commits[g->next].keep)
		g->next++;
	if (g->decided && g->next < g->trim.nr) {
		cc_commit_name(vol, g->commits[g->next++].number, name);
		cc_store_delete(&w.store.base, name, err, sizeof(err));
		w.deleted++;
	} else {
		g->decided = false;
	}
	g->busy = false;
}

static bool run_world(unsigned int seed, uint64_t *ret_commits, uint64_t *ret_deleted)
{
	memset(&w, 0, sizeof(w));
	w.seed = seed;
	make_volume(&w.store);
	w.hosts[0].self = pool_a;
	w.hosts[1].self = pool_b;
	w.store.meanwhile = meanwhile;
	w.store.landed = check_truth;
	for (int i = 0; i < 400 && !w.broken; i++) {
		struct host *h = &w.hosts[chance(2)];

		host_step(h);
		if (!chance(4))
			gc_step(&w.gcs[chance(2)]);
	}
	*ret_commits += w.nr_acknowledged;
	*ret_deleted += w.deleted;
	lie_free(&w.store);
	return !w.broken;
}

static void test_random(void)
{
	unsigned int seed, nr = getenv("SEEDS") ? atoi(getenv("SEEDS")) : 60;
	uint64_t commits = 0, deleted = 0;

	for (seed = 1; seed <= nr; seed++)
		if (!run_world(seed, &commits, &deleted))
			break;
	ok(seed > nr, "two owners at random: seed %u: %s", seed, seed > nr ? "all well" : w.broken);
	ok(commits > nr && deleted > nr, "%" PRIu64 " objects were acknowledged, %" PRIu64 " deleted", commits, deleted);
}

int main(void)
{
	test_round();
	test_hostile();
	test_last_places();
	test_append();
	test_lost_answers();
	test_race();
	test_zombie();
	test_damage();
	test_rules();
	test_floor();
	test_hostile_floors();
	test_proof();
	test_random();
	return tap_done();
}
