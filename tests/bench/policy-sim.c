// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * policy-sim: how many requests of a trace a replacement policy misses.  Reads lines
 * `chunk [microseconds]` (no policy here uses times) and prints `miss ratio 0.1234`.
 *
 * Policies are in policy-sim-*.c.  "default" is the module's own code, drivers/md/
 * dm-chunkcache/policy.c, with hits as the module has them: a byte that is set.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy-sim.h"

static const struct sim_ops *const policies[] = {
	&sim_default, &sim_fifo, &sim_lru, &sim_clock, &sim_s3fifo, &sim_2q, &sim_arc,
	&sim_belady,
};
#define NR_POLICIES	(sizeof(policies) / sizeof(*policies))
#define MAX_SIZES	16

void *sim_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		perror("policy-sim");
		exit(1);
	}
	return p;
}

/* ---- the trace ---- */

/* Chunk numbers as read -> small ones: open addressing, at most half full. */
struct numbers {
	uint32_t *slot;		/* small number + 1, 0 if free */
	uint32_t bits;
};

static uint32_t *numbers_find(struct numbers *n, const struct trace *t, uint64_t number)
{
	uint64_t mask = (1ULL << n->bits) - 1, at = number * 0x9e3779b97f4a7c15ULL >> (64 - n->bits);

	while (n->slot[at] && t->number[n->slot[at] - 1] != number)
		at = (at + 1) & mask;
	return &n->slot[at];
}

static void numbers_grow(struct numbers *n, const struct trace *t)
{
	free(n->slot);
	n->bits = n->bits ? n->bits + 1 : 12;
	n->slot = sim_alloc(1ULL << n->bits, sizeof(*n->slot));
	for (uint32_t i = 0; i < t->nr_chunks; i++)
		*numbers_find(n, t, t->number[i]) = i + 1;
}

/* Make room for one more; doubles, so that appending is cheap. */
static void *grown(void *p, size_t n, size_t size)
{
	if (n & (n - 1) && n)
		return p;
	p = realloc(p, (n ? 2 * n : 1) * size);
	if (!p) {
		perror("policy-sim");
		exit(1);
	}
	return p;
}

static void trace_add(struct trace *t, struct numbers *n, uint64_t number)
{
	uint32_t *slot;

	if (2ULL * t->nr_chunks >= (n->bits ? 1ULL << n->bits : 0))
		numbers_grow(n, t);
	slot = numbers_find(n, t, number);
	if (!*slot) {
		t->number = grown(t->number, t->nr_chunks, sizeof(*t->number));
		t->number[t->nr_chunks++] = number;
		*slot = t->nr_chunks;
	}
	t->chunk = grown(t->chunk, t->nr, sizeof(*t->chunk));
	t->chunk[t->nr++] = *slot - 1;
}

/* Ends the program at a line that is neither empty, nor a comment, nor a chunk number. */
static void trace_read(FILE *f, struct trace *t)
{
	struct numbers n = { 0 };
	uint64_t line_nr = 0;
	char line[256], *end;

	while (fgets(line, sizeof(line), f)) {
		char *at = line + strspn(line, " \t");
		uint64_t number = strtoull(at, &end, 10);

		line_nr++;
		if (*at == '#' || *at == '\n')
			continue;
		if (end == at || *at == '-' || !strchr(" \t\r\n", *end)) {
			fprintf(stderr, "policy-sim: line %" PRIu64 ": expected a chunk number\n",
				line_nr);
			exit(1);
		}
		trace_add(t, &n, number);
	}
	free(n.slot);
}

/* ---- a run ---- */

struct result {
	size_t misses, below_requests, below_misses;
};

static struct result run(const struct sim_ops *ops, const struct trace *t, uint32_t slots,
			 uint64_t below)
{
	void *sim = ops->open(t, slots);
	struct result r = { 0 };

	for (size_t i = 0; i < t->nr; i++) {
		bool counts = t->number[t->chunk[i]] < below;
		bool miss = !ops->request(sim, t->chunk[i]);

		r.misses += miss;
		r.below_requests += counts;
		r.below_misses += miss && counts;
	}
	ops->close(sim);
	return r;
}

static double ratio(size_t part, size_t of)
{
	return of ? (double)part / (double)of : 0;
}

static void usage(void)
{
	fprintf(stderr, "usage: policy-sim [--policy NAME]... --slots N[%%]... [--below CHUNK] [--verbose] < trace\n"
		"  --policy NAME  each in its turn: ");
	for (size_t i = 0; i < NR_POLICIES; i++)
		fprintf(stderr, "%s%s", policies[i]->name, i + 1 < NR_POLICIES ? ", " : "\n");
	fprintf(stderr, "  --slots N      each in its turn; %%: of the chunks in the trace\n"
		"  --below CHUNK  also the ratio of requests for chunks with lower numbers\n"
		"  --verbose      with the numbers of misses and requests\n");
	exit(2);
}

static const struct sim_ops *policy_named(const char *name)
{
	for (size_t i = 0; i < NR_POLICIES; i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	fprintf(stderr, "policy-sim: no policy is called %s\n", name);
	usage();
	return NULL;
}

static uint64_t number(const char *s, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(s, &end, 10);

	if (end == s || *end || *s == '-' || !n || n > max)
		usage();
	return n;
}

struct size {
	uint64_t n;
	bool percent;
};

/* N or N%. */
static struct size size_of(char *s)
{
	size_t len = strlen(s);
	struct size size = { .percent = len && s[len - 1] == '%' };

	if (size.percent)
		s[len - 1] = '\0';
	size.n = number(s, size.percent ? 100 : 1 << 30);
	return size;
}

static uint32_t slots_of(const struct size *s, const struct trace *t)
{
	uint64_t n = s->percent ? t->nr_chunks * s->n / 100 : s->n;

	return n ? (uint32_t)n : 1;
}

static void report(const struct sim_ops *ops, const struct trace *t, uint32_t slots, uint64_t below,
		   bool verbose)
{
	struct result r = run(ops, t, slots, below);

	printf("miss ratio %.4f", ratio(r.misses, t->nr));
	if (verbose)
		printf(" %zu of %zu %s", r.misses, t->nr, ops->name);
	putchar('\n');
	if (!below)
		return;
	printf("miss ratio below %" PRIu64 " %.4f", below, ratio(r.below_misses, r.below_requests));
	if (verbose)
		printf(" %zu of %zu %s", r.below_misses, r.below_requests, ops->name);
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", 1, NULL, 'p' }, { "slots", 1, NULL, 's' }, { "below", 1, NULL, 'b' },
		{ "verbose", 0, NULL, 'v' }, { NULL, 0, NULL, 0 },
	};
	const struct sim_ops *ops[NR_POLICIES] = { &sim_default };
	struct size sizes[MAX_SIZES];
	bool verbose = false;
	struct trace t = { 0 };
	size_t nr = 0, nr_sizes = 0;
	uint64_t below = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (nr == NR_POLICIES)
				usage();
			ops[nr++] = policy_named(optarg);
			break;
		case 's':
			if (nr_sizes == MAX_SIZES)
				usage();
			sizes[nr_sizes++] = size_of(optarg);
			break;
		case 'b': below = number(optarg, UINT64_MAX); break;
		case 'v': verbose = true; break;
		default: usage();
		}
	}
	if (!nr_sizes || optind != argc)
		usage();
	trace_read(stdin, &t);
	for (size_t at = 0; at < nr_sizes; at++)
		for (size_t i = 0; i < (nr ? nr : 1); i++)
			report(ops[i], &t, slots_of(&sizes[at], &t), below, verbose);
	free(t.chunk);
	free(t.number);
	return ferror(stdout) || fflush(stdout);
}
