// SPDX-License-Identifier: GPL-2.0-or-later
/* The fetch engine's interface and life; see fetch-impl.h for who does what. */
#include "fetch-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
	cc_fetch_ring(f);
}

static struct cc_fetch_req *reap_starved(struct cc_fetch *f)
{
	struct cc_fetch_req *req = f->starved;

	if (req) {
		memcpy(&f->starved, req->error, sizeof(f->starved));
		cc_fetch_say(req, "out of memory");
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

static bool is_valid_request(const struct cc_fetch_req *req)
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
	if (!is_valid_request(req))
		cc_fetch_complete(f, p, CC_STORE_ERROR, "encoding: expected 0 or 1");
	else if (cc_fetch_is_known_missing(f, p))
		cc_fetch_complete(f, p, CC_STORE_NOTFOUND, "no such object, a moment ago");
	else
		cc_fetch_enqueue(f, p);
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
			cc_fetch_enqueue(f, p);
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
			cc_fetch_wake(f, p->net);
		else
			cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
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

/* The next completed request, or NULL: what the eventfd has told is taken back then. */
static struct cc_fetch_req *take_done(struct cc_fetch *f)
{
	struct cc_fetch_req *req = NULL;
	uint64_t rings;

	pthread_mutex_lock(&f->lock);
	if (!cc_list_empty(&f->done)) {
		struct cc_fetch_priv *p = cc_fetch_priv_of(f->done.next);

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

bool cc_fetch_reap(struct cc_fetch *f)
{
	struct cc_fetch_req *req = take_done(f);

	if (req)
		req->done(req);
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

static void init_engine(struct cc_fetch *f, const struct cc_fetch_config *c)
{
	f->config = *c;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->file_work, NULL);
	pthread_cond_init(&f->file_ended, NULL);
	pthread_cond_init(&f->hash_work, NULL);
	f->next_event_ns = UINT64_MAX;
	cc_list_init(&f->known);
	cc_list_init(&f->stores);
	cc_list_init(&f->delayed);
	cc_list_init(&f->reading);
	cc_list_init(&f->landed);
	cc_list_init(&f->done);
	f->starved_priv.state = CC_FETCH_DONE;
}

static void free_engine(struct cc_fetch *f)
{
	cc_fetch_store_free_all(f);
	cc_bufpool_free(f->bufs);
	pthread_cond_destroy(&f->hash_work);
	pthread_cond_destroy(&f->file_ended);
	pthread_cond_destroy(&f->file_work);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void stop_threads(struct cc_fetch *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	for (unsigned int i = 0; i < f->nr_net; i++)
		cc_fetch_wake(f, i);
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
	init_engine(f, c);
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
	r = cc_fetch_work_open(f, c->hash_threads);
	if (r)
		goto close_net;
	r = cc_fetch_file_open(f);
	if (r)
		goto close_work;
	*ret_fetch = f;
	return 0;

close_work:
	stop_threads(f);
	cc_fetch_work_close(f);
close_net:
	stop_threads(f);
	cc_fetch_net_close(f);
close_eventfd:
	close(f->eventfd);
destroy:
	free_engine(f);
	return r;
}

static void drop_all(struct cc_fetch *f, struct cc_list *list)
{
	cc_list_each_safe(node, list) {
		struct cc_fetch_priv *p = cc_fetch_priv_of(node);

		cc_fetch_leave_read(p);
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

static void drop_reading(struct cc_fetch *f)
{
	pthread_mutex_lock(&f->lock);
	drop_all(f, &f->reading);
	pthread_mutex_unlock(&f->lock);
}

bool cc_fetch_close(struct cc_fetch *f)
{
	bool ended;

	if (!f)
		return true;
	stop_threads(f);
	drop_reading(f);
	/* Who finds that bytes are wrong has them asked for again, and wakes a network thread for that. */
	ended = cc_fetch_file_close(f);
	cc_fetch_work_close(f);
	cc_fetch_net_close(f);
	if (!ended)
		return false;
	while (reap_starved(f))
		;
	drop_queued(f);
	drop_all(f, &f->delayed);
	drop_all(f, &f->landed);
	drop_all(f, &f->done);
	close(f->eventfd);
	free_engine(f);
	return true;
}
