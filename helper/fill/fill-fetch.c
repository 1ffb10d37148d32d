// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fetches of chunks: which is started when, so that no store and no readahead takes all buffers; and what
 * becomes of what a fetch brings.
 */
#include "fill-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOWN_FAILURES	4		/* in a row: the store is down */
#define PROBES		2		/* requests at a time that a store always gets */
#define PROBE_PERIOD	CC_SECOND	/* of a store that does not answer */
#define PROBES_MAX	8		/* of them at a time: older ones may hang long after it is back */
#define MAX_FAILURES	4096		/* chunks in that memory */

/* ---- out of the store ---- */

/* No store may hold all buffers: one that does not answer would take the others with it. */
static unsigned int share(const struct cc_fills *f)
{
	unsigned int nr = f->c.supplies->nr > 1 ? f->c.nr_buffers * 3 / 4 : f->c.nr_buffers;

	return nr ? nr : 1;
}

static unsigned int in_flight_max(const struct cc_fills *f, const struct cc_supply *s)
{
	return s->allowed < share(f) ? s->allowed : share(f);
}

static void supply_answered(struct cc_fills *f, struct cc_supply *s)
{
	s->failures = 0;
	if (s->allowed < share(f))
		s->allowed++;
	if (!s->down)
		return;
	s->down = false;
	s->next_retry = 0;
	/* What waits for its next try need not wait for an answer that has just come. */
	cc_list_each(n, &s->retry) {
		struct cc_fill *fill = cc_list_entry(n, struct cc_fill, node);

		fill->due = 0;
		fill->backoff = CC_FILL_BACKOFF_MIN;
	}
	if (cc_ratelimit_pass(&f->store_limit))
		cc_log(LOG_NOTICE, "store %s answers again", s->source->config->name);
}

static void supply_failed(struct cc_fills *f, struct cc_supply *s)
{
	s->allowed = in_flight_max(f, s) / 2;
	if (s->allowed < PROBES)
		s->allowed = PROBES;
	if (++s->failures < DOWN_FAILURES || s->down)
		return;
	s->down = true;
	cc_fills_drop_list(&s->prefetch);
	cc_fills_drop_list(&s->by_hand);
	s->probe_due = cc_now_ns() + PROBE_PERIOD;
	if (cc_ratelimit_pass(&f->store_limit))
		cc_log(LOG_WARNING, "store %s does not answer; reads wait for it", s->source->config->name);
}

static void fill_retry(struct cc_fill *fill, uint64_t now_ns)
{
	struct cc_supply *s = fill->supply;

	/* Only an outage is waited out: an answer ends it for all.  Else nothing would end a long wait. */
	if (!s->down)
		fill->backoff = CC_FILL_BACKOFF_MIN;
	fill->due = now_ns + fill->backoff;
	fill->backoff = fill->backoff * 2 > CC_FILL_BACKOFF_MAX ? CC_FILL_BACKOFF_MAX : fill->backoff * 2;
	cc_list_del(&fill->node);
	cc_list_add_tail(&s->retry, &fill->node);
	if (fill->due < s->next_retry)
		s->next_retry = fill->due;
}

/* Stores differ in how long it is; mostly it is the last one that is forgotten. */
static void insert_failure(struct cc_fills *f, struct cc_failure *x)
{
	struct cc_list *next = &f->failures;

	while (next->prev != &f->failures &&
	       cc_list_entry(next->prev, struct cc_failure, node)->until > x->until)
		next = next->prev;
	cc_list_add_tail(next, &x->node);
}

static void remember_failure(struct cc_fills *f, struct cc_chunk *chunk, struct cc_source *source,
			     uint32_t encoding, uint32_t class)
{
	struct cc_failure *x = calloc(1, sizeof(*x));

	if (!x) {
		cc_index_forget(f->c.index, chunk);
		return;
	}
	*x = (struct cc_failure) {
		.chunk = chunk, .source = source, .encoding = encoding, .class = class,
		.until = cc_now_ns() + source->config->negative_ttl_ms * CC_MS,
	};
	chunk->failure = x;
	insert_failure(f, x);
	f->nr_failures++;
}

/* The store does not have the chunk, or not the right one: all who want it from there get an error. */
static void fetch_refused(struct cc_fill *fill, uint32_t class)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;
	struct cc_source *source = fill->supply->source;
	uint32_t encoding = fill->encoding;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);
		struct cc_disk *disk = cc_disks_find(f->c.disks, w->m.disk);

		if (disk && disk->manifest &&
		    (disk->source != source || disk->manifest->encoding != encoding))
			continue;
		cc_fill_answer_error(f, &w->m, class);
		cc_waiters_free(f->waiters, w);
	}
	cc_ramcache_put(f->c.ramcache, chunk->buf);
	chunk->buf = NULL;
	if (cc_fill_choose_source(fill)) {
		cc_index_set_state(f->c.index, chunk, CC_CHUNK_WANTED);
		fill->due = 0;
		cc_fill_queue(fill);
		return;
	}
	cc_fill_free(fill);
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_FAILED);
	remember_failure(f, chunk, source, encoding, class);
}

/* Trouble that may pass: the kernel holds the readers under their own rule, and here it is tried again. */
static void fetch_again(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;

	cc_ramcache_put(f->c.ramcache, chunk->buf);
	chunk->buf = NULL;
	if (!cc_fill_choose_source(fill)) {
		cc_fill_drop(fill);
		return;
	}
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_WANTED);
	fill_retry(fill, cc_now_ns());
}

static void log_failure(struct cc_fill *fill)
{
	const struct cc_fetch_req *req = &fill->req;
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(req->id, hex);
	/* The error names the store. */
	log_limited(fill->f, LOG_WARNING, "chunk %.16s: %s", hex,
		    req->error[0] ? req->error : cc_store_result_name(req->result));
}

/* Who asked first pays, or whom it is for. */
static void charge(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_disk *disk = cc_disks_find(f->c.disks, fill->for_disk);

	if (!cc_list_empty(&fill->waiters))
		disk = cc_disks_find(f->c.disks, cc_list_entry(fill->waiters.next, struct cc_waiter,
							       node)->m.disk);
	cc_accounts_charge(&f->c.supplies->sources->accounts, disk ? disk->account : NULL,
			   fill->req.attempts, fill->req.bytes_fetched);
}

static void chunk_fetched(struct cc_fetch_req *req)
{
	struct cc_fill *fill = cc_list_entry(req, struct cc_fill, req);
	struct cc_fills *f = fill->f;

	charge(fill);
	cc_source_note(fill->supply->source, req, cc_now_ns());
	f->in_flight--;
	fill->supply->in_flight--;
	f->stats->bytes += req->bytes_fetched;
	if (f->draining) {
		cc_fill_drop(fill);
		return;
	}
	if (req->result != CC_STORE_OK) {
		f->stats->errors[req->result]++;
		log_failure(fill);
	}
	switch (req->result) {
	case CC_STORE_OK:
		f->stats->fetched++;
		supply_answered(f, fill->supply);
		cc_fill_verified(fill);
		break;
	case CC_STORE_NOTFOUND:
		supply_answered(f, fill->supply);
		fetch_refused(fill, CHUNKCACHE_FAIL_NOTFOUND);
		break;
	case CC_STORE_CORRUPT:
	case CC_STORE_TOOBIG:
		supply_answered(f, fill->supply);
		fetch_refused(fill, CHUNKCACHE_FAIL_CORRUPT);
		break;
	default:
		supply_failed(f, fill->supply);
		fetch_again(fill);
	}
}

void cc_fill_start_fetch(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;

	cc_index_set_state(f->c.index, chunk, CC_CHUNK_FETCHING);
	fill->due = 0;
	cc_fill_prefetch_started(fill);
	fill->req = (struct cc_fetch_req) {
		.store = fill->supply->source->store, .encoding = fill->encoding, .buf = chunk->buf->data,
		.buf_size = cc_fills_chunk_size(f), .done = chunk_fetched,
	};
	memcpy(fill->req.id, chunk->id, CC_ID_SIZE);
	f->in_flight++;
	fill->supply->in_flight++;
	cc_fetch_submit(f->c.fetch, &fill->req, fill->prio);
}

/* ---- scheduling ---- */

/*
 * Backoffs have grown long by now, and what is in flight may hang or wait in the engine: one more fill a
 * second finds out that the store is back.
 */
static bool probes(const struct cc_supply *s)
{
	return s->down && s->in_flight < PROBES_MAX &&
	       !(cc_list_empty(&s->retry) && cc_list_empty(&s->wanted) && cc_list_empty(&s->ahead));
}

static void probe(struct cc_supply *s, uint64_t now_ns)
{
	struct cc_fill *fill;

	if (!probes(s) || now_ns < s->probe_due)
		return;
	s->probe_due = now_ns + PROBE_PERIOD;
	if (s->allowed <= s->in_flight)
		s->allowed = s->in_flight + 1;
	if (!cc_list_empty(&s->wanted) || !cc_list_empty(&s->ahead))
		return;
	fill = cc_list_entry(s->retry.next, struct cc_fill, node);
	fill->due = 0;
	cc_fill_queue(fill);
}

static void retry_due(struct cc_supply *s, uint64_t now_ns)
{
	if (now_ns < s->next_retry)
		return;
	s->next_retry = UINT64_MAX;
	cc_list_each_safe(n, &s->retry) {
		struct cc_fill *fill = cc_list_entry(n, struct cc_fill, node);

		if (fill->due <= now_ns) {
			fill->due = 0;
			cc_fill_queue(fill);
		} else if (fill->due < s->next_retry) {
			s->next_retry = fill->due;
		}
	}
}

/*
 * For nobody only so much at a time that who comes then finds a request free, of all and of its store's.
 * A store that is down is not found to be up again in this way.
 */
static bool may_prefetch(const struct cc_fills *f, const struct cc_supply *s)
{
	unsigned int all = s->source->config->connections, spare = all < 8 ? all > 1 : all / 8;

	return !s->down && f->prefetching < f->c.prefetch_max && s->prefetching < all - spare;
}

/* Whose turn it is, or NULL. */
static struct cc_list *next_queue(struct cc_fills *f, struct cc_supply *s)
{
	if (!cc_list_empty(&s->wanted))
		return &s->wanted;
	if (!cc_list_empty(&s->ahead))
		return &s->ahead;
	if (!may_prefetch(f, s))
		return NULL;
	if (!cc_list_empty(&s->prefetch))
		return &s->prefetch;
	return cc_list_empty(&s->by_hand) ? NULL : &s->by_hand;
}

/* Start one fill of s; false if there is none, or nothing to start it with. */
static bool start_one(struct cc_fills *f, struct cc_supply *s)
{
	struct cc_list *queue = next_queue(f, s);
	struct cc_fill *fill;

	if (!queue || s->in_flight >= in_flight_max(f, s))
		return false;
	fill = cc_list_entry(queue->next, struct cc_fill, node);
	fill->chunk->buf = cc_ramcache_get(f->c.ramcache, queue == &s->wanted);
	if (!fill->chunk->buf)
		return false;
	cc_list_del(&fill->node);
	cc_fill_start_fetch(fill);
	return true;
}

uint64_t cc_fills_step_supplies(struct cc_fills *f, uint64_t now_ns)
{
	uint64_t due = UINT64_MAX;
	bool started = true;

	for (unsigned int i = 0; i < f->c.supplies->nr; i++) {
		struct cc_supply *s = &f->c.supplies->s[i];

		retry_due(s, now_ns);
		probe(s, now_ns);
		if (s->next_retry < due)
			due = s->next_retry;
		if (probes(s) && s->probe_due < due)
			due = s->probe_due;
	}
	while (started && !f->error) {
		started = false;
		for (unsigned int i = 0; i < f->c.supplies->nr; i++)
			started |= start_one(f, &f->c.supplies->s[i]);
	}
	return due;
}

void cc_fills_expire_failures(struct cc_fills *f, uint64_t now_ns)
{
	while (f->nr_failures) {
		struct cc_failure *x = cc_list_entry(f->failures.next, struct cc_failure, node);
		struct cc_chunk *chunk = x->chunk;

		if (now_ns < x->until && f->nr_failures <= MAX_FAILURES)
			return;
		cc_failure_free(f, x);
		cc_index_forget(f->c.index, chunk);
	}
}
