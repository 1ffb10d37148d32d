// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the bytes of an object go, and whether they are right. */
#include "fetch-impl.h"

#include <errno.h>
#include <stdio.h>

#include "boot-trace.h"
#include "verify.h"

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

void cc_fetch_check(struct cc_fetch *f, struct cc_fetch_priv *p)
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
		cc_fetch_check(f, p);
}
