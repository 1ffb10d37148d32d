// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's requests: the one place that writes their states, the queues, what a failure
 * leads to, time, completions.
 */
#include "fetch-impl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lists ---- */

static struct cc_list *list_of_state(struct cc_fetch *f, const struct cc_fetch_priv *p)
{
	switch (p->state) {
	case CC_FETCH_QUEUED:
		return &p->store->queue[p->priority];
	case CC_FETCH_DELAYED:
		return &f->delayed;
	case CC_FETCH_ACTIVE:
		return cc_fetch_store_is_http(p->store) ? NULL : &f->reading;
	case CC_FETCH_LANDED:
		return &f->landed;
	case CC_FETCH_DONE:
		return &f->done;
	default:
		return NULL;
	}
}

/* What orders its list; the others are first in, first out. */
static uint64_t order_key(const struct cc_fetch_priv *p)
{
	switch (p->state) {
	case CC_FETCH_QUEUED:
	case CC_FETCH_ACTIVE:
		return p->deadline_ns;
	case CC_FETCH_DELAYED:
		return p->due_ns;
	default:
		return 0;
	}
}

/* Nearly always at the end: deadlines are the time of the submit and what the store gives. */
static void insert_ordered(struct cc_list *list, struct cc_fetch_priv *p)
{
	struct cc_list *next = list;

	while (next->prev != list && order_key(cc_fetch_priv_of(next->prev)) > order_key(p))
		next = next->prev;
	cc_list_add_tail(next, &p->node);
}

static void count_in_queue(struct cc_fetch *f, struct cc_fetch_priv *p, int n)
{
	struct cc_fetch_store *s = p->store;

	f->stats.queued[p->priority] += n;
	s->nr_queued += n;
	if (!s->nr_queued)
		cc_list_del(&s->queued);
	else if (cc_list_empty(&s->queued))
		cc_list_add_tail(&f->stores, &s->queued);
}

static void count_state(struct cc_fetch *f, struct cc_fetch_priv *p, int n)
{
	if (p->state == CC_FETCH_QUEUED)
		count_in_queue(f, p, n);
	if (p->state == CC_FETCH_ACTIVE)
		f->stats.in_flight += n;
}

void cc_fetch_set_state(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_fetch_state state)
{
	struct cc_list *list;

	count_state(f, p, -1);
	cc_list_del(&p->node);
	p->state = state;
	count_state(f, p, 1);
	list = list_of_state(f, p);
	if (list)
		insert_ordered(list, p);
}

/* ---- completion ---- */

void cc_fetch_ring(struct cc_fetch *f)
{
	const uint64_t one = 1;

	if (f->rung)
		return;
	f->rung = true;
	/* It can only fail when the counter is full, and then the descriptor is readable. */
	if (write(f->eventfd, &one, sizeof(one)) < 0)
		return;
}

void cc_fetch_say(struct cc_fetch_req *req, const char *reason)
{
	const char *name = req->store->config->name;

	snprintf(req->error, sizeof(req->error), "%s%s%s%s", name ? "store " : "", name ? name : "",
		 name ? ": " : "", reason);
}

static struct cc_negative_key negative_key(const struct cc_fetch_req *req)
{
	struct cc_negative_key key = { .store = req->store };

	memcpy(key.id, req->id, sizeof(key.id));
	key.kind = req->kind == CC_FETCH_CHUNK ? req->encoding : UINT32_MAX - req->kind;
	return key;
}

bool cc_fetch_is_known_missing(struct cc_fetch *f, const struct cc_fetch_priv *p)
{
	const struct cc_negative_key key = negative_key(p->req);

	if (!cc_negative_has(&f->negative, &key, p->submit_ns))
		return false;
	f->stats.negative_hits++;
	return true;
}

/* What the end means for the store that was asked. */
static void settle_store(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result)
{
	struct cc_fetch_req *req = p->req;

	if (!cc_fetch_store_is_http(p->store))
		return;
	if (result == CC_STORE_OK)
		cc_endpoint_repay(&(p->payer ? p->payer : p->at)->endpoint, p->spent);
	if (result == CC_STORE_NOTFOUND && req->store->config->negative_ttl_ms) {
		const struct cc_negative_key key = negative_key(req);

		cc_negative_add(&f->negative, &key,
				cc_now_ns() + req->store->config->negative_ttl_ms * CC_MS);
	}
}

void cc_fetch_leave_read(struct cc_fetch_priv *p)
{
	if (!p->read)
		return;
	p->read->p = NULL;
	p->read->cancelled = true;
	p->read = NULL;
	p->store->nr_left++;
}

void cc_fetch_complete(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result,
		       const char *reason)
{
	struct cc_fetch_req *req = p->req;

	cc_fetch_leave_read(p);
	cc_bufpool_put(f->bufs, p->staging);
	p->staging = NULL;
	req->result = result;
	req->attempts = p->attempts;
	req->bytes_fetched = p->bytes;
	req->total_ns = cc_now_ns() - p->submit_ns;
	if (result) {
		req->size = 0;
		cc_fetch_say(req, reason);
	}
	settle_store(f, p, result);
	f->stats.errors[result]++;
	cc_fetch_set_state(f, p, CC_FETCH_DONE);
	cc_fetch_ring(f);
}

/* ---- after a failure ---- */

void cc_fetch_enqueue(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	cc_fetch_set_state(f, p, CC_FETCH_QUEUED);
	cc_fetch_alarm(f, p->deadline_ns);
	if (cc_fetch_store_is_http(p->store))
		cc_fetch_wake_idlest(f);
	else
		pthread_cond_signal(&f->file_work);
}

void cc_fetch_delay(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t due_ns)
{
	p->due_ns = due_ns;
	cc_fetch_set_state(f, p, CC_FETCH_DELAYED);
	cc_fetch_alarm(f, due_ns);
}

static bool pay_retry(struct cc_fetch_priv *p, enum cc_retry_class class)
{
	if (!cc_fetch_store_is_http(p->at))
		return true;
	if (p->payer != p->at)
		p->spent = 0;
	p->payer = p->at;
	return cc_endpoint_pay_retry(&p->at->endpoint, class, &p->spent);
}

static void retry_later(struct cc_fetch *f, struct cc_fetch_priv *p, const struct cc_http_outcome *o)
{
	uint64_t now = cc_now_ns();
	unsigned int delay;

	if (!cc_retry_next(&p->retry, o->class, o->retry_after_ms, &delay, &p->fresh) ||
	    now + delay * CC_MS >= p->deadline_ns || !pay_retry(p, o->class)) {
		cc_fetch_complete(f, p, o->result, o->reason);
		return;
	}
	f->stats.retries++;
	cc_fetch_delay(f, p, now + delay * CC_MS);
}

void cc_fetch_attempt_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
			     const struct cc_http_outcome *failure)
{
	enum cc_route_verdict verdict = CC_ROUTE_RETRY;
	struct cc_http_outcome o = *failure;

	if (p->cancelled) {
		cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
		return;
	}
	if (cc_fetch_store_is_http(p->at))
		verdict = cc_fetch_route_failed(f, p, p->at, &o);
	if (verdict == CC_ROUTE_RETRY) {
		retry_later(f, p, &o);
	} else if (verdict == CC_ROUTE_FINAL || cc_now_ns() >= p->deadline_ns) {
		cc_fetch_complete(f, p, o.result, o.reason);
	} else {
		p->fresh = false;
		cc_fetch_enqueue(f, p);
	}
}

/* ---- time ---- */

static const char *why_late(const struct cc_fetch_priv *p)
{
	if (p->read)
		return "a read has not returned in time";
	return p->store->nr_left ? "not begun in time, as reads that began before do not return" :
	       "not begun in time";
}

static void expire_queue(struct cc_fetch *f, struct cc_list *queue, uint64_t now, uint64_t *next)
{
	while (!cc_list_empty(queue)) {
		struct cc_fetch_priv *p = cc_fetch_priv_of(queue->next);

		if (now < p->deadline_ns) {
			if (p->deadline_ns < *next)
				*next = p->deadline_ns;
			return;
		}
		cc_fetch_complete(f, p, CC_STORE_TIMEOUT, why_late(p));
	}
}

static void expire_queues(struct cc_fetch *f, uint64_t now, uint64_t *next)
{
	/* A store whose last request this ends leaves the list. */
	cc_list_each_safe(node, &f->stores) {
		struct cc_fetch_store *s = cc_list_entry(node, struct cc_fetch_store, queued);

		for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
			expire_queue(f, &s->queue[i], now, next);
	}
}

uint64_t cc_fetch_keep_time(struct cc_fetch *f, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	while (!cc_list_empty(&f->delayed)) {
		struct cc_fetch_priv *p = cc_fetch_priv_of(f->delayed.next);

		if (now_ns < p->due_ns) {
			next = p->due_ns;
			break;
		}
		cc_fetch_enqueue(f, p);
	}
	expire_queue(f, &f->reading, now_ns, &next);
	expire_queues(f, now_ns, &next);
	f->next_event_ns = next;
	return next;
}

/* ---- queue ---- */

#define LOOK_MAX 8			/* requests of a store, when the first ones have to wait */

static struct cc_fetch_store *room_for(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t now)
{
	struct cc_fetch_store *s = p->store;

	if (cc_fetch_store_is_http(s))
		return cc_fetch_route(f, p, now);
	return s->nr_reads < CC_FETCH_FILE_READS && s->nr_reads < s->store->config->connections ? s : NULL;
}

/* Of those of a store, the first that somebody has room for. */
static struct cc_fetch_priv *next_of(struct cc_fetch *f, struct cc_list *queue, uint64_t now)
{
	unsigned int n = 0;

	cc_list_each(node, queue) {
		struct cc_fetch_priv *p = cc_fetch_priv_of(node);

		p->at = room_for(f, p, now);
		if (p->at)
			return p;
		if (++n == LOOK_MAX)
			break;
	}
	return NULL;
}

struct cc_fetch_priv *cc_fetch_next(struct cc_fetch *f, enum cc_store_kind kind, unsigned int free,
				    unsigned int slots)
{
	uint64_t now = cc_now_ns();

	for (int i = 0; i < CC_FETCH_NR_PRIORITIES && free; i++) {
		/* What nobody waits for never takes the last quarter: a demand finds a slot at once. */
		if (i == CC_FETCH_PREFETCH && free <= slots / 4)
			return NULL;
		cc_list_each(node, &f->stores) {
			struct cc_fetch_store *s = cc_list_entry(node, struct cc_fetch_store, queued);
			struct cc_fetch_priv *p;

			p = s->store->kind == kind ? next_of(f, &s->queue[i], now) : NULL;
			if (!p)
				continue;
			/* Stores take turns. */
			cc_list_del(&s->queued);
			cc_list_add_tail(&f->stores, &s->queued);
			return p;
		}
	}
	return NULL;
}

void cc_fetch_take(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	struct cc_fetch_req *req = p->req;

	if (!req->queued_ns) {
		req->queued_ns = cc_now_ns() - p->submit_ns;
		cc_hist_add(&f->stats.queue_time[p->priority], req->queued_ns / 1000);
	}
	cc_fetch_set_state(f, p, CC_FETCH_ACTIVE);
}
