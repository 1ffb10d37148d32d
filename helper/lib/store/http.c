// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP transfers: their life, what libcurl is told, their timers and their end.  libcurl carries
 * bytes and nothing else: no redirects, decoding, resolving, signing.
 */
#include "http-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "curl.h"
#include "clock.h"

/* ---- options ---- */

#define SET(option, value) (r = r ? r : curl_easy_setopt(x->easy, option, value))

static CURLcode set_transport(struct cc_http_xfer *x)
{
	const struct cc_store_config *c = x->target->config;
	CURLcode r = cc_curl_set_safe(x->easy, strncmp(x->url, "https:", 6) ? "http" : "https",
				      c->ca_file);

	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, 256L << 10);
	SET(CURLOPT_MAXAGE_CONN, 20L); /* S3 closes idle connections early; a retry costs more */
	SET(CURLOPT_FRESH_CONNECT, x->req.fresh ? 1L : 0L);
	if (x->connect_to)
		SET(CURLOPT_CONNECT_TO, x->connect_to);
	return r;
}

static CURLcode set_request(struct cc_http_xfer *x)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_USERAGENT, "chunkcache/" CHUNKCACHE_VERSION);
	if (x->headers)
		SET(CURLOPT_HTTPHEADER, x->headers);
	switch (x->req.method) {
	case CC_HTTP_HEAD:
		SET(CURLOPT_NOBODY, 1L);
		break;
	case CC_HTTP_DELETE:
		SET(CURLOPT_CUSTOMREQUEST, "DELETE");
		break;
	case CC_HTTP_PUT:
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->req.size);
		break;
	default:
		SET(CURLOPT_HTTPGET, 1L);
		break;
	}
	return r;
}

/* Which hosts it is for has been decided: not by libcurl's look at the environment.  It gets no header of ours. */
static CURLcode set_proxy(struct cc_http_xfer *x, const char *address)
{
	const struct cc_proxy *p = &x->target->proxy;
	CURLcode r = CURLE_OK;
	char proxy[CC_ADDRESS_SIZE + 300];

	if (!*p->host)
		return r;
	snprintf(proxy, sizeof(proxy), "http://%s:%u", *address ? address : p->literal, p->port);
	SET(CURLOPT_PROXY, proxy);
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_HTTPPROXYTUNNEL, 1L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	if (*p->user)
		SET(CURLOPT_PROXYUSERPWD, p->user);
	return r;
}

#undef SET

/* ---- life ---- */

int cc_http_xfer_init(struct cc_http_xfer *x)
{
	memset(x, 0, sizeof(*x));
	x->easy = cc_curl_new();
	return x->easy ? 0 : -ENOMEM;
}

static void put_creds(struct cc_http_xfer *x)
{
	if (x->creds)
		cc_keyring_put(x->target->keyring, x->creds);
	x->creds = NULL;
}

/* Back to what it was after init. */
static void reset_xfer(struct cc_http_xfer *x)
{
	CURL *easy = x->easy;

	curl_easy_reset(easy);
	put_creds(x);
	cc_curl_free_headers(x->headers);
	curl_slist_free_all(x->connect_to);
	if (x->req.grow)
		free(x->body);
	free(x->text);
	free(x->url);
	memset(x, 0, sizeof(*x));
	x->easy = easy;
}

void cc_http_xfer_destroy(struct cc_http_xfer *x)
{
	if (!x->easy)
		return;
	reset_xfer(x);
	curl_easy_cleanup(x->easy);
	x->easy = NULL;
}

/*
 * A handle whose transfer failed is not used again: if that was before libcurl had a connection, it
 * keeps a buffer that no reset frees, and refuses CURLOPT_BUFFERSIZE from then on (7.88: error 43).
 * Connections are the multi handle's and stay.
 */
static int renew_xfer(struct cc_http_xfer *x)
{
	if (x->easy && !x->soiled) {
		reset_xfer(x);
		return 0;
	}
	cc_http_xfer_destroy(x);
	return cc_http_xfer_init(x);
}

static int set_address(struct cc_http_xfer *x, const char *address)
{
	char entry[CC_ADDRESS_SIZE + 8];

	if (!*address || *x->target->proxy.host)
		return 0;
	snprintf(entry, sizeof(entry), "::%s:", address);
	x->connect_to = curl_slist_append(NULL, entry);
	return x->connect_to ? 0 : -ENOMEM;
}

int cc_http_xfer_start(struct cc_http_xfer *x, struct cc_http_target *t,
		       const struct cc_http_request *req, const char *address,
		       struct cc_http_outcome *o)
{
	CURLcode code;
	int r;

	cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
	if (renew_xfer(x))
		return -ENOMEM;
	x->soiled = true;
	x->target = t;
	x->req = *req;
	x->socket = -1;
	x->body = req->grow ? NULL : req->buf;
	r = cc_http_make_request(x, o);
	if (!r)
		r = set_address(x, address);
	if (r)
		return r;
	code = set_transport(x);
	if (!code)
		code = set_proxy(x, address);
	if (!code)
		code = set_request(x);
	if (!code)
		code = cc_http_set_callbacks(x);
	if (code) {
		cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_FATAL, curl_easy_strerror(code));
		return -EINVAL;
	}
	x->start_ns = cc_now_ns();
	return 0;
}

/* ---- timers ---- */

#define STALL_FACTOR	12	/* a long job's patience with a stall */
#define STALL_BYTES	4096	/* so few in that time are one */

/* Bytes of an upload that the other side has not confirmed: they are still on their way. */
static uint64_t unsent_bytes(const struct cc_http_xfer *x)
{
	int unsent = 0;

	return x->socket < 0 || ioctl(x->socket, SIOCOUTQ, &unsent) ? 0 : unsent;
}

/* In either direction; what only lies in a buffer of this host has not. */
static uint64_t moved_bytes(const struct cc_http_xfer *x)
{
	uint64_t unsent = x->req.method == CC_HTTP_PUT ? unsent_bytes(x) : 0;

	return x->header_bytes + x->received + (x->sent > unsent ? x->sent - unsent : 0);
}

static uint64_t patient_timer(const struct cc_http_xfer *x)
{
	if (!x->sent_ns)
		return UINT64_MAX;
	return (x->window_ns ? x->window_ns : x->sent_ns) +
	       x->target->config->stall_timeout_ms * STALL_FACTOR * CC_MS;
}

/* A window is over: has enough moved in it? */
static bool has_stalled(struct cc_http_xfer *x, uint64_t now_ns)
{
	uint64_t moved = moved_bytes(x);

	if (moved - x->window_moved < STALL_BYTES)
		return true;
	x->window_moved = moved;
	x->window_ns = now_ns;
	return false;
}

uint64_t cc_http_xfer_timer(const struct cc_http_xfer *x)
{
	const struct cc_store_config *c = x->target->config;
	uint64_t at = x->req.deadline_ns, next = UINT64_MAX;

	if (x->req.patient)
		return patient_timer(x);
	if (!at || x->start_ns + c->attempt_timeout_ms * CC_MS < at)
		at = x->start_ns + c->attempt_timeout_ms * CC_MS;
	if (x->first_ns)
		next = x->last_ns + c->stall_timeout_ms * CC_MS;
	else if (x->sent_ns)
		next = x->last_ns + c->first_byte_timeout_ms * CC_MS;
	/* else curl watches over the connect */
	return at < next ? at : next;
}

bool cc_http_xfer_expired(struct cc_http_xfer *x, uint64_t now_ns)
{
	if (now_ns < cc_http_xfer_timer(x) || (x->req.patient && !has_stalled(x, now_ns)))
		return false;
	if (x->req.patient)
		x->stop = CC_HTTP_STOP_STALL;
	else if (x->req.deadline_ns && now_ns >= x->req.deadline_ns)
		x->stop = CC_HTTP_STOP_DEADLINE;
	else if (now_ns >= x->start_ns + x->target->config->attempt_timeout_ms * CC_MS)
		x->stop = CC_HTTP_STOP_ATTEMPT;
	else
		x->stop = x->first_ns ? CC_HTTP_STOP_STALL : CC_HTTP_STOP_FIRST_BYTE;
	return true;
}

/* ---- the end ---- */

/* S3 explains itself in the body. */
static void read_text(struct cc_http_xfer *x)
{
	struct cc_http_answer *a = &x->answer;
	const struct { const char *tag; char *field; size_t size; } fields[] = {
		{ "Code", a->code, sizeof(a->code) },
		{ "Message", a->message, sizeof(a->message) },
		{ "ServerTime", a->date, sizeof(a->date) },
		{ "Region", a->region, a->region[0] ? 0 : sizeof(a->region) },
	};
	char text[1024];

	for (size_t i = 0; x->text && i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].size &&
		    cc_http_xml_text(x->text, x->text_size, fields[i].tag, text, sizeof(text)))
			cc_http_copy_text(fields[i].field, fields[i].size, text, strlen(text));
}

/* Is there a document where there should be none?  <Error>, or the page of whoever is in between. */
static bool has_document(const struct cc_http_xfer *x)
{
	size_t i = 0;

	while (i < x->text_size && strchr(" \t\r\n", x->text[i]))
		i++;
	return i < x->text_size && x->text[i] == '<';
}

static void end_stopped(struct cc_http_xfer *x, struct cc_http_outcome *o)
{
	const struct cc_store_config *c = x->target->config;
	char reason[CC_HTTP_REASON_SIZE];

	switch (x->stop) {
	case CC_HTTP_STOP_FIRST_BYTE:
		snprintf(reason, sizeof(reason), "no answer within %u ms", c->first_byte_timeout_ms);
		cc_http_conclude(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_STALL:
		snprintf(reason, sizeof(reason), "%s within %u ms, after %zu bytes",
			 x->req.patient ? "next to nothing" : "no byte",
			 c->stall_timeout_ms * (x->req.patient ? STALL_FACTOR : 1),
			 x->req.method == CC_HTTP_PUT ? x->sent : x->body_size);
		cc_http_conclude(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_ATTEMPT:
		snprintf(reason, sizeof(reason), "not done within %u ms, %zu bytes came",
			 c->attempt_timeout_ms, x->body_size);
		cc_http_conclude(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_DEADLINE:
		snprintf(reason, sizeof(reason), "not done in time; %s, %zu bytes came",
			 x->sent_ns ? "connected" : "not connected", x->body_size);
		cc_http_conclude(o, CC_STORE_TIMEOUT, CC_RETRY_FATAL, reason);
		break;
	case CC_HTTP_STOP_TOOBIG:
		snprintf(reason, sizeof(reason), "larger than expected: at most %zu bytes", x->req.max);
		cc_http_conclude(o, CC_STORE_TOOBIG, CC_RETRY_FATAL, reason);
		break;
	case CC_HTTP_STOP_ENOUGH:
		cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "an answer without an end");
		break;
	case CC_HTTP_STOP_HEADERS:
		cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "headers without an end");
		break;
	case CC_HTTP_STOP_ADDRESS:
		cc_http_conclude(o, CC_STORE_DENIED, CC_RETRY_FATAL, "the host's address is link-local or a metadata service's: refused");
		break;
	default:
		cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
		break;
	}
}

/* What the answer says of clock and region holds for the requests that follow. */
static void learn_from_answer(struct cc_http_xfer *x, enum cc_retry_class class)
{
	struct cc_http_target *t = x->target;
	int64_t date = class == CC_RETRY_CLOCK ? cc_http_parse_date(x->answer.date) : -1;

	pthread_mutex_lock(&t->lock);
	if (date >= 0)
		t->clock_offset = date - time(NULL);
	if (class == CC_RETRY_REGION)
		snprintf(t->told_region, sizeof(t->told_region), "%s", x->answer.region);
	pthread_mutex_unlock(&t->lock);
}

static void count_connection(struct cc_http_xfer *x)
{
	long made = 0;

	curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &made);
	x->new_connection = made;
}

/* A status that came is the better reason even if the rest of the answer did not, or not in time. */
static bool status_decides(const struct cc_http_xfer *x)
{
	switch (x->stop) {
	case CC_HTTP_RUNNING:
	case CC_HTTP_STOP_ENOUGH:
	case CC_HTTP_STOP_STALL:
	case CC_HTTP_STOP_ATTEMPT:
		return x->answer.status >= 200 && !cc_http_is_success(x);
	default:
		return false;
	}
}

static void judge_condition(const struct cc_http_answer *a, struct cc_http_outcome *o)
{
	if (a->status == 412)
		cc_http_conclude(o, CC_STORE_EXISTS, CC_RETRY_FATAL, "there is such an object");
	else if (a->status == 501)
		cc_http_conclude(o, CC_STORE_UNSUPPORTED, CC_RETRY_FATAL,
				 "the store has no conditional requests");
}

static void judge_end(struct cc_http_xfer *x, CURLcode code, struct cc_http_outcome *o)
{
	bool refused = status_decides(x);

	if (refused || x->req.method == CC_HTTP_PUT)
		read_text(x);
	if (refused) {
		cc_http_judge_status(x->target, x->req.method, &x->answer, o);
		if (x->req.only_if_cached && x->answer.status == 504)
			cc_http_conclude(o, CC_STORE_NOTFOUND, CC_RETRY_FATAL, "not in the cache");
		if (x->req.create)
			judge_condition(&x->answer, o);
	} else if (x->stop && x->stop != CC_HTTP_STOP_KNOWN) {
		end_stopped(x, o);
	} else if (code && !x->stop) {
		cc_http_judge_curl(x->target, code, x->curl_error, o);
	} else if (x->req.method == CC_HTTP_PUT) {
		cc_http_judge_put(x->target, &x->answer, has_document(x), x->md5, o);
	} else {
		cc_http_conclude(o, CC_STORE_OK, CC_RETRY_NONE, "");
	}
}

void cc_http_xfer_end(struct cc_http_xfer *x, CURLcode code, struct cc_http_outcome *o)
{
	count_connection(x);
	x->soiled = code || x->stop;
	o->retry_after_ms = 0;
	judge_end(x, code, o);
	if (o->class == CC_RETRY_CLOCK || o->class == CC_RETRY_REGION)
		learn_from_answer(x, o->class);
	if (o->class == CC_RETRY_AUTH && x->creds)
		cc_keyring_refuse(x->target->keyring, x->creds);
	put_creds(x);
}
