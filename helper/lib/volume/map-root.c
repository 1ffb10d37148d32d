// SPDX-License-Identifier: GPL-2.0-or-later
/* Roots of a checkpoint's map; see map-root.h.  Whoever can write to the store may have made what is decoded here. */
#include "map-root.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "verify.h"

#define ROOT_VERSION 1
#define MAP_IN_ONE	"ccvmap1\n"	/* what there was before there were roots */

_Static_assert(sizeof(struct cc_root_header) == 104, "head of a root");
_Static_assert(sizeof(struct cc_map_origin) == 24, "origin in a root");
_Static_assert(sizeof(struct cc_map_ref) == 48, "name of a page in a root");

void cc_root_free(struct cc_root *p)
{
	free(p->origins);
	free(p->refs);
	*p = (struct cc_root){ 0 };
}

const uint8_t *cc_root_volume(const struct cc_root *p, uint32_t term)
{
	for (uint32_t i = 0; i < p->nr_origins; i++)
		if (term <= p->origins[i].term)
			return p->origins[i].volume;
	return p->volume;
}

/* ---- encoding ---- */

static void encode_ref(const struct cc_ref *from, struct cc_map_ref *to)
{
	uint64_t place = htole64(from->zeros_place);

	*to = (struct cc_map_ref){
		.index = htole64(from->index), .kind = htole32(from->kind), .term = htole32(from->term),
	};
	if (from->term)
		memcpy(to->sha256, from->sha256, sizeof(to->sha256));
	else
		memcpy(to->sha256, &place, sizeof(place));
}

int cc_root_encode(const struct cc_root *p, void **ret_object, size_t *ret_size, uint8_t ret_sha256[CC_ID_SIZE])
{
	uint64_t size = sizeof(struct cc_root_header) + p->nr_origins * sizeof(struct cc_map_origin) +
			p->nr_refs * sizeof(struct cc_map_ref);
	struct cc_map_origin *origins;
	struct cc_map_ref *refs;
	struct cc_root_header *h;

	if (size > CC_ROOT_SIZE_MAX)
		return -E2BIG;
	h = malloc(size);
	if (!h)
		return -ENOMEM;
	*h = (struct cc_root_header){
		.magic = CC_ROOT_MAGIC, .version = htole32(ROOT_VERSION), .chunk_shift = htole32(p->chunk_shift),
		.number = htole64(p->number), .cut = htole64(p->upto), .size = htole64(p->size),
		.term = htole32(p->term), .nr_origins = htole32(p->nr_origins), .nr_refs = htole64(p->nr_refs),
	};
	memcpy(h->volume, p->volume, sizeof(h->volume));
	memcpy(h->base, p->base, sizeof(h->base));
	origins = (void *)(h + 1);
	for (uint32_t i = 0; i < p->nr_origins; i++) {
		origins[i] = (struct cc_map_origin){ .term = htole32(p->origins[i].term) };
		memcpy(origins[i].volume, p->origins[i].volume, sizeof(origins[i].volume));
	}
	refs = (void *)(origins + p->nr_origins);
	for (size_t i = 0; i < p->nr_refs; i++)
		encode_ref(&p->refs[i], &refs[i]);
	cc_sha256(h, size, ret_sha256);
	*ret_object = h;
	*ret_size = size;
	return 0;
}

/* ---- decoding ---- */

static const char *take_origins(const struct cc_map_origin *from, struct cc_root *p)
{
	static const uint8_t reserved[sizeof(from->reserved)], nobody[sizeof(from->volume)];
	uint32_t before = 0;

	for (uint32_t i = 0; i < p->nr_origins; i++) {
		struct cc_origin *o = &p->origins[i];

		o->term = le32toh(from[i].term);
		memcpy(o->volume, from[i].volume, sizeof(o->volume));
		if (memcmp(from[i].reserved, reserved, sizeof(reserved)))
			return "reserved field of an origin";
		if (o->term <= before || o->term >= CC_LOG_TERM_MAX)
			return "term of an origin";
		if (!memcmp(o->volume, nobody, sizeof(nobody)))
			return "volume of an origin";
		before = o->term;
	}
	return NULL;
}

static bool is_behind(const struct cc_ref *a, const struct cc_ref *b)
{
	return b->kind != a->kind ? b->kind > a->kind : b->index > a->index;
}

static const char *check_ref(const struct cc_ref *ref, const uint8_t sha256[CC_ID_SIZE], const struct cc_root *p)
{
	static const uint8_t zeros[CC_ID_SIZE];
	const uint64_t last = UINT64_MAX >> (CC_PLACE_LOG_SHIFT + CC_PAGE_LOGS_SHIFT);
	uint64_t pages = ((p->size >> CC_BLOCK_SHIFT) + (1u << CC_PAGE_BLOCKS_SHIFT) - 1) >> CC_PAGE_BLOCKS_SHIFT;

	if (ref->kind != CC_MAP_PIECES && ref->kind != CC_MAP_EXTENTS)
		return "kind of a page";
	if (ref->kind == CC_MAP_EXTENTS ? ref->index >= pages : ref->index > last)
		return "index of a page";
	if (ref->term)
		return ref->term > p->term ? "term of a page" : NULL;
	if (ref->kind != CC_MAP_EXTENTS || !ref->zeros_place || cc_place_is_data(ref->zeros_place) ||
	    memcmp(sha256 + sizeof(uint64_t), zeros, CC_ID_SIZE - sizeof(uint64_t)))
		return "place of zeros";
	return NULL;
}

static const char *take_refs(const struct cc_map_ref *from, struct cc_root *p)
{
	for (size_t i = 0; i < p->nr_refs; i++) {
		struct cc_ref *ref = &p->refs[i];
		const char *wrong;
		uint64_t place;

		*ref = (struct cc_ref){
			.index = le64toh(from[i].index), .kind = le32toh(from[i].kind), .term = le32toh(from[i].term),
		};
		memcpy(&place, from[i].sha256, sizeof(place));
		if (ref->term)
			memcpy(ref->sha256, from[i].sha256, sizeof(ref->sha256));
		else
			ref->zeros_place = le64toh(place);
		wrong = check_ref(ref, from[i].sha256, p);
		if (wrong)
			return wrong;
		if (i && !is_behind(ref - 1, ref))
			return "order of the pages";
	}
	return NULL;
}

static const char *check_map_root(const struct cc_root *p)
{
	if (p->chunk_shift < CC_CHUNK_SHIFT_MIN || p->chunk_shift > CC_CHUNK_SHIFT_MAX)
		return "chunk_shift";
	if (!p->size || p->size % CC_BLOCK_SIZE || p->size > CC_IMAGE_SIZE_MAX)
		return "size";
	if (!p->term || p->term > CC_LOG_TERM_MAX)
		return "term";
	return p->upto & CC_PLACE_DATA || (p->upto && !(p->upto & CC_PLACE_GUEST)) ? "cut" : NULL;
}

static const char *take_root(const uint8_t *object, size_t size, struct cc_root *p)
{
	struct cc_root_header h;
	const char *wrong;
	uint64_t nr_refs;

	if (size < sizeof(h) || memcmp(object, CC_ROOT_MAGIC, sizeof(h.magic)))
		return "magic";
	memcpy(&h, object, sizeof(h));
	if (le32toh(h.version) != ROOT_VERSION)
		return "version";
	*p = (struct cc_root){
		.chunk_shift = le32toh(h.chunk_shift), .term = le32toh(h.term), .number = le64toh(h.number),
		.upto = le64toh(h.cut), .size = le64toh(h.size), .nr_origins = le32toh(h.nr_origins),
	};
	memcpy(p->volume, h.volume, sizeof(p->volume));
	memcpy(p->base, h.base, sizeof(p->base));
	wrong = check_map_root(p);
	if (wrong)
		return wrong;
	nr_refs = le64toh(h.nr_refs);
	if (p->nr_origins > CC_ORIGINS_MAX || nr_refs > size / sizeof(struct cc_map_ref) ||
	    sizeof(h) + p->nr_origins * sizeof(struct cc_map_origin) + nr_refs * sizeof(struct cc_map_ref) != size)
		return "nr_origins and nr_refs";
	p->nr_refs = nr_refs;
	p->origins = calloc(p->nr_origins + 1, sizeof(*p->origins));
	p->refs = calloc(nr_refs + 1, sizeof(*p->refs));
	if (!p->origins || !p->refs)
		return "";
	object += sizeof(h);
	wrong = take_origins((const void *)object, p);
	object += p->nr_origins * sizeof(struct cc_map_origin);
	return wrong ? wrong : take_refs((const void *)object, p);
}

int cc_root_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], struct cc_root *ret, char *err,
		   size_t errlen)
{
	struct cc_root p = { 0 };
	const char *wrong;

	if (cc_verify(object, size, sha256, err, errlen))
		return -EILSEQ;
	if (size >= strlen(MAP_IN_ONE) && !memcmp(object, MAP_IN_ONE, strlen(MAP_IN_ONE))) {
		snprintf(err, errlen, "a map in one object, as builds before 0.1.0 put it: export the volume with one of these");
		return -EINVAL;
	}
	wrong = take_root(object, size, &p);
	if (!wrong) {
		*ret = p;
		return 0;
	}
	cc_root_free(&p);
	snprintf(err, errlen, *wrong ? "%s: not a value that it can have" : "out of memory", wrong);
	return *wrong ? -EINVAL : -ENOMEM;
}
