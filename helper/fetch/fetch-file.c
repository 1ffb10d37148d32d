// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's file threads, which read file:// stores.  A read may never return: of a network's file
 * system whose server has gone, say.  So a thread reads into a buffer of its own, which the request
 * does not need to end; a store has only so many threads; and there is always one more
 * than there are reads, for the other stores.
 */
#include "fetch-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "thread.h"

#define CLOSE_MAX	(2 * CC_SECOND)	/* for reads that do return, as all do that are cancelled */

struct file_read {
	struct cc_fetch_read base;
	struct cc_fetch_store *store;
	/* what follows is the thread's own */
	char name[CC_OBJECT_NAME_MAX];
	bool is_chunk;
	size_t max, size;
	void *buf;
	struct cc_http_outcome o;
};

/* ---- one read ---- */

static enum cc_retry_class class_of(enum cc_store_result result)
{
	switch (result) {
	case CC_STORE_OK:
		return CC_RETRY_NONE;
	case CC_STORE_ERROR:
		return CC_RETRY_TRANSIENT;
	case CC_STORE_CORRUPT:
		return CC_RETRY_INTEGRITY;
	default:
		return CC_RETRY_FATAL;
	}
}

/* The pool of buffers is of one size, which a manifest's must not become. */
static void *get_buffer(struct cc_fetch *f, const struct file_read *r)
{
	return r->is_chunk ? cc_bufpool_get(f->bufs, r->max) : malloc(r->max ? r->max : 1);
}

static void put_buffer(struct cc_fetch *f, struct file_read *r)
{
	if (r->is_chunk)
		cc_bufpool_put(f->bufs, r->buf);
	else
		free(r->buf);
	r->buf = NULL;
}

static void read_file(struct cc_fetch *f, struct file_read *r)
{
	struct cc_http_outcome *o = &r->o;

	*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, "out of memory" };
	r->buf = get_buffer(f, r);
	if (!r->buf)
		return;
	o->result = cc_store_file_read(r->store->store, r->name, r->buf, r->max, &r->base.cancelled,
				       &r->size, o->reason, sizeof(o->reason));
	if (o->result == CC_STORE_TOOBIG && r->is_chunk)
		o->result = CC_STORE_CORRUPT;
	o->class = class_of(o->result);
}

static void begin_read(struct cc_fetch *f, struct cc_fetch_priv *p, struct file_read *r)
{
	r->base.p = p;
	r->store = p->store;
	r->is_chunk = p->req->kind == CC_FETCH_CHUNK;
	r->max = cc_fetch_object_max(p->req);
	cc_fetch_object_name(p->req, r->name);
	cc_fetch_take(f, p);
	p->read = &r->base;
	p->attempts++;
	p->landed = 0;
	f->stats.gets++;
	r->store->nr_reads++;
	f->nr_idle_files--;
}

/* The request's, if that is still there; it has ACTIVE or CHECKING behind it then. */
static void end_read(struct cc_fetch *f, struct cc_fetch_priv *p, struct file_read *r)
{
	p->read = NULL;
	p->landed = r->size;
	p->bytes += r->size;
	f->stats.bytes += r->size;
	if (r->o.result)
		cc_fetch_attempt_failed(f, p, &r->o);
	else
		cc_fetch_set_state(f, p, CC_FETCH_CHECKING);
}

/* p is CHECKING and this thread's. */
static void hand_over(struct cc_fetch *f, struct cc_fetch_priv *p, struct file_read *r)
{
	if (cc_fetch_is_plain(p->req)) {
		memcpy(p->req->buf, r->buf, r->size);
	} else {
		p->staging = r->buf;
		r->buf = NULL;
	}
	cc_fetch_check(f, p);
}

/* ---- threads ---- */

static void *run_file(void *arg);

/* Counted before it runs, so that nobody starts another in its place.  Returns 0 or -errno. */
static int start_thread(struct cc_fetch *f)
{
	pthread_t thread;
	int r = cc_thread_start(run_file, f, true, &thread);

	if (!r)
		return 0;
	pthread_mutex_lock(&f->lock);
	f->nr_idle_files--;
	f->nr_files--;
	pthread_cond_signal(&f->file_ended);
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* Without memory there is none until a read returns, or another one begins. */
static void keep_spare_thread(struct cc_fetch *f)
{
	bool wanted;

	pthread_mutex_lock(&f->lock);
	wanted = !f->nr_idle_files && !f->stop;
	if (wanted) {
		f->nr_idle_files++;
		f->nr_files++;
	}
	pthread_mutex_unlock(&f->lock);
	if (wanted)
		start_thread(f);
}

/* With the lock held, which is left meanwhile. */
static void serve_file(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	struct file_read r = { .size = 0 };
	uint64_t start = cc_now_ns();
	bool checks;

	begin_read(f, p, &r);
	pthread_mutex_unlock(&f->lock);
	keep_spare_thread(f);
	read_file(f, &r);
	pthread_mutex_lock(&f->lock);
	r.store->nr_reads--;
	p = r.base.p;
	if (p) {
		p->req->first_byte_ns = cc_now_ns() - start;
		end_read(f, p, &r);
	} else {
		r.store->nr_left--;
	}
	checks = p && !r.o.result;
	pthread_mutex_unlock(&f->lock);
	if (checks)
		hand_over(f, p, &r);
	put_buffer(f, &r);
	pthread_mutex_lock(&f->lock);
	f->nr_idle_files++;
}

static void *run_file(void *arg)
{
	struct cc_fetch *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		struct cc_fetch_priv *p = cc_fetch_next(f, CC_STORE_KIND_FILE, 1, 1);

		if (p)
			serve_file(f, p);
		else
			pthread_cond_wait(&f->file_work, &f->lock);
	}
	f->nr_idle_files--;
	f->nr_files--;
	pthread_cond_signal(&f->file_ended);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int cc_fetch_file_open(struct cc_fetch *f)
{
	f->nr_files = 1;
	f->nr_idle_files = 1;
	return start_thread(f);
}

bool cc_fetch_file_close(struct cc_fetch *f)
{
	uint64_t until_ns = cc_now_ns() + CLOSE_MAX;
	const struct timespec until = { until_ns / CC_SECOND, until_ns % CC_SECOND };
	bool ended;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	while (f->nr_files && r != ETIMEDOUT)
		r = pthread_cond_clockwait(&f->file_ended, &f->lock, CLOCK_MONOTONIC, &until);
	ended = !f->nr_files;
	pthread_mutex_unlock(&f->lock);
	return ended;
}
