/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of chunk IDs, for deduplication within an image.  Not locked: the caller does that.
 */
#ifndef CC_ID_SET_H
#define CC_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"

/* Start from zeroed memory. */
struct cc_id_set {
	uint8_t (*ids)[CC_ID_SIZE];	/* nr_buckets of them; all zero: empty */
	size_t nr_buckets;		/* 0 or a power of two */
	size_t nr_ids;
};

/* 1: added, 0: was there, -ENOMEM.  id is no hole's. */
int cc_id_set_add(struct cc_id_set *s, const uint8_t id[CC_ID_SIZE]);
bool cc_id_set_has(const struct cc_id_set *s, const uint8_t id[CC_ID_SIZE]);
void cc_id_set_free(struct cc_id_set *s);

#endif
