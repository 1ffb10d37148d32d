// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traces of what guests read: what the loader refuses, and that those of the tree are good.
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "../tools/replay/trace.h"
#include "tap.h"

#define SPDX	"# SPDX-License-Identifier: GPL-2.0-or-later\n"
#define HEAD	SPDX "# chunkcache-trace 1 system=boot run=1 size=409600 slowdown=20.0\n"

static struct trace t;
static char err[200];

static bool load(const char *text)
{
	char file[] = "/tmp/test-trace.XXXXXX";
	int fd = mkstemp(file);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	good = good && trace_load(&t, file, err, sizeof(err));
	if (fd >= 0)
		close(fd);
	unlink(file);
	return good;
}

static void test_good(void)
{
	ok(load(HEAD "0 1 0\n99 1 7\n10 20 1000 1\n5 5 3 1 3\n"), "a trace is loaded");
	ok(t.nr == 4 && t.size == 409600 && !strcmp(t.system, "boot"), "with its size and all reads");
	ok(t.reads[2].first == 10 && t.reads[2].count == 20 && t.reads[2].think == 1000, "in order");
	ok(trace_overlaps(&t, 2, 1) && !trace_overlaps(&t, 2, 0), "one did not wait for that before it");
	ok(trace_overlaps(&t, 3, 2) && !trace_overlaps(&t, 3, 1) && trace_overlaps(&t, 3, 0),
	   "nor one for two others");
	trace_free(&t);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{ "", "nothing" },
		{ HEAD, "no read" },
		{ SPDX "0 1 0\n", "no head" },
		{ SPDX "# chunkcache-trace 2 system=boot run=1 size=409600 slowdown=20.0\n0 1 0\n", "another version" },
		{ SPDX "# chunkcache-trace 1 system=boot run=1 size=409601 slowdown=20.0\n0 1 0\n", "an odd size" },
		{ SPDX "# chunkcache-trace 1 system=boot run=1 size=409600 slowdown=0\n0 1 0\n", "no slowdown" },
		{ HEAD "100 1 0\n", "a read behind the end" },
		{ HEAD "99 2 0\n", "a read over the end" },
		{ HEAD "0 0 0\n", "a read of nothing" },
		{ HEAD "-1 1 0\n", "a negative number" },
		{ HEAD "0 1\n", "no think time" },
		{ HEAD "0 1 0\n0 1 0 2\n", "a read before the first one" },
		{ HEAD "0 1 0\n0 1 0 0\n", "a read that waits for itself" },
		{ HEAD "0 1 0 \n", "a blank at the end" },
		{ HEAD "0 1 0", "no end of line" },
		{ HEAD "0 1 x\n", "a word" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!load(bad[i].text) && err[0], "refused: %s (%s)", bad[i].what, err);
}

/* Unit tests run at the top of the tree. */
static void test_tree(void)
{
	const char *dir = "tests/bench/boot/traces";
	unsigned int nr = 0;
	struct dirent *e;
	char path[512];
	bool good;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		good = trace_load(&t, path, err, sizeof(err));
		ok(good, "%s: %u reads%s%s", e->d_name, t.nr, good ? "" : ", ", good ? "" : err);
		trace_free(&t);
		nr++;
	}
	if (d)
		closedir(d);
	ok(nr >= 6, "traces of the tree: %u", nr);
}

int main(void)
{
	test_good();
	test_bad();
	test_tree();
	return tap_done();
}
