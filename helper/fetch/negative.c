// SPDX-License-Identifier: GPL-2.0-or-later
/* A set-associative memory of objects that are not there. */
#include "negative.h"

#include <string.h>

/* IDs are hashes. */
static unsigned int set_of(const struct cc_negative_key *key)
{
	return (key->id[0] | key->id[1] << 8) % CC_NEGATIVE_SETS;
}

static bool same(const struct cc_negative_key *a, const struct cc_negative_key *b)
{
	return a->store == b->store && a->kind == b->kind && !memcmp(a->id, b->id, sizeof(a->id));
}

/* In the place of itself, or else of what ends first. */
void cc_negative_add(struct cc_negative *n, const struct cc_negative_key *key, uint64_t until_ns)
{
	unsigned int set = set_of(key), way = 0;

	for (unsigned int i = 0; i < CC_NEGATIVE_WAYS; i++) {
		if (same(&n->entry[set][i].key, key)) {
			way = i;
			break;
		}
		if (n->entry[set][i].until_ns < n->entry[set][way].until_ns)
			way = i;
	}
	n->entry[set][way].key = *key;
	n->entry[set][way].until_ns = until_ns;
}

bool cc_negative_has(const struct cc_negative *n, const struct cc_negative_key *key, uint64_t now_ns)
{
	unsigned int set = set_of(key);

	for (unsigned int i = 0; i < CC_NEGATIVE_WAYS; i++)
		if (now_ns < n->entry[set][i].until_ns && same(&n->entry[set][i].key, key))
			return true;
	return false;
}
