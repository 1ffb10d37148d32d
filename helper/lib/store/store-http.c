// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocking interface to http://, https:// and s3:// stores: moves one transfer at a time to
 * its end, with retries.  Keeps connections between calls.
 */
#include "store-http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "clock.h"
#include "list-page.h"
#include "thread.h"

#define MAX_IDLE	64
#define LIST_MAX	(8 << 20)	/* a page of 1000 names */
#define EMPTY_PAGES_MAX	1000		/* there may be some, where many objects were deleted */

/* What one call needs; idle ones are kept for their open connections. */
struct line {
	CURLM *multi;
	struct cc_http_xfer xfer;
};

struct http_store {
	struct cc_store base;
	struct cc_http_target target;
	struct cc_patience patience;
	pthread_mutex_t lock;		/* covers what follows */
	struct line *idle[MAX_IDLE];
	unsigned int nr_idle;
	bool odd_etags;			/* they look like MD5s and are none */
};

static struct http_store *http_store_of(struct cc_store *s)
{
	return (struct http_store *)s;
}

struct cc_http_target *cc_store_http_target(struct cc_store *s)
{
	return &http_store_of(s)->target;
}

/* ---- lines ---- */

static void free_line(struct line *l)
{
	cc_http_xfer_destroy(&l->xfer);
	curl_multi_cleanup(l->multi);
	free(l);
}

static struct line *new_line(void)
{
	struct line *l = malloc(sizeof(*l));

	if (!l)
		return NULL;
	if (cc_http_xfer_init(&l->xfer))
		goto free_line;
	l->multi = curl_multi_init();
	if (!l->multi)
		goto destroy_xfer;
	return l;

destroy_xfer:
	cc_http_xfer_destroy(&l->xfer);
free_line:
	free(l);
	return NULL;
}

static struct line *take_line(struct http_store *s)
{
	struct line *l = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->nr_idle)
		l = s->idle[--s->nr_idle];
	pthread_mutex_unlock(&s->lock);
	return l ? l : new_line();
}

static void give_line(struct http_store *s, struct line *l)
{
	pthread_mutex_lock(&s->lock);
	if (s->nr_idle < MAX_IDLE) {
		s->idle[s->nr_idle++] = l;
		l = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (l)
		free_line(l);
}

/* ---- one attempt ---- */

static int ms_until(uint64_t at_ns, uint64_t now_ns)
{
	uint64_t ms = at_ns <= now_ns ? 0 : (at_ns - now_ns) / CC_MS + 1;

	return ms > 1000 ? 1000 : ms;
}

/* The one of the only transfer; -1: not known.  libcurl tells it of one that is over only (7.88). */
static int find_socket(CURLM *multi)
{
	fd_set in, out, other;
	int max = -1;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&other);
	if (curl_multi_fdset(multi, &in, &out, &other, &max))
		return -1;
	while (max >= 0 && !FD_ISSET(max, &in) && !FD_ISSET(max, &out))
		max--;
	return max;
}

/* Moves the transfer until it ends or a timer runs out. */
static CURLcode move_line(struct line *l)
{
	for (;;) {
		int running, left;
		CURLMsg *msg;

		if (curl_multi_perform(l->multi, &running))
			return CURLE_OUT_OF_MEMORY;
		msg = curl_multi_info_read(l->multi, &left);
		if (msg && msg->msg == CURLMSG_DONE)
			return msg->data.result;
		if (l->xfer.req.patient && cc_now_ns() >= cc_http_xfer_timer(&l->xfer))
			l->xfer.socket = find_socket(l->multi);
		if (cc_http_xfer_expired(&l->xfer, cc_now_ns()))
			return CURLE_OPERATION_TIMEDOUT;
		if (curl_multi_poll(l->multi, NULL, 0,
				    ms_until(cc_http_xfer_timer(&l->xfer), cc_now_ns()), NULL))
			return CURLE_OUT_OF_MEMORY;
	}
}

/* Returns true if a request went out; *o says what came of it in any case. */
static bool run_attempt(struct http_store *s, struct line *l, const struct cc_http_request *req,
			struct cc_http_outcome *o)
{
	char address[CC_ADDRESS_SIZE];
	CURLcode code;
	int r;

	uint64_t deadline_ns = req->deadline_ns;

	if (!deadline_ns)
		deadline_ns = cc_now_ns() + s->target.config->total_timeout_ms * CC_MS;
	o->retry_after_ms = 0;
	r = cc_resolver_wait(s->target.resolver, NULL, deadline_ns, address, o->reason,
			     sizeof(o->reason));
	if (r) {
		o->result = r == -ETIMEDOUT ? CC_STORE_TIMEOUT : CC_STORE_ERROR;
		o->class = CC_RETRY_TRANSIENT;
		return false;
	}
	if (cc_http_target_keys(&s->target, deadline_ns, o)) {
		/* Whoever gives them may be away as well. */
		if (req->patient)
			o->class = CC_RETRY_TRANSIENT;
		return false;
	}
	if (cc_http_xfer_start(&l->xfer, &s->target, req, address, o))
		return false;
	if (curl_multi_add_handle(l->multi, l->xfer.easy)) {
		o->result = CC_STORE_ERROR;
		o->class = CC_RETRY_FATAL;
		snprintf(o->reason, sizeof(o->reason), "out of memory");
		return false;
	}
	code = move_line(l);
	curl_multi_remove_handle(l->multi, l->xfer.easy);
	cc_http_xfer_end(&l->xfer, code, o);
	cc_resolver_report(s->target.resolver, address,
			   o->class == CC_RETRY_TRANSIENT && !l->xfer.first_ns, 0);
	return true;
}

/* ---- with retries ---- */

/*
 * An answer to a HEAD has no body that could say why it is a refusal, and with some proxies no length: the same
 * is asked by a GET of one byte.
 */
static bool wants_probe(const struct cc_http_xfer *x, const struct cc_http_outcome *o)
{
	long status = x->answer.status;

	if (x->req.method != CC_HTTP_HEAD)
		return false;
	return o->result ? (status == 400 || status == 403) && !x->answer.code[0] : !x->have_length;
}

static enum cc_patience_end end_of(const struct cc_http_outcome *o)
{
	switch (o->result) {
	case CC_STORE_OK:
		return CC_PATIENCE_WELL;
	case CC_STORE_NOTFOUND:
	case CC_STORE_EXISTS:
		return CC_PATIENCE_ANSWERED;
	case CC_STORE_TIMEOUT:
		return CC_PATIENCE_TIMEOUT;
	default:
		return CC_PATIENCE_FAILED;
	}
}

static bool has_odd_etags(struct http_store *s)
{
	bool odd;

	pthread_mutex_lock(&s->lock);
	odd = s->odd_etags;
	pthread_mutex_unlock(&s->lock);
	return odd;
}

/* Is this PUT doubted by its ETag only? */
static bool wants_proof(const struct cc_http_xfer *x, const struct cc_http_outcome *o)
{
	return x->req.method == CC_HTTP_PUT && x->answer.status == 200 && o->class == CC_RETRY_INTEGRITY;
}

/*
 * Stores have ETags of 32 hex digits that are no MD5.  What is behind one that is not the MD5 of what was sent
 * is seen by reading the object; once per store, as from then on its ETags say nothing.
 */
static void read_back(struct http_store *s, struct line *l, const struct cc_http_request *put,
		      struct cc_http_outcome *o)
{
	struct cc_http_request get = {
		.method = CC_HTTP_GET, .name = put->name, .grow = true, .max = put->size,
		.deadline_ns = put->deadline_ns, .patient = put->patient,
	};
	struct cc_http_outcome got;
	bool same = has_odd_etags(s);

	if (!same) {
		run_attempt(s, l, &get, &got);
		same = !got.result && l->xfer.body_size == put->size &&
		       (!put->size || !memcmp(l->xfer.body, put->data, put->size));
	}
	if (!same)
		return;
	o->result = CC_STORE_OK;
	o->class = CC_RETRY_NONE;
	pthread_mutex_lock(&s->lock);
	s->odd_etags = true;
	pthread_mutex_unlock(&s->lock);
}

/* One attempt, in its turn. */
static void take_turn(struct http_store *s, struct line *l, struct cc_http_request *req,
		      uint64_t deadline_ns, struct cc_http_outcome *o)
{
	req->patient = cc_patience_enter(&s->patience);
	req->deadline_ns = req->patient ? 0 : deadline_ns;
	if (run_attempt(s, l, req, o)) {
		if (wants_probe(&l->xfer, o)) {
			req->method = CC_HTTP_PROBE;
			run_attempt(s, l, req, o);
		} else if (wants_proof(&l->xfer, o)) {
			read_back(s, l, req, o);
		}
	}
	cc_patience_leave(&s->patience, end_of(o), o->class);
}

static void run_request(struct http_store *s, struct line *l, struct cc_http_request *req,
			struct cc_http_outcome *o)
{
	const struct cc_store_config *c = s->target.config;
	uint64_t failed_ns = 0, deadline_ns = cc_now_ns() + c->total_timeout_ms * CC_MS;
	struct cc_retry retry;
	unsigned int delay;
	sigset_t signals;

	cc_sigpipe_block(&signals);
	cc_retry_init(&retry, c);
	for (;;) {
		take_turn(s, l, req, deadline_ns, o);
		if (!o->result)
			break;
		failed_ns = failed_ns ? failed_ns : cc_now_ns();
		retry.patient = req->patient;
		if (!cc_retry_next(&retry, o->class, o->retry_after_ms, &delay, &req->fresh))
			break;
		if (req->patient ? !cc_patience_lasts(&s->patience, failed_ns, delay, o->reason) :
		    cc_now_ns() + delay * CC_MS >= deadline_ns)
			break;
		cc_patience_sleep(&s->patience, delay);
	}
	cc_sigpipe_restore(&signals);
}

static enum cc_store_result say_outcome(struct http_store *s, const char *verb, const char *name,
					const struct cc_http_outcome *o, char *err, size_t errlen)
{
	const struct cc_store_config *c = s->target.config;

	size_t len = strlen(c->url);

	while (len && c->url[len - 1] == '/')
		len--;
	if (o->result)
		snprintf(err, errlen, "%s%s%s%s %.*s/%s: %s", c->name ? "store " : "",
			 c->name ? c->name : "", c->name ? ": " : "", verb, (int)len, c->url, name,
			 o->reason);
	return o->result;
}

/* Runs a request whose body, if any, nobody wants. */
static enum cc_store_result run_simple(struct cc_store *store, const char *verb,
				       struct cc_http_request *req, uint64_t *ret_length, char *err,
				       size_t errlen)
{
	struct http_store *s = http_store_of(store);
	struct line *l = take_line(s);
	struct cc_http_outcome o;

	if (!l) {
		snprintf(err, errlen, "out of memory");
		return CC_STORE_ERROR;
	}
	run_request(s, l, req, &o);
	if (!o.result && ret_length && !cc_http_xfer_told_size(&l->xfer, ret_length)) {
		o.result = CC_STORE_ERROR;
		snprintf(o.reason, sizeof(o.reason), "the answer does not tell the size");
	}
	give_line(s, l);
	return say_outcome(s, verb, req->name, &o, err, errlen);
}

/* Runs a request and takes its body; it is malloc()ed. */
static enum cc_store_result with_body(struct cc_store *store, const char *verb,
				      struct cc_http_request *req, void **ret_data,
				      size_t *ret_size, char *err, size_t errlen)
{
	struct http_store *s = http_store_of(store);
	struct line *l = take_line(s);
	struct cc_http_outcome o;

	if (!l) {
		snprintf(err, errlen, "out of memory");
		return CC_STORE_ERROR;
	}
	req->grow = true;
	run_request(s, l, req, &o);
	if (!o.result) {
		*ret_data = l->xfer.body ? l->xfer.body : calloc(1, 1);
		*ret_size = l->xfer.body_size;
		l->xfer.body = NULL;
	}
	give_line(s, l);
	return say_outcome(s, verb, req->name, &o, err, errlen);
}

/* ---- operations ---- */

static enum cc_store_result http_get(struct cc_store *s, const char *name, size_t max,
				     void **ret_data, size_t *ret_size, char *err, size_t errlen)
{
	struct cc_http_request req = { .method = CC_HTTP_GET, .name = name, .max = max };

	return with_body(s, "get", &req, ret_data, ret_size, err, errlen);
}

static enum cc_store_result http_get_range(struct cc_store *store, const char *name, uint64_t offset, void *buf,
					   size_t size, size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen)
{
	struct cc_http_request req = {
		.method = CC_HTTP_RANGE, .name = name, .buf = buf, .from = offset, .max = size,
	};
	struct http_store *s = http_store_of(store);
	struct line *l = take_line(s);
	struct cc_http_outcome o;

	if (!l) {
		snprintf(err, errlen, "out of memory");
		return CC_STORE_ERROR;
	}
	run_request(s, l, &req, &o);
	if (!o.result) {
		*ret_got = l->xfer.body_size;
		*ret_total = cc_http_xfer_object_size(&l->xfer);
	}
	give_line(s, l);
	return say_outcome(s, "get", name, &o, err, errlen);
}

static enum cc_store_result http_head(struct cc_store *s, const char *name, uint64_t *ret_size,
				      char *err, size_t errlen)
{
	struct cc_http_request req = { .method = CC_HTTP_HEAD, .name = name };

	return run_simple(s, "head", &req, ret_size, err, errlen);
}

static enum cc_store_result read_only(struct cc_store *s, const char *verb, char *err,
				      size_t errlen)
{
	snprintf(err, errlen, "%s: http and https stores are read-only, use s3:// or file:// "
		 "instead of %s", verb, s->config->url);
	return CC_STORE_ERROR;
}

static enum cc_store_result put_object(struct cc_store *s, bool create, const char *name,
				       const void *data, size_t size, char *err, size_t errlen)
{
	const char *verb = create ? "create" : "put";
	struct cc_http_request req = {
		.method = CC_HTTP_PUT, .name = name, .create = create, .data = data, .size = size,
	};

	if (!http_store_of(s)->target.s3)
		return read_only(s, verb, err, errlen);
	return run_simple(s, verb, &req, NULL, err, errlen);
}

static enum cc_store_result http_put(struct cc_store *s, const char *name, const void *data,
				     size_t size, char *err, size_t errlen)
{
	return put_object(s, false, name, data, size, err, errlen);
}

static enum cc_store_result http_create(struct cc_store *s, const char *name, const void *data,
					size_t size, char *err, size_t errlen)
{
	return put_object(s, true, name, data, size, err, errlen);
}

static enum cc_store_result http_delete(struct cc_store *s, const char *name, char *err,
					size_t errlen)
{
	struct cc_http_request req = { .method = CC_HTTP_DELETE, .name = name };

	if (!http_store_of(s)->target.s3)
		return read_only(s, "delete", err, errlen);
	return run_simple(s, "delete", &req, NULL, err, errlen);
}

/* ---- listing ---- */

/* A listing under way.  A store can't make it last for ever with the same pages. */
struct listing {
	struct http_store *store;
	const char *prefix;		/* of names, as asked for */
	cc_store_list_fn *fn;
	void *arg;
	bool ended;			/* fn's word */
	unsigned int nr_empty;		/* pages without an entry, one after the other */
	/* Brent's way to find a circle: the first key of some page before, and how far that is back. */
	char *seen;
	uint64_t nr_pages, look_back;
};

/* What all keys of the listing start with: the target's prefix has a slash before, which keys have not. */
static bool has_prefix(const struct listing *l, const char *key)
{
	const char *prefix = l->store->target.prefix;
	size_t len = strlen(prefix);

	if (len && (strncmp(key, prefix + 1, len - 1) || key[len - 1] != '/'))
		return false;
	return !strncmp(key + len, l->prefix, strlen(l->prefix));
}

static const char *check_page(struct listing *l, const struct cc_list_page *p)
{
	const char *first = p->nr_entries ? p->entries[0].key : NULL;

	for (size_t i = 0; i < p->nr_entries; i++)
		if (!has_prefix(l, p->entries[i].key))
			return "it has keys that do not start with what was asked for";
	l->nr_empty = first ? 0 : l->nr_empty + 1;
	if (l->nr_empty > EMPTY_PAGES_MAX)
		return "its pages are empty";
	if (first && l->seen && !strcmp(first, l->seen))
		return "its pages come again";
	if (first && l->nr_pages++ == l->look_back) {
		l->look_back = l->nr_pages * 2;
		free(l->seen);
		l->seen = strdup(first);
	}
	return NULL;
}

static void pass_entries(struct listing *l, const struct cc_list_page *p)
{
	size_t prefix = strlen(l->store->target.prefix);

	for (size_t i = 0; i < p->nr_entries && !l->ended; i++) {
		const struct cc_list_entry *e = &p->entries[i];

		/* Nobody could ask for another, such as "a//b". */
		if (cc_store_name_ok(e->key + prefix))
			l->ended = l->fn(l->arg, e->key + prefix, e->size, e->mtime);
	}
}

/* Of the next page, the token goes to token. */
static enum cc_store_result list_next_page(struct listing *l, char token[CC_LIST_TOKEN_SIZE], char *err,
					   size_t errlen)
{
	struct cc_http_request req = {
		.method = CC_HTTP_LIST, .name = l->prefix, .max = LIST_MAX,
		.token = *token ? token : NULL,
	};
	struct cc_list_page page = { 0 };
	enum cc_store_result result;
	char reason[160] = "";
	const char *wrong;
	void *data;
	size_t size;

	result = with_body(&l->store->base, "list", &req, &data, &size, err, errlen);
	if (result)
		return result;
	wrong = cc_list_page_parse(data, size, &page, reason, sizeof(reason)) ? reason : NULL;
	free(data);
	if (!wrong)
		wrong = check_page(l, &page);
	if (!wrong && *page.token && !strcmp(page.token, token))
		wrong = "the token of its next page is its own";
	if (wrong)
		snprintf(err, errlen, "list %s/%s: %s", l->store->base.config->url, l->prefix, wrong);
	else
		pass_entries(l, &page);
	memcpy(token, page.token, CC_LIST_TOKEN_SIZE);
	cc_list_page_free(&page);
	return wrong ? CC_STORE_ERROR : CC_STORE_OK;
}

static enum cc_store_result http_list(struct cc_store *store, const char *prefix,
				      cc_store_list_fn *fn, void *arg, char *err, size_t errlen)
{
	struct listing l = { .store = http_store_of(store), .prefix = prefix, .fn = fn, .arg = arg };
	char token[CC_LIST_TOKEN_SIZE] = "";
	enum cc_store_result result;

	if (!l.store->target.s3)
		return read_only(store, "list", err, errlen);
	do
		result = list_next_page(&l, token, err, errlen);
	while (!result && !l.ended && *token);
	free(l.seen);
	return result;
}

/* ---- life ---- */

static void http_be_patient(struct cc_store *s, cc_patience_fn *fn, void *arg)
{
	cc_patience_start(&http_store_of(s)->patience, s->config->patience_ms, fn, arg);
}

static void http_hurry(struct cc_store *s)
{
	cc_patience_end_now(&http_store_of(s)->patience);
}

static void http_close(struct cc_store *store)
{
	struct http_store *s = http_store_of(store);
	sigset_t signals;

	cc_sigpipe_block(&signals); /* TLS says good-bye */
	while (s->nr_idle)
		free_line(s->idle[--s->nr_idle]);
	cc_sigpipe_restore(&signals);
	cc_patience_destroy(&s->patience);
	pthread_mutex_destroy(&s->lock);
	cc_http_target_destroy(&s->target);
	free(s);
}

static const struct cc_store_ops http_ops = {
	.get = http_get,
	.get_range = http_get_range,
	.put = http_put,
	.create = http_create,
	.head = http_head,
	.remove = http_delete,
	.list = http_list,
	.be_patient = http_be_patient,
	.hurry = http_hurry,
	.close = http_close,
};

int cc_store_http_open(const struct cc_store_config *c, struct cc_store **ret_store,
		       char *err, size_t errlen)
{
	struct http_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	cc_store_init(&s->base, c, CC_STORE_KIND_HTTP, &http_ops);
	r = cc_http_target_init(&s->target, c, err, errlen);
	if (r) {
		free(s);
		return r;
	}
	pthread_mutex_init(&s->lock, NULL);
	cc_patience_init(&s->patience);
	*ret_store = &s->base;
	return 0;
}
