// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's threads that may block or compute: file threads read file:// stores, hash
 * workers decompress and check what the network threads got.
 */
#include "fetch-impl.h"

#include <errno.h>
#include <stdlib.h>

#include "thread.h"

/* ---- bytes to check ---- */

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
		cc_fetch_check(f, p);
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
		cc_fetch_check(f, p);
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
