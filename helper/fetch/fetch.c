// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine: states of requests, queue, retries, deadlines, completions.  How bytes come is
 * not known here, see fetch-impl.h for who does what.
 */
#include "fetch-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FILE_THREADS 2

/* ---- lists ---- */

static struct cc_list *list_of(struct cc_fetch *f, const struct cc_fetch_priv *p)
{
	switch (p->state) {
	case CC_FETCH_QUEUED:
		return &p->store->queue[p->priority];
	case CC_FETCH_DELAYED:
		return &f->delayed;
	case CC_FETCH_LANDED:
		return &f->landed;
	case CC_FETCH_DONE:
		return &f->done;
	default:
		return NULL;
	}
}

/* What orders its list; the others are first in, first out. */
static uint64_t key_of(const struct cc_fetch_priv *p)
{
	switch (p->state) {
	case CC_FETCH_QUEUED:
		return p->deadline_ns;
	case CC_FETCH_DELAYED:
		return p->due_ns;
	default:
		return 0;
	}
}

static struct cc_fetch_priv *priv_of(struct cc_list *node)
{
	return cc_list_entry(node, struct cc_fetch_priv, node);
}

/* Nearly always at the end: deadlines are the time of the submit and what the store gives. */
static void insert(struct cc_list *list, struct cc_fetch_priv *p)
{
	struct cc_list *next = list;

	while (next->prev != list && key_of(priv_of(next->prev)) > key_of(p))
		next = next->prev;
	cc_list_add_tail(next, &p->node);
}

static void count_queued(struct cc_fetch *f, struct cc_fetch_priv *p, int n)
{
	struct cc_fetch_store *s = p->store;

	f->stats.queued[p->priority] += n;
	s->nr_queued += n;
	if (!s->nr_queued)
		cc_list_del(&s->queued);
	else if (cc_list_empty(&s->queued))
		cc_list_add_tail(&f->stores, &s->queued);
}

static void count(struct cc_fetch *f, struct cc_fetch_priv *p, int n)
{
	if (p->state == CC_FETCH_QUEUED)
		count_queued(f, p, n);
	if (p->state == CC_FETCH_ACTIVE) {
		f->stats.in_flight += n;
		if (!cc_fetch_store_is_http(p->store))
			p->store->active += n;
	}
}

void cc_fetch_set_state(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_fetch_state state)
{
	struct cc_list *list;

	count(f, p, -1);
	cc_list_del(&p->node);
	p->state = state;
	count(f, p, 1);
	list = list_of(f, p);
	if (list)
		insert(list, p);
}

/* ---- completion ---- */

static void ring(struct cc_fetch *f)
{
	const uint64_t one = 1;

	if (f->rung)
		return;
	f->rung = true;
	/* It can only fail when the counter is full, and then the descriptor is readable. */
	if (write(f->eventfd, &one, sizeof(one)) < 0)
		return;
}

static void say(struct cc_fetch_req *req, const char *reason)
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

/* What the end means for the store that was asked. */
static void settle(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result)
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

void cc_fetch_complete(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result,
		       const char *reason)
{
	struct cc_fetch_req *req = p->req;

	cc_bufpool_put(f->bufs, p->staging);
	p->staging = NULL;
	req->result = result;
	req->attempts = p->attempts;
	req->bytes_fetched = p->bytes;
	req->total_ns = cc_now_ns() - p->submit_ns;
	if (result) {
		req->size = 0;
		say(req, reason);
	}
	settle(f, p, result);
	f->stats.errors[result]++;
	cc_fetch_set_state(f, p, CC_FETCH_DONE);
	ring(f);
}

/* ---- after a failure ---- */

static void enqueue(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	cc_fetch_set_state(f, p, CC_FETCH_QUEUED);
	cc_fetch_net_alarm(f, p->deadline_ns);
	if (cc_fetch_store_is_http(p->store))
		cc_fetch_net_wake_idlest(f);
	else
		pthread_cond_signal(&f->file_work);
}

void cc_fetch_delay(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t due_ns)
{
	p->due_ns = due_ns;
	cc_fetch_set_state(f, p, CC_FETCH_DELAYED);
	cc_fetch_net_alarm(f, due_ns);
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

static void retry(struct cc_fetch *f, struct cc_fetch_priv *p, const struct cc_http_outcome *o)
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
		retry(f, p, &o);
	} else if (verdict == CC_ROUTE_FINAL || cc_now_ns() >= p->deadline_ns) {
		cc_fetch_complete(f, p, o.result, o.reason);
	} else {
		p->fresh = false;
		enqueue(f, p);
	}
}

/* ---- time ---- */

static void expire(struct cc_fetch *f, struct cc_list *queue, uint64_t now, uint64_t *next)
{
	while (!cc_list_empty(queue)) {
		struct cc_fetch_priv *p = priv_of(queue->next);

		if (now < p->deadline_ns) {
			if (p->deadline_ns < *next)
				*next = p->deadline_ns;
			return;
		}
		cc_fetch_complete(f, p, CC_STORE_TIMEOUT, "not begun in time");
	}
}

static void expire_all(struct cc_fetch *f, uint64_t now, uint64_t *next)
{
	/* A store whose last request this ends leaves the list. */
	cc_list_each_safe(node, &f->stores) {
		struct cc_fetch_store *s = cc_list_entry(node, struct cc_fetch_store, queued);

		for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
			expire(f, &s->queue[i], now, next);
	}
}

uint64_t cc_fetch_keep_time(struct cc_fetch *f, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	while (!cc_list_empty(&f->delayed)) {
		struct cc_fetch_priv *p = priv_of(f->delayed.next);

		if (now_ns < p->due_ns) {
			next = p->due_ns;
			break;
		}
		enqueue(f, p);
	}
	expire_all(f, now_ns, &next);
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
	return s->active < s->store->config->connections ? s : NULL;
}

/* Of those of a store, the first that somebody has room for. */
static struct cc_fetch_priv *next_of(struct cc_fetch *f, struct cc_list *queue, uint64_t now)
{
	unsigned int n = 0;

	cc_list_each(node, queue) {
		struct cc_fetch_priv *p = priv_of(node);

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

/* ---- interface ---- */

static void reset_req(struct cc_fetch_req *req)
{
	req->result = CC_STORE_ERROR;
	req->size = 0;
	req->bytes_fetched = 0;
	req->attempts = 0;
	req->queued_ns = req->first_byte_ns = req->total_ns = 0;
	req->error[0] = '\0';
}

/* Completes without any memory: the chain goes through the text, which is written at reap. */
static void starve(struct cc_fetch *f, struct cc_fetch_req *req)
{
	req->priv = &f->starved_priv;
	memcpy(req->error, &f->starved, sizeof(f->starved));
	f->starved = req;
	f->stats.errors[CC_STORE_ERROR]++;
	ring(f);
}

static struct cc_fetch_req *reap_starved(struct cc_fetch *f)
{
	struct cc_fetch_req *req = f->starved;

	if (req) {
		memcpy(&f->starved, req->error, sizeof(f->starved));
		say(req, "out of memory");
		req->priv = NULL;
	}
	return req;
}

static struct cc_fetch_priv *new_priv(struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	const struct cc_store_config *c = req->store->config;
	struct cc_fetch_priv *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	cc_list_init(&p->node);
	p->req = req;
	p->priority = prio;
	p->submit_ns = cc_now_ns();
	p->deadline_ns = p->submit_ns + c->total_timeout_ms * CC_MS;
	if (req->deadline_ns && req->deadline_ns < p->deadline_ns)
		p->deadline_ns = req->deadline_ns;
	cc_retry_init(&p->retry, c);
	return p;
}

static bool is_valid(const struct cc_fetch_req *req)
{
	return req->kind != CC_FETCH_CHUNK || req->encoding == CC_ENCODING_RAW ||
	       req->encoding == CC_ENCODING_ZSTD;
}

/* The engine may not know its store yet.  False: no memory. */
static bool find_store(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	if (p)
		p->store = cc_fetch_store_of(f, p->req->store);
	return p && p->store;
}

static bool is_known_missing(struct cc_fetch *f, const struct cc_fetch_priv *p)
{
	const struct cc_negative_key key = negative_key(p->req);

	if (!cc_negative_has(&f->negative, &key, p->submit_ns))
		return false;
	f->stats.negative_hits++;
	return true;
}

void cc_fetch_submit(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	struct cc_fetch_priv *p = new_priv(req, prio);

	reset_req(req);
	pthread_mutex_lock(&f->lock);
	if (!find_store(f, p)) {
		free(p);
		starve(f, req);
		goto unlock;
	}
	req->priv = p;
	if (!is_valid(req))
		cc_fetch_complete(f, p, CC_STORE_ERROR, "encoding: expected 0 or 1");
	else if (is_known_missing(f, p))
		cc_fetch_complete(f, p, CC_STORE_NOTFOUND, "no such object, a moment ago");
	else
		enqueue(f, p);
unlock:
	pthread_mutex_unlock(&f->lock);
}

void cc_fetch_promote(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	struct cc_fetch_priv *p;

	pthread_mutex_lock(&f->lock);
	p = req->priv;
	if (p && p->state != CC_FETCH_DONE && prio < p->priority) {
		bool queued = p->state == CC_FETCH_QUEUED;

		if (queued)
			cc_fetch_set_state(f, p, CC_FETCH_NEW);
		p->priority = prio;
		f->stats.promoted++;
		if (queued)
			enqueue(f, p);
	}
	pthread_mutex_unlock(&f->lock);
}

void cc_fetch_cancel(struct cc_fetch *f, struct cc_fetch_req *req)
{
	struct cc_fetch_priv *p;

	pthread_mutex_lock(&f->lock);
	p = req->priv;
	if (!p || p->state == CC_FETCH_DONE)
		goto unlock;
	p->cancelled = true;
	switch (p->state) {
	case CC_FETCH_QUEUED:
	case CC_FETCH_DELAYED:
	case CC_FETCH_LANDED:
		cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
		break;
	case CC_FETCH_ACTIVE:
		if (cc_fetch_store_is_http(p->store))
			cc_fetch_net_wake(f, p->net);
		break;
	default:
		break;
	}
unlock:
	pthread_mutex_unlock(&f->lock);
}

int cc_fetch_fd(const struct cc_fetch *f)
{
	return f->eventfd;
}

struct cc_fetch_req *cc_fetch_reap(struct cc_fetch *f)
{
	struct cc_fetch_req *req = NULL;
	uint64_t rings;

	pthread_mutex_lock(&f->lock);
	if (!cc_list_empty(&f->done)) {
		struct cc_fetch_priv *p = cc_list_entry(f->done.next, struct cc_fetch_priv, node);

		cc_list_del(&p->node);
		req = p->req;
		req->priv = NULL;
		free(p);
	} else {
		req = reap_starved(f);
	}
	if (!req && f->rung) {
		f->rung = false;
		if (read(f->eventfd, &rings, sizeof(rings)) < 0)
			rings = 0; /* it cannot be: it was written to */
	}
	pthread_mutex_unlock(&f->lock);
	return req;
}

void cc_fetch_get_stats(struct cc_fetch *f, struct cc_fetch_stats *ret_stats)
{
	pthread_mutex_lock(&f->lock);
	*ret_stats = f->stats;
	pthread_mutex_unlock(&f->lock);
}

bool cc_fetch_get_endpoint(struct cc_fetch *f, struct cc_store *store, struct cc_endpoint *ret_endpoint)
{
	struct cc_fetch_store *s;

	if (store->kind != CC_STORE_KIND_HTTP)
		return false;
	pthread_mutex_lock(&f->lock);
	s = cc_fetch_store_of(f, store);
	if (s)
		*ret_endpoint = s->endpoint;
	pthread_mutex_unlock(&f->lock);
	return s;
}

/* ---- life ---- */

static void init(struct cc_fetch *f, const struct cc_fetch_config *c)
{
	f->config = *c;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->file_work, NULL);
	pthread_cond_init(&f->hash_work, NULL);
	f->next_event_ns = UINT64_MAX;
	cc_list_init(&f->known);
	cc_list_init(&f->stores);
	cc_list_init(&f->delayed);
	cc_list_init(&f->landed);
	cc_list_init(&f->done);
	f->starved_priv.state = CC_FETCH_DONE;
}

static void destroy(struct cc_fetch *f)
{
	cc_fetch_store_free_all(f);
	cc_bufpool_free(f->bufs);
	pthread_cond_destroy(&f->hash_work);
	pthread_cond_destroy(&f->file_work);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void stop(struct cc_fetch *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	for (unsigned int i = 0; i < f->nr_net; i++)
		cc_fetch_net_wake(f, i);
	pthread_cond_broadcast(&f->file_work);
	pthread_cond_broadcast(&f->hash_work);
	pthread_mutex_unlock(&f->lock);
}

int cc_fetch_open(const struct cc_fetch_config *c, struct cc_fetch **ret_fetch)
{
	unsigned int threads = c->network_threads;
	struct cc_fetch *f;
	int r;

	if (!threads || !c->max_in_flight)
		return -EINVAL;
	if (threads > c->max_in_flight)
		threads = c->max_in_flight;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	init(f, c);
	f->bufs = cc_bufpool_new(c->max_in_flight);
	if (!f->bufs) {
		r = -ENOMEM;
		goto destroy;
	}
	f->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (f->eventfd < 0) {
		r = -errno;
		goto destroy;
	}
	r = cc_fetch_net_open(f, threads, c->max_in_flight);
	if (r)
		goto close_eventfd;
	r = cc_fetch_work_open(f, FILE_THREADS, c->hash_threads);
	if (r)
		goto close_net;
	*ret_fetch = f;
	return 0;

close_net:
	stop(f);
	cc_fetch_net_close(f);
close_eventfd:
	close(f->eventfd);
destroy:
	destroy(f);
	return r;
}

static void drop_all(struct cc_fetch *f, struct cc_list *list)
{
	cc_list_each_safe(node, list) {
		struct cc_fetch_priv *p = priv_of(node);

		cc_fetch_set_state(f, p, CC_FETCH_NEW);
		p->req->priv = NULL;
		cc_bufpool_put(f->bufs, p->staging);
		free(p);
	}
}

static void drop_queued(struct cc_fetch *f)
{
	cc_list_each_safe(node, &f->stores) {
		struct cc_fetch_store *s = cc_list_entry(node, struct cc_fetch_store, queued);

		for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
			drop_all(f, &s->queue[i]);
	}
}

void cc_fetch_close(struct cc_fetch *f)
{
	if (!f)
		return;
	stop(f);
	/* Who finds that bytes are wrong has them asked for again, and wakes a network thread for that. */
	cc_fetch_work_close(f);
	cc_fetch_net_close(f);
	while (reap_starved(f))
		;
	drop_queued(f);
	drop_all(f, &f->delayed);
	drop_all(f, &f->landed);
	drop_all(f, &f->done);
	close(f->eventfd);
	destroy(f);
}
