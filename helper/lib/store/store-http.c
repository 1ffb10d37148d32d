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
#include <time.h>

#include "clock.h"
#include "thread.h"

#define MAX_IDLE	64
#define LIST_MAX	(8 << 20)	/* a page of 1000 names */

/* What one call needs; idle ones are kept for their open connections. */
struct line {
	CURLM *multi;
	struct cc_http_xfer xfer;
};

struct http_store {
	struct cc_store base;
	struct cc_http_target target;
	pthread_mutex_t lock;		/* covers what follows */
	struct line *idle[MAX_IDLE];
	unsigned int nr_idle;
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
		if (cc_http_xfer_expired(&l->xfer, cc_now_ns()))
			return CURLE_OPERATION_TIMEDOUT;
		if (curl_multi_poll(l->multi, NULL, 0,
				    ms_until(cc_http_xfer_timer(&l->xfer), cc_now_ns()), NULL))
			return CURLE_OUT_OF_MEMORY;
	}
}

static void run_attempt(struct http_store *s, struct line *l, const struct cc_http_request *req,
			struct cc_http_outcome *o)
{
	char address[CC_ADDRESS_SIZE];
	CURLcode code;
	int r;

	o->retry_after_ms = 0;
	r = cc_resolver_wait(s->target.resolver, NULL, req->deadline_ns, address, o->reason,
			     sizeof(o->reason));
	if (r) {
		o->result = r == -ETIMEDOUT ? CC_STORE_TIMEOUT : CC_STORE_ERROR;
		o->class = CC_RETRY_TRANSIENT;
		return;
	}
	if (cc_http_target_keys(&s->target, req->deadline_ns, o) ||
	    cc_http_xfer_start(&l->xfer, &s->target, req, address, o))
		return;
	if (curl_multi_add_handle(l->multi, l->xfer.easy)) {
		o->result = CC_STORE_ERROR;
		o->class = CC_RETRY_FATAL;
		snprintf(o->reason, sizeof(o->reason), "out of memory");
		return;
	}
	code = move_line(l);
	curl_multi_remove_handle(l->multi, l->xfer.easy);
	cc_http_xfer_end(&l->xfer, code, o);
	cc_resolver_report(s->target.resolver, address,
			   o->class == CC_RETRY_TRANSIENT && !l->xfer.first_ns, 0);
}

/* ---- with retries ---- */

static void sleep_for_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static void run_request(struct http_store *s, struct line *l, struct cc_http_request *req,
			struct cc_http_outcome *o)
{
	const struct cc_store_config *c = s->target.config;
	struct cc_retry retry;
	unsigned int delay;
	sigset_t signals;

	cc_sigpipe_block(&signals);
	cc_retry_init(&retry, c);
	req->deadline_ns = cc_now_ns() + c->total_timeout_ms * CC_MS;
	for (;;) {
		run_attempt(s, l, req, o);
		if (!o->result ||
		    !cc_retry_next(&retry, o->class, o->retry_after_ms, &delay, &req->fresh) ||
		    cc_now_ns() + delay * CC_MS >= req->deadline_ns)
			break;
		sleep_for_ms(delay);
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
	if (!o.result && ret_length) {
		if (l->xfer.have_length) {
			*ret_length = l->xfer.length;
		} else {
			o.result = CC_STORE_ERROR;
			snprintf(o.reason, sizeof(o.reason), "the answer does not tell the size");
		}
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

static int64_t parse_time(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

/* One <Contents>.  Returns fn's word. */
static int list_entry(struct http_store *s, const char *xml, size_t len, cc_store_list_fn *fn,
		      void *arg)
{
	char key[1100], size[24], when[40] = "";
	size_t prefix = strlen(s->target.prefix);

	if (!cc_http_xml_text(xml, len, "Key", key, sizeof(key)) ||
	    !cc_http_xml_text(xml, len, "Size", size, sizeof(size)))
		return 0; /* no name of ours is so long or odd */
	cc_http_xml_text(xml, len, "LastModified", when, sizeof(when));
	/* The target's prefix has a slash before, which keys have not. */
	if (prefix && (strncmp(key, s->target.prefix + 1, prefix - 1) || key[prefix - 1] != '/'))
		return 0;
	return fn(arg, key + prefix, strtoull(size, NULL, 10), parse_time(when));
}

static int list_page(struct http_store *s, const char *xml, size_t len, cc_store_list_fn *fn,
		     void *arg)
{
	static const char open[] = "<Contents>", close[] = "</Contents>";
	const char *end = xml + len;

	for (;;) {
		const char *start = memmem(xml, end - xml, open, strlen(open));
		const char *stop;

		if (!start)
			return 0;
		stop = memmem(start, end - start, close, strlen(close));
		if (!stop)
			return 0;
		if (list_entry(s, start, stop - start, fn, arg))
			return 1;
		xml = stop;
	}
}

/* Sets token to that of the next page, or to "" after the last one. */
static bool next_token(const char *xml, size_t len, char *token, size_t size)
{
	char more[8];

	token[0] = '\0';
	if (!cc_http_xml_text(xml, len, "IsTruncated", more, sizeof(more)))
		return false;
	if (strcmp(more, "true"))
		return true;
	return cc_http_xml_text(xml, len, "NextContinuationToken", token, size) && *token;
}

static enum cc_store_result http_list(struct cc_store *store, const char *prefix,
				      cc_store_list_fn *fn, void *arg, char *err, size_t errlen)
{
	struct http_store *s = http_store_of(store);
	enum cc_store_result result;
	char token[2048] = "", last[2048];

	if (!s->target.s3)
		return read_only(store, "list", err, errlen);
	do {
		struct cc_http_request req = {
			.method = CC_HTTP_LIST, .name = prefix, .max = LIST_MAX,
			.token = *token ? token : NULL,
		};
		void *page;
		size_t size;
		bool good;
		int ended;

		result = with_body(store, "list", &req, &page, &size, err, errlen);
		if (result)
			return result;
		ended = list_page(s, page, size, fn, arg);
		memcpy(last, token, sizeof(last));
		/* The same page once more would make a list without an end. */
		good = next_token(page, size, token, sizeof(token)) &&
		       (!*token || strcmp(token, last));
		free(page);
		if (ended)
			return CC_STORE_OK;
		if (!good) {
			snprintf(err, errlen, "list %s/%s: the answer is not that of ListObjectsV2",
				 store->config->url, prefix);
			return CC_STORE_ERROR;
		}
	} while (*token);
	return CC_STORE_OK;
}

/* ---- life ---- */

static void http_close(struct cc_store *store)
{
	struct http_store *s = http_store_of(store);
	sigset_t signals;

	cc_sigpipe_block(&signals); /* TLS says good-bye */
	while (s->nr_idle)
		free_line(s->idle[--s->nr_idle]);
	cc_sigpipe_restore(&signals);
	pthread_mutex_destroy(&s->lock);
	cc_http_target_destroy(&s->target);
	free(s);
}

static const struct cc_store_ops http_ops = {
	.get = http_get,
	.put = http_put,
	.create = http_create,
	.head = http_head,
	.remove = http_delete,
	.list = http_list,
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
	*ret_store = &s->base;
	return 0;
}
