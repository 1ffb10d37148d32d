// SPDX-License-Identifier: GPL-2.0-or-later
/* Boot traces: what is built parses, and nothing else does; runs are merged as boot-trace.h says. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "boot-trace.h"
#include "crc32c.h"
#include "tap.h"

#define SHIFT		20
#define NR_CHUNKS	1000u

static const uint8_t digest[CC_ID_SIZE] = { 1, 2, 3 };

struct bytes {
	struct cc_trace_header h;
	struct cc_trace_entry e[3];
};

static int parse(const void *data, size_t size, struct cc_trace *ret, char *err, size_t errlen)
{
	return cc_trace_parse(data, size, digest, SHIFT, NR_CHUNKS, ret, err, errlen);
}

static struct cc_trace empty(void)
{
	struct cc_trace t = { .chunk_shift = SHIFT };

	memcpy(t.digest, digest, sizeof(digest));
	return t;
}

/* Three chunks, of one run. */
static struct bytes good_bytes(void)
{
	static const struct cc_touch run[] = { { 7, 0 }, { 999, 5 }, { 3, 5 } };
	struct cc_trace t = empty();
	struct bytes b;
	void *data;
	size_t size;

	if (cc_trace_merge(&t, run, 3) || cc_trace_build(&t, &data, &size) || size != sizeof(b))
		abort();
	memcpy(&b, data, sizeof(b));
	free(data);
	cc_trace_free(&t);
	return b;
}

static void test_round(void)
{
	struct bytes b = good_bytes();
	struct cc_trace t;
	char err[200] = "";
	void *data;
	size_t size;
	int r = parse(&b, sizeof(b), &t, err, sizeof(err));

	ok(!r && t.nr == 3 && t.runs == 1 && t.chunks[0].chunk == 7 && t.chunks[1].chunk == 999 &&
	   t.chunks[2].chunk == 3 && t.chunks[2].ms[0] == 5, "what was built parses (%s)", err);
	r = cc_trace_build(&t, &data, &size);
	ok(!r && size == sizeof(b) && !memcmp(data, &b, size), "and is built the same again");
	free(data);
	cc_trace_free(&t);
}

/* Whatever length is cut off, and whichever bit is turned. */
static void test_damage(void)
{
	struct bytes good = good_bytes(), b;
	struct cc_trace t = { .nr = 12345 };
	unsigned int accepted = 0;
	char err[200];

	for (size_t size = 0; size < sizeof(good); size++) {
		void *cut = malloc(size + !size);

		memcpy(cut, &good, size);
		accepted += !parse(cut, size, &t, err, sizeof(err));
		free(cut);
	}
	ok(!accepted, "truncated at %zu lengths", sizeof(good));
	for (size_t bit = 0; bit < sizeof(good) * 8; bit++) {
		b = good;
		((uint8_t *)&b)[bit / 8] ^= 1 << bit % 8;
		accepted += !parse(&b, sizeof(b), &t, err, sizeof(err));
	}
	ok(!accepted && t.nr == 12345, "each of %zu bits turned", sizeof(good) * 8);
}

/* With a checksum that is right for what was changed. */
static void refused(const char *name, struct bytes b, const char *text)
{
	struct cc_trace t = { .nr = 12345 };
	char err[200] = "";
	int r;

	b.h.crc = 0;
	b.h.crc = htole32(cc_crc32c(&b, sizeof(b)));
	r = parse(&b, sizeof(b), &t, err, sizeof(err));
	ok(r == -EINVAL && strstr(err, text) && t.nr == 12345, "refused: %s (%s)", name, err);
}

static void test_refusals(void)
{
	const struct bytes good = good_bytes();
	struct bytes b;

#define CHANGED(name, change, text) do { b = good; change; refused(name, b, text); } while (0)
	CHANGED("magic", b.h.magic[0] ^= 1, "magic");
	CHANGED("version 2", b.h.version = htole32(2), "version is 2");
	CHANGED("another image", b.h.digest[5] ^= 1, "another image");
	CHANGED("another chunk size", b.h.chunk_shift = htole32(SHIFT + 1), "chunk_shift");
	CHANGED("no run", b.h.runs = 0, "runs is 0");
	CHANGED("too many runs", b.h.runs = htole32(CC_TRACE_RUNS_MAX + 1), "runs is");
	CHANGED("too few chunks", b.h.nr_chunks = htole32(2), "not right for 2 chunks");
	CHANGED("2^32 - 1 chunks", b.h.nr_chunks = htole32(~0u), "not right");
	CHANGED("reserved", b.h.reserved[3] = 1, "reserved");
	CHANGED("a chunk outside", b.e[1].chunk = htole64(NR_CHUNKS), "outside of the image");
	CHANGED("chunk 2^64 - 1", b.e[1].chunk = ~0ULL, "outside of the image");
	CHANGED("a chunk twice", b.e[1].chunk = b.e[0].chunk, "twice");
	CHANGED("time goes back", b.e[2].ms[0] = htole32(4), "earlier");
	CHANGED("no time", b.e[2].ms[0] = htole32(CC_TRACE_NO_TIME), "no time");
	CHANGED("a time after none", b.e[2].ms[2] = htole32(9), "no time");
	CHANGED("touched by no run", b.e[0].runs = 0, "no run");
	CHANGED("touched by more runs", b.e[0].runs = htole32(2), "more than there were");
}

/* ---- merging ---- */

/* "7 999 3": the likely chunks in order. */
static const char *likely(const struct cc_trace *t)
{
	static char text[400];
	int n = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < t->nr; i++)
		if (cc_trace_likely(t, &t->chunks[i]))
			n += snprintf(text + n, sizeof(text) - n, n ? " %llu" : "%llu",
				      (unsigned long long)t->chunks[i].chunk);
	return text;
}

static void merge(struct cc_trace *t, const struct cc_touch *run, uint32_t nr)
{
	if (cc_trace_merge(t, run, nr))
		abort();
}

#define MERGE(t, ...) do {						\
	static const struct cc_touch run[] = { __VA_ARGS__ };		\
	merge(t, run, sizeof(run) / sizeof(run[0]));			\
} while (0)

static void test_halves(void)
{
	struct cc_trace t = empty();

	MERGE(&t, { 1, 0 }, { 2, 10 }, { 3, 20 });
	ok(!strcmp(likely(&t), "1 2 3"), "one run: all of it");
	MERGE(&t, { 1, 0 }, { 4, 5 }, { 2, 10 });
	ok(!strcmp(likely(&t), "1 2") && t.nr == 4, "two runs: what both touched; the rest is remembered");
	MERGE(&t, { 1, 0 }, { 4, 5 });
	ok(!strcmp(likely(&t), "1 4 2"), "three runs: what two touched (%s)", likely(&t));
	MERGE(&t, { 1, 0 });
	ok(!strcmp(likely(&t), "1"), "four runs: what half of them did not touch is out");
	cc_trace_free(&t);
}

static void test_order(void)
{
	struct cc_trace t = empty();

	MERGE(&t, { 1, 100 }, { 2, 200 }, { 3, 300 });
	MERGE(&t, { 2, 90 }, { 1, 110 }, { 3, 310 });
	MERGE(&t, { 3, 1 }, { 1, 120 }, { 2, 9000 });
	ok(!strcmp(likely(&t), "1 2 3"), "medians: one odd run changes nothing (%s)", likely(&t));
	MERGE(&t, { 3, 2 }, { 1, 130 }, { 2, 9100 });
	ok(!strcmp(likely(&t), "3 1 2"), "two runs do, they are the present (%s)", likely(&t));
	cc_trace_free(&t);
	t = empty();
	MERGE(&t, { 9, 1 }, { 5, 1 }, { 7, 1 }, { 1, 1 });
	MERGE(&t, { 9, 1 }, { 5, 1 }, { 7, 1 }, { 1, 1 });
	ok(!strcmp(likely(&t), "9 5 7 1"), "in the same millisecond: the order in which they came");
	cc_trace_free(&t);
}

static void test_many_runs(void)
{
	struct cc_trace t = empty();
	bool right = true;
	void *data;
	size_t size;
	struct cc_trace u;
	char err[200] = "";

	for (int i = 0; i < 40; i++)
		MERGE(&t, { 1, 0 }, { 2, 1 });
	for (int i = 0; i < 40; i++) {
		MERGE(&t, { 1, 0 }, { 3, 1 });
		right &= t.runs <= CC_TRACE_RUNS_MAX;
		right &= !cc_trace_build(&t, &data, &size) && !parse(data, size, &u, err, sizeof(err));
		free(data);
		cc_trace_free(&u);
	}
	ok(right && !strcmp(likely(&t), "1 3") && t.nr == 2, "after 80 runs: the late ones count (%s %s)", likely(&t),
	   err);
	cc_trace_free(&t);
}

/* What is merged at random always parses, and is bounded. */
static void test_full(void)
{
	uint32_t nr = CC_TRACE_CHUNKS_MAX;
	struct cc_touch *run = calloc(nr, sizeof(*run));
	struct cc_trace t = empty(), u;
	char err[200] = "";
	void *data;
	size_t size;
	int r;

	for (uint32_t pass = 0; pass < 3; pass++) {
		for (uint32_t i = 0; i < nr; i++)
			run[i] = (struct cc_touch) { i + (pass ? 5000 : 0), i / 3 };
		merge(&t, run, nr);
	}
	ok(t.nr == nr && t.runs == 3, "no more than %u chunks are remembered", nr);
	r = cc_trace_build(&t, &data, &size);
	ok(!r && size == CC_TRACE_SIZE_MAX, "and %d bytes", CC_TRACE_SIZE_MAX);
	r = cc_trace_parse(data, size, digest, SHIFT, 1 << 20, &u, err, sizeof(err));
	ok(!r && u.nr == nr, "which parse (%s)", err);
	cc_trace_free(&u);
	cc_trace_free(&t);
	free(data);
	free(run);
}

int main(void)
{
	char name[CC_OBJECT_NAME_MAX];

	test_round();
	test_damage();
	test_refusals();
	test_halves();
	test_order();
	test_many_runs();
	test_full();
	cc_trace_name(digest, name);
	ok(!strncmp(name, "traces/010203000", 16) && strlen(name) == 71, "the object's name");
	return tap_done();
}
