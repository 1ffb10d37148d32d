/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fetch engine: gets chunks, manifests and boot traces out of stores, asynchronously, decompresses
 * and checks them.  Owns its queue, network threads, hash workers and connections; says nothing
 * of which thread runs what.  Retries, deadlines, priorities, second GETs and the choice among a
 * store's caches and replicas (cc_store_link()) are its business.
 *
 * The caller owns buffers: a request names a buffer, the engine writes into it from submit until
 * completion (or until cancel's completion), and the caller touches it only afterwards.
 * Completions come in the thread that calls cc_fetch_reap(); cc_fetch_fd() becomes readable when there
 * are some.  A store that was asked for lives as long as the engine does.
 * All functions may be called from that one thread only (the control loop).
 */
#ifndef CC_FETCH_H
#define CC_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "endpoint.h"
#include "store/store.h"

struct cc_fetch;			/* the engine */

enum cc_fetch_priority {
	CC_FETCH_DEMAND,		/* somebody waits */
	CC_FETCH_AHEAD,			/* only readahead waits */
	CC_FETCH_PREFETCH,		/* nobody waits */
	CC_FETCH_NR_PRIORITIES
};

enum cc_fetch_kind {
	CC_FETCH_CHUNK,			/* exactly buf_size bytes after decompression */
	CC_FETCH_MANIFEST,		/* any size up to buf_size */
	CC_FETCH_TRACE,			/* the same; its bytes are not what id is the hash of */
};

struct cc_fetch_req {
	/* in, constant until completion */
	struct cc_store *store;
	uint8_t id[32];			/* SHA-256 of the chunk or manifest; a trace's: of its manifest */
	enum cc_fetch_kind kind;
	uint32_t encoding;		/* CC_ENCODING_*, chunks only */
	void *buf;
	size_t buf_size;
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC; 0: the store's total timeout rules */
	void (*done)(struct cc_fetch_req *req); /* called by cc_fetch_reap(); req is the caller's again */
	/* out, valid at completion */
	enum cc_store_result result;	/* OK: buf holds bytes whose SHA-256 is id, or a trace */
	size_t size;			/* bytes in buf */
	uint64_t bytes_fetched;		/* over the network, with retries */
	unsigned int attempts;		/* GETs for it, second ones too */
	/* Durations: submit to the first attempt; start to first byte of the last; submit to end. */
	uint64_t queued_ns, first_byte_ns, total_ns;
	char error[160];		/* one line, if result is not OK */
	/* private to the engine */
	struct cc_fetch_priv *priv;
};

struct cc_fetch_stats {
	uint64_t gets;			/* requests sent, with retries */
	uint64_t bytes;
	uint64_t retries;
	uint64_t errors[CC_STORE_ERROR + 1]; /* final results */
	uint64_t hash_mismatches;
	uint64_t negative_hits;		/* answered from the memory of missing objects */
	uint64_t promoted;
	unsigned int queued[CC_FETCH_NR_PRIORITIES];
	struct cc_hist queue_time[CC_FETCH_NR_PRIORITIES]; /* submit to the first attempt */
	unsigned int in_flight;
};

int cc_fetch_open(const struct cc_fetch_config *c, struct cc_fetch **ret_fetch);
/*
 * Cancels all; completions are not delivered any more.  Blocks until no thread touches a buffer.  False:
 * reads of file:// stores have not returned within two seconds, so engine and stores have to stay.
 */
bool cc_fetch_close(struct cc_fetch *f);

/* Never blocks, never fails: trouble comes as a completion.  req stays the caller's. */
void cc_fetch_submit(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio);
/* Raise the priority of a queued request; no effect if it is under way or ended. */
void cc_fetch_promote(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio);
/* Ask to give up; the completion still comes, soon, CANCELLED or with what had happened before. */
void cc_fetch_cancel(struct cc_fetch *f, struct cc_fetch_req *req);

int cc_fetch_fd(const struct cc_fetch *f);
/* Ends the next completed request, with its done(); false: there is none. */
bool cc_fetch_reap(struct cc_fetch *f);
void cc_fetch_get_stats(struct cc_fetch *f, struct cc_fetch_stats *ret_stats);
/* Of a store over HTTP: false for others, and without memory.  The copy's config is the store's. */
bool cc_fetch_get_endpoint(struct cc_fetch *f, struct cc_store *store, struct cc_endpoint *ret_endpoint);

#endif
