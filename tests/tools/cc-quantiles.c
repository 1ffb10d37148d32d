// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much a change moved the quantiles of a latency: reads two files of 32-bit numbers (cc-kernel
 * --latencies), without and with the change, and prints for some quantiles both values, their ratio
 * and the ratio's 95 % interval by the bootstrap, as one JSON object.
 *
 * A resample of n numbers with replacement has as its k-th smallest the number at rank ceil(n * B) of
 * the sorted sample, where B is the k-th smallest of n even random numbers, so has the distribution
 * Beta(k, n - k + 1): that is drawn, in the place of n numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RESAMPLES 10000

struct sample {
	uint32_t *us;			/* sorted */
	uint64_t n;
};

static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "cc-quantiles: %s: %s\n", what, why);
	exit(1);
}

/* xorshift64*; greater than 0, less than 1 */
static double uniform(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (((random_state * 2685821657736338717ULL) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

/* Marsaglia and Tsang, for shape >= 1. */
static double gamma_draw(double shape)
{
	double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d), x, v, u;

	for (;;) {
		do {
			x = normal();
			v = 1 + c * x;
		} while (v <= 0);
		v = v * v * v;
		u = uniform();
		if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

static int compare_us(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct sample load(const char *file)
{
	struct sample s;
	struct stat st;
	FILE *f = fopen(file, "re");

	if (!f || fstat(fileno(f), &st))
		die(file, strerror(errno));
	s.n = st.st_size / sizeof(s.us[0]);
	s.us = malloc(st.st_size + 1);
	if (!s.us || fread(s.us, sizeof(s.us[0]), s.n, f) != s.n)
		die(file, "can't be read");
	fclose(f);
	if (s.n < 100)
		die(file, "expected 100 numbers at least");
	qsort(s.us, s.n, sizeof(s.us[0]), compare_us);
	return s;
}

/* The rank of a quantile, from 1. */
static uint64_t rank_of(const struct sample *s, double q)
{
	uint64_t k = ceil(s->n * q);

	return k < 1 ? 1 : k > s->n ? s->n : k;
}

static double resampled(const struct sample *s, double q)
{
	uint64_t k = rank_of(s, q), rank;
	double x = gamma_draw(k), y = gamma_draw(s->n - k + 1);

	rank = ceil(s->n * (x / (x + y)));
	return s->us[rank < 1 ? 0 : rank > s->n ? s->n - 1 : rank - 1];
}

static void compare(const char *name, const struct sample *a, const struct sample *b, double q, bool last)
{
	static double ratios[RESAMPLES];
	double before = a->us[rank_of(a, q) - 1], after = b->us[rank_of(b, q) - 1];

	for (unsigned int i = 0; i < RESAMPLES; i++)
		ratios[i] = resampled(b, q) / resampled(a, q);
	qsort(ratios, RESAMPLES, sizeof(ratios[0]), compare_double);
	printf("\"%s_without_ms\":%.3f,\"%s_with_ms\":%.3f,\"%s_ratio\":%.4f,\"%s_low\":%.4f,\"%s_high\":%.4f%s",
	       name, before / 1e3, name, after / 1e3, name, after / before, name,
	       ratios[RESAMPLES / 40], name, ratios[RESAMPLES - RESAMPLES / 40 - 1], last ? "}\n" : ",");
}

int main(int argc, char **argv)
{
	struct sample a, b;

	if (argc != 3) {
		fputs("Usage: cc-quantiles WITHOUT WITH\n", stderr);
		return 2;
	}
	a = load(argv[1]);
	b = load(argv[2]);
	printf("{\"n\":%llu,", (unsigned long long)(a.n < b.n ? a.n : b.n));
	compare("p50", &a, &b, .5, false);
	compare("p99", &a, &b, .99, false);
	compare("p999", &a, &b, .999, false);
	compare("p9999", &a, &b, .9999, true);
	free(a.us);
	free(b.us);
	return 0;
}
