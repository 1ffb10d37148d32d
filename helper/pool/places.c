// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Places of chunk IDs in a manifest; see places.h.  An open-addressed table has one entry for each
 * distinct ID; a chain links the other places of the same ID, so that an image that is full of
 * one chunk costs no more than any other.
 */
#include "places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "id-hash.h"

#define NONE UINT32_MAX

struct cc_places {
	const struct cc_manifest *m;
	uint32_t *table;		/* chunk numbers, NONE where empty */
	uint64_t mask;
	uint32_t *next;			/* by chunk number */
};

static uint32_t *lookup(const struct cc_places *p, const uint8_t *id)
{
	for (uint64_t h = cc_id_hash(0, id);; h++) {
		uint32_t *e = &p->table[h & p->mask];

		if (*e == NONE || !memcmp(cc_manifest_id(p->m, *e), id, CC_ID_SIZE))
			return e;
	}
}

static void fill_table(struct cc_places *p)
{
	/* From the end, so that each chain is in ascending order. */
	for (uint64_t i = p->m->nr_chunks; i-- > 0;) {
		const uint8_t *id = cc_manifest_id(p->m, i);
		uint32_t *e;

		p->next[i] = NONE;
		if (cc_id_is_hole(id))
			continue;
		e = lookup(p, id);
		p->next[i] = *e;
		*e = (uint32_t)i;
	}
}

int cc_places_build(const struct cc_manifest *m, struct cc_places **ret_places)
{
	struct cc_places *p;
	uint64_t size = 16;

	if (m->nr_chunks >= NONE)
		return -EFBIG;
	while (size < m->nr_chunks * 2)
		size *= 2;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->m = m;
	p->mask = size - 1;
	p->table = malloc(size * sizeof(*p->table));
	p->next = malloc(m->nr_chunks * sizeof(*p->next));
	if (!p->table || !p->next) {
		cc_places_free(p);
		return -ENOMEM;
	}
	memset(p->table, 0xff, size * sizeof(*p->table));
	fill_table(p);
	*ret_places = p;
	return 0;
}

void cc_places_free(struct cc_places *p)
{
	if (!p)
		return;
	free(p->table);
	free(p->next);
	free(p);
}

uint64_t cc_places_first(const struct cc_places *p, const uint8_t id[CC_ID_SIZE])
{
	uint32_t e = *lookup(p, id);

	return e == NONE ? CC_NO_PLACE : e;
}

uint64_t cc_places_next(const struct cc_places *p, uint64_t chunk)
{
	return p->next[chunk] == NONE ? CC_NO_PLACE : p->next[chunk];
}
