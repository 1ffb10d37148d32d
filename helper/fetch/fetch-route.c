// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whom a request of the fetch engine asks: one of its store's caches, a few more if that fails; then, in
 * each attempt, the store itself or one of its replicas, and if that fails one more of them.
 *
 * Caches are a ring, by rendezvous hashing (Thaler and Ravishankar, 1998): each object ranks all of them in an order
 * of its own, the same on each host, and the first cache_copies that are well have it.  So a cache that goes moves no
 * object but those that it had, to caches that differ from object to object, and one that comes takes its share back.
 *
 * A cache never has the last word.  Neither has a replica on what is not there: it may only not be
 * there yet.
 */
#include "fetch-impl.h"

#include <endian.h>
#include <string.h>
#include "id-hash.h"

#define NOBODY (~0u)

/* The store itself and its replicas, in order of preference. */
static struct cc_fetch_store *replica(const struct cc_fetch_priv *p, unsigned int i)
{
	return i ? p->store->replicas[i - 1] : p->store;
}

static unsigned int nr_replicas(const struct cc_fetch_priv *p)
{
	return p->store->store->nr_replicas + 1;
}

static unsigned int replica_index(const struct cc_fetch_priv *p, const struct cc_fetch_store *at)
{
	for (unsigned int i = 0; i < nr_replicas(p); i++)
		if (replica(p, i) == at)
			return i;
	return NOBODY;
}

static unsigned int cache_index(const struct cc_fetch_priv *p, const struct cc_fetch_store *at)
{
	const struct cc_fetch_store *s = p->store;

	for (unsigned int i = 0; i < s->store->nr_caches; i++)
		if (s->caches[i] == at)
			return i;
	return NOBODY;
}

bool cc_fetch_has_room(const struct cc_fetch *f, const struct cc_fetch_store *s)
{
	/* Whatever is configured, an eighth of the network is left to others: this one may be dead. */
	unsigned int most = f->config.max_in_flight - f->config.max_in_flight / 8;

	return s->endpoint.pace.active < most && cc_endpoint_has_room(&s->endpoint);
}

/* ---- whom next ---- */

/*
 * The rank of cache i for the object that p is about: the higher the better, and no two the same.  The mix is the
 * finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
 */
static uint64_t cache_rank(const struct cc_fetch_priv *p, unsigned int i)
{
	uint64_t x;

	memcpy(&x, p->req->id, sizeof(x));
	x = le64toh(x) ^ p->store->caches[i]->ring_id;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return (x & ~(CC_STORE_MAX_CACHES - 1ULL)) | i;
}

static bool is_cache_well(const struct cc_fetch *f, const struct cc_fetch_store *c, uint64_t now_ns)
{
	return c->store->config->cache_mode != CC_CACHE_OFF && cc_fetch_has_room(f, c) &&
	       !cc_endpoint_is_out(&c->endpoint, now_ns);
}

/* The best one that is well, was not asked and ranks below; sets below to its rank.  NULL: there is none. */
static struct cc_fetch_store *best_cache(const struct cc_fetch *f, const struct cc_fetch_priv *p, uint64_t asked,
					 uint64_t *below, uint64_t now_ns)
{
	const struct cc_fetch_store *s = p->store;
	struct cc_fetch_store *best = NULL;
	uint64_t highest = 0;

	for (unsigned int i = 0; i < s->store->nr_caches; i++) {
		uint64_t rank = cache_rank(p, i);

		if (asked & 1ULL << i || rank >= *below || (best && rank < highest) ||
		    !is_cache_well(f, s->caches[i], now_ns))
			continue;
		best = s->caches[i];
		highest = rank;
	}
	if (best)
		*below = highest;
	return best;
}

/*
 * Of those that have the object this process always asks the same one first, others another one; after a failure, the
 * next by rank.
 */
static struct cc_fetch_store *next_cache(const struct cc_fetch *f, const struct cc_fetch_priv *p, uint64_t asked,
					 uint64_t now_ns)
{
	unsigned int copies = p->store->store->config->cache_copies, skip = 0;
	struct cc_fetch_store *best, *next;
	uint64_t below = UINT64_MAX;

	if ((unsigned int)__builtin_popcountll(asked) > copies)
		return NULL;
	if (!asked && copies > 1)
		skip = cc_id_hash(0, p->req->id) % copies;
	best = best_cache(f, p, asked, &below, now_ns);
	while (skip-- && (next = best_cache(f, p, asked, &below, now_ns)) != NULL)
		best = next;
	return best;
}

/* The best one that was not asked; if out, those count as well that are to be passed over. */
static struct cc_fetch_store *best_replica(const struct cc_fetch *f, const struct cc_fetch_priv *p,
				     uint32_t asked, bool out, uint64_t now_ns)
{
	struct cc_fetch_store *best = NULL;
	double least = 0;

	for (unsigned int i = 0; i < nr_replicas(p); i++) {
		struct cc_fetch_store *s = replica(p, i);
		double score;

		if (asked & 1u << i || !cc_fetch_has_room(f, s) ||
		    (!out && cc_endpoint_is_out(&s->endpoint, now_ns)))
			continue;
		score = cc_endpoint_score(&s->endpoint, i, now_ns);
		if (!best || score < least) {
			best = s;
			least = score;
		}
	}
	return best;
}

struct cc_fetch_store *cc_fetch_route(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t now_ns)
{
	struct cc_fetch_store *s = next_cache(f, p, p->cached, now_ns);

	if (s)
		return s;
	if (nr_replicas(p) == 1)
		return cc_fetch_has_room(f, p->store) ? p->store : NULL;
	if (p->asked && !(p->asked & 1) && p->before.result == CC_STORE_NOTFOUND)
		return cc_fetch_has_room(f, p->store) ? p->store : NULL;
	s = best_replica(f, p, p->asked, false, now_ns);
	return s ? s : best_replica(f, p, p->asked, true, now_ns);
}

struct cc_fetch_store *cc_fetch_route_beside(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t now_ns)
{
	unsigned int i = replica_index(p, p->at);
	struct cc_fetch_store *s;

	if (i != NOBODY)
		return p->asked ? NULL : best_replica(f, p, 1u << i, false, now_ns);
	s = next_cache(f, p, p->cached | 1ULL << cache_index(p, p->at), now_ns);
	return s ? s : best_replica(f, p, 0, false, now_ns);
}

uint64_t cc_fetch_route_deadline(const struct cc_fetch_priv *p, const struct cc_fetch_store *at,
				 uint64_t now_ns)
{
	uint64_t half, own;

	if (cache_index(p, at) == NOBODY || now_ns >= p->deadline_ns)
		return p->deadline_ns;
	half = now_ns + (p->deadline_ns - now_ns) / 2;
	own = now_ns + at->store->config->total_timeout_ms * CC_MS;
	return own < half ? own : half;
}

bool cc_fetch_route_only_if_cached(const struct cc_fetch_priv *p, const struct cc_fetch_store *at)
{
	return at->store->config->cache_mode == CC_CACHE_READ_ONLY && cache_index(p, at) != NOBODY;
}

/* ---- after a failure ---- */

static bool is_other_left(const struct cc_fetch_priv *p, uint64_t now_ns)
{
	for (unsigned int i = 0; i < nr_replicas(p); i++)
		if (!(p->asked & 1u << i) &&
		    (!i || !cc_endpoint_is_out(&replica(p, i)->endpoint, now_ns)))
			return true;
	return false;
}

/* Of two failures the one counts that time may cure; else the word of the store itself. */
static void combine(const struct cc_fetch_priv *p, bool is_store, struct cc_http_outcome *o)
{
	bool hope = o->class != CC_RETRY_FATAL, hope_before = p->before.class != CC_RETRY_FATAL;

	if (hope != hope_before ? hope_before : !is_store)
		*o = p->before;
}

enum cc_route_verdict cc_fetch_route_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
					    struct cc_fetch_store *at, struct cc_http_outcome *o)
{
	unsigned int cache = cache_index(p, at), i = replica_index(p, at);
	bool first = !p->asked;

	if (cache != NOBODY) {
		p->cached |= 1ULL << cache;
		at->endpoint.stats.fallbacks++;
		return CC_ROUTE_NEXT;
	}
	if (!i && o->result == CC_STORE_NOTFOUND)
		return CC_ROUTE_FINAL;
	p->asked |= 1u << i;
	if (first && is_other_left(p, cc_now_ns())) {
		p->before = *o;
		at->endpoint.stats.fallbacks++;
		return CC_ROUTE_NEXT;
	}
	if (!first)
		combine(p, !i, o);
	p->asked = 0;
	return CC_ROUTE_RETRY;
}
