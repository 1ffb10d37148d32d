// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages of a checkpoint's map; see map-page.h.  Whoever can write to the store may have made what is decoded here. */
#include "map-page.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "manifest.h"
#include "place.h"
#include "verify.h"

#define PAGE_VERSION	1
#define PAGE_LEVEL	1		/* of zstd: it is all numbers */

_Static_assert(sizeof(struct cc_page_header) == 56, "head of a page");
_Static_assert(sizeof(struct cc_page_extent) == 16, "extent of a page");

void cc_page_free(struct cc_map_page *p)
{
	free(p->pieces);
	free(p->extents);
	p->pieces = NULL;
	p->extents = NULL;
}

static size_t entry_size(enum cc_map_kind kind)
{
	return kind == CC_MAP_PIECES ? sizeof(struct cc_commit_piece) : sizeof(struct cc_page_extent);
}

/* ---- encoding ---- */

static void encode_entries(const struct cc_map_page *p, void *to)
{
	struct cc_commit_piece *pieces = to;
	struct cc_page_extent *extents = to;

	for (uint32_t i = 0; i < p->nr; i++) {
		if (p->kind == CC_MAP_PIECES)
			cc_piece_encode(&p->pieces[i], true, &pieces[i]);
		else
			extents[i] = (struct cc_page_extent){
				.place = htole64(p->extents[i].place), .count = htole16(p->extents[i].count),
				.first = htole16(p->extents[i].block % CC_PAGE_BLOCKS),
			};
	}
}

int cc_page_encode(const struct cc_map_page *p, void **ret_object, size_t *ret_size, uint8_t ret_sha256[CC_ID_SIZE])
{
	size_t raw = p->nr * entry_size(p->kind), room = cc_compressed_max(raw);
	struct cc_page_header *h = malloc(sizeof(*h) + room);
	void *entries = malloc(raw);
	size_t n;

	if (!h || !entries) {
		free(h);
		free(entries);
		return -ENOMEM;
	}
	*h = (struct cc_page_header){
		.magic = CC_PAGE_MAGIC, .version = htole32(PAGE_VERSION), .kind = htole32(p->kind),
		.index = htole64(p->index), .number = htole64(p->number),
		.chunk_shift = htole32(p->chunk_shift), .nr = htole32(p->nr),
	};
	memcpy(h->volume, p->volume, sizeof(h->volume));
	encode_entries(p, entries);
	n = ZSTD_compress(h + 1, room, entries, raw, PAGE_LEVEL);
	free(entries);
	if (ZSTD_isError(n)) {
		free(h);
		return -ENOMEM;
	}
	*ret_object = h;
	*ret_size = sizeof(*h) + n;
	cc_sha256(h, *ret_size, ret_sha256);
	return 0;
}

/* ---- decoding ---- */

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

static const char *take_page_pieces(const struct cc_commit_piece *from, uint32_t term, struct cc_map_page *p)
{
	for (uint32_t i = 0; i < p->nr; i++) {
		const char *wrong = take_piece(&from[i], term, p->chunk_shift, &p->pieces[i]);

		if (wrong)
			return wrong;
		if (cc_pieces_page(p->pieces[i].place) != p->index)
			return "place of a piece";
		if (i && p->pieces[i].place <= p->pieces[i - 1].place)
			return "order of the pieces";
	}
	return NULL;
}

static const char *take_page_extents(const struct cc_page_extent *from, struct cc_map_page *p)
{
	static const uint8_t reserved[sizeof(from->reserved)];
	uint32_t behind = 0;

	for (uint32_t i = 0; i < p->nr; i++) {
		uint32_t first = le16toh(from[i].first), count = le16toh(from[i].count);

		if (memcmp(from[i].reserved, reserved, sizeof(reserved)))
			return "reserved field of an extent";
		if (first < behind)
			return "order of the extents";
		if (!count || first >= CC_PAGE_BLOCKS || count > CC_PAGE_BLOCKS - first)
			return "first and count of an extent";
		if (!from[i].place)
			return "place of an extent";
		behind = first + count;
		p->extents[i] = (struct chunkcache_extent){
			.block = p->index * CC_PAGE_BLOCKS + first, .place = le64toh(from[i].place), .count = count,
		};
	}
	return NULL;
}

static const char *take_page_header(const uint8_t *object, size_t size, struct cc_map_page *p)
{
	struct cc_page_header h;
	unsigned int shift;

	if (size < sizeof(h) || memcmp(object, CC_PAGE_MAGIC, sizeof(h.magic)))
		return "magic";
	memcpy(&h, object, sizeof(h));
	if (le32toh(h.version) != PAGE_VERSION)
		return "version";
	*p = (struct cc_map_page){
		.kind = le32toh(h.kind), .chunk_shift = le32toh(h.chunk_shift), .index = le64toh(h.index),
		.number = le64toh(h.number), .nr = le32toh(h.nr),
	};
	memcpy(p->volume, h.volume, sizeof(p->volume));
	if (p->chunk_shift < CC_CHUNK_SHIFT_MIN || p->chunk_shift > CC_CHUNK_SHIFT_MAX)
		return "chunk_shift";
	if (p->kind != CC_MAP_PIECES && p->kind != CC_MAP_EXTENTS)
		return "kind";
	shift = p->kind == CC_MAP_PIECES ? CC_PLACE_LOG_SHIFT + CC_PAGE_LOGS_SHIFT : CC_PAGE_BLOCKS_SHIFT;
	if (p->index > UINT64_MAX >> shift)
		return "index";
	return !p->nr || p->nr > (p->kind == CC_MAP_PIECES ? CC_PAGE_PIECES_MAX : CC_PAGE_BLOCKS) ? "nr" : NULL;
}

static const char *take_entries(const uint8_t *frame, size_t size, uint32_t term, struct cc_map_page *p)
{
	size_t raw = p->nr * entry_size(p->kind);
	const char *wrong = "";
	char reason[160];
	void *entries = malloc(raw);

	p->pieces = calloc(p->kind == CC_MAP_PIECES ? p->nr : 1, sizeof(*p->pieces));
	p->extents = calloc(p->kind == CC_MAP_EXTENTS ? p->nr : 1, sizeof(*p->extents));
	if (entries && p->pieces && p->extents) {
		int r = cc_decompress(frame, size, entries, raw, reason, sizeof(reason));

		wrong = r == -ENOMEM ? "" : r ? "zstd frame" :
			p->kind == CC_MAP_PIECES ? take_page_pieces(entries, term, p) : take_page_extents(entries, p);
	}
	free(entries);
	return wrong;
}

int cc_page_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], uint32_t term,
		   struct cc_map_page *ret, char *err, size_t errlen)
{
	const uint8_t *frame = (const uint8_t *)object + sizeof(struct cc_page_header);
	struct cc_map_page p = { 0 };
	const char *wrong;

	if (cc_verify(object, size, sha256, err, errlen))
		return -EILSEQ;
	wrong = take_page_header(object, size, &p);
	if (!wrong)
		wrong = take_entries(frame, size - sizeof(struct cc_page_header), term, &p);
	if (!wrong) {
		*ret = p;
		return 0;
	}
	cc_page_free(&p);
	snprintf(err, errlen, *wrong ? "%s: not a value that it can have" : "out of memory", wrong);
	return *wrong ? -EINVAL : -ENOMEM;
}
