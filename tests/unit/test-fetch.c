// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine against a server that lies, stalls and fails: results, numbers of requests,
 * priorities, limits, cancellation.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"
#include "fetch-jobs.h"

static struct cc_store_config config, file_config;
static struct cc_store *http_store, *file_store;
static char file_url[128], http_url[128];

/* ---- one request, all kinds of trouble ---- */

static void expect(struct cc_fetch *f, const char *rules, uint32_t encoding,
		   enum cc_store_result result, unsigned int attempts, const char *words)
{
	static struct job j;
	bool good;

	httpd_script(&h, rules);
	prepare(&j, http_store, 1, encoding);
	run(f, &j);
	good = j.req.result == result && j.req.attempts == attempts &&
	       httpd_count(&h, "/chunks/") == attempts &&
	       (result ? strstr(j.req.error, words) && strstr(j.req.error, "store main: ") :
		is_right(&j));
	ok(good, "%s%s: %s, %u attempts %s", rules, encoding ? " (zstd)" : "",
	   cc_store_result_name(j.req.result), j.req.attempts, j.req.error);
}

static void test_table(struct cc_fetch *f)
{
	expect(f, "", 0, CC_STORE_OK, 1, "");
	expect(f, "", 1, CC_STORE_OK, 1, "");
	expect(f, "status=404", 0, CC_STORE_NOTFOUND, 1, "no such object");
	expect(f, "status=404 code=NoSuchKey fault=stall-body", 0, CC_STORE_NOTFOUND, 1, "no such object");
	expect(f, "status=403", 0, CC_STORE_DENIED, 1, "HTTP 403");
	expect(f, "status=416", 0, CC_STORE_ERROR, 1, "HTTP 416");
	expect(f, "status=301 location=http://x.example/", 0, CC_STORE_ERROR, 1, "refused");
	expect(f, "count=2 status=500", 0, CC_STORE_OK, 3, "");
	expect(f, "status=500", 0, CC_STORE_ERROR, 3, "HTTP 500");
	expect(f, "count=1 status=502", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 status=504", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 status=408", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 status=503", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 status=429", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=reset-body", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=short-body", 1, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=wrong-length", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=stall", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=stall-headers", 0, CC_STORE_OK, 2, "");
	expect(f, "count=1 fault=stall-body", 1, CC_STORE_OK, 2, "");
	expect(f, "fault=stall", 0, CC_STORE_TIMEOUT, 3, "no answer within 700 ms");
	expect(f, "fault=stall-body", 0, CC_STORE_TIMEOUT, 3, "no byte within 700 ms");
	expect(f, "fault=short-body", 0, CC_STORE_ERROR, 3, "");
	expect(f, "fault=chunked", 0, CC_STORE_OK, 1, "");
	expect(f, "fault=no-length", 1, CC_STORE_OK, 1, "");
	expect(f, "count=1 fault=wrong-range", 0, CC_STORE_OK, 2, "");
	expect(f, "fault=wrong-range", 0, CC_STORE_ERROR, 3, "HTTP 206");
	expect(f, "count=1 fault=wrong-bytes", 0, CC_STORE_OK, 2, "");
	expect(f, "fault=wrong-bytes", 0, CC_STORE_CORRUPT, 2, "wrong bytes");
	expect(f, "fault=wrong-bytes", 1, CC_STORE_CORRUPT, 2, "wrong bytes");
	expect(f, "fault=truncate", 0, CC_STORE_CORRUPT, 2, "32768 of them, expected 65536");
	expect(f, "fault=truncate", 1, CC_STORE_CORRUPT, 2, "zstd");
	expect(f, "fault=long-body", 0, CC_STORE_CORRUPT, 2, "more than the 65536 of a chunk");
	expect(f, "fault=long-body", 1, CC_STORE_CORRUPT, 2, "1000 bytes follow");
	expect(f, "count=1 fault=long-body", 0, CC_STORE_OK, 2, "");
	expect(f, "fault=gzip", 0, CC_STORE_OK, 1, "");
	expect(f, "header=Content-Encoding:gzip fault=wrong-bytes", 0, CC_STORE_CORRUPT, 2,
	       "sent as gzip");
}

static void expect_frame(struct cc_fetch *f, const char *name, const void *data, size_t size)
{
	static struct job j;

	put_zst(NR - 1, data, size);
	prepare(&j, http_store, NR - 1, CC_ENCODING_ZSTD);
	run(f, &j);
	ok(j.req.result == CC_STORE_CORRUPT && j.req.attempts == 2, "zstd: %s: %s", name, j.req.error);
}

/* Objects that are no frame of a chunk; none of them may cost memory or give a byte. */
static void test_frames(struct cc_fetch *f)
{
	static uint8_t big[64 * CHUNK], packed[2 * CHUNK], chunk[CHUNK];
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };
	size_t n, n2;

	httpd_script(&h, "");
	expect_frame(f, "64 chunks of zeros", packed, compress(big, sizeof(big), packed, sizeof(packed)));
	expect_frame(f, "empty object", packed, 0);
	expect_frame(f, "frame of nothing", packed, compress(big, 0, packed, sizeof(packed)));
	expect_frame(f, "no frame", big, 100);
	expect_frame(f, "a skippable frame", skippable, sizeof(skippable));
	fill_chunk(NR - 1, chunk);
	n = compress(chunk, CHUNK, packed, sizeof(packed));
	expect_frame(f, "cut off", packed, n - 1);
	packed[n] = 0;
	expect_frame(f, "a byte more", packed, n + 1);
	n2 = compress(chunk, CHUNK / 2, packed, sizeof(packed));
	n2 += compress(chunk + CHUNK / 2, CHUNK / 2, packed + n2, sizeof(packed) - n2);
	expect_frame(f, "two frames of a half", packed, n2);
	n = compress(big, CHUNK, packed, sizeof(packed));
	expect_frame(f, "another chunk", packed, n);
	n = compress(chunk, CHUNK, packed, sizeof(packed));
	put_zst(NR - 1, packed, n);
}

static void test_manifest(struct cc_fetch *f)
{
	char name[CC_OBJECT_NAME_MAX];
	static struct job j;

	httpd_script(&h, "");
	prepare_manifest(&j, http_store);
	run(f, &j);
	ok(!j.req.result && j.req.size == 8 && !memcmp(j.buf, "manifest", 8), "manifest");
	j.done = 0;
	j.req.buf_size = 7;
	run(f, &j);
	ok(j.req.result == CC_STORE_TOOBIG && j.req.attempts == 1, "manifest too big: %s", j.req.error);
	j.done = 0;
	j.req.buf_size = CHUNK;
	cc_manifest_name(j.req.id, name);
	httpd_put(&h, name, "manifesT", 8);
	run(f, &j);
	ok(j.req.result == CC_STORE_CORRUPT && j.req.attempts == 2, "manifest wrong: %s", j.req.error);
}

static void test_file(struct cc_fetch *f)
{
	static uint8_t large[2 * CHUNK];
	static struct job j;
	char name[CC_OBJECT_NAME_MAX];
	uint8_t id[32];

	prepare(&j, file_store, 2, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "file: raw");
	prepare(&j, file_store, 3, 1);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "file: zstd");
	prepare(&j, file_store, 2, 0);
	j.req.id[0] ^= 1;
	run(f, &j);
	ok(j.req.result == CC_STORE_NOTFOUND && j.req.attempts == 1, "file: none: %s", j.req.error);
	cc_sha256("x", 1, id);
	cc_chunk_name(id, 0, name);
	httpd_put(&h, name, "short", 5);
	prepare(&j, file_store, 2, 0);
	memcpy(j.req.id, id, 32);
	run(f, &j);
	ok(j.req.result == CC_STORE_CORRUPT && j.req.attempts == 2, "file: wrong: %s", j.req.error);
	httpd_put(&h, name, large, sizeof(large));
	prepare(&j, file_store, 2, 0);
	memcpy(j.req.id, id, 32);
	run(f, &j);
	ok(j.req.result == CC_STORE_CORRUPT, "file: too large: %s", j.req.error);
	prepare(&j, file_store, 2, 7);
	run(f, &j);
	ok(j.req.result == CC_STORE_ERROR && !j.req.attempts, "encoding 7: %s", j.req.error);
}

/* On a connection that was used before, libcurl itself asks once more, without a word. */
static void test_reset(struct cc_fetch *f)
{
	static struct job j;

	httpd_script(&h, "count=1 fault=reset");
	prepare(&j, http_store, 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && j.req.attempts <= 2 && httpd_count(&h, "/chunks/") == 2,
	   "a connection is reset once");
	httpd_script(&h, "fault=reset");
	prepare(&j, http_store, 1, 0);
	run(f, &j);
	ok(j.req.result == CC_STORE_ERROR && j.req.attempts == 3, "it always is: %s", j.req.error);
}

static void test_times(struct cc_fetch *f)
{
	static struct job j;
	uint64_t start;

	config.first_byte_timeout_ms = 5000;
	httpd_script(&h, "count=1 status=503 retry-after=1");
	prepare(&j, http_store, 1, 0);
	start = cc_now_ns();
	run(f, &j);
	ok(!j.req.result && cc_now_ns() - start >= 1000 * MS, "503: Retry-After is honoured");
	httpd_script(&h, "fault=stall");
	prepare(&j, http_store, 1, 0);
	start = cc_now_ns();
	j.req.deadline_ns = start + 200 * MS;
	run(f, &j);
	ok(j.req.result == CC_STORE_TIMEOUT && cc_now_ns() - start < 3000 * MS,
	   "a deadline ends a request: %s", j.req.error);
	httpd_script(&h, "latency=100");
	prepare(&j, http_store, 1, 0);
	run(f, &j);
	ok(!j.req.result && j.req.first_byte_ns >= 95 * MS && j.req.total_ns >= j.req.first_byte_ns &&
	   j.req.queued_ns < 2000 * MS && j.req.bytes_fetched == CHUNK, "times and bytes are told");
	httpd_script(&h, "rate=400000");
	prepare(&j, http_store, 1, 0);
	run(f, &j);
	ok(!j.req.result && j.req.total_ns > 100 * MS, "slow is not stalled");
	config.first_byte_timeout_ms = 700;
}

/* ---- many requests ---- */

static struct job jobs[NR * 8];

static void test_deadline_in_queue(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 1);
	struct cc_fetch_stats stats;
	struct job *first;

	config.first_byte_timeout_ms = 5000;
	httpd_script(&h, "fault=stall");
	prepare(&jobs[0], http_store, 0, 0);
	prepare(&jobs[1], http_store, 1, 0);
	jobs[1].req.deadline_ns = cc_now_ns() + 100 * MS;
	cc_fetch_submit(f, &jobs[0].req, CC_FETCH_DEMAND);
	wait_in_flight(f);
	cc_fetch_submit(f, &jobs[1].req, CC_FETCH_DEMAND);
	first = wait_one(f, 3000);
	ok(first == &jobs[1] && first->req.result == CC_STORE_TIMEOUT && !first->req.attempts,
	   "a deadline ends a queued request: %s", first ? first->req.error : "it did not");
	cc_fetch_get_stats(f, &stats);
	ok(stats.in_flight == 1 && !stats.queued[CC_FETCH_DEMAND], "one is left in flight");
	cc_fetch_close(f);
	ok(!jobs[0].done, "close with a request in flight");
	config.first_byte_timeout_ms = 700;
}

static void test_priorities(void)
{
	struct cc_fetch *f = open_fetch(1, 0, 1);
	unsigned int order[6], n = 0;

	/* The first one takes its time, until all others are in the queue. */
	config.first_byte_timeout_ms = 8000;
	httpd_script(&h, "count=1 latency=1500");
	for (unsigned int i = 0; i < 6; i++)
		prepare(&jobs[i], http_store, i, 0);
	cc_fetch_submit(f, &jobs[0].req, CC_FETCH_PREFETCH);
	wait_in_flight(f);
	cc_fetch_submit(f, &jobs[1].req, CC_FETCH_PREFETCH);
	cc_fetch_submit(f, &jobs[2].req, CC_FETCH_PREFETCH);
	cc_fetch_submit(f, &jobs[3].req, CC_FETCH_AHEAD);
	cc_fetch_submit(f, &jobs[4].req, CC_FETCH_DEMAND);
	cc_fetch_submit(f, &jobs[5].req, CC_FETCH_PREFETCH);
	cc_fetch_promote(f, &jobs[5].req, CC_FETCH_DEMAND);
	cc_fetch_promote(f, &jobs[4].req, CC_FETCH_PREFETCH);
	while (n < 6) {
		struct job *j = wait_one(f, 8000);

		if (!j)
			break;
		order[n++] = j->n;
	}
	ok(n == 6 && order[0] == 0 && order[1] == 4 && order[2] == 5 && order[3] == 3 &&
	   order[4] == 1 && order[5] == 2, "demand, promoted, ahead, prefetch");
	config.first_byte_timeout_ms = 700;
	cc_fetch_close(f);
}

static void test_reserve(void)
{
	struct cc_fetch *f = open_fetch(1, 0, 4);
	struct job *j;

	config.first_byte_timeout_ms = 8000;
	httpd_script(&h, "skip=3 count=1 latency=1\nlatency=5000");
	for (unsigned int i = 0; i < 6; i++) {
		prepare(&jobs[i], http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, i < 5 ? CC_FETCH_PREFETCH : CC_FETCH_DEMAND);
		nap_ms(20);
	}
	j = wait_one(f, 4000);
	ok(j == &jobs[5] && !j->req.result, "prefetch leaves a slot for demand");
	config.first_byte_timeout_ms = 700;
	cc_fetch_close(f);
}

static void test_limits(void)
{
	struct cc_fetch *f = open_fetch(2, 1, 64);
	uint64_t start = cc_now_ns();
	unsigned int good = 0;

	config.connections = 2;
	httpd_script(&h, "latency=50");
	for (unsigned int i = 0; i < 8; i++) {
		prepare(&jobs[i], http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (unsigned int i = 0; i < 8; i++) {
		struct job *j = wait_one(f, 3000);

		good += j && !j->req.result && is_right(j);
	}
	ok(good == 8 && cc_now_ns() - start >= 195 * MS, "8 requests over 2 connections");
	config.connections = 32;
	cc_fetch_close(f);
}

/* All chunks, several times, over all kinds of stores; with faults, every answer is still right. */
static void test_many(unsigned int hash_threads, const char *name, const char *rules)
{
	struct cc_fetch *f = open_fetch(2, hash_threads, 32);
	unsigned int good = 0, failed = 0;
	struct cc_fetch_stats stats;
	uint64_t start = cc_now_ns();

	config.attempts = 10;
	httpd_script(&h, rules);
	for (unsigned int i = 0; i < NR * 8; i++) {
		prepare(&jobs[i], i % 5 ? http_store : file_store, i % NR, i / NR % 2);
		cc_fetch_submit(f, &jobs[i].req, i % CC_FETCH_NR_PRIORITIES);
	}
	for (unsigned int i = 0; i < NR * 8; i++) {
		struct job *j = wait_one(f, 20000);

		if (!j)
			break;
		good += !j->req.result && is_right(j);
		failed += j->req.result != CC_STORE_OK;
	}
	cc_fetch_get_stats(f, &stats);
	ok(good + failed == NR * 8 && failed <= (*rules ? NR : 0) &&
	   stats.errors[CC_STORE_OK] == good && !stats.in_flight,
	   "many, %u hash threads, %s: %u right, %u failed, %llu retries, %llu ms", hash_threads,
	   name, good, failed, (unsigned long long)stats.retries,
	   (unsigned long long)((cc_now_ns() - start) / MS));
	config.attempts = 3;
	cc_fetch_close(f);
}

/* Each submit wakes a network thread that is about to sleep: none may be overslept. */
static void test_wakes(void)
{
	struct cc_fetch *f = open_fetch(1, 0, 8);
	unsigned int done = 0, good = 0;
	struct job *j;

	httpd_script(&h, "");
	for (unsigned int i = 0; i < 3; i++) {
		prepare(&jobs[i], http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (; done < 3000 && (j = wait_one(f, 5000)); done++) {
		good += !j->req.result;
		j->done = 0;
		cc_fetch_submit(f, &j->req, CC_FETCH_DEMAND);
	}
	ok(done == 3000 && good == done, "3000 submits, each as one ends: %u, %u right", done, good);
	cc_fetch_close(f);
}

static atomic_uint deaf_sockets;

/* In the place of the library's: a kernel that has no memory to wait for some sockets. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && deaf_sockets) {
		deaf_sockets--;
		errno = ENOMEM;
		return -1;
	}
	return syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* A socket that cannot be waited for is one request's trouble, and it is asked again. */
static void test_deaf_socket(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 16);
	unsigned int good = 0, gets = 0;

	httpd_script(&h, "latency=600");
	for (unsigned int i = 0; i < 6; i++) {
		if (i == 5) {
			nap_ms(200);
			deaf_sockets = 1;
		}
		prepare(&jobs[i], http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (unsigned int i = 0; i < 6; i++) {
		struct job *j = wait_one(f, 10000);

		good += j && !j->req.result && is_right(j);
		gets += j ? j->req.attempts : 0;
	}
	ok(good == 6 && gets == 7 && !deaf_sockets, "a socket that cannot be waited for: %u right, %u GETs", good,
	   gets);
	cc_fetch_close(f);
}

/* ---- cancellation ---- */

static void test_cancel(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 1);
	uint64_t start;
	struct job *j;

	config.first_byte_timeout_ms = 8000;
	httpd_script(&h, "path=/chunks/ fault=stall");
	prepare(&jobs[0], http_store, 0, 0);
	prepare(&jobs[1], http_store, 1, 0);
	cc_fetch_submit(f, &jobs[0].req, CC_FETCH_DEMAND);
	cc_fetch_submit(f, &jobs[1].req, CC_FETCH_DEMAND);
	nap_ms(50);
	cc_fetch_cancel(f, &jobs[1].req);
	j = wait_one(f, 3000);
	ok(j == &jobs[1] && j->req.result == CC_STORE_CANCELLED, "cancel of a queued request");
	start = cc_now_ns();
	cc_fetch_cancel(f, &jobs[0].req);
	cc_fetch_cancel(f, &jobs[0].req);
	j = wait_one(f, 3000);
	ok(j == &jobs[0] && j->req.result == CC_STORE_CANCELLED && cc_now_ns() - start < 3000 * MS,
	   "cancel, twice, of one under way");
	cc_fetch_cancel(f, &jobs[0].req);
	ok(!wait_one(f, 50), "cancel after the end does nothing");
	httpd_script(&h, "status=503 retry-after=5");
	prepare(&jobs[2], http_store, 2, 0);
	cc_fetch_submit(f, &jobs[2].req, CC_FETCH_DEMAND);
	nap_ms(200);
	cc_fetch_cancel(f, &jobs[2].req);
	j = wait_one(f, 3000);
	ok(j == &jobs[2] && j->req.result == CC_STORE_CANCELLED && j->req.attempts == 1,
	   "cancel of one that waits for its retry");
	httpd_script(&h, "");
	prepare(&jobs[3], http_store, 3, 0);
	cc_fetch_submit(f, &jobs[3].req, CC_FETCH_DEMAND);
	nap_ms(200);
	cc_fetch_cancel(f, &jobs[3].req);
	j = wait_one(f, 3000);
	ok(j == &jobs[3] && !j->req.result && is_right(j), "cancel of one that is done: it is done");
	config.first_byte_timeout_ms = 700;
	cc_fetch_close(f);
}

/* After the completion of a cancel the buffer is the caller's: nothing may write to it. */
static void test_buffer_after_cancel(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	bool good = true;

	httpd_script(&h, "rate=30000");
	for (unsigned int i = 0; i < 8; i++) {
		prepare(&jobs[i], http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	nap_ms(100);
	for (unsigned int i = 0; i < 8; i++)
		cc_fetch_cancel(f, &jobs[i].req);
	for (unsigned int i = 0; i < 8; i++) {
		struct job *j = wait_one(f, 1000);

		good &= j && j->req.result == CC_STORE_CANCELLED;
		if (j)
			memset(j->buf, 0xee, CHUNK);
	}
	nap_ms(400);
	for (unsigned int i = 0; i < 8; i++)
		for (size_t k = 0; k < CHUNK; k++)
			good &= jobs[i].buf[k] == 0xee;
	ok(good, "no byte after a cancelled request's completion");
	cc_fetch_close(f);
}

static void test_cancel_storm(void)
{
	struct cc_fetch *f = open_fetch(3, 2, 24);
	unsigned int good = 0, cancelled = 0, other = 0, left = 0;
	struct cc_fetch_stats stats;
	uint32_t x = 1;

	httpd_script(&h, "prob=0.2 latency=20\nprob=0.1 rate=1000000\nprob=0.1 status=500\n"
		     "prob=0.05 fault=reset-body\nprob=0.05 fault=wrong-bytes\n");
	for (unsigned int i = 0; i < NR * 8; i++) {
		prepare(&jobs[i], i % 7 ? http_store : file_store, i % NR, i % 2);
		cc_fetch_submit(f, &jobs[i].req, i % CC_FETCH_NR_PRIORITIES);
		left++;
		x = x * 1664525 + 1013904223;
		if (x >> 30) {
			struct job *victim = &jobs[(x >> 8) % (i + 1)];

			if (!victim->done)
				cc_fetch_cancel(f, &victim->req);
		}
		while (x >> 29 == 7) {
			struct job *j = wait_one(f, 1);

			if (!j)
				break;
			left--;
		}
	}
	while (left && wait_one(f, 20000))
		left--;
	for (unsigned int i = 0; i < NR * 8; i++) {
		struct job *j = &jobs[i];

		if (!j->req.result)
			good += is_right(j);
		else if (j->req.result == CC_STORE_CANCELLED)
			cancelled++;
		else
			other++;
	}
	cc_fetch_get_stats(f, &stats);
	ok(!left && !wait_one(f, 50) && stats.errors[CC_STORE_OK] == good && cancelled > 20 && good > 20 &&
	   good + cancelled + other == NR * 8 && !stats.in_flight,
	   "storm: %u right, %u cancelled, %u failed", good, cancelled, other);
	cc_fetch_close(f);
}

static void test_close(void)
{
	struct cc_fetch *f = open_fetch(2, 1, 16);
	uint64_t start;

	httpd_script(&h, "prob=0.5 fault=stall\nprob=0.5 status=503 retry-after=9");
	for (unsigned int i = 0; i < NR; i++) {
		prepare(&jobs[i], i % 4 ? http_store : file_store, i, i % 2);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	nap_ms(30);
	start = cc_now_ns();
	cc_fetch_close(f);
	ok(cc_now_ns() - start < 3000 * MS, "close with requests in all states");
}

/* What is hashed while the engine ends is wrong, and would be asked for again. */
static bool close_while_checking(struct cc_fetch_req *req)
{
	struct cc_fetch *f = open_fetch(1, 1, 4);
	struct cc_fetch_stats stats;

	cc_fetch_submit(f, req, CC_FETCH_DEMAND);
	do {
		cc_fetch_get_stats(f, &stats);
	} while (stats.queued[CC_FETCH_DEMAND] || stats.in_flight);
	cc_fetch_close(f);
	return stats.bytes == req->buf_size && !req->priv;
}

static void test_close_while_checking(void)
{
	static uint8_t big[32 << 20], buf[sizeof(big)];
	struct cc_fetch_req req = { .store = http_store, .kind = CC_FETCH_MANIFEST, .buf = buf,
				    .buf_size = sizeof(buf) };
	char name[CC_OBJECT_NAME_MAX];
	int status = 0;
	pid_t child;

	cc_manifest_name(req.id, name);
	httpd_put(&h, name, big, sizeof(big));
	httpd_script(&h, "");
	child = fork();
	if (!child)
		_exit(!close_while_checking(&req));
	waitpid(child, &status, 0);
	ok(child > 0 && !status, "close while bytes are checked: status %d", status);
}

/* In the place of the library's: a name server that thinks for a while about one name. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (node && !strcmp(node, "slow.test")) {
		nap_ms(1500);
		node = "127.0.0.1";
	}
	return real(node, service, hints, res);
}

/* Nothing but the requests for that host waits for its address: no other, no cancel, no close. */
static void test_slow_name_server(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	struct cc_store_config c;
	struct cc_store *slow, *again;
	char url[128];
	uint64_t start;
	struct job *j;

	httpd_script(&h, "");
	snprintf(url, sizeof(url), "http://slow.test:%u", h.port);
	slow = open_store(&c, url);
	for (unsigned int i = 0; i < 3; i++) {
		prepare(&jobs[i], i < 2 ? slow : http_store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	j = wait_one(f, 1300);
	ok(j == &jobs[2] && !j->req.result, "a slow name server delays no other store");
	cc_fetch_cancel(f, &jobs[0].req);
	j = wait_one(f, 1000);
	ok(j == &jobs[0] && j->req.result == CC_STORE_CANCELLED, "nor a cancel");
	j = wait_one(f, 3000);
	ok(j == &jobs[1] && !j->req.result && is_right(j) && j->req.attempts == 1,
	   "the one that waits is served in the end %s", j ? j->req.error : "");
	again = open_store(&c, url);
	prepare(&jobs[0], again, 0, 0);
	cc_fetch_submit(f, &jobs[0].req, CC_FETCH_DEMAND);
	nap_ms(50);
	start = cc_now_ns();
	cc_fetch_close(f);
	cc_store_close(again);
	cc_store_close(slow);
	ok(cc_now_ns() - start < 1200 * MS, "nor does a close wait for it");
	nap_ms(1600); /* its thread ends before the program */
}

static atomic_uint clock_naps_ms;

/* In the place of the library's: a machine so slow that time passes between two looks. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (clock_naps_ms)
		nap_ms(clock_naps_ms);
	return syscall(SYS_clock_gettime, clock, ts);
}

/*
 * The time to connect is over before libcurl has a connection to time out.  In some versions its
 * handle is of no use after that; whoever gets the slot next must not notice.
 */
static void test_no_time_to_connect(void)
{
	struct cc_fetch *f = open_fetch(1, 0, 1);
	static struct job j;

	httpd_script(&h, "");
	config.attempts = 1;
	config.connect_timeout_ms = 1;
	clock_naps_ms = 5;
	prepare(&j, http_store, 1, 0);
	run(f, &j);
	clock_naps_ms = 0;
	config.connect_timeout_ms = 1000;
	ok(j.req.result == CC_STORE_TIMEOUT, "no time to connect: %s", j.req.error);
	for (int i = 0; i < 3; i++) {
		prepare(&j, http_store, 1, 0);
		run(f, &j);
		ok(!j.req.result && is_right(&j), "fetch %d after that %s", i, j.req.error);
	}
	config.attempts = 3;
	cc_fetch_close(f);
}

static void test_hosts(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	struct cc_store_config c, c2;
	struct cc_store *named, *lost;
	char url[128];
	struct job *j;

	httpd_script(&h, "");
	snprintf(url, sizeof(url), "http://localhost:%u", h.port);
	named = open_store(&c, url);
	lost = open_store(&c2, (char *)"http://no-such-host.invalid");
	prepare(&jobs[0], lost, 0, 0);
	prepare(&jobs[1], named, 1, 0);
	cc_fetch_submit(f, &jobs[0].req, CC_FETCH_DEMAND);
	cc_fetch_submit(f, &jobs[1].req, CC_FETCH_DEMAND);
	for (int i = 0; i < 2; i++) {
		j = wait_one(f, 12000);
		if (j == &jobs[0])
			ok(j->req.result == CC_STORE_ERROR, "unknown host: %s", j->req.error);
		else
			ok(j == &jobs[1] && !j->req.result && is_right(j), "host by name %s",
			   j ? j->req.error : "");
	}
	cc_fetch_close(f);
	cc_store_close(named);
	cc_store_close(lost);
}

int main(void)
{
	struct cc_fetch *f;
	struct cc_fetch *none = NULL;

	httpd_start(&h);
	snprintf(file_url, sizeof(file_url), "file://%s/root", h.dir);
	snprintf(http_url, sizeof(http_url), "http://127.0.0.1:%u", h.port);
	file_store = open_store(&file_config, file_url);
	http_store = open_store(&config, http_url);
	config.hedge_quantile = 0; /* GETs are counted */
	make_chunks();
	ok(cc_fetch_open(&(struct cc_fetch_config){ 0 }, &none) == -EINVAL && !none,
	   "no threads: refused");
	f = open_fetch(2, 1, 16);
	test_table(f);
	test_reset(f);
	test_frames(f);
	test_manifest(f);
	test_file(f);
	test_times(f);
	cc_fetch_close(f);
	test_deadline_in_queue();
	test_priorities();
	test_reserve();
	test_limits();
	test_many(0, "no faults", "");
	test_many(2, "no faults", "");
	test_many(1, "faults", "prob=0.05 fault=reset\nprob=0.05 status=500\nprob=0.05 fault=short-body\n"
		  "prob=0.02 fault=wrong-bytes\nprob=0.05 fault=truncate");
	test_wakes();
	test_deaf_socket();
	test_cancel();
	test_buffer_after_cancel();
	test_cancel_storm();
	test_close();
	test_close_while_checking();
	test_no_time_to_connect();
	test_hosts();
	test_slow_name_server();
	cc_store_close(http_store);
	cc_store_close(file_store);
	httpd_stop(&h);
	return tap_done();
}
