// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an answer of a store means: class of retry, result, and a line that tells a person what to
 * change.  Pure.
 */
#include "http-impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- headers ---- */

bool cc_http_parse_range(const char *text, size_t len, struct cc_http_answer *a)
{
	char copy[80], numbers[3][20];
	uint64_t from, to, total;
	int used = 0;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	/* As digits: a number of scanf() may have a sign. */
	if (strncmp(copy, "bytes ", 6) ||
	    sscanf(copy + 6, "%19[0-9]-%19[0-9]/%19[0-9]%n", numbers[0], numbers[1], numbers[2], &used) != 3 ||
	    (size_t)used + 6 != len)
		return false;
	from = strtoull(numbers[0], NULL, 10);
	to = strtoull(numbers[1], NULL, 10);
	total = strtoull(numbers[2], NULL, 10);
	if (from > to || to >= total)
		return false;
	a->range_from = from;
	a->range_to = to;
	a->range_total = total;
	return true;
}

int64_t cc_http_parse_date(const char *text)
{
	struct tm tm = { 0 };

	if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return timegm(&tm);
	tm = (struct tm){ 0 };
	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : -1;
}

/* ---- judgement ---- */

void cc_http_conclude(struct cc_http_outcome *o, enum cc_store_result result,
		      enum cc_retry_class class, const char *reason)
{
	o->result = result;
	o->class = class;
	o->retry_after_ms = 0;
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
}

static void set_outcome(struct cc_http_outcome *o, enum cc_store_result result, enum cc_retry_class class)
{
	o->result = result;
	o->class = class;
}

static bool is_code(const struct cc_http_answer *a, const char *code)
{
	return !strcmp(a->code, code);
}

static bool is_throttle(const struct cc_http_answer *a)
{
	return a->status == 503 || a->status == 429 || is_code(a, "SlowDown") ||
	       !strncmp(a->code, "Throttl", 7) || !strncmp(a->code, "RequestThrottled", 16) ||
	       !strncmp(a->code, "TooManyRequests", 15) || is_code(a, "RequestLimitExceeded") ||
	       is_code(a, "BandwidthLimitExceeded");
}

static bool is_transient(const struct cc_http_answer *a)
{
	if (is_code(a, "RequestTimeout") || is_code(a, "RequestTimeoutException") ||
	    !strncmp(a->code, "InternalError", 13))
		return true;
	/* Others are changing the same object, or the bucket: 409. */
	if (is_code(a, "ConditionalRequestConflict") || is_code(a, "OperationAborted"))
		return true;
	return a->status == 408 || (a->status >= 500 && a->status != 501 && a->status != 505) ||
	       a->status == 206;
}

/* What came to the store is not what was sent. */
static bool is_damage(const struct cc_http_answer *a)
{
	return is_code(a, "BadDigest") || is_code(a, "IncompleteBody") ||
	       is_code(a, "XAmzContentSHA256Mismatch");
}

static bool is_auth(const struct cc_http_answer *a)
{
	return a->status == 401 || !strncmp(a->code, "ExpiredToken", 12) ||
	       is_code(a, "InvalidAccessKeyId") || is_code(a, "InvalidToken") || is_code(a, "TokenRefreshRequired");
}

static bool is_skew(const struct cc_http_answer *a)
{
	return is_code(a, "RequestTimeTooSkewed") || is_code(a, "RequestExpired") ||
	       is_code(a, "RequestInTheFuture");
}

/* A region is named, and has the form of one: it is going to be signed. */
static bool is_other_region(const struct cc_http_target *t, const struct cc_http_answer *a)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	return a->region[0] && strcmp(a->region, t->region) &&
	       strspn(a->region, chars) == strlen(a->region);
}

static bool is_wrong_region(const struct cc_http_target *t, const struct cc_http_answer *a)
{
	if (!t->s3)
		return false;
	if (is_code(a, "PermanentRedirect") || is_code(a, "TemporaryRedirect") ||
	    is_code(a, "AuthorizationHeaderMalformed") || is_code(a, "InvalidRegion"))
		return true;
	return (a->status / 100 == 3 || a->status == 400) && a->region[0] &&
	       strcmp(a->region, t->region);
}

/* "HTTP 403 AccessDenied: Access Denied" */
static void say_generic(const struct cc_http_answer *a, char *reason)
{
	snprintf(reason, CC_HTTP_REASON_SIZE, "HTTP %ld%s%s%s%s", a->status, a->code[0] ? " " : "",
		 a->code, a->message[0] ? ": " : "", a->message);
}

static void say_skew(const struct cc_http_answer *a, char *reason)
{
	time_t now = time(NULL);
	char local[40];
	struct tm tm;

	strftime(local, sizeof(local), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	snprintf(reason, CC_HTTP_REASON_SIZE,
		 "clocks differ too much: %s here, %s at the store; set this host's clock", local,
		 a->date[0] ? a->date : "unknown");
}

static void say_region(const struct cc_http_target *t, const struct cc_http_answer *a, char *reason)
{
	if (a->region[0] && strcmp(a->region, t->region))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "wrong region %s, bucket %s is in %s; set region = %s", t->region,
			 t->bucket, a->region, a->region);
	else
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "wrong region or endpoint for bucket %s (region %s, HTTP %ld %s); set region or endpoint",
			 t->bucket, t->region, a->status, a->code);
}

/* What a policy calls it. */
static const char *action_of(enum cc_http_method method)
{
	switch (method) {
	case CC_HTTP_PUT:
		return "s3:PutObject";
	case CC_HTTP_DELETE:
		return "s3:DeleteObject";
	case CC_HTTP_LIST:
		return "s3:ListBucket";
	default:
		return "s3:GetObject";
	}
}

/* A bucket that may not be listed does not say that an object is missing. */
static void say_not_allowed(const struct cc_http_target *t, enum cc_http_method method,
			    const struct cc_http_answer *a, char *reason)
{
	bool reads = method == CC_HTTP_GET || method == CC_HTTP_HEAD || method == CC_HTTP_PROBE ||
		     method == CC_HTTP_RANGE;
	char generic[CC_HTTP_REASON_SIZE];

	say_generic(a, generic);
	snprintf(reason, CC_HTTP_REASON_SIZE, "access denied: allow the key %s on bucket %s%s (%.200s)",
		 action_of(method), t->bucket,
		 reads ? ", and s3:ListBucket, else a missing object looks like this" :
		 method == CC_HTTP_PUT ? ", or send what the bucket's policy demands" : "", generic);
}

/* Credentials, permission, clock: by code, as a status says little. */
static void say_denied(const struct cc_http_target *t, enum cc_http_method method,
		       const struct cc_http_answer *a, char *reason)
{
	if (is_code(a, "SignatureDoesNotMatch"))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "wrong secret key (SignatureDoesNotMatch); set aws_secret_access_key");
	else if (is_code(a, "InvalidAccessKeyId"))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "unknown access key (InvalidAccessKeyId); set aws_access_key_id");
	else if (!strncmp(a->code, "ExpiredToken", 12))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "session token has expired (%s); renew the credentials", a->code);
	else if (is_code(a, "InvalidToken") || is_code(a, "TokenRefreshRequired"))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "session token is refused (%s); renew the credentials", a->code);
	else if (is_code(a, "InvalidObjectState"))
		snprintf(reason, CC_HTTP_REASON_SIZE,
			 "the object is archived (InvalidObjectState); restore it, and keep lifecycle rules from "
			 "moving it to Glacier");
	else if (t->s3 && (is_code(a, "AccessDenied") || !a->code[0]))
		say_not_allowed(t, method, a, reason);
	else
		say_generic(a, reason);
}

static void say_redirect(const struct cc_http_answer *a, char *reason)
{
	snprintf(reason, CC_HTTP_REASON_SIZE,
		 "HTTP %ld: redirect to %.90s refused; set url to the real one", a->status, a->location[0] ? a->location : "nowhere");
}

void cc_http_judge_status(const struct cc_http_target *t, enum cc_http_method method,
			  const struct cc_http_answer *a, struct cc_http_outcome *o)
{
	o->retry_after_ms = a->retry_after_ms;
	say_generic(a, o->reason);
	if (is_throttle(a)) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_THROTTLE);
	} else if (is_damage(a)) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_INTEGRITY);
	} else if (is_skew(a)) {
		set_outcome(o, CC_STORE_DENIED, t->s3 ? CC_RETRY_CLOCK : CC_RETRY_FATAL);
		say_skew(a, o->reason);
	} else if (is_auth(a)) {
		set_outcome(o, CC_STORE_DENIED, t->s3 ? CC_RETRY_AUTH : CC_RETRY_FATAL);
		say_denied(t, method, a, o->reason);
	} else if (is_wrong_region(t, a)) {
		set_outcome(o, CC_STORE_DENIED, is_other_region(t, a) ? CC_RETRY_REGION : CC_RETRY_FATAL);
		say_region(t, a, o->reason);
	} else if (a->status / 100 == 3) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL);
		say_redirect(a, o->reason);
	} else if (is_code(a, "NoSuchBucket")) {
		/* The configuration is wrong: that is no word on an object. */
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL);
		snprintf(o->reason, sizeof(o->reason), "bucket %s does not exist; set url",
			 t->bucket ? t->bucket : "");
	} else if (a->status == 404) {
		set_outcome(o, CC_STORE_NOTFOUND, CC_RETRY_FATAL);
		snprintf(o->reason, sizeof(o->reason), "no such object");
	} else if (is_transient(a)) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT);
		if (a->status == 206)
			snprintf(o->reason, sizeof(o->reason),
				 "HTTP 206: a part was sent, all was asked for");
	} else if (a->status == 403 || is_code(a, "AccessDenied")) {
		set_outcome(o, CC_STORE_DENIED, CC_RETRY_FATAL);
		say_denied(t, method, a, o->reason);
	} else {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL);
	}
}

/*
 * The MD5 that an ETag is, into md5; false if it is none: that of an object in parts has a dash, and with
 * some keys of the store's it is another number.
 */
static bool etag_is_md5(const struct cc_http_answer *a, char md5[2 * CC_HTTP_MD5_SIZE + 1])
{
	const char *etag = a->etag + strspn(a->etag, "W/");
	size_t len;

	etag += *etag == '"';
	len = strspn(etag, "0123456789abcdefABCDEF");
	if (a->encrypted || len != 2 * CC_HTTP_MD5_SIZE || (etag[len] && strcmp(etag + len, "\"")))
		return false;
	memcpy(md5, etag, len);
	md5[len] = '\0';
	return true;
}

void cc_http_judge_put(const struct cc_http_target *t, const struct cc_http_answer *a, bool document,
		       const char *md5, struct cc_http_outcome *o)
{
	char told[2 * CC_HTTP_MD5_SIZE + 1];

	set_outcome(o, CC_STORE_OK, CC_RETRY_NONE);
	o->retry_after_ms = 0;
	o->reason[0] = '\0';
	if (a->code[0]) {
		cc_http_judge_status(t, CC_HTTP_PUT, a, o);
	} else if (document) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT);
		snprintf(o->reason, sizeof(o->reason),
			 "HTTP %ld, but with a document that no store answers an upload with", a->status);
	} else if (*md5 && etag_is_md5(a, told) && strcasecmp(told, md5)) {
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_INTEGRITY);
		snprintf(o->reason, sizeof(o->reason),
			 "HTTP %ld, but for other bytes than were sent (ETag %s, not %s)", a->status, told, md5);
	}
}

void cc_http_judge_curl(const struct cc_http_target *t, CURLcode code, const char *detail,
			struct cc_http_outcome *o)
{
	char text[120];

	if (!*detail)
		detail = curl_easy_strerror(code);
	cc_http_copy_text(text, sizeof(text), detail, strlen(detail));
	snprintf(o->reason, sizeof(o->reason), "%s%s%.80s", text, *t->proxy.host ? "; by the proxy " : "", t->proxy.host);
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		set_outcome(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT);
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_HTTP2:
	case CURLE_PARTIAL_FILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_OUT_OF_MEMORY:
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT);
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL);
		snprintf(o->reason, sizeof(o->reason), "TLS certificate of %.60s refused: %s; set ca_file or url",
			 t->authority, text);
		break;
	case CURLE_FILESIZE_EXCEEDED:
		set_outcome(o, CC_STORE_TOOBIG, CC_RETRY_FATAL);
		break;
	default:
		set_outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL);
		break;
	}
}
