// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stores as the fetch engine sees them: what it keeps of each, and which of them uses which.
 */
#include "fetch-impl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Its place in rings: by its URL, which is what all hosts have in common. */
static uint64_t ring_id_of(const struct cc_store_config *c)
{
	uint8_t digest[32];
	uint64_t id;

	cc_sha256(c->url, strlen(c->url), digest);
	memcpy(&id, digest, sizeof(id));
	return le64toh(id);
}

static struct cc_fetch_store *new_store(struct cc_fetch *f, struct cc_store *store)
{
	struct cc_fetch_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->store = store;
	s->ring_id = ring_id_of(store->config);
	cc_endpoint_init(&s->endpoint, store->config);
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		cc_list_init(&s->queue[i]);
	cc_list_init(&s->queued);
	cc_list_init(&s->node);
	cc_list_add_tail(&f->known, &s->node);
	return s;
}

static struct cc_fetch_store *find_or_make(struct cc_fetch *f, struct cc_store *store)
{
	cc_list_each(node, &f->known) {
		struct cc_fetch_store *s = cc_list_entry(node, struct cc_fetch_store, node);

		if (s->store == store)
			return s;
	}
	return new_store(f, store);
}

/* Those that it uses need no links of their own for that. */
static bool find_linked(struct cc_fetch *f, struct cc_fetch_store *s)
{
	for (unsigned int i = 0; i < s->store->nr_replicas; i++) {
		s->replicas[i] = find_or_make(f, s->store->replicas[i]);
		if (!s->replicas[i])
			return false;
	}
	for (unsigned int i = 0; i < s->store->nr_caches; i++) {
		s->caches[i] = find_or_make(f, s->store->caches[i]);
		if (!s->caches[i])
			return false;
	}
	return true;
}

struct cc_fetch_store *cc_fetch_store_of(struct cc_fetch *f, struct cc_store *store)
{
	struct cc_fetch_store *s = find_or_make(f, store);

	if (s && !s->linked)
		s->linked = find_linked(f, s);
	return s && s->linked ? s : NULL;
}

void cc_fetch_store_free_all(struct cc_fetch *f)
{
	cc_list_each_safe(node, &f->known)
		free(cc_list_entry(node, struct cc_fetch_store, node));
}
