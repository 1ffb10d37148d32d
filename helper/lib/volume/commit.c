// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Objects of a volume's log; see commit.h.  Whoever can write to the store may have made what is decoded here.
 */
#include "commit.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "manifest.h"
#include "place.h"

_Static_assert(sizeof(struct cc_commit_header) == 336, "head of a commit");
_Static_assert(sizeof(struct cc_commit_piece) == 88, "piece of a commit");
_Static_assert(sizeof(struct cc_commit_record) == 32, "record of a commit");

static const uint8_t none[CC_ID_SIZE];

static bool is_none(const uint8_t id[CC_ID_SIZE])
{
	return !memcmp(id, none, CC_ID_SIZE);
}

static uint64_t position_behind(uint64_t place, uint64_t count)
{
	return cc_place_position(place) + count;
}

static bool fits_log_chunk(uint64_t place, uint64_t count, uint32_t chunk_shift)
{
	return count && cc_place_block(place) + count <= 1ULL << (chunk_shift - CC_BLOCK_SHIFT);
}

uint64_t cc_commit_data_offset(uint32_t nr_pieces, uint32_t nr_records)
{
	return sizeof(struct cc_commit_header) + nr_pieces * sizeof(struct cc_commit_piece) +
	       nr_records * sizeof(struct cc_commit_record);
}

const char *cc_commit_type_name(enum cc_commit_type type)
{
	switch (type) {
	case CC_COMMIT_OPEN:
		return "open";
	case CC_COMMIT_DATA:
		return "data";
	case CC_COMMIT_CLOSE:
		return "close";
	case CC_COMMIT_RESIZE:
		return "resize";
	case CC_COMMIT_CHECKPOINT:
		return "checkpoint";
	}
	return "unknown";
}

void cc_commit_free(struct cc_commit *c)
{
	free(c->pieces);
	free(c->records);
	c->pieces = NULL;
	c->records = NULL;
}

/* ---- encoding ---- */

void cc_piece_encode(const struct cc_piece *p, bool in_map, struct cc_commit_piece *to)
{
	uint64_t commit = htole64(p->commit);

	*to = (struct cc_commit_piece){
		.place = htole64(p->place), .count = htole32(p->count), .pack_term = htole32(p->pack_term),
		.offset = htole64(p->offset),
	};
	memcpy(to->sha256, p->sha256, CC_ID_SIZE);
	if (p->pack_term)
		memcpy(to->pack, p->pack, CC_ID_SIZE);
	else if (in_map)
		memcpy(to->pack, &commit, sizeof(commit));
}

static void encode_records(const struct cc_commit *c, struct cc_commit_record *to)
{
	for (uint32_t i = 0; i < c->nr_records; i++)
		to[i] = (struct cc_commit_record){
			.type = c->records[i].type, .count = htole32(c->records[i].count),
			.block = htole64(c->records[i].block), .place = htole64(c->records[i].place),
			.arg = htole64(c->records[i].arg),
		};
}

static void encode_header(const struct cc_commit *c, uint64_t data_offset, struct cc_commit_header *h)
{
	*h = (struct cc_commit_header){
		.magic = CC_COMMIT_MAGIC, .version = htole32(CC_COMMIT_VERSION),
		.number = htole64(c->number), .size = htole64(c->size), .time = htole64(c->time),
		.cut = htole64(c->upto), .data_offset = htole64(data_offset), .type = htole32(c->type),
		.term = htole32(c->term), .chunk_shift = htole32(c->chunk_shift),
		.nr_pieces = htole32(c->nr_pieces), .nr_records = htole32(c->nr_records),
		.map_number = htole64(c->map_number), .map_term = htole32(c->map_term),
		.nonce = htole64(c->nonce),
	};
	memcpy(h->before, c->before, sizeof(h->before));
	memcpy(h->volume, c->volume, sizeof(h->volume));
	memcpy(h->owner, c->owner, sizeof(h->owner));
	memcpy(h->base, c->base, sizeof(h->base));
	memcpy(h->map, c->map, sizeof(h->map));
	memcpy(h->host, c->host, strnlen(c->host, CC_VOLUME_HOST_MAX));
}

int cc_commit_encode(struct cc_commit *c, const void *data, size_t data_size, void **ret_object, size_t *ret_size)
{
	uint64_t offset = cc_commit_data_offset(c->nr_pieces, c->nr_records);
	struct cc_commit_header *h;
	struct cc_commit_piece *pieces;

	if (offset > CC_COMMIT_HEAD_MAX || data_size > CC_COMMIT_DATA_MAX)
		return -E2BIG;
	h = malloc(offset + data_size);
	if (!h)
		return -ENOMEM;
	encode_header(c, offset, h);
	pieces = (void *)(h + 1);
	for (uint32_t i = 0; i < c->nr_pieces; i++)
		cc_piece_encode(&c->pieces[i], false, &pieces[i]);
	encode_records(c, (void *)(pieces + c->nr_pieces));
	if (data_size)
		memcpy((uint8_t *)h + offset, data, data_size);
	cc_sha256(h, offset, c->digest);
	memcpy(h->digest, c->digest, sizeof(h->digest));
	h->crc = htole32(cc_crc32c(h, offset));
	*ret_object = h;
	*ret_size = offset + data_size;
	return 0;
}

/* ---- decoding ---- */

static bool host_ok(const char host[CC_VOLUME_HOST_MAX + 1])
{
	size_t len = strnlen(host, CC_VOLUME_HOST_MAX + 1);

	for (size_t i = 0; i < len; i++)
		if (host[i] < ' ' || host[i] > '~')
			return false;
	for (size_t i = len; i <= CC_VOLUME_HOST_MAX; i++)
		if (host[i])
			return false;
	return len <= CC_VOLUME_HOST_MAX;
}

static bool map_ok(const struct cc_commit *c)
{
	if (!c->map_number)
		return is_none(c->map) && !c->map_term && c->type != CC_COMMIT_CHECKPOINT;
	if (is_none(c->map) || !c->map_term || c->map_term > c->term)
		return false;
	return c->type == CC_COMMIT_CHECKPOINT ? c->map_number == c->number && c->map_term == c->term :
						 c->map_number < c->number;
}

/* The name of the first field that can't be, or NULL. */
static const char *check_commit_header(const struct cc_commit *c, uint64_t data_offset, uint64_t size)
{
	static const uint8_t reserved[CC_ID_SIZE];

	if (c->type < CC_COMMIT_OPEN || c->type > CC_COMMIT_CHECKPOINT)
		return "type";
	if (!c->term || c->term > CC_LOG_TERM_MAX)
		return "term";
	if (!c->number)
		return "number";
	if ((c->number == 1) != is_none(c->before) || (c->number == 1 && c->type != CC_COMMIT_OPEN))
		return "before";
	if (c->chunk_shift < CC_CHUNK_SHIFT_MIN || c->chunk_shift > CC_CHUNK_SHIFT_MAX)
		return "chunk_shift";
	if (!c->size || c->size % CC_BLOCK_SIZE || c->size > INT64_MAX)
		return "size";
	if ((c->nonce != 0) != (c->type == CC_COMMIT_OPEN))
		return "nonce";
	if (c->upto & CC_PLACE_DATA || (c->upto && !(c->upto & CC_PLACE_GUEST)))
		return "cut";
	if (!map_ok(c))
		return "map";
	if (!host_ok(c->host))
		return "host";
	if (c->type != CC_COMMIT_DATA && (c->nr_pieces || c->nr_records))
		return "nr_pieces and nr_records";
	if (data_offset != cc_commit_data_offset(c->nr_pieces, c->nr_records) || data_offset > CC_COMMIT_HEAD_MAX ||
	    data_offset > size)
		return "data_offset";
	if (size - data_offset > CC_COMMIT_DATA_MAX || (c->type != CC_COMMIT_DATA && size != data_offset))
		return "size of the object";
	return memcmp(c->volume, reserved, sizeof(c->volume)) ? NULL : "volume";
}

static void take_commit_header(const struct cc_commit_header *h, struct cc_commit *c)
{
	*c = (struct cc_commit){
		.type = le32toh(h->type), .term = le32toh(h->term), .chunk_shift = le32toh(h->chunk_shift),
		.number = le64toh(h->number), .size = le64toh(h->size), .time = le64toh(h->time),
		.upto = le64toh(h->cut), .map_number = le64toh(h->map_number), .map_term = le32toh(h->map_term),
		.nonce = le64toh(h->nonce),
		.nr_pieces = le32toh(h->nr_pieces), .nr_records = le32toh(h->nr_records),
	};
	memcpy(c->digest, h->digest, sizeof(c->digest));
	memcpy(c->before, h->before, sizeof(c->before));
	memcpy(c->volume, h->volume, sizeof(c->volume));
	memcpy(c->owner, h->owner, sizeof(c->owner));
	memcpy(c->base, h->base, sizeof(c->base));
	memcpy(c->map, h->map, sizeof(c->map));
	memcpy(c->host, h->host, sizeof(c->host));
}

static bool reserved_ok(const struct cc_commit_header *h)
{
	static const uint8_t zeros[sizeof(h->reserved3)];

	return !memcmp(h->reserved, zeros, sizeof(h->reserved)) &&
	       !memcmp(h->reserved2, zeros, sizeof(h->reserved2)) && !memcmp(h->reserved3, zeros, sizeof(h->reserved3));
}

const char *cc_piece_decode(const struct cc_commit_piece *from, uint64_t number, uint32_t chunk_shift, uint32_t term,
			    const struct cc_piece *prev, struct cc_piece *to)
{
	uint64_t commit = 0;
	size_t told = 0;		/* bytes of pack, without one */

	*to = (struct cc_piece){
		.place = le64toh(from->place), .count = le32toh(from->count),
		.pack_term = le32toh(from->pack_term), .offset = le64toh(from->offset),
	};
	memcpy(to->sha256, from->sha256, CC_ID_SIZE);
	memcpy(to->pack, from->pack, CC_ID_SIZE);
	if (!(to->place & CC_PLACE_DATA))
		return "place of a piece";
	if (prev && cc_place_position(to->place) < position_behind(prev->place, prev->count))
		return "order of the pieces";
	if (!fits_log_chunk(to->place, to->count, chunk_shift))
		return "count of a piece";
	if (to->pack_term > term)
		return "pack_term of a piece";
	if (to->pack_term)
		return is_none(to->pack) ? "pack of a piece" :
		       to->offset > CC_PACK_SIZE_MAX ||
		       to->offset + (uint64_t)to->count * CC_BLOCK_SIZE > CC_PACK_SIZE_MAX ? "offset of a piece" : NULL;
	if (!number)
		told = sizeof(commit);
	memcpy(&commit, to->pack, told);
	memset(to->pack, 0, told);
	to->commit = number ? number : le64toh(commit);
	if (!is_none(to->pack))
		return "pack of a piece";
	return to->commit ? NULL : "commit of a piece";
}

static const char *decode_pieces(struct cc_commit *c, const struct cc_commit_piece *from, uint64_t data_offset,
				 uint64_t size)
{
	for (uint32_t i = 0; i < c->nr_pieces; i++) {
		struct cc_piece *p = &c->pieces[i];
		const char *wrong = cc_piece_decode(&from[i], c->number, c->chunk_shift, c->term, i ? p - 1 : NULL, p);

		if (wrong)
			return wrong;
		if ((p->place & CC_PLACE_GUEST) && position_behind(p->place, p->count) > cc_place_position(c->upto))
			return "cut, which is below a piece";
		if (!p->pack_term && (p->offset < data_offset || p->offset > size ||
				      (uint64_t)p->count * CC_BLOCK_SIZE > size - p->offset))
			return "offset of a piece";
	}
	return NULL;
}

/* Is all of it in pieces of this commit?  Both are in order: *at is where the last one was found. */
static bool has_bytes(const struct cc_commit *c, const struct chunkcache_record *r, uint32_t *at)
{
	const struct cc_piece *p = c->pieces;

	while (*at < c->nr_pieces && position_behind(p[*at].place, p[*at].count) <= cc_place_position(r->place))
		++*at;
	return *at < c->nr_pieces && p[*at].place <= r->place &&
	       position_behind(r->place, r->count) <= position_behind(p[*at].place, p[*at].count);
}

static const char *check_record(const struct cc_commit *c, const struct chunkcache_record *r, uint32_t *at)
{
	uint64_t blocks = c->size / CC_BLOCK_SIZE;
	bool guest = r->place & CC_PLACE_GUEST;

	if (!r->count || r->block >= blocks || r->count > blocks - r->block)
		return "block and count of a record";
	switch (r->type) {
	case CC_JOURNAL_WRITE:
	case CC_JOURNAL_RELOCATE:
		if (!(r->place & CC_PLACE_DATA) || guest != (r->type == CC_JOURNAL_WRITE) || !has_bytes(c, r, at))
			return "place of a record";
		return (r->type == CC_JOURNAL_WRITE) == !r->arg ? NULL : "arg of a record";
	case CC_JOURNAL_ZERO:
		if (!guest || r->place & CC_PLACE_DATA || r->place > c->upto)
			return "place of a record";
		return r->arg ? "arg of a record" : NULL;
	}
	return "type of a record";
}

static const char *decode_records(struct cc_commit *c, const struct cc_commit_record *from)
{
	static const uint8_t reserved[sizeof(from->reserved)];
	uint32_t at = 0;

	for (uint32_t i = 0; i < c->nr_records; i++) {
		struct chunkcache_record *r = &c->records[i];
		const char *wrong;

		*r = (struct chunkcache_record){
			.type = from[i].type, .count = le32toh(from[i].count), .block = le64toh(from[i].block),
			.place = le64toh(from[i].place), .arg = le64toh(from[i].arg),
		};
		if (memcmp(from[i].reserved, reserved, sizeof(reserved)))
			return "reserved field of a record";
		if (i && r->place < r[-1].place)
			return "order of the records";
		wrong = check_record(c, r, &at);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* A copy of the head, so that it can be changed for the sums, and is aligned. */
static int check_sums(const void *object, uint64_t data_offset, char *err, size_t errlen)
{
	struct cc_commit_header *copy = malloc(data_offset);
	uint8_t told[CC_ID_SIZE], digest[CC_ID_SIZE];
	uint32_t crc;
	int r = 0;

	if (!copy) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	memcpy(copy, object, data_offset);
	crc = le32toh(copy->crc);
	memcpy(told, copy->digest, sizeof(told));
	copy->crc = 0;
	if (crc != cc_crc32c(copy, data_offset))
		r = -EILSEQ;
	memset(copy->digest, 0, sizeof(copy->digest));
	cc_sha256(copy, data_offset, digest);
	if (memcmp(digest, told, sizeof(told)))
		r = -EILSEQ;
	if (r)
		snprintf(err, errlen, "damaged: the checksum is another");
	free(copy);
	return r;
}

static const char *decode_tables(const void *object, uint64_t data_offset, uint64_t size, struct cc_commit *c)
{
	const struct cc_commit_piece *pieces =
		(const void *)((const uint8_t *)object + sizeof(struct cc_commit_header));
	const char *wrong;

	c->pieces = calloc(c->nr_pieces + 1, sizeof(*c->pieces));
	c->records = calloc(c->nr_records + 1, sizeof(*c->records));
	if (!c->pieces || !c->records)
		return "";
	wrong = decode_pieces(c, pieces, data_offset, size);
	return wrong ? wrong : decode_records(c, (const void *)(pieces + c->nr_pieces));
}

size_t cc_commit_head_size(const void *object, size_t have)
{
	struct cc_commit_header h;

	if (have < sizeof(h))
		return 0;
	memcpy(&h, object, sizeof(h));
	return le64toh(h.data_offset) > CC_COMMIT_HEAD_MAX ? 0 : le64toh(h.data_offset);
}

int cc_commit_decode(const void *object, size_t have, uint64_t size, struct cc_commit *ret, char *err, size_t errlen)
{
	struct cc_commit_header h;
	struct cc_commit c;
	const char *wrong;
	int r;

	if (have < sizeof(h) || memcmp(object, CC_COMMIT_MAGIC, sizeof(h.magic))) {
		snprintf(err, errlen, "expected an object of a volume's log, but it is none");
		return -EINVAL;
	}
	memcpy(&h, object, sizeof(h));
	if (le32toh(h.version) != CC_COMMIT_VERSION) {
		snprintf(err, errlen, "version: expected %d, not %u", CC_COMMIT_VERSION, le32toh(h.version));
		return -EINVAL;
	}
	take_commit_header(&h, &c);
	wrong = le64toh(h.data_offset) > have ? "data_offset" : check_commit_header(&c, le64toh(h.data_offset), size);
	if (!wrong && !reserved_ok(&h))
		wrong = "reserved field";
	if (!wrong) {
		r = check_sums(object, le64toh(h.data_offset), err, errlen);
		if (r)
			return r;
		wrong = decode_tables(object, le64toh(h.data_offset), size, &c);
	}
	if (!wrong) {
		*ret = c;
		return 0;
	}
	cc_commit_free(&c);
	snprintf(err, errlen, *wrong ? "%s: not a value that it can have" : "out of memory", wrong);
	return *wrong ? -EINVAL : -ENOMEM;
}
