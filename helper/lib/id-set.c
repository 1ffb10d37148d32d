// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Open addressing, linear probing.
 */
#include "id-set.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "id-hash.h"
#include "manifest.h"

#define FIRST_BUCKETS 1024

/* The bucket of id, or the empty one where it belongs. */
static uint8_t *find_place(const struct cc_id_set *s, const uint8_t id[CC_ID_SIZE])
{
	size_t i = cc_id_hash(0, id) & (s->nr_buckets - 1);

	for (;; i = (i + 1) & (s->nr_buckets - 1))
		if (cc_id_is_hole(s->ids[i]) || !memcmp(s->ids[i], id, CC_ID_SIZE))
			return s->ids[i];
}

static int grow_set(struct cc_id_set *s)
{
	struct cc_id_set bigger = {
		.nr_buckets = s->nr_buckets ? s->nr_buckets * 2 : FIRST_BUCKETS,
		.nr_ids = s->nr_ids,
	};
	size_t i;

	bigger.ids = calloc(bigger.nr_buckets, CC_ID_SIZE);
	if (!bigger.ids)
		return -ENOMEM;
	for (i = 0; i < s->nr_buckets; i++)
		if (!cc_id_is_hole(s->ids[i]))
			memcpy(find_place(&bigger, s->ids[i]), s->ids[i], CC_ID_SIZE);
	free(s->ids);
	*s = bigger;
	return 0;
}

int cc_id_set_add(struct cc_id_set *s, const uint8_t id[CC_ID_SIZE])
{
	uint8_t *bucket;

	if (s->nr_ids >= s->nr_buckets / 4 * 3 && grow_set(s))
		return -ENOMEM;
	bucket = find_place(s, id);
	if (!cc_id_is_hole(bucket))
		return 0;
	memcpy(bucket, id, CC_ID_SIZE);
	s->nr_ids++;
	return 1;
}

bool cc_id_set_has(const struct cc_id_set *s, const uint8_t id[CC_ID_SIZE])
{
	return s->nr_ids && !cc_id_is_hole(find_place(s, id));
}

void cc_id_set_free(struct cc_id_set *s)
{
	free(s->ids);
	memset(s, 0, sizeof(*s));
}
