// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of a checkpoint: encoding, and the checks of what a store gives for one. */
#include "checkpoint.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "place.h"

#define MAP_VERSION 1

_Static_assert(sizeof(struct cc_map_header) == 64, "head of a map");
_Static_assert(sizeof(struct cc_map_extent) == 24, "extent of a map");

void cc_checkpoint_free(struct cc_checkpoint *p)
{
	cc_pieces_free(&p->pieces);
	free(p->extents);
	p->extents = NULL;
	p->nr_extents = 0;
}

int cc_checkpoint_encode(const struct cc_checkpoint *p, void **ret_object, size_t *ret_size,
			 uint8_t ret_sha256[CC_ID_SIZE])
{
	uint64_t size = sizeof(struct cc_map_header) + p->pieces.nr * sizeof(struct cc_commit_piece) +
			p->nr_extents * sizeof(struct cc_map_extent);
	struct cc_map_header *h;
	struct cc_commit_piece *pieces;
	struct cc_map_extent *extents;

	if (size > CC_MAP_SIZE_MAX)
		return -E2BIG;
	h = malloc(size);
	if (!h)
		return -ENOMEM;
	*h = (struct cc_map_header){
		.magic = CC_MAP_MAGIC, .version = htole32(MAP_VERSION), .chunk_shift = htole32(p->chunk_shift),
		.number = htole64(p->number), .cut = htole64(p->upto), .nr_pieces = htole64(p->pieces.nr),
		.nr_extents = htole64(p->nr_extents),
	};
	memcpy(h->volume, p->volume, sizeof(h->volume));
	pieces = (void *)(h + 1);
	for (size_t i = 0; i < p->pieces.nr; i++)
		cc_piece_encode(&p->pieces.all[i], true, &pieces[i]);
	extents = (void *)(pieces + p->pieces.nr);
	for (size_t i = 0; i < p->nr_extents; i++)
		extents[i] = (struct cc_map_extent){
			.block = htole64(p->extents[i].block), .place = htole64(p->extents[i].place),
			.count = htole32(p->extents[i].count),
		};
	cc_sha256(h, size, ret_sha256);
	*ret_object = h;
	*ret_size = size;
	return 0;
}

/* Of a log chunk of which nothing is needed: all but its number is zero. */
static bool is_number_only(const struct cc_commit_piece *from)
{
	const struct cc_commit_piece like = { .place = from->place };
	uint64_t place = le64toh(from->place);

	return !memcmp(from, &like, sizeof(like)) && cc_place_is_data(place) && !cc_place_block(place);
}

static const char *take_piece(const struct cc_commit_piece *from, uint32_t term, uint32_t chunk_shift,
			      struct cc_piece *to)
{
	if (!is_number_only(from))
		return cc_piece_decode(from, 0, chunk_shift, term, NULL, to);
	*to = (struct cc_piece){ .place = le64toh(from->place) };
	return NULL;
}

static const char *take_pieces(const struct cc_commit_piece *from, uint64_t nr, uint32_t term,
			       struct cc_checkpoint *p)
{
	for (uint64_t i = 0; i < nr; i++) {
		struct cc_piece piece;
		const char *wrong = take_piece(&from[i], term, p->chunk_shift, &piece);
		int r;

		if (wrong)
			return wrong;
		if (piece.commit > p->number)
			return "commit of a piece";
		if (p->pieces.nr && piece.place <= p->pieces.all[p->pieces.nr - 1].place)
			return "order of the pieces";
		r = cc_pieces_add(&p->pieces, &piece);
		if (r)
			return r == -ENOMEM ? "" : "pieces of a log chunk";
	}
	return NULL;
}

/* Are the bytes of all its blocks in pieces? */
static bool extent_has_bytes(const struct cc_checkpoint *p, uint64_t place, uint64_t count)
{
	const struct cc_piece *of;
	size_t nr = cc_pieces_of(&p->pieces, place, &of);
	uint64_t at = cc_place_position(place), end = at + count;

	for (size_t i = 0; i < nr && at < end; i++) {
		uint64_t begin = cc_place_position(of[i].place);

		if (begin <= at && at < begin + of[i].count)
			at = begin + of[i].count;
	}
	return at >= end;
}

static const char *take_extents(const struct cc_map_extent *from, uint64_t nr, uint64_t blocks, struct cc_checkpoint *p)
{
	static const uint8_t reserved[sizeof(from->reserved)];
	uint64_t behind = 0;

	for (uint64_t i = 0; i < nr; i++) {
		struct chunkcache_extent e = {
			.block = le64toh(from[i].block), .place = le64toh(from[i].place),
			.count = le32toh(from[i].count),
		};

		if (memcmp(from[i].reserved, reserved, sizeof(reserved)))
			return "reserved field of an extent";
		if (e.block < behind)
			return "order of the extents";
		if (!e.count || e.block >= blocks || e.count > blocks - e.block)
			return "block and count of an extent";
		if (!e.place || (e.place & CC_PLACE_DATA && !extent_has_bytes(p, e.place, e.count)))
			return "place of an extent";
		behind = e.block + e.count;
		p->extents[p->nr_extents++] = e;
	}
	return NULL;
}

static const char *take_map(const uint8_t *object, size_t size, uint64_t blocks, uint32_t term, struct cc_checkpoint *p)
{
	struct cc_map_header h;
	uint64_t nr_pieces, nr_extents;
	const char *wrong;

	if (size < sizeof(h) || memcmp(object, CC_MAP_MAGIC, sizeof(h.magic)))
		return "magic";
	memcpy(&h, object, sizeof(h));
	if (le32toh(h.version) != MAP_VERSION)
		return "version";
	memcpy(p->volume, h.volume, sizeof(p->volume));
	p->chunk_shift = le32toh(h.chunk_shift);
	p->number = le64toh(h.number);
	p->upto = le64toh(h.cut);
	nr_pieces = le64toh(h.nr_pieces);
	nr_extents = le64toh(h.nr_extents);
	if (p->chunk_shift < CC_CHUNK_SHIFT_MIN || p->chunk_shift > CC_CHUNK_SHIFT_MAX)
		return "chunk_shift";
	if (nr_pieces > size / sizeof(struct cc_commit_piece) || nr_extents > size / sizeof(struct cc_map_extent) ||
	    sizeof(h) + nr_pieces * sizeof(struct cc_commit_piece) + nr_extents * sizeof(struct cc_map_extent) != size)
		return "nr_pieces and nr_extents";
	p->extents = calloc(nr_extents + 1, sizeof(*p->extents));
	if (!p->extents)
		return "";
	wrong = take_pieces((const void *)(object + sizeof(h)), nr_pieces, term, p);
	if (wrong)
		return wrong;
	object += sizeof(h) + nr_pieces * sizeof(struct cc_commit_piece);
	return take_extents((const void *)object, nr_extents, blocks, p);
}

int cc_checkpoint_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], uint64_t blocks,
			 uint32_t term, struct cc_checkpoint *ret, char *err, size_t errlen)
{
	struct cc_checkpoint p = { 0 };
	uint8_t digest[CC_ID_SIZE];
	const char *wrong;

	cc_sha256(object, size, digest);
	if (memcmp(digest, sha256, sizeof(digest))) {
		snprintf(err, errlen, "damaged: its SHA-256 is another");
		return -EILSEQ;
	}
	wrong = take_map(object, size, blocks, term, &p);
	if (!wrong) {
		*ret = p;
		return 0;
	}
	cc_checkpoint_free(&p);
	snprintf(err, errlen, *wrong ? "%s: not a value that it can have" : "out of memory", wrong);
	return *wrong ? -EINVAL : -ENOMEM;
}
