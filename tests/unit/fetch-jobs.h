/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the fetch engine: chunks in the store of a cc-httpd, requests for them and what
 * comes of those.
 */
#ifndef FETCH_JOBS_H
#define FETCH_JOBS_H

#include <poll.h>
#include <string.h>
#include <zstd.h>
#include "chunkcache/format.h"
#include "fetch/fetch.h"
#include "manifest.h"
#include "script.h"
#include "tap.h"
#include "clock.h"

#define CHUNK	65536
#define NR	64		/* chunks in the store */
#define MS	1000000ULL

static struct httpd h;
static uint8_t ids[NR][32];

/* What chunk n holds; compresses a little. */
static inline void fill_chunk(unsigned int n, uint8_t *buf)
{
	uint32_t x = n * 2654435761u + 1;

	for (size_t i = 0; i < CHUNK; i++) {
		x = x * 1664525 + 1013904223;
		buf[i] = x >> 24 & 63;
	}
}

static inline void put_zst(unsigned int n, const void *data, size_t size)
{
	char name[CC_OBJECT_NAME_MAX];

	cc_chunk_name(ids[n], CC_ENCODING_ZSTD, name);
	httpd_put(&h, name, data, size);
}

static inline size_t compress(const void *data, size_t size, uint8_t *out, size_t room)
{
	size_t n = ZSTD_compress(out, room, data, size, 1);

	if (ZSTD_isError(n))
		httpd_fatal("compress");
	return n;
}

static inline void make_chunks(void)
{
	static uint8_t buf[CHUNK], packed[2 * CHUNK];
	char name[CC_OBJECT_NAME_MAX];

	for (unsigned int i = 0; i < NR; i++) {
		fill_chunk(i, buf);
		cc_sha256(buf, CHUNK, ids[i]);
		cc_chunk_name(ids[i], CC_ENCODING_RAW, name);
		httpd_put(&h, name, buf, CHUNK);
		put_zst(i, packed, compress(buf, CHUNK, packed, sizeof(packed)));
	}
}

static inline struct cc_store *open_store(struct cc_store_config *c, char *url)
{
	struct cc_store *s;
	char err[200];

	cc_store_config_init(c);
	c->name = (char *)"main";
	c->url = url;
	c->connect_timeout_ms = 1000;
	c->first_byte_timeout_ms = 700;
	c->stall_timeout_ms = 700;
	c->total_timeout_ms = 60000;
	c->attempts = 3;
	c->negative_ttl_ms = 0;
	c->stall_hedge_ms = 0;
	if (cc_store_open(c, &s, err, sizeof(err)))
		httpd_fatal(err);
	return s;
}

static inline struct cc_fetch *open_fetch(unsigned int threads, unsigned int hash, unsigned int max)
{
	const struct cc_fetch_config c = {
		.network_threads = threads, .hash_threads = hash, .max_in_flight = max,
	};
	struct cc_fetch *f;

	if (cc_fetch_open(&c, &f))
		httpd_fatal("cc_fetch_open");
	return f;
}

/* ---- requests ---- */

struct job {
	struct cc_fetch_req req;
	unsigned int n, done;
	uint8_t buf[CHUNK];
};

static struct job *ended;		/* the last one */

static inline void on_done(struct cc_fetch_req *req)
{
	ended = (struct job *)((char *)req - offsetof(struct job, req));
	if (ended->done++)
		ok(false, "chunk %u completes twice", ended->n);
}

static inline void prepare(struct job *j, struct cc_store *s, unsigned int n, uint32_t encoding)
{
	memset(j, 0, sizeof(*j));
	j->n = n;
	j->req.store = s;
	memcpy(j->req.id, ids[n], 32);
	j->req.encoding = encoding;
	j->req.buf = j->buf;
	j->req.buf_size = CHUNK;
	j->req.done = on_done;
}

/* A manifest of 8 bytes, in the store as well; its digest is j's ID. */
static inline void prepare_manifest(struct job *j, struct cc_store *s)
{
	char name[CC_OBJECT_NAME_MAX];

	prepare(j, s, 0, 0);
	cc_sha256("manifest", 8, j->req.id);
	cc_manifest_name(j->req.id, name);
	httpd_put(&h, name, "manifest", 8);
	j->req.kind = CC_FETCH_MANIFEST;
}

static inline bool is_right(const struct job *j)
{
	static uint8_t expect[CHUNK];

	fill_chunk(j->n, expect);
	return j->req.size == CHUNK && !memcmp(j->buf, expect, CHUNK);
}

/* The next completion within ms, or NULL; each request may complete once. */
static inline struct job *wait_one(struct cc_fetch *f, int ms)
{
	uint64_t until = cc_now_ns() + ms * MS;

	for (;;) {
		struct pollfd p = { .fd = cc_fetch_fd(f), .events = POLLIN };
		uint64_t now;

		if (cc_fetch_reap(f))
			return ended;
		now = cc_now_ns();
		if (now >= until)
			return NULL;
		poll(&p, 1, (until - now) / MS + 1);
	}
}

/* Submits and waits. */
static inline void run(struct cc_fetch *f, struct job *j)
{
	cc_fetch_submit(f, &j->req, CC_FETCH_DEMAND);
	if (wait_one(f, 15000) != j)
		httpd_fatal("no completion");
}

static inline void wait_in_flight(struct cc_fetch *f)
{
	struct cc_fetch_stats stats;

	do {
		nap_ms(5);
		cc_fetch_get_stats(f, &stats);
	} while (!stats.in_flight);
}

#endif
