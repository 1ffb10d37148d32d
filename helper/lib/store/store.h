/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: where manifests, chunks and image names live, by URL:
 *
 *	file:///directory		a directory (the embedded default)
 *	http://host[:port]/prefix	any HTTP server that serves the names of format.h;
 *	https://host[:port]/prefix	read-only
 *	s3://bucket[/prefix]		with endpoint, region, style and credentials
 *
 * This is the blocking interface of chunkctl and of start-up code.  The daemon reads
 * through fetch.h, which never blocks the caller.  A store object may be used by several
 * threads at once.  Object names are relative to the prefix, see chunkcache/format.h.
 */
#ifndef CC_STORE_H
#define CC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a store that others name as their cache is used by them. */
enum cc_cache_mode {
	CC_CACHE_GET_ONLY,		/* plain GETs: one that fills itself does so */
	CC_CACHE_READ_ONLY,		/* only-if-cached: what it lacks it need not fetch */
	CC_CACHE_OFF,
};

struct cc_store_config {
	char *name;			/* section [store NAME]; what table lines say */
	char *url;
	char *domain;			/* stores of one domain share cached chunks; default: the name */
	/* s3:// */
	char *endpoint;			/* https://host[:port]; default AWS's for the region */
	char *region;			/* default us-east-1 */
	bool path_style;		/* endpoint/bucket/key instead of bucket.endpoint/key */
	bool anonymous;			/* do not sign */
	char *credentials;		/* the one provider of creds.h to ask; default: one after the other */
	char *credentials_file;		/* INI as of the AWS tools */
	char *profile;			/* section of it, or of ~/.aws; default "default" */
	bool requester_pays;		/* the bucket's owner lets those pay who read */
	/* http, https, s3 */
	char *ca_file;			/* PEM bundle; default the system's */
	unsigned int connections;	/* parallel requests, 1..256; default 32 */
	unsigned int connect_timeout_ms;/* default 3000 */
	unsigned int first_byte_timeout_ms; /* default 5000 */
	unsigned int stall_timeout_ms;	/* no byte for so long; default 5000 */
	unsigned int attempt_timeout_ms;/* of one GET; default 30000 */
	unsigned int total_timeout_ms;	/* of one request with its retries; default 60000 */
	unsigned int attempts;		/* 1..10, default 3 */
	unsigned int backoff_ms;	/* longest wait before the first retry; default 50 */
	unsigned int backoff_max_ms;	/* before any; default 20000 */
	unsigned int negative_ttl_ms;	/* how long a missing object is remembered; default 3000; 0: not */
	/* Second requests for what is late; shares are in tenths of a percent. */
	unsigned int hedge_quantile;	/* of times to the first byte; default 980; 0: none */
	unsigned int hedge_budget;	/* of GETs; default 20 */
	unsigned int hedge_min_ms, hedge_max_ms; /* never sooner, never later; default 20, 2000 */
	unsigned int stall_hedge_ms;	/* no byte in a body for so long; default 250; 0: none */
	/* Names of other stores, separated by spaces; resolved by cc_store_link(). */
	char *replicas;			/* with the same objects, in order of preference */
	char *caches;			/* asked before the store itself, in this order */
	/* of a store that others name as their cache */
	enum cc_cache_mode cache_mode;
	char *cachey_bucket;		/* url is a cachey's /fetch/KIND: the bucket that it asks */
	/* what chunkctl cost reckons with; in a currency of the reader's choice */
	double price_1000_gets, price_gib;
};

/* Why a request did not succeed.  0 is success. */
enum cc_store_result {
	CC_STORE_OK,
	CC_STORE_NOTFOUND,		/* the store answered: no such object */
	CC_STORE_DENIED,		/* credentials, permission, signature, clock */
	CC_STORE_TIMEOUT,
	CC_STORE_CORRUPT,		/* bytes are not what their name says, after retries */
	CC_STORE_TOOBIG,		/* larger than the caller's buffer or limit */
	CC_STORE_CANCELLED,
	CC_STORE_ERROR,			/* all else: network, 5xx, I/O; retried already */
};

const char *cc_store_result_name(enum cc_store_result r);

struct cc_store;

/* Defaults for all fields but name and url.  Strings are malloc()ed and owned by the config. */
void cc_store_config_init(struct cc_store_config *c);
void cc_store_config_free(struct cc_store_config *c);

/*
 * Check the configuration and make the store; no I/O yet.  On error returns -errno and one
 * line in err.  The config must outlive the store.
 */
int cc_store_open(const struct cc_store_config *c, struct cc_store **ret_store,
		  char *err, size_t errlen);
void cc_store_close(struct cc_store *s);
const struct cc_store_config *cc_store_config(const struct cc_store *s);
/*
 * Finds what s's replicas and caches name among all, for the fetch engine; s may be one of
 * them.  All live as long as s does.  -EINVAL with one line in err: there is none of that name, or
 * it is of no use as such.
 */
int cc_store_link(struct cc_store *s, struct cc_store *const *all, unsigned int nr, char *err,
		  size_t errlen);

/*
 * Blocking object operations, with the store's retries and timeouts.  On failure a line for people
 * (what was asked of whom, what it answered) is in err.
 */
/* Whole object into a malloc()ed buffer; CC_STORE_TOOBIG past max bytes. */
enum cc_store_result cc_store_get(struct cc_store *s, const char *name, size_t max,
				  void **ret_data, size_t *ret_size, char *err, size_t errlen);
/* Atomic: readers see the old object, or the whole new one. */
enum cc_store_result cc_store_put(struct cc_store *s, const char *name, const void *data,
				  size_t size, char *err, size_t errlen);
enum cc_store_result cc_store_head(struct cc_store *s, const char *name, uint64_t *ret_size,
				   char *err, size_t errlen);
enum cc_store_result cc_store_delete(struct cc_store *s, const char *name, char *err, size_t errlen);
/* Calls fn for each object whose name starts with prefix, in any order; a non-zero return ends it. */
typedef int cc_store_list_fn(void *arg, const char *name, uint64_t size, int64_t mtime);
enum cc_store_result cc_store_list(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
				   void *arg, char *err, size_t errlen);

#endif
