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

static struct cc_list *list_of(struct cc_fetch *f, const struct cc_fetch_priv *p)
{
	switch (p->state) {
	case CC_FETCH_QUEUED:
		return &f->queue[p->priority];
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

static void count(struct cc_fetch *f, const struct cc_fetch_priv *p, int n)
{
	if (p->state == CC_FETCH_QUEUED)
		f->stats.queued[p->priority] += n;
	if (p->state == CC_FETCH_ACTIVE) {
		f->stats.in_flight += n;
		p->req->store->active += n;
	}
}

void cc_fetch_set_state(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_fetch_state state)
{
	bool first = p->state == CC_FETCH_DELAYED;
	struct cc_list *list;

	count(f, p, -1);
	cc_list_del(&p->node);
	p->state = state;
	count(f, p, 1);
	list = list_of(f, p);
	/* Who has waited for a retry does not queue up behind those that came since. */
	if (list)
		cc_list_add_tail(first && state == CC_FETCH_QUEUED ? list->next : list, &p->node);
}

/* ---- completion ---- */

static void ring(struct cc_fetch *f)
{
	const uint64_t one = 1;

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

void cc_fetch_complete(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result,
		       const char *reason)
{
	struct cc_fetch_req *req = p->req;

	free(p->staging);
	p->staging = NULL;
	req->result = result;
	req->attempts = p->attempts;
	req->bytes_fetched = p->bytes;
	req->total_ns = cc_now_ns() - p->submit_ns;
	if (result) {
		req->size = 0;
		say(req, reason);
	}
	f->stats.errors[result]++;
	cc_fetch_set_state(f, p, CC_FETCH_DONE);
	ring(f);
}

void cc_fetch_delay(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t due_ns)
{
	p->due_ns = due_ns;
	cc_fetch_set_state(f, p, CC_FETCH_DELAYED);
	if (due_ns < f->next_event_ns) {
		f->next_event_ns = 0;
		cc_fetch_net_wake(f, 0);
	}
}

void cc_fetch_attempt_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
			     const struct cc_http_outcome *o)
{
	uint64_t now = cc_now_ns();
	unsigned int delay;

	if (p->cancelled) {
		cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
		return;
	}
	if (!cc_retry_next(&p->retry, o->class, o->retry_after_ms, &delay, &p->fresh) ||
	    now + delay * 1000000ULL >= p->deadline_ns) {
		cc_fetch_complete(f, p, o->result, o->reason);
		return;
	}
	f->stats.retries++;
	cc_fetch_delay(f, p, now + delay * 1000000ULL);
}

/* ---- time ---- */

static void expire(struct cc_fetch *f, struct cc_list *list, uint64_t now, uint64_t *next)
{
	cc_list_each_safe(node, list) {
		struct cc_fetch_priv *p = cc_list_entry(node, struct cc_fetch_priv, node);

		if (now >= p->deadline_ns)
			cc_fetch_complete(f, p, CC_STORE_TIMEOUT, "not begun in time");
		else if (p->deadline_ns < *next)
			*next = p->deadline_ns;
	}
}

static void wake_all(struct cc_fetch *f)
{
	for (unsigned int i = 0; i < f->nr_net; i++)
		cc_fetch_net_wake(f, i);
	pthread_cond_broadcast(&f->file_work);
}

uint64_t cc_fetch_keep_time(struct cc_fetch *f, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;
	bool wake = false;

	if (now_ns < f->next_event_ns)
		return f->next_event_ns;
	cc_list_each_safe(node, &f->delayed) {
		struct cc_fetch_priv *p = cc_list_entry(node, struct cc_fetch_priv, node);

		if (now_ns >= p->due_ns) {
			cc_fetch_set_state(f, p, CC_FETCH_QUEUED);
			wake = true;
		} else if (p->due_ns < next) {
			next = p->due_ns;
		}
	}
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		expire(f, &f->queue[i], now_ns, &next);
	f->next_event_ns = next;
	if (wake)
		wake_all(f);
	return next;
}

/* ---- queue ---- */

/* Whatever is configured, an eighth of the network is left to other stores: one may be dead. */
static unsigned int store_limit(const struct cc_fetch *f, const struct cc_store *s)
{
	unsigned int most = f->config.max_in_flight - f->config.max_in_flight / 8;

	return s->config->connections < most ? s->config->connections : most;
}

struct cc_fetch_priv *cc_fetch_next(struct cc_fetch *f, enum cc_store_kind kind, unsigned int free,
				    unsigned int slots)
{
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES && free; i++) {
		/* What nobody waits for never takes the last quarter: a demand finds a slot at once. */
		if (i == CC_FETCH_PREFETCH && free <= slots / 4)
			return NULL;
		cc_list_each(node, &f->queue[i]) {
			struct cc_fetch_priv *p = cc_list_entry(node, struct cc_fetch_priv, node);
			struct cc_store *s = p->req->store;

			if (s->kind == kind && s->active < store_limit(f, s))
				return p;
		}
	}
	return NULL;
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
	p->deadline_ns = p->submit_ns + c->total_timeout_ms * 1000000ULL;
	if (req->deadline_ns && req->deadline_ns < p->deadline_ns)
		p->deadline_ns = req->deadline_ns;
	cc_retry_init(&p->retry, c);
	return p;
}

static bool is_valid(const struct cc_fetch_req *req)
{
	return req->manifest || req->encoding == CC_ENCODING_RAW ||
	       req->encoding == CC_ENCODING_ZSTD;
}

static void enqueue(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	cc_fetch_set_state(f, p, CC_FETCH_QUEUED);
	if (p->deadline_ns < f->next_event_ns) {
		f->next_event_ns = 0;
		cc_fetch_net_wake(f, 0);
	}
	if (p->req->store->kind == CC_STORE_KIND_FILE)
		pthread_cond_signal(&f->file_work);
	else
		cc_fetch_net_wake_idlest(f);
}

void cc_fetch_submit(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	struct cc_fetch_priv *p = new_priv(req, prio);

	reset_req(req);
	pthread_mutex_lock(&f->lock);
	req->priv = p;
	if (!p)
		starve(f, req);
	else if (!is_valid(req))
		cc_fetch_complete(f, p, CC_STORE_ERROR, "encoding: expected 0 or 1");
	else
		enqueue(f, p);
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
		if (req->store->kind == CC_STORE_KIND_HTTP)
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
	/* Nothing to read means that there is nothing to clear. */
	if (!req && read(f->eventfd, &rings, sizeof(rings)) < 0)
		rings = 0;
	pthread_mutex_unlock(&f->lock);
	return req;
}

void cc_fetch_get_stats(struct cc_fetch *f, struct cc_fetch_stats *ret_stats)
{
	pthread_mutex_lock(&f->lock);
	*ret_stats = f->stats;
	pthread_mutex_unlock(&f->lock);
}

bool cc_fetch_get_endpoint(struct cc_fetch *f, struct cc_store *s, struct cc_endpoint *ret_endpoint)
{
	if (s->kind != CC_STORE_KIND_HTTP)
		return false;
	pthread_mutex_lock(&f->lock);
	*ret_endpoint = s->endpoint;
	pthread_mutex_unlock(&f->lock);
	return true;
}

/* ---- life ---- */

static void init(struct cc_fetch *f, const struct cc_fetch_config *c)
{
	f->config = *c;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->file_work, NULL);
	pthread_cond_init(&f->hash_work, NULL);
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		cc_list_init(&f->queue[i]);
	cc_list_init(&f->delayed);
	cc_list_init(&f->landed);
	cc_list_init(&f->done);
	f->starved_priv.state = CC_FETCH_DONE;
}

static void destroy(struct cc_fetch *f)
{
	pthread_cond_destroy(&f->hash_work);
	pthread_cond_destroy(&f->file_work);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void stop(struct cc_fetch *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	wake_all(f);
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

static void drop_all(struct cc_list *list)
{
	cc_list_each_safe(node, list) {
		struct cc_fetch_priv *p = cc_list_entry(node, struct cc_fetch_priv, node);

		cc_list_del(&p->node);
		p->req->priv = NULL;
		free(p->staging);
		free(p);
	}
}

void cc_fetch_close(struct cc_fetch *f)
{
	if (!f)
		return;
	stop(f);
	cc_fetch_net_close(f);
	cc_fetch_work_close(f);
	while (reap_starved(f))
		;
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		drop_all(&f->queue[i]);
	drop_all(&f->delayed);
	drop_all(&f->landed);
	drop_all(&f->done);
	close(f->eventfd);
	destroy(f);
}
