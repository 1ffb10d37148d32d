// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Boot traces; see boot-trace.h.
 */
#include "boot-trace.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"

_Static_assert(sizeof(struct cc_trace_header) + CC_TRACE_CHUNKS_MAX * sizeof(struct cc_trace_entry) ==
	       CC_TRACE_SIZE_MAX, "sizes of format.h");

void cc_trace_name(const uint8_t digest[CC_ID_SIZE], char ret_name[CC_OBJECT_NAME_MAX])
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(digest, hex);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, "traces/%s", hex);
}

void cc_trace_free(struct cc_trace *t)
{
	free(t->chunks);
	memset(t, 0, sizeof(*t));
}

/* ---- bytes ---- */

static uint32_t crc_of(const struct cc_trace_header *h, const void *entries, size_t size)
{
	struct cc_trace_header zero = *h;

	zero.crc = 0;
	return cc_crc32c_add(cc_crc32c(&zero, sizeof(zero)), entries, size);
}

static int check_trace_header(const struct cc_trace_header *h, size_t size, const uint8_t digest[CC_ID_SIZE],
			      uint32_t chunk_shift, char *err, size_t errlen)
{
	static const uint8_t zero[sizeof(h->reserved)];
	uint32_t version = le32toh(h->version), nr = le32toh(h->nr_chunks), runs = le32toh(h->runs);

	if (memcmp(h->magic, CC_TRACE_MAGIC, sizeof(h->magic)))
		snprintf(err, errlen, "trace: wrong magic, this is not a boot trace");
	else if (version != CC_TRACE_VERSION)
		snprintf(err, errlen, "trace: version is %u, expected %d", version, CC_TRACE_VERSION);
	else if (nr > CC_TRACE_CHUNKS_MAX || size != sizeof(*h) + nr * sizeof(struct cc_trace_entry))
		snprintf(err, errlen, "trace: %zu bytes, which is not right for %u chunks, at most %d", size, nr,
			 CC_TRACE_CHUNKS_MAX);
	else if (le32toh(h->crc) != crc_of(h, h + 1, size - sizeof(*h)))
		snprintf(err, errlen, "trace: wrong checksum");
	else if (memcmp(h->digest, digest, CC_ID_SIZE))
		snprintf(err, errlen, "trace: is of another image");
	else if (le32toh(h->chunk_shift) != chunk_shift)
		snprintf(err, errlen, "trace: chunk_shift is %u, expected %u", le32toh(h->chunk_shift), chunk_shift);
	else if (!runs || runs > CC_TRACE_RUNS_MAX)
		snprintf(err, errlen, "trace: runs is %u, expected 1 to %d", runs, CC_TRACE_RUNS_MAX);
	else if (memcmp(h->reserved, zero, sizeof(zero)))
		snprintf(err, errlen, "trace: reserved bytes are set, expected 0");
	else
		return 0;
	return -EINVAL;
}

/* What is wrong with c, by itself or after the one before it; NULL: nothing. */
static const char *check_chunk(const struct cc_trace *t, const struct cc_trace_chunk *c, uint64_t nr_chunks)
{
	if (c->chunk >= nr_chunks)
		return "is outside of the image";
	if (!c->runs || c->runs > t->runs)
		return "was touched by no run, or by more than there were";
	if (c->ms[0] == CC_TRACE_NO_TIME || (c->ms[1] == CC_TRACE_NO_TIME && c->ms[2] != CC_TRACE_NO_TIME))
		return "has no time";
	if (c > t->chunks && cc_trace_median(c) < cc_trace_median(c - 1))
		return "is earlier than the one before it";
	return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* 0, -EINVAL if a chunk is there twice, -ENOMEM. */
static int check_distinct(const struct cc_trace *t)
{
	uint64_t *sorted = malloc((t->nr + 1) * sizeof(*sorted));
	int r = 0;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->nr; i++)
		sorted[i] = t->chunks[i].chunk;
	qsort(sorted, t->nr, sizeof(*sorted), compare_numbers);
	for (uint32_t i = 1; i < t->nr && !r; i++)
		if (sorted[i] == sorted[i - 1])
			r = -EINVAL;
	free(sorted);
	return r;
}

static struct cc_trace_chunk take_entry(const struct cc_trace_entry *e)
{
	struct cc_trace_chunk c = { .chunk = le64toh(e->chunk), .runs = le32toh(e->runs) };

	for (int i = 0; i < CC_TRACE_TIMES; i++)
		c.ms[i] = le32toh(e->ms[i]);
	return c;
}

/* The entries behind a good header; t owns what was allocated, also if it fails. */
static int parse_entries(struct cc_trace *t, const struct cc_trace_entry *e, uint64_t nr_chunks, char *err,
			 size_t errlen)
{
	const char *wrong;
	int r;

	t->chunks = malloc((t->nr + 1) * sizeof(*t->chunks));
	if (!t->chunks) {
		snprintf(err, errlen, "trace: out of memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t->nr; i++) {
		t->chunks[i] = take_entry(&e[i]);
		wrong = check_chunk(t, &t->chunks[i], nr_chunks);
		if (wrong) {
			snprintf(err, errlen, "trace: entry %u: chunk %llu %s", i,
				 (unsigned long long)t->chunks[i].chunk, wrong);
			return -EINVAL;
		}
	}
	r = check_distinct(t);
	if (r)
		snprintf(err, errlen, "trace: %s", r == -ENOMEM ? "out of memory" : "a chunk is there twice");
	return r;
}

int cc_trace_parse(const void *data, size_t size, const uint8_t digest[CC_ID_SIZE], uint32_t chunk_shift,
		   uint64_t nr_chunks, struct cc_trace *ret_trace, char *err, size_t errlen)
{
	const struct cc_trace_header *h = data;
	struct cc_trace t = { .chunk_shift = chunk_shift };
	int r;

	if (size < sizeof(*h)) {
		snprintf(err, errlen, "trace: %zu bytes, expected at least %zu", size, sizeof(*h));
		return -EINVAL;
	}
	r = check_trace_header(h, size, digest, chunk_shift, err, errlen);
	if (r)
		return r;
	memcpy(t.digest, digest, CC_ID_SIZE);
	t.runs = le32toh(h->runs);
	t.nr = le32toh(h->nr_chunks);
	r = parse_entries(&t, (const struct cc_trace_entry *)(h + 1), nr_chunks, err, errlen);
	if (r)
		cc_trace_free(&t);
	else
		*ret_trace = t;
	return r;
}

int cc_trace_build(const struct cc_trace *t, void **ret_data, size_t *ret_size)
{
	size_t size = sizeof(struct cc_trace_header) + t->nr * sizeof(struct cc_trace_entry);
	struct cc_trace_header *h = calloc(1, size);
	struct cc_trace_entry *e;

	if (!h)
		return -ENOMEM;
	e = (struct cc_trace_entry *)(h + 1);
	memcpy(h->magic, CC_TRACE_MAGIC, sizeof(h->magic));
	h->version = htole32(CC_TRACE_VERSION);
	memcpy(h->digest, t->digest, CC_ID_SIZE);
	h->chunk_shift = htole32(t->chunk_shift);
	h->runs = htole32(t->runs);
	h->nr_chunks = htole32(t->nr);
	for (uint32_t i = 0; i < t->nr; i++) {
		e[i].chunk = htole64(t->chunks[i].chunk);
		e[i].runs = htole32(t->chunks[i].runs);
		for (int j = 0; j < CC_TRACE_TIMES; j++)
			e[i].ms[j] = htole32(t->chunks[i].ms[j]);
	}
	h->crc = htole32(crc_of(h, e, size - sizeof(*h)));
	*ret_data = h;
	*ret_size = size;
	return 0;
}

/* ---- merging ---- */

uint32_t cc_trace_median(const struct cc_trace_chunk *c)
{
	const uint32_t a = c->ms[0], b = c->ms[1], d = c->ms[2];
	uint32_t low = a < b ? a : b, high = a < b ? b : a;

	/* A time that is not there is later than all others. */
	if (d < low)
		return low;
	return b == CC_TRACE_NO_TIME || d == CC_TRACE_NO_TIME ? low : d < high ? d : high;
}

/* A chunk while runs are merged. */
struct merged {
	struct cc_trace_chunk c;
	uint32_t median;
	uint32_t rank;			/* among those of the same median: its place in the newest list it is in */
};

static int compare_chunks(const void *a, const void *b)
{
	const struct merged *x = a, *y = b;

	return (x->c.chunk > y->c.chunk) - (x->c.chunk < y->c.chunk);
}

static int compare_times(const void *a, const void *b)
{
	const struct merged *x = a, *y = b;

	if (x->median != y->median)
		return x->median < y->median ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return compare_chunks(a, b);
}

/* The chunks of t, by number; if there were many runs, what was long ago counts half. */
static uint32_t take_old(const struct cc_trace *t, struct merged *m, uint32_t *ret_runs)
{
	bool halve = t->runs >= CC_TRACE_RUNS_MAX;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < t->nr; i++) {
		m[nr] = (struct merged) { .c = t->chunks[i], .rank = i };
		m[nr].c.runs = halve ? m[nr].c.runs / 2 : m[nr].c.runs;
		nr += m[nr].c.runs > 0;
	}
	qsort(m, nr, sizeof(*m), compare_chunks);
	*ret_runs = (halve ? t->runs / 2 : t->runs) + 1;
	return nr;
}

/* The chunks of the run: into those of old that are the same, or behind all. */
static uint32_t take_run(struct merged *m, uint32_t nr_old, const struct cc_touch *run, uint32_t nr_run)
{
	uint32_t nr = nr_old;

	for (uint32_t i = 0; i < nr_run; i++) {
		struct merged key = { .c = { .chunk = run[i].chunk } };
		struct merged *x = bsearch(&key, m, nr_old, sizeof(*m), compare_chunks);

		if (!x) {
			x = &m[nr++];
			*x = (struct merged) {
				.c = { .chunk = run[i].chunk, .ms = { 0, CC_TRACE_NO_TIME, CC_TRACE_NO_TIME } },
			};
		} else {
			memmove(&x->c.ms[1], &x->c.ms[0], sizeof(x->c.ms) - sizeof(x->c.ms[0]));
		}
		x->c.ms[0] = run[i].ms == CC_TRACE_NO_TIME ? CC_TRACE_NO_TIME - 1 : run[i].ms;
		x->c.runs++;
		x->rank = i;
	}
	return nr;
}

/* Those go that the fewest runs touched, the last ones of them first. */
static uint32_t shrink(struct merged *m, uint32_t nr)
{
	for (uint32_t runs = 1; nr > CC_TRACE_CHUNKS_MAX; runs++) {
		uint32_t too_many = nr - CC_TRACE_CHUNKS_MAX, kept = nr;

		for (uint32_t i = nr; i-- && too_many;) {
			if (m[i].c.runs > runs)
				continue;
			m[i].c.runs = 0;
			too_many--;
		}
		nr = 0;
		for (uint32_t i = 0; i < kept; i++)
			if (m[i].c.runs)
				m[nr++] = m[i];
	}
	return nr;
}

int cc_trace_merge(struct cc_trace *t, const struct cc_touch *run, uint32_t nr_run)
{
	struct merged *m = malloc(((size_t)t->nr + nr_run + 1) * sizeof(*m));
	struct cc_trace_chunk *chunks = NULL;
	uint32_t nr, runs;

	if (!m)
		return -ENOMEM;
	nr = take_run(m, take_old(t, m, &runs), run, nr_run);
	for (uint32_t i = 0; i < nr; i++)
		m[i].median = cc_trace_median(&m[i].c);
	qsort(m, nr, sizeof(*m), compare_times);
	nr = shrink(m, nr);
	chunks = malloc((nr + 1) * sizeof(*chunks));
	if (chunks) {
		for (uint32_t i = 0; i < nr; i++)
			chunks[i] = m[i].c;
		free(t->chunks);
		t->chunks = chunks;
		t->nr = nr;
		t->runs = runs;
	}
	free(m);
	return chunks ? 0 : -ENOMEM;
}
