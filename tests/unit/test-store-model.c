// SPDX-License-Identifier: GPL-2.0-or-later
/* The latencies that cc-httpd draws: quantiles, repeatability, second legs. */
#include <string.h>
#include "../tools/httpd/model.h"
#include "tap.h"

#define DRAWS	1000000
#define OBJECTS	1000

static double drawn[DRAWS];

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct model_draw get(const struct model *m, uint64_t seed, unsigned int object)
{
	struct model_draw d;
	char path[32];
	uint32_t o;

	snprintf(path, sizeof(path), "/chunks/%u", object);
	d = model_begin(m, seed, path, &o);
	model_end(o);
	return d;
}

static void within(const char *name, double q, double low, double high)
{
	double v = drawn[(size_t)(q * DRAWS)];

	ok(v >= low && v <= high, "%s: p%g is %.1f ms, expected %.0f..%.0f", name, q * 100, v, low, high);
}

static void test_quantiles(void)
{
	const struct model m = { MODEL_S3, 1, 0.3 };

	for (unsigned int i = 0; i < DRAWS; i++)
		drawn[i] = get(&m, 1, i % OBJECTS).first_byte_ms;
	qsort(drawn, DRAWS, sizeof(drawn[0]), compare);
	within("s3", 0.5, 26.5, 27.5);
	within("s3", 0.9, 46.5, 49);
	within("s3", 0.95, 69, 72);
	within("s3", 0.99, 109, 113);
	within("s3", 0.999, 166, 178);
	within("s3", 0.9999, 1350, 1750);
	ok(drawn[0] >= 8, "the fastest takes %.1f ms", drawn[0]);
}

static void test_repeats(void)
{
	const struct model m = { MODEL_S3, 1, 0 }, slow = { MODEL_S3, 5, 0 };
	double first[OBJECTS];
	unsigned int same = 0, other = 0;

	for (unsigned int i = 0; i < OBJECTS; i++)
		first[i] = get(&m, 7, 5000 + i).first_byte_ms;
	for (unsigned int i = OBJECTS; i--; )
		same += get(&m, 7, 5000 + i).first_byte_ms == first[i];
	ok(!same, "an object's second GET has another latency");
	for (unsigned int i = 0; i < OBJECTS; i++)
		other += get(&m, 8, 20000 + i).first_byte_ms != get(&m, 9, 30000 + i).first_byte_ms;
	ok(other == OBJECTS, "and so has another object, with another seed");
	ok(get(&slow, 7, 1).first_byte_ms >= 40, "a factor counts");
}

/* What share of second legs of stalled first ones stall as well? */
static double stalled_seconds(double correlation)
{
	const struct model m = { MODEL_S3, 1, correlation };
	unsigned int stalled = 0, both = 0;

	for (unsigned int i = 0; i < DRAWS; i++) {
		struct model_draw first, second;
		uint32_t o, o2;
		char path[32];

		snprintf(path, sizeof(path), "/c/%u", i % OBJECTS);
		first = model_begin(&m, 3, path, &o);
		if (first.first_byte_ms < 400) {
			model_end(o);
			continue;
		}
		second = model_begin(&m, 3, path, &o2);
		if (!second.second)
			ok(false, "a second leg is not seen");
		stalled++;
		both += second.first_byte_ms >= 250;
		model_end(o2);
		model_end(o);
	}
	return (double)both / stalled;
}

static void test_second_legs(void)
{
	double none = stalled_seconds(0), some = stalled_seconds(0.3), all = stalled_seconds(1);

	ok(none < 0.02, "independent: %.3f stall again", none);
	ok(some > 0.2 && some < 0.36, "correlation 0.3: %.3f", some);
	ok(all > 0.8, "correlation 1: %.3f", all);
}

int main(void)
{
	test_quantiles();
	test_repeats();
	test_second_legs();
	return tap_done();
}
