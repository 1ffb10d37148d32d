// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a power cut may leave, from a record of what was written: an image of the cache device, the store's objects and
 * the history for cc-volcheck, all of one moment.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crash/crash.h"

static const char usage[] =
"Usage: cc-crash count RECORD\n"
"       cc-crash image RECORD --seed N --start FILE --target FILE [--history FILE --store DIR --scene DIR]\n"
"       cc-crash store RECORD --seed N --store DIR --scene DIR\n"
"  RECORD          the log of a dm-log-writes device, with marks (crash/mark.h)\n"
"  --seed N        which moment, and what of the device's cache is there\n"
"  --start FILE    what the device held before; --target FILE  the image goes there\n"
"  --history FILE  of all the run; --store DIR  with all objects of the run, not written to any more\n"
"  --scene DIR     a new directory: history and store of that moment\n"
"count: entries, flushes, FUA writes, marks.  store: the store alone, for a host that is lost.\n";

void crash_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "cc-crash: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void count(const struct record *r)
{
	uint64_t n[ENTRY_MARK + 1] = { 0 };

	for (uint64_t i = 0; i < r->nr; i++)
		n[r->entries[i].kind]++;
	printf("entries %" PRIu64 " flushes %" PRIu64 " fua %" PRIu64 " marks %" PRIu64 "\n", r->nr, n[ENTRY_FLUSH],
	       n[ENTRY_FUA], n[ENTRY_MARK]);
}

static const char *inside(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		crash_die("no memory");
	return path;
}

struct options {
	const char *start, *target, *history, *store, *scene;
	uint64_t seed;
};

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' }, { "start", 1, NULL, 'b' }, { "target", 1, NULL, 't' },
		{ "history", 1, NULL, 'h' }, { "store", 1, NULL, 'o' }, { "scene", 1, NULL, 'd' }, { 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':	o->seed = strtoull(optarg, NULL, 10); break;
		case 'b':	o->start = optarg; break;
		case 't':	o->target = optarg; break;
		case 'h':	o->history = optarg; break;
		case 'o':	o->store = optarg; break;
		case 'd':	o->scene = optarg; break;
		default:	return false;
		}
	}
	return optind == argc - 1;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct options o = { 0 };
	bool image = !strcmp(command, "image"), store = !strcmp(command, "store");
	struct record r;
	struct cut c;

	if (argc < 3 || !parse(argc - 1, argv + 1, &o) || (!image && !store && strcmp(command, "count")) ||
	    (store && (!o.store || !o.scene)) || (image && (!o.start || !o.target)) ||
	    (image && o.scene && (!o.store || !o.history))) {
		fputs(usage, stderr);
		return 2;
	}
	record_read(&r, argv[argc - 1]);
	if (!image && !store) {
		count(&r);
		return 0;
	}
	if (o.scene && mkdir(o.scene, 0755))
		crash_die("%s: cannot be made", o.scene);
	c = cut_choose(&r, o.seed);
	if (image)
		image_write(&r, &c, o.start, o.target);
	if (!o.scene)
		return 0;
	if (image)
		history_cut(&r, &c, o.history, inside(o.scene, "history"));
	store_cut(&r, &c, o.store, inside(o.scene, "store"));
	return 0;
}
