// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commits of a volume in an S3 store that misbehaves: answers that are lost, errors for what was done, conflicts, a
 * store that is too busy; packs beside each other, at a rate, and behind readers.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "script.h"
#include "store/store-proof.h"
#include "tap.h"
#include "volume/place.h"
#include "volume/volume-commit.h"

#define CHUNK_SHIFT	20
#define CHUNK_BLOCKS	256
#define MIB		(1u << 20)

static struct httpd h;
static struct cc_store_config config;
static struct cc_store *store;
static struct cc_uploads *uploads;
static char err[600];
static const uint8_t vol[16] = { 0x78 }, pool_a[16] = { 'A' }, pool_b[16] = { 'B' };
static struct cc_volume_state state;
static uint32_t next_log;

static int read_log(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	memset(buf, cc_log_count(cc_place_number(key)) + 1, (size_t)blocks << CC_BLOCK_SHIFT);
	return 0;
}

static void open_uploads(unsigned int parallel, uint64_t rate)
{
	const struct cc_uploads_config c = { .store = store, .parallel = parallel, .rate = rate };

	cc_uploads_close(uploads);
	if (cc_uploads_open(&c, &uploads))
		httpd_fatal("uploads");
}

/* So many whole log chunks more. */
static int commit_logs(unsigned int logs, struct cc_commit_counts *counts)
{
	uint64_t cut, upto;
	struct cc_volume_dirty d = { .cuts = &cut, .nr_cuts = 1, .read = read_log, .uploads = uploads };
	int r;

	*counts = (struct cc_commit_counts){ 0 };
	*err = '\0';
	d.records = calloc(logs, sizeof(*d.records));
	d.nr_records = logs;
	for (unsigned int i = 0; i < logs; i++)
		d.records[i] = (struct chunkcache_record){
			.type = CC_JOURNAL_WRITE, .count = CHUNK_BLOCKS, .block = i * CHUNK_BLOCKS,
			.place = cc_place(cc_log_number(state.log.own_term, next_log + i), 0),
		};
	cut = cc_place(cc_log_number(state.log.own_term, next_log + logs), 0) & ~CC_PLACE_DATA;
	r = cc_volume_commit(&state, &d, counts, &upto, err, sizeof(err));
	free(d.records);
	if (!r && upto != cut)
		return -EPROTO;
	if (!r)
		next_log += logs;
	return r;
}

/* As another host sees it: all that was committed is there, and right. */
static bool other_host_agrees(void)
{
	static uint8_t buf[1 << CHUNK_SHIFT];
	struct cc_volume_state s;
	bool same;

	httpd_script(&h, "");
	cc_volume_state_init(&s, store, vol, pool_b, "b");
	same = !cc_volume_log_read(&s.log, err, sizeof(err)) && s.log.last.upto == state.log.last.upto &&
	       s.pieces.nr == next_log;
	for (size_t i = 0; same && i < s.pieces.nr; i++)
		same = !cc_pieces_read(store, vol, &s.pieces.all[i], 1, buf, sizeof(buf), err, sizeof(err)) &&
		       buf[0] == (uint8_t)(i + 1) && buf[sizeof(buf) - 1] == (uint8_t)(i + 1);
	cc_volume_state_free(&s);
	return same;
}

static void open_volume(void)
{
	struct cc_commit c = { .size = 256 * MIB, .chunk_shift = CHUNK_SHIFT };

	ok(!cc_volume_log_create(store, vol, &c, err, sizeof(err)), "created: %s", err);
	cc_volume_state_init(&state, store, vol, pool_a, "a");
	ok(!cc_volume_log_read(&state.log, err, sizeof(err)) && !cc_volume_log_take(&state.log, err, sizeof(err)),
	   "opened: %s", err);
}

/* ---- the class table ---- */

struct fault {
	const char *rules, *what;
	unsigned int puts;		/* of the commit */
};

static void test_fault(const struct fault *f)
{
	struct cc_commit_counts counts;
	uint64_t number = state.log.next;
	int r;

	httpd_script(&h, f->rules);
	httpd_mark(&h);
	r = commit_logs(1, &counts);
	ok(!r && state.log.next == number + 1 && httpd_count(&h, "PUT /buck") == f->puts, "%s: %s", f->what, err);
	if (r)
		httpd_show_log(&h);
	ok(other_host_agrees(), "and that is what others see: %s", err);
}

static void test_faults(void)
{
	static const struct fault faults[] = {
		{ "method=PUT path=/log/ count=1 done=1 fault=reset", "a lost answer, 412 for one's own object", 2 },
		{ "method=PUT path=/log/ count=1 done=1 status=500 code=InternalError", "500 for what was made", 2 },
		{ "method=PUT path=/log/ count=1 status=500 code=InternalError", "500 for what was not", 2 },
		{ "method=PUT path=/log/ count=2 status=409 code=ConditionalRequestConflict", "409", 3 },
		{ "method=PUT path=/log/ count=1 status=503 code=SlowDown", "503 SlowDown", 2 },
		{ "method=PUT path=/log/ count=1 done=1 fault=stall", "an answer that never comes", 2 },
	};
	struct cc_commit_counts counts;
	uint64_t number;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		test_fault(&faults[i]);
	/* All attempts: an error, and whatever was made is met at the next commit. */
	number = state.log.next;
	httpd_script(&h, "method=PUT path=/log/ done=1 status=500 code=InternalError");
	ok(commit_logs(1, &counts) == -EIO && state.log.next == number, "no answer but errors is no yes: %s", err);
	httpd_script(&h, "");
	ok(!commit_logs(1, &counts) && state.log.next == number + 1, "its object is found, and counts: %s", err);
	ok(other_host_agrees(), "once: %s", err);
	httpd_script(&h, "method=PUT path=/packs/ skip=1 status=500 code=InternalError");
	ok(commit_logs(24, &counts) == -EIO && state.log.next == number + 1, "no commit without its packs: %s", err);
	httpd_script(&h, "");
	ok(!commit_logs(24, &counts) && counts.packs == 3, "with them: %s", err);
	ok(other_host_agrees(), "all is there: %s", err);
}

static void test_blind(void)
{
	httpd_script(&h, "method=PUT blind=1");
	ok(cc_store_prove_create(store, "probe", err, sizeof(err)) == CC_STORE_UNSUPPORTED && strstr(err, "If-None-Match"),
	   "a store that ignores If-None-Match is found out: %s", err);
	httpd_script(&h, "");
	ok(!cc_store_prove_create(store, "probe", err, sizeof(err)), "one that knows it is not: %s", err);
}

/* ---- beside each other ---- */

static double seconds_of(unsigned int logs, struct cc_commit_counts *counts)
{
	uint64_t start = cc_now_ns();
	int r = commit_logs(logs, counts);

	if (r)
		printf("# commit: %d: %s\n", r, err);
	return r ? 1e9 : (double)(cc_now_ns() - start) / CC_SECOND;
}

/* How many are under way at most, while nobody says that it is enough. */
struct peak {
	unsigned int packs;
	bool enough;
};

static void *watch_packs(void *arg)
{
	struct peak *p = arg;
	struct cc_uploads_figures f;

	while (!__atomic_load_n(&p->enough, __ATOMIC_RELAXED)) {
		cc_uploads_get_figures(uploads, &f);
		p->packs = f.under_way > p->packs ? f.under_way : p->packs;
		nap_ms(5);
	}
	return NULL;
}

static unsigned int peak_of(unsigned int parallel, unsigned int packs)
{
	struct cc_commit_counts counts;
	struct peak p = { 0 };
	pthread_t thread;
	int r;

	open_uploads(parallel, 0);
	pthread_create(&thread, NULL, watch_packs, &p);
	r = commit_logs(packs * 8, &counts);
	__atomic_store_n(&p.enough, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return r || counts.packs != packs ? 0 : p.packs;
}

static void test_parallel(void)
{
	unsigned int one, many;

	httpd_script(&h, "method=PUT path=/packs/ latency=800");
	one = peak_of(1, 3);
	many = peak_of(4, 6);
	ok(one == 1 && many > 1 && many <= 4, "packs are put beside each other: %u, of 4 that may be", many);
	ok(other_host_agrees(), "all is there: %s", err);
}

static void test_rate(void)
{
	struct cc_commit_counts counts;
	double took;

	open_uploads(4, 16 * MIB);
	took = seconds_of(40, &counts);
	/* Before the last of 5 packs and before the commit there is one pack's time each. */
	ok(took > 2.2 && took < 5, "40 MiB at 16 MiB/s take %.1f s", took);
	ok(seconds_of(1, &counts) < 1, "a small commit does not wait for what was before");
	open_uploads(4, 0);
}

/* ---- behind readers ---- */

static void *give_way_for_a_while(void *arg)
{
	nap_ms(400);
	cc_uploads_give_way(uploads, false);
	return NULL;
}

static void test_readers(void)
{
	struct cc_uploads_figures f;
	struct cc_commit_counts counts;
	pthread_t thread;
	double took;

	open_uploads(4, 0);
	cc_uploads_give_way(uploads, true);
	pthread_create(&thread, NULL, give_way_for_a_while, NULL);
	took = seconds_of(16, &counts);
	pthread_join(thread, NULL);
	cc_uploads_get_figures(uploads, &f);
	ok(took < 1e9 && f.gave_way_ns >= 50 * CC_MS && !f.under_way, "packs waited %.0f ms for readers",
	   (double)f.gave_way_ns / CC_MS);
	cc_uploads_give_way(uploads, true);
	took = seconds_of(32, &counts);
	ok(took < 5, "readers without end don't stop commits: %.1f s", took);
	took = seconds_of(1, &counts);
	ok(took < 0.2, "what is small enough for a commit does not wait: %.3f s", took);
	cc_uploads_stop(uploads);
	ok(commit_logs(16, &counts) == -ECANCELED && commit_logs(1, &counts) == -ECANCELED, "stopped");
}

/* ---- opening ---- */

static double seconds_to_read(unsigned int parallel)
{
	uint64_t start = cc_now_ns();
	struct cc_volume_state s;
	bool same;

	cc_volume_state_init(&s, store, vol, pool_b, "b");
	s.log.parallel = parallel;
	*err = '\0';
	same = !cc_volume_log_read(&s.log, err, sizeof(err)) && s.log.next == state.log.next &&
	       s.pieces.nr == state.pieces.nr;
	cc_volume_state_free(&s);
	return same ? (double)(cc_now_ns() - start) / CC_SECOND : 1e9;
}

static void test_opening(void)
{
	double one, many;

	httpd_script(&h, "");
	for (int i = 0; i < 70; i++) {
		struct cc_commit c = { .type = CC_COMMIT_DATA, .upto = state.log.last.upto };

		if (cc_volume_log_append(&state.log, &c, NULL, 0, err, sizeof(err)))
			httpd_fatal(err);
	}
	httpd_script(&h, "latency=50");
	one = seconds_to_read(1);
	many = seconds_to_read(32);
	ok(one >= 4 && many < one / 2, "a log of %u objects, 50 ms each: %.1f s one by one, %.1f s with 32 at a time",
	   (unsigned int)state.log.next - 1, one, many);
	httpd_script(&h, "path=/log/0000000000000020 status=404");
	ok(seconds_to_read(32) == 1e9 && strstr(err, "number 32 of the log is missing"), "a hole in it is no end: %s", err);
	httpd_script(&h, "");
}

int main(void)
{
	static const char keys[] = "[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n";
	static char endpoint[64], creds[128];

	httpd_start(&h);
	write_file(h.dir, "creds", keys, strlen(keys));
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", h.port);
	snprintf(creds, sizeof(creds), "%s/creds", h.dir);
	cc_store_config_init(&config);
	config.url = (char *)"s3://buck/pre";
	config.path_style = true;
	config.endpoint = endpoint;
	config.credentials_file = creds;
	config.first_byte_timeout_ms = 2000;
	if (cc_store_open(&config, &store, err, sizeof(err)))
		httpd_fatal(err);
	open_uploads(2, 0);
	open_volume();
	test_faults();
	test_blind();
	test_parallel();
	test_rate();
	test_opening();
	test_readers();
	cc_uploads_close(uploads);
	cc_volume_state_free(&state);
	cc_store_close(store);
	httpd_stop(&h);
	return tap_done();
}
