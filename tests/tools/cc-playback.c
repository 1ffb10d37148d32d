// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a real disk as a guest did: a trace (replay/trace.h), one read after the other, each after its
 * think time.  Says in JSON how long the reads took; the first sector of each is checked (content.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "content.h"
#include "replay/trace.h"

static const char usage[] =
"Usage: cc-playback [OPTIONS] DEVICE TRACE\n"
"  --think-divisor X   think so many times faster than in the trace; 0: no time at all (0)\n"
CONTENT_HELP;

static struct content content;
static double divisor;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static void think(const struct trace_read *r)
{
	uint64_t ns = divisor > 0 ? (uint64_t)(r->think * (double)TRACE_THINK_NS / divisor) : 0;
	const struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (ns)
		nanosleep(&ts, NULL);
}

/* How long it took, in us. */
static uint64_t read_one(int fd, const struct trace_read *r, void *buf, uint64_t *wrong)
{
	size_t size = r->count * TRACE_UNIT;
	uint64_t expected[SECTOR / 8], start = now_us(), took;
	ssize_t n = pread(fd, buf, size, (off_t)(r->first * TRACE_UNIT));

	took = now_us() - start;
	if (n != (ssize_t)size) {
		fprintf(stderr, "cc-playback: read of %zu at unit %" PRIu64 ": %s\n", size, r->first,
			n < 0 ? strerror(errno) : "short");
		exit(1);
	}
	content_fill(&content, r->first * TRACE_UNIT, expected, SECTOR);
	*wrong += memcmp(buf, expected, SECTOR) != 0;
	return took;
}

static uint32_t longest(const struct trace *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->nr; i++)
		if (t->reads[i].count > n)
			n = t->reads[i].count;
	return n;
}

static uint64_t play(int fd, const struct trace *t)
{
	uint64_t start = now_us(), reading = 0, wrong = 0;
	void *buf;

	if (posix_memalign(&buf, TRACE_UNIT, longest(t) * TRACE_UNIT))
		die("memory", strerror(ENOMEM));
	for (uint32_t i = 0; i < t->nr; i++) {
		think(&t->reads[i]);
		reading += read_one(fd, &t->reads[i], buf, &wrong);
	}
	printf("{\"reads\":%" PRIu32 ",\"reading_ms\":%" PRIu64 ",\"all_ms\":%" PRIu64 ",\"wrong\":%" PRIu64 "}\n",
	       t->nr, reading / 1000, (now_us() - start) / 1000, wrong);
	free(buf);
	return wrong;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		CONTENT_OPTIONS, { "think-divisor", 1, NULL, OPT_CONTENT_END }, { NULL, 0, NULL, 0 },
	};
	struct trace t;
	char err[200];
	int opt, fd;

	content = content_default;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (opt == OPT_CONTENT_END)
			divisor = strtod(optarg, NULL);
		else if (!content_option(&content, opt, optarg))
			argc = 0;
	}
	if (optind != argc - 2) {
		fputs(usage, stderr);
		return 2;
	}
	content_check(&content);
	if (!trace_load(&t, argv[optind + 1], err, sizeof(err)))
		die(argv[optind + 1], err);
	fd = open(argv[optind], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		die(argv[optind], strerror(errno));
	return play(fd, &t) ? 1 : 0;
}
