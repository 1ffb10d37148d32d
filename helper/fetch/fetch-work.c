// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's threads that may block or compute: file threads read file:// stores, hash
 * workers decompress and check what the network threads got.
 */
#include "fetch-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot-trace.h"
#include "thread.h"
#include "verify.h"

/* ---- where bytes go, and whether they are right ---- */

void cc_fetch_object_name(const struct cc_fetch_req *req, char ret_name[CC_OBJECT_NAME_MAX])
{
	if (req->kind == CC_FETCH_MANIFEST)
		cc_manifest_name(req->id, ret_name);
	else if (req->kind == CC_FETCH_TRACE)
		cc_trace_name(req->id, ret_name);
	else
		cc_chunk_name(req->id, req->encoding, ret_name);
}

size_t cc_fetch_object_max(const struct cc_fetch_req *req)
{
	return cc_fetch_is_plain(req) ? req->buf_size : cc_compressed_max(req->buf_size);
}

void *cc_fetch_base(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	if (cc_fetch_is_plain(p->req))
		return p->req->buf;
	if (!p->staging)
		p->staging = cc_bufpool_get(f->bufs, cc_fetch_object_max(p->req));
	return p->staging;
}

/* Returns 0 and the size of what is in the request's buffer, or -EILSEQ, -ENOMEM with a line. */
static int check_bytes(struct cc_fetch_priv *p, size_t *ret_size, char *err, size_t errlen)
{
	struct cc_fetch_req *req = p->req;
	size_t size = p->landed;
	int r;

	if (p->staging) {
		r = cc_decompress(p->staging, p->landed, req->buf, req->buf_size, err, errlen);
		if (r)
			return r;
		size = req->buf_size;
	} else if (req->kind == CC_FETCH_CHUNK && size != req->buf_size) {
		snprintf(err, errlen, "wrong bytes: %zu of them, expected %zu", size, req->buf_size);
		return -EILSEQ;
	}
	r = req->kind == CC_FETCH_TRACE ? 0 : cc_verify(req->buf, size, req->id, err, errlen);
	if (!r)
		*ret_size = size;
	return r;
}

/* The request is CHECKING and this thread's. */
static void check(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	struct cc_http_outcome o = { .class = CC_RETRY_NONE };
	char err[160];
	size_t size;
	int r;

	r = check_bytes(p, &size, err, sizeof(err));
	if (r == -EILSEQ) {
		o.result = CC_STORE_CORRUPT;
		o.class = CC_RETRY_INTEGRITY;
	} else if (r) {
		o.result = CC_STORE_ERROR;
		o.class = CC_RETRY_TRANSIENT;
	}
	if (r)
		snprintf(o.reason, sizeof(o.reason), "%s%s", err, p->note);
	pthread_mutex_lock(&f->lock);
	if (r == -EILSEQ) {
		f->stats.hash_mismatches++;
		if (cc_fetch_store_is_http(p->at))
			cc_endpoint_corrupt(&p->at->endpoint, p->landed, cc_now_ns());
	}
	if (r) {
		cc_fetch_attempt_failed(f, p, &o);
	} else {
		p->req->size = size;
		cc_fetch_complete(f, p, CC_STORE_OK, "");
	}
	pthread_mutex_unlock(&f->lock);
}

void cc_fetch_land(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	bool here = !f->config.hash_threads;

	pthread_mutex_lock(&f->lock);
	if (p->cancelled) {
		cc_fetch_complete(f, p, CC_STORE_CANCELLED, "cancelled");
		pthread_mutex_unlock(&f->lock);
		return;
	}
	cc_fetch_set_state(f, p, here ? CC_FETCH_CHECKING : CC_FETCH_LANDED);
	if (!here)
		pthread_cond_signal(&f->hash_work);
	pthread_mutex_unlock(&f->lock);
	if (here)
		check(f, p);
}

static void *run_hash(void *arg)
{
	struct cc_fetch *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		struct cc_fetch_priv *p;

		if (cc_list_empty(&f->landed)) {
			pthread_cond_wait(&f->hash_work, &f->lock);
			continue;
		}
		p = cc_list_entry(f->landed.next, struct cc_fetch_priv, node);
		cc_fetch_set_state(f, p, CC_FETCH_CHECKING);
		pthread_mutex_unlock(&f->lock);
		check(f, p);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- files ---- */

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

static void read_file(struct cc_fetch *f, struct cc_fetch_priv *p, struct cc_http_outcome *o)
{
	struct cc_fetch_req *req = p->req;
	char name[CC_OBJECT_NAME_MAX];
	uint64_t start = cc_now_ns();
	void *buf = cc_fetch_base(f, p);

	*o = (struct cc_http_outcome){ CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, "out of memory" };
	p->attempts++;
	p->landed = 0;
	if (!buf)
		return;
	cc_fetch_object_name(req, name);
	o->result = cc_store_file_read(req->store, name, buf, cc_fetch_object_max(req), &p->cancelled,
				       &p->landed, o->reason, sizeof(o->reason));
	if (o->result == CC_STORE_TOOBIG && req->kind == CC_FETCH_CHUNK)
		o->result = CC_STORE_CORRUPT;
	o->class = class_of(o->result);
	p->bytes += p->landed;
	req->first_byte_ns = cc_now_ns() - start;
}

static void serve_file(struct cc_fetch *f, struct cc_fetch_priv *p)
{
	struct cc_http_outcome o;

	read_file(f, p, &o);
	pthread_mutex_lock(&f->lock);
	f->stats.gets++;
	f->stats.bytes += p->landed;
	if (o.result)
		cc_fetch_attempt_failed(f, p, &o);
	else
		cc_fetch_set_state(f, p, CC_FETCH_CHECKING);
	pthread_mutex_unlock(&f->lock);
	if (!o.result)
		check(f, p);
}

static void *run_file(void *arg)
{
	struct cc_fetch *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		struct cc_fetch_priv *p = cc_fetch_next(f, CC_STORE_KIND_FILE, 1, 1);

		if (!p) {
			pthread_cond_wait(&f->file_work, &f->lock);
			continue;
		}
		cc_fetch_set_state(f, p, CC_FETCH_ACTIVE);
		pthread_mutex_unlock(&f->lock);
		serve_file(f, p);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- life ---- */

int cc_fetch_work_open(struct cc_fetch *f, unsigned int file_threads, unsigned int hash_threads)
{
	unsigned int n = file_threads + hash_threads;
	int r;

	f->workers = calloc(n, sizeof(*f->workers));
	if (!f->workers)
		return -ENOMEM;
	for (f->nr_workers = 0; f->nr_workers < n; f->nr_workers++) {
		r = cc_thread_start(f->nr_workers < file_threads ? run_file : run_hash, f, false,
				    &f->workers[f->nr_workers]);
		if (r)
			goto close;
	}
	return 0;

close:
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->file_work);
	pthread_cond_broadcast(&f->hash_work);
	pthread_mutex_unlock(&f->lock);
	cc_fetch_work_close(f);
	return r;
}

void cc_fetch_work_close(struct cc_fetch *f)
{
	while (f->nr_workers)
		pthread_join(f->workers[--f->nr_workers], NULL);
	free(f->workers);
	f->workers = NULL;
}
