/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP transfers: one attempt of one request to one store.  A transfer prepares and judges; who
 * owns the curl multi handle moves it (store-http.c blocks, fetch-net.c does not).  Retries are
 * not known here.  A transfer belongs to one thread; a target may be used by many.
 */
#ifndef CC_HTTP_H
#define CC_HTTP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <curl/curl.h>
#include "creds/keyring.h"
#include "http-text.h"
#include "proxy.h"
#include "resolve.h"
#include "result.h"
#include "retry.h"
#include "sign.h"

/* ---- target: what a store is over HTTP ---- */

struct cc_http_target {
	const struct cc_store_config *config;
	bool s3;			/* else plain HTTP, read-only */
	char *origin;			/* "https://host[:port]", no port if it is the default one */
	const char *authority;		/* "host[:port]", points into origin */
	char *bucket;			/* s3 only */
	const char *region;		/* s3 only; as configured */
	char *base;			/* raw path of the bucket: "", "/bucket", behind the endpoint's path */
	char *prefix;			/* raw, below base: "" or "/a/b" */
	struct cc_proxy proxy;
	struct cc_resolver *resolver;	/* of the proxy if there is one: it resolves the host */
	struct cc_keyring *keyring;	/* NULL: requests are not signed */
	pthread_mutex_t lock;		/* covers what follows */
	char told_region[64];		/* the store's own word of where the bucket is, "": none */
	int64_t clock_offset;		/* seconds that the store's clock is ahead of ours */
	struct cc_sign_key key;
	const struct cc_creds *key_creds; /* that key was made of, a reference, or NULL */
};

/* Checks the configuration.  Returns 0 or -errno with a line in err. */
int cc_http_target_init(struct cc_http_target *t, const struct cc_store_config *c,
			char *err, size_t errlen);
void cc_http_target_destroy(struct cc_http_target *t);
struct cc_http_outcome;
/*
 * Are there keys to sign with?  Waits for them until deadline_ns, or not at all if that is 0.
 * Returns 0, -EINPROGRESS (ask again), or another error with *o set.
 */
int cc_http_target_keys(struct cc_http_target *t, uint64_t deadline_ns, struct cc_http_outcome *o);

/* ---- answer: what came back, and what it means; pure ---- */

enum cc_http_method {
	CC_HTTP_GET, CC_HTTP_HEAD, CC_HTTP_PUT, CC_HTTP_DELETE, CC_HTTP_LIST,
	CC_HTTP_PROBE,			/* a GET of one byte: what a HEAD tells, with a reason if it is none */
	CC_HTTP_RANGE,			/* a GET of max bytes from from on, or fewer at the object's end; these
					 * only, from buf's start on */
};

#define CC_HTTP_REASON_SIZE 384
#define CC_HTTP_MD5_SIZE 16

struct cc_http_answer {
	long status;			/* 0: none came */
	char code[64];			/* S3's <Code>, "" if none */
	char message[200];
	char region[32];		/* where the bucket is, if told */
	char date[40];			/* the server's clock */
	char location[128];
	char encoding[32];		/* Content-Encoding */
	char etag[72];			/* as it came, with its quotes */
	bool encrypted;			/* with keys by which an ETag is no MD5 any more */
	unsigned int retry_after_ms;
	/* Content-Range: of this many bytes these came; total is 0 without one that makes sense. */
	uint64_t range_from, range_to, range_total;
};

struct cc_http_outcome {
	enum cc_store_result result;
	enum cc_retry_class class;	/* CC_RETRY_NONE if the result is OK */
	unsigned int retry_after_ms;
	char reason[CC_HTTP_REASON_SIZE]; /* one printable line, if not OK */
};

/* "bytes 0-9/100"; returns false, and changes nothing, if it is not such a range. */
bool cc_http_parse_range(const char *text, size_t len, struct cc_http_answer *a);
/* "Fri, 20 Nov 2026 14:00:00 GMT", "2026-11-20T14:00:00Z"; -1 if it is neither. */
int64_t cc_http_parse_date(const char *text);
/* An answer whose status is no success. */
void cc_http_judge_status(const struct cc_http_target *t, enum cc_http_method method,
			  const struct cc_http_answer *a, struct cc_http_outcome *o);
/*
 * The answer to a PUT whose status is one: is what was sent really there?  document: it has a body;
 * md5 is that of what was sent, or "".
 */
void cc_http_judge_put(const struct cc_http_target *t, const struct cc_http_answer *a, bool document,
		       const char *md5, struct cc_http_outcome *o);
/* No whole answer came; detail is curl's own words, may be "". */
void cc_http_judge_curl(const struct cc_http_target *t, CURLcode code, const char *detail,
			struct cc_http_outcome *o);

/* ---- transfer ---- */

struct cc_http_request {
	enum cc_http_method method;
	const char *name;		/* of the object; LIST: prefix of the names */
	const char *token;		/* LIST: continuation, or NULL */
	bool create;			/* PUT: if there is none of that name, else 412 */
	const void *data;		/* PUT: the object, lives until the end */
	size_t size;
	/* GET: the body goes to buf, or one that grows.  More than max: CC_STORE_TOOBIG. */
	void *buf;
	bool grow;
	size_t max;
	/*
	 * GET into buf: only the bytes from here on are wanted, and go to their place in buf.  The
	 * answer may be the whole object all the same.
	 */
	size_t from;
	bool only_if_cached;		/* a cache that lacks it says so */
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC; 0: none */
	/* It may take as long as it likes but for a stall, and stalls count from 12 times as long on. */
	bool patient;
	bool fresh;			/* on a new connection */
};

struct cc_http_xfer {
	CURL *easy;			/* not the same after each start; private pointer: the owner's */
	bool soiled;			/* easy had a transfer that did not come to its end */
	struct cc_http_target *target;
	struct cc_http_request req;
	const struct cc_creds *creds;	/* a reference to what it was signed with, or NULL */
	struct curl_slist *headers, *connect_to;
	char *url;
	enum {
		CC_HTTP_RUNNING,
		CC_HTTP_STOP_FIRST_BYTE,
		CC_HTTP_STOP_STALL,
		CC_HTTP_STOP_ATTEMPT,
		CC_HTTP_STOP_DEADLINE,
		CC_HTTP_STOP_TOOBIG,
		CC_HTTP_STOP_ENOUGH,	/* of text */
		CC_HTTP_STOP_KNOWN,	/* PROBE: the headers have told all */
		CC_HTTP_STOP_HEADERS,	/* there is no end of them */
		CC_HTTP_STOP_MEMORY,
		CC_HTTP_STOP_ADDRESS,	/* no store has such a one */
	} stop;				/* why we ended it, if we did */
	int socket;			/* patient: the owner's word of it when a timer is due, else -1 */
	uint64_t window_ns, window_moved; /* patient: the stall's time, and what had moved when it began */
	uint64_t start_ns, sent_ns, first_ns, last_ns; /* 0: not yet; last: last byte either way */
	uint8_t *body;			/* req.buf, or malloc()ed and owned if req.grow */
	size_t body_size, body_room;	/* size: place of the next byte, so with req.from */
	unsigned int pieces;		/* that the body came in, so far */
	size_t begin;			/* place of the body's first byte; known with the headers' end */
	bool in_body;			/* headers have ended: what looks like one now is a trailer */
	size_t header_bytes;		/* of all header lines, interim answers and trailers as well */
	bool discard;			/* what else comes of the body is not wanted */
	uint64_t received;		/* bytes of bodies, good or bad */
	size_t sent;			/* PUT */
	char md5[2 * CC_HTTP_MD5_SIZE + 1]; /* PUT: of what is sent, in hex; "": not to be had here */
	char *text;			/* what the store says beside objects: a refusal, the answer to a PUT */
	size_t text_size;
	uint64_t length;		/* what Content-Length says, if have_length */
	bool have_length, new_connection;
	struct cc_http_answer answer;
	char curl_error[CURL_ERROR_SIZE];
};

/* Returns 0 or -ENOMEM.  Zeroes the transfer first. */
int cc_http_xfer_init(struct cc_http_xfer *x);
void cc_http_xfer_destroy(struct cc_http_xfer *x);

/*
 * Make ready: x->easy may be added to a multi handle after it.  address is the resolver's.  On
 * failure returns non-zero, and *o says why.
 */
int cc_http_xfer_start(struct cc_http_xfer *x, struct cc_http_target *t,
		       const struct cc_http_request *req, const char *address,
		       struct cc_http_outcome *o);
/* When cc_http_xfer_expired() is to be asked next. */
uint64_t cc_http_xfer_timer(const struct cc_http_xfer *x);
/* True if a timer ran out: take it off the multi handle, end it with CURLE_OPERATION_TIMEDOUT. */
bool cc_http_xfer_expired(struct cc_http_xfer *x, uint64_t now_ns);
/* PROBE and HEAD: the same, of an answer that has ended well; false if it was not told. */
bool cc_http_xfer_told_size(const struct cc_http_xfer *x, uint64_t *ret_size);
/* The object's size, once the answer's headers have told it; else 0. */
uint64_t cc_http_xfer_object_size(const struct cc_http_xfer *x);
/* The transfer is off its multi handle, code is its result. */
void cc_http_xfer_end(struct cc_http_xfer *x, CURLcode code, struct cc_http_outcome *o);

#endif
