// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's network threads.  Each has a curl multi handle and a fixed number of slots for
 * transfers, takes requests from the common queue while it has free ones, and sleeps in
 * curl_multi_poll() otherwise.
 */
#include "fetch-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store-http.h"

#define TARGET_POLL_NS	(10 * 1000000ULL)
#define MAX_SLEEP_MS	60000

struct slot {
	struct cc_http_xfer xfer;
	struct cc_fetch_priv *p;	/* NULL: free */
	char name[CC_OBJECT_NAME_MAX];
};

struct cc_fetch_net {
	struct cc_fetch *fetch;
	unsigned int index;
	pthread_t thread;
	CURLM *multi;
	struct slot *slots;
	unsigned int nr_slots;
	unsigned int nr_used;		/* under the engine's lock; all else is the thread's own */
};

/* ---- the end of an attempt ---- */

/* Called with the lock held. */
static void free_slot(struct cc_fetch_net *n, struct slot *s)
{
	s->p = NULL;
	n->nr_used--;
}

/* A chunk that is too long is no chunk; a manifest may well be longer than its buffer. */
static void judge_size(const struct cc_fetch_req *req, struct cc_http_outcome *o)
{
	if (o->result != CC_STORE_TOOBIG || req->manifest)
		return;
	o->result = CC_STORE_CORRUPT;
	o->class = CC_RETRY_INTEGRITY;
	snprintf(o->reason, sizeof(o->reason), "wrong bytes: more than the %zu of a chunk",
		 req->buf_size);
}

static void take_notes(struct cc_fetch_priv *p, const struct cc_http_xfer *x)
{
	p->bytes += x->received;
	p->landed = x->body_size;
	if (x->first_ns)
		p->req->first_byte_ns = x->first_ns - x->start_ns;
	p->note[0] = '\0';
	if (x->answer.encoding[0])
		snprintf(p->note, sizeof(p->note), " (sent as %s)", x->answer.encoding);
}

static void fail(struct cc_fetch_net *n, struct slot *s, const struct cc_http_outcome *o)
{
	struct cc_fetch *f = n->fetch;

	pthread_mutex_lock(&f->lock);
	cc_fetch_attempt_failed(f, s->p, o);
	free_slot(n, s);
	pthread_mutex_unlock(&f->lock);
}

static void end(struct cc_fetch_net *n, struct slot *s, CURLcode code)
{
	struct cc_fetch *f = n->fetch;
	struct cc_fetch_priv *p = s->p;
	struct cc_http_outcome o;

	curl_multi_remove_handle(n->multi, s->xfer.easy);
	cc_http_xfer_end(&s->xfer, code, &o);
	take_notes(p, &s->xfer);
	pthread_mutex_lock(&f->lock);
	f->stats.bytes += s->xfer.received;
	pthread_mutex_unlock(&f->lock);
	if (o.result) {
		judge_size(p->req, &o);
		fail(n, s, &o);
		return;
	}
	pthread_mutex_lock(&f->lock);
	free_slot(n, s);
	pthread_mutex_unlock(&f->lock);
	cc_fetch_land(f, p);
}

/* ---- the start of one ---- */

static struct slot *find_free(struct cc_fetch_net *n)
{
	for (unsigned int i = 0; i < n->nr_slots; i++)
		if (!n->slots[i].p)
			return &n->slots[i];
	return NULL;
}

/* Takes the next request into a slot. */
static struct slot *take(struct cc_fetch_net *n)
{
	struct cc_fetch *f = n->fetch;
	struct cc_fetch_priv *p = NULL;
	struct slot *s = find_free(n);

	if (!s)
		return NULL;
	pthread_mutex_lock(&f->lock);
	if (!f->stop)
		p = cc_fetch_next(f, CC_STORE_KIND_HTTP, n->nr_slots - n->nr_used, n->nr_slots);
	if (p) {
		cc_fetch_set_state(f, p, CC_FETCH_ACTIVE);
		p->net = n->index;
		s->p = p;
		n->nr_used++;
	}
	pthread_mutex_unlock(&f->lock);
	return p ? s : NULL;
}

/* The host's address, or an outcome: returns 0, -EINPROGRESS, or another error with *o set. */
static int resolve(struct cc_http_target *t, char *address, struct cc_http_outcome *o)
{
	int r = cc_resolver_get(t->resolver, address, o->reason, sizeof(o->reason));

	if (r && r != -EINPROGRESS) {
		o->result = CC_STORE_ERROR;
		o->class = CC_RETRY_TRANSIENT;
		o->retry_after_ms = 0;
	}
	return r;
}

/* Its address or its keys are not known yet. */
static void wait_for_target(struct cc_fetch_net *n, struct slot *s)
{
	struct cc_fetch *f = n->fetch;

	pthread_mutex_lock(&f->lock);
	if (s->p->cancelled)
		cc_fetch_complete(f, s->p, CC_STORE_CANCELLED, "cancelled");
	else
		cc_fetch_delay(f, s->p, cc_now_ns() + TARGET_POLL_NS);
	free_slot(n, s);
	pthread_mutex_unlock(&f->lock);
}

static void count_get(struct cc_fetch_net *n, struct cc_fetch_priv *p)
{
	struct cc_fetch *f = n->fetch;

	if (!p->attempts++)
		p->req->queued_ns = cc_now_ns() - p->submit_ns;
	pthread_mutex_lock(&f->lock);
	f->stats.gets++;
	pthread_mutex_unlock(&f->lock);
}

static int begin(struct cc_fetch_net *n, struct slot *s, struct cc_http_target *t,
		 const char *address, struct cc_http_outcome *o)
{
	struct cc_http_request req = {
		.method = CC_HTTP_GET, .name = s->name, .fresh = s->p->fresh,
		.deadline_ns = s->p->deadline_ns,
	};

	*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, "out of memory" };
	if (cc_fetch_begin(s->p, s->name, &req.buf, &req.max))
		return -ENOMEM;
	if (!s->xfer.easy && cc_http_xfer_init(&s->xfer))
		return -ENOMEM;
	if (cc_http_xfer_start(&s->xfer, t, &req, address, o))
		return -EINVAL;
	if (curl_multi_add_handle(n->multi, s->xfer.easy)) {
		*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0,
					       "out of memory" };
		return -ENOMEM;
	}
	return 0;
}

static void start(struct cc_fetch_net *n, struct slot *s)
{
	struct cc_http_target *t = cc_store_http_target(s->p->req->store);
	char address[CC_ADDRESS_SIZE];
	struct cc_http_outcome o;
	int r;

	r = resolve(t, address, &o);
	if (!r)
		r = cc_http_target_keys(t, 0, &o);
	if (r == -EINPROGRESS) {
		wait_for_target(n, s);
		return;
	}
	count_get(n, s->p);
	if (!r)
		r = begin(n, s, t, address, &o);
	if (r)
		fail(n, s, &o);
}

/* ---- the loop ---- */

static struct slot *slot_of(struct cc_fetch_net *n, CURL *easy)
{
	for (unsigned int i = 0; i < n->nr_slots; i++)
		if (n->slots[i].p && n->slots[i].xfer.easy == easy)
			return &n->slots[i];
	return NULL;
}

/* Returns whether slots became free. */
static bool end_finished(struct cc_fetch_net *n)
{
	bool any = false;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(n->multi, &left))) {
		CURLcode code = msg->data.result;
		struct slot *s;

		if (msg->msg != CURLMSG_DONE)
			continue;
		s = slot_of(n, msg->easy_handle);
		if (s)
			end(n, s, code);
		any = true;
	}
	return any;
}

/* Ends what was cancelled or ran out of time.  Returns when the next timer is due. */
static uint64_t end_overdue(struct cc_fetch_net *n, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < n->nr_slots; i++) {
		struct slot *s = &n->slots[i];
		uint64_t timer;

		if (!s->p)
			continue;
		if (s->p->cancelled || cc_http_xfer_expired(&s->xfer, now)) {
			end(n, s, CURLE_OPERATION_TIMEDOUT);
			next = now; /* the slot is free: look at the queue again */
			continue;
		}
		timer = cc_http_xfer_timer(&s->xfer);
		if (timer < next)
			next = timer;
	}
	return next;
}

static uint64_t keep_time(struct cc_fetch_net *n, uint64_t now)
{
	uint64_t next;

	if (n->index)
		return UINT64_MAX;
	pthread_mutex_lock(&n->fetch->lock);
	next = cc_fetch_keep_time(n->fetch, now);
	pthread_mutex_unlock(&n->fetch->lock);
	return next;
}

static bool stopped(struct cc_fetch_net *n)
{
	bool is;

	pthread_mutex_lock(&n->fetch->lock);
	is = n->fetch->stop;
	pthread_mutex_unlock(&n->fetch->lock);
	return is;
}

static int sleep_ms(uint64_t until, uint64_t now)
{
	uint64_t ms = until <= now ? 0 : (until - now) / 1000000 + 1;

	return ms > MAX_SLEEP_MS ? MAX_SLEEP_MS : ms;
}

static void abandon(struct cc_fetch_net *n)
{
	for (unsigned int i = 0; i < n->nr_slots; i++) {
		struct slot *s = &n->slots[i];

		if (!s->p)
			continue;
		curl_multi_remove_handle(n->multi, s->xfer.easy);
		pthread_mutex_lock(&n->fetch->lock);
		cc_fetch_complete(n->fetch, s->p, CC_STORE_CANCELLED, "cancelled");
		free_slot(n, s);
		pthread_mutex_unlock(&n->fetch->lock);
	}
}

static void *run(void *arg)
{
	struct cc_fetch_net *n = arg;

	while (!stopped(n)) {
		uint64_t next, timers, now;
		struct slot *s;
		int running;

		while ((s = take(n)))
			start(n, s);
		curl_multi_perform(n->multi, &running);
		if (end_finished(n))
			continue;
		now = cc_now_ns();
		timers = end_overdue(n, now);
		next = keep_time(n, now);
		curl_multi_poll(n->multi, NULL, 0, sleep_ms(timers < next ? timers : next, now),
				NULL);
	}
	abandon(n);
	return NULL;
}

/* ---- life ---- */

void cc_fetch_net_wake(struct cc_fetch *f, unsigned int index)
{
	curl_multi_wakeup(f->net[index].multi);
}

void cc_fetch_net_wake_idlest(struct cc_fetch *f)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < f->nr_net; i++)
		if (f->net[i].nr_used < f->net[best].nr_used)
			best = i;
	cc_fetch_net_wake(f, best);
}

static void close_net(struct cc_fetch_net *n)
{
	for (unsigned int i = 0; i < n->nr_slots; i++)
		cc_http_xfer_destroy(&n->slots[i].xfer);
	curl_multi_cleanup(n->multi);
	free(n->slots);
}

static int open_net(struct cc_fetch *f, struct cc_fetch_net *n, unsigned int index,
		    unsigned int slots)
{
	struct cc_http_xfer first;

	/* Initialises curl, too, which has to come before any multi handle. */
	if (cc_http_xfer_init(&first))
		return -ENOMEM;
	n->fetch = f;
	n->index = index;
	n->multi = curl_multi_init();
	n->slots = calloc(slots, sizeof(*n->slots));
	if (!n->multi || !n->slots) {
		curl_multi_cleanup(n->multi);
		free(n->slots);
		cc_http_xfer_destroy(&first);
		return -ENOMEM;
	}
	n->slots[0].xfer = first;
	n->nr_slots = slots;
	curl_multi_setopt(n->multi, CURLMOPT_MAXCONNECTS, (long)slots);
	return 0;
}

int cc_fetch_net_open(struct cc_fetch *f, unsigned int threads, unsigned int slots)
{
	unsigned int opened, started;
	int r = 0;

	f->net = calloc(threads, sizeof(*f->net));
	if (!f->net)
		return -ENOMEM;
	for (opened = 0; opened < threads; opened++) {
		r = open_net(f, &f->net[opened], opened, (slots + opened) / threads);
		if (r)
			goto close_nets;
	}
	f->nr_net = threads;
	for (started = 0; started < threads; started++) {
		r = cc_thread_start(run, &f->net[started], false, &f->net[started].thread);
		if (r)
			goto join_threads;
	}
	return 0;

join_threads:
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	while (started--) {
		cc_fetch_net_wake(f, started);
		pthread_join(f->net[started].thread, NULL);
	}
close_nets:
	while (opened--)
		close_net(&f->net[opened]);
	free(f->net);
	return r;
}

void cc_fetch_net_close(struct cc_fetch *f)
{
	for (unsigned int i = 0; i < f->nr_net; i++)
		pthread_join(f->net[i].thread, NULL);
	for (unsigned int i = 0; i < f->nr_net; i++)
		close_net(&f->net[i]);
	f->nr_net = 0;
	free(f->net);
	f->net = NULL;
}
