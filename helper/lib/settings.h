/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings of parts, as plain values: what a part is told when it is opened, and what the configuration
 * reads from its file without knowing the parts.
 */
#ifndef CC_SETTINGS_H
#define CC_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* ---- stores ---- */

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
	char *endpoint;			/* https://host[:port][/path]; default AWS's for the region */
	char *region;			/* default us-east-1 */
	bool path_style;		/* endpoint/bucket/key instead of bucket.endpoint/key */
	bool anonymous;			/* do not sign */
	char *credentials;		/* the one provider of creds.h to ask; default: one after the other */
	char *credentials_file;		/* INI as of the AWS tools */
	char *profile;			/* section of it, or of ~/.aws; default "default" */
	bool requester_pays;		/* the bucket's owner lets those pay who read */
	/* s3://, of what is written; NULL: what the bucket does by itself */
	char *sse;			/* AES256, aws:kms or aws:kms:dsse */
	char *sse_kms_key_id;
	bool sse_bucket_key;		/* spare KMS requests by a key of the bucket's */
	char *storage_class;		/* of chunks */
	/* http, https, s3 */
	char *ca_file;			/* PEM bundle; default the system's */
	/* Who said so, if it was not the configuration: creds.h. */
	const char *region_from, *endpoint_from, *ca_from;
	unsigned int connections;	/* parallel requests, 1..256; default 32 */
	unsigned int connect_timeout_ms;/* default 3000 */
	unsigned int first_byte_timeout_ms; /* default 5000 */
	unsigned int stall_timeout_ms;	/* no byte for so long; default 5000 */
	unsigned int attempt_timeout_ms;/* of one GET; default 30000 */
	unsigned int total_timeout_ms;	/* of one request with its retries; default 60000 */
	unsigned int attempts;		/* 1..10, default 3 */
	unsigned int backoff_ms;	/* longest wait before the first retry; default 50 */
	unsigned int backoff_max_ms;	/* before any; default 20000 */
	unsigned int patience_ms;	/* of a long job with a store that is away; default 900000; 0: none */
	/* of what volumes write */
	unsigned int commit_interval_ms; /* default 1000 */
	uint64_t upload_rate;		/* bytes a second; 0: as they come */
	unsigned int negative_ttl_ms;	/* how long a missing object is remembered; default 3000; 0: not */
	/* Second requests for what is late; shares are in tenths of a percent. */
	unsigned int hedge_quantile;	/* of times to the first byte; default 980; 0: none */
	unsigned int hedge_budget;	/* of GETs; default 20 */
	unsigned int hedge_min_ms, hedge_max_ms; /* never sooner, never later; default 20, 2000 */
	unsigned int stall_hedge_ms;	/* no byte in a body for so long; default 250; 0: none */
	/* Names of other stores, separated by spaces; resolved by cc_store_link(). */
	char *replicas;			/* with the same objects, in order of preference */
	char *caches;			/* a ring that is asked before the store itself */
	unsigned int cache_copies;	/* of them that have an object; default 1 */
	/* of a store that others name as their cache */
	enum cc_cache_mode cache_mode;
	char *cachey_bucket;		/* url is a cachey's /fetch/KIND: the bucket that it asks */
	/* what chunkctl cost reckons with; in a currency of the reader's choice */
	double price_1000_gets, price_gib;
};

/* Defaults for all fields but name and url.  Strings are malloc()ed and owned by the config. */
void cc_store_config_init(struct cc_store_config *c);
void cc_store_config_free(struct cc_store_config *c);

/* ---- the fetch engine ---- */

struct cc_fetch_config {
	unsigned int network_threads;	/* default 2 */
	unsigned int hash_threads;	/* default 1; 0: hash in the network thread */
	unsigned int max_in_flight;	/* requests on the network at once over all stores, default 64 */
};

/* ---- prefetch ---- */

#define CC_PREFETCH_WINDOW_MAX	256	/* chunks ahead of one reader */

#endif
