// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's legs: what a GET is started with, when a second one comes beside it, which of the
 * two counts, and what becomes of the other.
 */
#include "fetch-leg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/store-http.h"

#define TARGET_POLL_NS	(10 * CC_MS)
#define DENIED_POLL_NS	(5 * CC_MS)	/* budgets fill up */
#define LOOK_MAX_NS	(50 * CC_MS)	/* a first byte that comes starts new clocks */
#define DRAIN_MAX_NS	(500 * CC_MS)	/* a connection is worth so much time ... */
#define DRAIN_MAX_BYTES	(256 << 10)	/* ... and so many bytes */
#define GAPS		4		/* a body stalls when nothing comes for so many usual gaps */

/* ---- accounts ---- */

static bool was_sent(const struct cc_fetch_leg *l)
{
	return l->xfer.sent_ns != 0;
}

/* From the request to the first byte of a good answer, or how long none has come. */
static uint64_t first_byte_us(const struct cc_fetch_leg *l, enum cc_store_result result, uint64_t now)
{
	const struct cc_http_xfer *x = &l->xfer;

	if (!was_sent(l))
		return 0;
	if (!x->first_ns)
		return (now - x->sent_ns) / 1000;
	return result == CC_STORE_OK || result == CC_STORE_CANCELLED ?
	       (x->first_ns - x->sent_ns) / 1000 : 0;
}

/* used: bytes that somebody has use for. */
static void account_leg(struct cc_fetch *f, struct cc_fetch_leg *l, const struct cc_http_outcome *o,
		    uint64_t used)
{
	const struct cc_http_xfer *x = &l->xfer;
	uint64_t now = cc_now_ns();
	const struct cc_endpoint_result r = {
		.result = o->result, .class = o->class, .total_us = (now - x->start_ns) / 1000,
		.ttfb_us = first_byte_us(l, o->result, now), .answered = x->first_ns,
		.bytes = x->received, .connected = x->new_connection,
	};
	bool silent = o->class == CC_RETRY_TRANSIENT && !x->first_ns;

	cc_resolver_report(cc_store_http_target(l->at->store)->resolver, l->address, silent, r.ttfb_us);
	pthread_mutex_lock(&f->lock);
	f->stats.bytes += x->received;
	cc_endpoint_end(&l->at->endpoint, &r, now);
	l->at->endpoint.stats.wasted_bytes += x->received - used;
	pthread_mutex_unlock(&f->lock);
}

static void count_start(struct cc_fetch *f, struct cc_fetch_priv *p, struct cc_fetch_store *at)
{
	p->attempts++;
	pthread_mutex_lock(&f->lock);
	f->stats.gets++;
	cc_endpoint_start(&at->endpoint, cc_now_ns());
	pthread_mutex_unlock(&f->lock);
}

/* ---- a leg's life ---- */

static struct cc_fetch_leg *new_leg(struct cc_fetch_net *n, struct cc_fetch_priv *p,
				    struct cc_fetch_store *at)
{
	struct cc_fetch_leg *l = cc_list_entry(n->free.next, struct cc_fetch_leg, node);

	cc_list_del(&l->node);
	cc_list_add_tail(&n->busy, &l->node);
	n->nr_free--;
	l->p = p;
	l->at = at;
	l->deaf = false;
	l->second = false;
	l->buf = NULL;
	l->drain_until_ns = 0;
	l->denied = 0;
	return l;
}

static void free_leg(struct cc_fetch_net *n, struct cc_fetch_leg *l)
{
	cc_bufpool_put(n->fetch->bufs, l->buf);
	l->buf = NULL;
	l->p = NULL;
	cc_list_del(&l->node);
	cc_list_add_tail(&n->free, &l->node);
	n->nr_free++;
	n->nr_ended++;
}

/* One leg is kept for each request that may still come. */
static bool has_leg_to_spare(struct cc_fetch_net *n)
{
	bool has;

	pthread_mutex_lock(&n->fetch->lock);
	has = n->nr_free > n->nr_slots - n->waker->nr_used;
	pthread_mutex_unlock(&n->fetch->lock);
	return has;
}

/* The request leaves this thread.  Called with the lock held. */
static void leave_thread(struct cc_fetch_net *n, struct cc_fetch_priv *p)
{
	p->legs[0] = p->legs[1] = NULL;
	n->waker->nr_used--;
}

static struct cc_fetch_leg *other_leg(const struct cc_fetch_leg *l)
{
	return l->p->legs[l->p->legs[0] == l];
}

static void detach_leg(struct cc_fetch_leg *l)
{
	l->p->legs[l->p->legs[1] == l] = NULL;
}

/* ---- when to look ---- */

/* When there is to be one, of what kind; UINT64_MAX: not as things are. */
static uint64_t second_due(struct cc_fetch *f, const struct cc_fetch_leg *l, uint64_t now,
			   enum cc_hedge *ret_kind, uint64_t *ret_after)
{
	const struct cc_http_xfer *x = &l->xfer;
	uint64_t after;

	if (x->first_ns) {
		*ret_kind = CC_HEDGE_STALL;
		after = l->at->store->config->stall_hedge_ms * CC_MS;
		if (!after || x->answer.status != 200 || !x->pieces)
			return UINT64_MAX;
		if (after < GAPS * (x->last_ns - x->first_ns) / x->pieces)
			after = GAPS * (x->last_ns - x->first_ns) / x->pieces;
		*ret_after = after;
		return x->last_ns + after;
	}
	*ret_kind = CC_HEDGE_FIRST_BYTE;
	pthread_mutex_lock(&f->lock);
	after = cc_endpoint_hedge_after(&l->at->endpoint, now);
	pthread_mutex_unlock(&f->lock);
	if (!after)
		return UINT64_MAX;
	*ret_after = after;
	/* A connection that is being made may take as long as an answer. */
	return was_sent(l) ? x->sent_ns + after : x->start_ns + 2 * after;
}

static void look_by(struct cc_fetch_net *n, uint64_t due)
{
	if (due < n->look_due_ns)
		n->look_due_ns = due;
}

/* It has just begun. */
static void look_in_time(struct cc_fetch_net *n, struct cc_fetch_leg *l)
{
	uint64_t now = cc_now_ns(), after;
	enum cc_hedge kind;

	look_by(n, now + LOOK_MAX_NS);
	look_by(n, cc_http_xfer_timer(&l->xfer));
	if (!l->second)
		look_by(n, second_due(n->fetch, l, now, &kind, &after));
}

/* ---- start ---- */

/* The host's address and the keys: 0, -EINPROGRESS, or another error with *o set. */
static int make_ready(struct cc_fetch_store *at, const char *avoid, char *ret_address,
		      struct cc_http_outcome *o)
{
	struct cc_http_target *t = cc_store_http_target(at->store);
	int r;

	r = cc_resolver_get(t->resolver, avoid, ret_address, o->reason, sizeof(o->reason));
	if (!r)
		return cc_http_target_keys(t, 0, o);
	if (r != -EINPROGRESS) {
		o->result = CC_STORE_ERROR;
		o->class = CC_RETRY_TRANSIENT;
		o->retry_after_ms = 0;
	}
	return r;
}

static int begin_transfer(struct cc_fetch_net *n, struct cc_fetch_leg *l, size_t from, struct cc_http_outcome *o)
{
	struct cc_fetch_priv *p = l->p;
	struct cc_http_request req = {
		.method = CC_HTTP_GET, .name = l->name, .from = from,
		.buf = l->buf ? l->buf : cc_fetch_base(n->fetch, p),
		.max = cc_fetch_object_max(p->req), .fresh = p->fresh && !l->second,
		.only_if_cached = cc_fetch_route_only_if_cached(p, l->at),
		.deadline_ns = cc_fetch_route_deadline(p, l->at, cc_now_ns()),
	};

	*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, "out of memory" };
	cc_fetch_object_name(p->req, l->name);
	if (!req.buf || (!l->xfer.easy && cc_http_xfer_init(&l->xfer)))
		return -ENOMEM;
	if (cc_http_xfer_start(&l->xfer, cc_store_http_target(l->at->store), &req, l->address, o))
		return -EINVAL;
	if (curl_multi_add_handle(n->multi, l->xfer.easy)) {
		*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0,
					       "out of memory" };
		return -ENOMEM;
	}
	return 0;
}

/* Its address or its keys are not known yet. */
static void wait_for_target(struct cc_fetch_net *n, struct cc_fetch_priv *p)
{
	struct cc_fetch *f = n->fetch;

	pthread_mutex_lock(&f->lock);
	leave_thread(n, p);
	if (p->cancelled)
		cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
	else
		cc_fetch_delay(f, p, cc_now_ns() + TARGET_POLL_NS);
	pthread_mutex_unlock(&f->lock);
}

/* The request's last leg has failed, at p->at. */
static void fail_request(struct cc_fetch_net *n, struct cc_fetch_priv *p, const struct cc_http_outcome *o)
{
	pthread_mutex_lock(&n->fetch->lock);
	leave_thread(n, p);
	cc_fetch_attempt_failed(n->fetch, p, o);
	pthread_mutex_unlock(&n->fetch->lock);
}

/* It never came to a transfer. */
static void fail_to_start(struct cc_fetch_net *n, struct cc_fetch_leg *l, const struct cc_http_outcome *o)
{
	l->xfer.received = l->xfer.sent_ns = l->xfer.first_ns = 0;
	l->xfer.start_ns = cc_now_ns();
	l->xfer.new_connection = false;
	account_leg(n->fetch, l, o, 0);
	detach_leg(l);
	free_leg(n, l);
}

void cc_leg_start(struct cc_fetch_net *n, struct cc_fetch_priv *p)
{
	struct cc_http_outcome o = { .class = CC_RETRY_NONE };
	char address[CC_ADDRESS_SIZE] = "";
	struct cc_fetch_leg *l;
	int r;

	r = make_ready(p->at, p->address[0] ? p->address : NULL, address, &o);
	if (r == -EINPROGRESS) {
		wait_for_target(n, p);
		return;
	}
	l = new_leg(n, p, p->at);
	strcpy(l->address, address);
	p->legs[0] = l;
	p->second = 0;
	count_start(n->fetch, p, p->at);
	if (!r)
		r = begin_transfer(n, l, 0, &o);
	if (r) {
		fail_to_start(n, l, &o);
		fail_request(n, p, &o);
		return;
	}
	look_in_time(n, l);
}

/* ---- the end of a leg whose bytes nobody wants any more ---- */

static void end_unwanted(struct cc_fetch_net *n, struct cc_fetch_leg *l, CURLcode code, uint64_t used)
{
	struct cc_http_outcome o;

	curl_multi_remove_handle(n->multi, l->xfer.easy);
	cc_http_xfer_end(&l->xfer, code, &o);
	if (o.result) {
		o.result = CC_STORE_CANCELLED;
		o.class = CC_RETRY_NONE;
	}
	account_leg(n->fetch, l, &o, used);
	free_leg(n, l);
}

static bool is_worth_draining(struct cc_fetch_net *n, const struct cc_fetch_leg *l)
{
	uint64_t size = cc_http_xfer_object_size(&l->xfer);

	if (!was_sent(l) || l->xfer.stop || !has_leg_to_spare(n))
		return false;
	if (!l->xfer.first_ns)
		return cc_fetch_object_max(l->p->req) <= DRAIN_MAX_BYTES;
	return size && size - l->xfer.body_size <= DRAIN_MAX_BYTES;
}

/* The other one was first, or the request is given up. */
static void drop_leg(struct cc_fetch_net *n, struct cc_fetch_leg *l, bool drain, uint64_t used)
{
	struct cc_fetch_priv *p = l->p;

	drain = drain && is_worth_draining(n, l);
	detach_leg(l);
	p->bytes += l->xfer.received;
	if (!drain) {
		end_unwanted(n, l, CURLE_ABORTED_BY_CALLBACK, used);
		return;
	}
	l->p = NULL;
	l->xfer.discard = true;
	l->drain_until_ns = cc_now_ns() + DRAIN_MAX_NS;
	cc_bufpool_put(n->fetch->bufs, l->buf);
	l->buf = NULL;
}

/* ---- the end of a leg ---- */

/* A chunk that is too long is no chunk; a manifest may well be longer than its buffer. */
static void judge_size(const struct cc_fetch_req *req, struct cc_http_outcome *o)
{
	if (o->result != CC_STORE_TOOBIG || req->kind != CC_FETCH_CHUNK)
		return;
	o->result = CC_STORE_CORRUPT;
	o->class = CC_RETRY_INTEGRITY;
	snprintf(o->reason, sizeof(o->reason), "wrong bytes: more than the %zu of a chunk",
		 req->buf_size);
}

static void take_notes(struct cc_fetch_priv *p, const struct cc_fetch_leg *l)
{
	const struct cc_http_xfer *x = &l->xfer;

	p->bytes += x->received;
	p->landed = x->body_size;
	if (x->first_ns)
		p->req->first_byte_ns = x->first_ns - x->start_ns;
	strcpy(p->address, l->address);
	p->note[0] = '\0';
	if (x->answer.encoding[0])
		snprintf(p->note, sizeof(p->note), " (sent as %s)", x->answer.encoding);
}

enum fate { WON, LOST, FAILED };

static void count_second(struct cc_fetch *f, const struct cc_fetch_leg *l, enum fate fate)
{
	struct cc_hedge_stats *st = &l->at->endpoint.stats.hedges[l->kind];

	if (!l->second)
		return;
	pthread_mutex_lock(&f->lock);
	if (fate == WON)
		st->won++;
	else if (fate == LOST)
		st->lost++;
	else
		st->failed++;
	pthread_mutex_unlock(&f->lock);
}

/* The leg has the bytes; they are put where they belong, once nobody else writes there. */
static void win_request(struct cc_fetch_net *n, struct cc_fetch_leg *l)
{
	struct cc_fetch_leg *other = other_leg(l);
	struct cc_fetch_priv *p = l->p;
	struct cc_fetch *f = n->fetch;
	size_t from = l->xfer.begin;	/* the bytes before are in the request's base */

	count_second(f, l, WON);
	if (other) {
		count_second(f, other, LOST);
		drop_leg(n, other, true, from);
	}
	if (l->buf)
		memcpy((char *)cc_fetch_base(f, p) + from, (char *)l->buf + from,
		       l->xfer.body_size - from);
	p->at = l->at;
	free_leg(n, l);
	pthread_mutex_lock(&f->lock);
	leave_thread(n, p);
	pthread_mutex_unlock(&f->lock);
	cc_fetch_land(f, p);
}

/* The other one may still do it, unless this is the last word. */
static void lose_leg(struct cc_fetch_net *n, struct cc_fetch_leg *l, struct cc_http_outcome *o)
{
	struct cc_fetch_leg *other = other_leg(l);
	enum cc_route_verdict verdict = CC_ROUTE_RETRY;
	struct cc_fetch_priv *p = l->p;
	struct cc_fetch *f = n->fetch;

	count_second(f, l, FAILED);
	p->at = l->at;
	detach_leg(l);
	free_leg(n, l);
	if (other) {
		pthread_mutex_lock(&f->lock);
		verdict = cc_fetch_route_failed(f, p, p->at, o);
		pthread_mutex_unlock(&f->lock);
	}
	if (other && verdict != CC_ROUTE_FINAL && !p->cancelled) {
		p->at = other->at;
		return;
	}
	if (other)
		drop_leg(n, other, false, 0);
	fail_request(n, p, o);
}

void cc_leg_end(struct cc_fetch_net *n, struct cc_fetch_leg *l, CURLcode code)
{
	struct cc_http_outcome o;

	if (!l->p) {
		end_unwanted(n, l, code, 0);
		return;
	}
	curl_multi_remove_handle(n->multi, l->xfer.easy);
	cc_http_xfer_end(&l->xfer, code, &o);
	if (o.result)
		judge_size(l->p->req, &o);
	account_leg(n->fetch, l, &o, o.result ? 0 : l->xfer.received);
	take_notes(l->p, l);
	if (o.result)
		lose_leg(n, l, &o);
	else
		win_request(n, l);
}

static void cancel_legs(struct cc_fetch_net *n, struct cc_fetch_priv *p)
{
	for (int i = 0; i < 2; i++)
		if (p->legs[i])
			drop_leg(n, p->legs[i], false, 0);
	pthread_mutex_lock(&n->fetch->lock);
	leave_thread(n, p);
	cc_fetch_complete(n->fetch, p, CC_STORE_CANCELLED, "cancelled");
	pthread_mutex_unlock(&n->fetch->lock);
}

void cc_leg_abandon(struct cc_fetch_net *n, struct cc_fetch_leg *l)
{
	if (l->p)
		cancel_legs(n, l->p);
	else
		end_unwanted(n, l, CURLE_ABORTED_BY_CALLBACK, 0);
}

/* ---- second legs ---- */

static bool may_have_second(const struct cc_fetch_leg *l)
{
	const struct cc_fetch_priv *p = l->p;

	return !l->second && !p->legs[1] && p->req->kind == CC_FETCH_CHUNK && p->priority != CC_FETCH_PREFETCH;
}

/* Another address of the same store; without one, another store; else another connection. */
static struct cc_fetch_store *choose_second(struct cc_fetch *f, const struct cc_fetch_leg *l, uint64_t now)
{
	struct cc_fetch_store *at = NULL;

	if (!cc_resolver_has_other(cc_store_http_target(l->at->store)->resolver, l->address)) {
		pthread_mutex_lock(&f->lock);
		at = cc_fetch_route_beside(f, l->p, now);
		pthread_mutex_unlock(&f->lock);
	}
	return at ? at : l->at;
}

/* Is there budget at the one that is late, and room and patience at the other? */
static bool pay_second(struct cc_fetch *f, struct cc_fetch_leg *l, struct cc_fetch_store *at,
		       enum cc_hedge kind, bool urgent, uint64_t now)
{
	bool may;

	pthread_mutex_lock(&f->lock);
	may = cc_fetch_has_room(f, at) && now >= at->endpoint.throttled_until_ns &&
	      cc_endpoint_pay_hedge(&l->at->endpoint, kind, urgent);
	if (may) {
		at->endpoint.stats.hedges[kind].launched++;
	} else if (!(l->denied & 1u << kind)) {
		l->denied |= 1u << kind;
		l->at->endpoint.stats.hedges[kind].denied++;
	}
	pthread_mutex_unlock(&f->lock);
	return may;
}

static void begin_second(struct cc_fetch_net *n, struct cc_fetch_leg *l, struct cc_fetch_store *at,
			 const char *address, enum cc_hedge kind)
{
	struct cc_fetch_priv *p = l->p;
	struct cc_fetch_leg *second = new_leg(n, p, at);
	struct cc_http_outcome o;

	second->second = true;
	second->kind = kind;
	second->buf = cc_bufpool_get(n->fetch->bufs, cc_fetch_object_max(p->req));
	strcpy(second->address, address);
	p->legs[1] = second;
	p->second |= 1u << kind;
	count_start(n->fetch, p, at);
	if (second->buf && !begin_transfer(n, second, kind == CC_HEDGE_STALL ? l->xfer.body_size : 0, &o)) {
		look_in_time(n, second);
		return;
	}
	o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, "out of memory" };
	count_second(n->fetch, second, FAILED);
	fail_to_start(n, second, &o);
}

static bool start_second(struct cc_fetch_net *n, struct cc_fetch_leg *l, enum cc_hedge kind,
			 bool urgent, uint64_t now)
{
	struct cc_fetch_store *at = choose_second(n->fetch, l, now);
	char address[CC_ADDRESS_SIZE] = "";
	struct cc_http_outcome o;

	if (!has_leg_to_spare(n) || make_ready(at, l->address, address, &o) ||
	    !pay_second(n->fetch, l, at, kind, urgent, now))
		return false;
	begin_second(n, l, at, address, kind);
	return true;
}

/* Returns when to look again for the sake of a second leg. */
static uint64_t look_for_second(struct cc_fetch_net *n, struct cc_fetch_leg *l, uint64_t now)
{
	uint64_t due, after = 0;
	enum cc_hedge kind;

	if (!may_have_second(l))
		return UINT64_MAX;
	due = second_due(n->fetch, l, now, &kind, &after);
	if (l->p->second & 1u << kind)
		return UINT64_MAX;
	if (now < due)
		return due;
	/* Who is twice as late as that is urgent. */
	if (start_second(n, l, kind, now >= due + after, now))
		return now;
	return now + DENIED_POLL_NS;
}

/* ---- time ---- */

static uint64_t look_at_drain(struct cc_fetch_net *n, struct cc_fetch_leg *l, uint64_t now)
{
	if (now < l->drain_until_ns && !l->deaf && !cc_http_xfer_expired(&l->xfer, now))
		return l->drain_until_ns;
	end_unwanted(n, l, CURLE_ABORTED_BY_CALLBACK, 0);
	return now;
}

uint64_t cc_leg_look(struct cc_fetch_net *n, struct cc_fetch_leg *l, uint64_t now_ns)
{
	uint64_t next, due;

	if (!l->p)
		return look_at_drain(n, l, now_ns);
	if (l->p->cancelled) {
		cancel_legs(n, l->p);
		return now_ns;
	}
	if (l->deaf) {
		cc_leg_end(n, l, CURLE_OUT_OF_MEMORY);
		return now_ns;
	}
	if (cc_http_xfer_expired(&l->xfer, now_ns)) {
		cc_leg_end(n, l, CURLE_OPERATION_TIMEDOUT);
		return now_ns;
	}
	next = cc_http_xfer_timer(&l->xfer);
	due = look_for_second(n, l, now_ns);
	if (due < next)
		next = due;
	return next < now_ns + LOOK_MAX_NS ? next : now_ns + LOOK_MAX_NS;
}
