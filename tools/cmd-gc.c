// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl gc: mark what images and volumes of a store use, sweep what none does and what is old enough.
 * How it keeps out of the way of imports is in lease.h.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot-trace.h"
#include "clock.h"
#include "cleanup.h"
#include "command.h"
#include "gc-mark.h"
#include "gc-volumes.h"
#include "manifest.h"
#include "progress.h"
#include "store-opts.h"
#include "store/image.h"
#include "store/lease.h"
#include "workers.h"

#define GRACE_DEFAULT (24 * 3600)
#define GRACE_MAX (3650 * 24 * 3600ULL)
#define FORKS_DEFAULT (30 * 24 * 3600)
#define LOOK_NS (5 * CC_SECOND)		/* how often a sweep looks for imports */
#define KEEP_MAX 256

/* Objects of one kind. */
struct tally {
	uint64_t used, young, garbage, removed;
	uint64_t garbage_bytes, removed_bytes;
};

struct garbage {
	char *name;
	uint64_t size;
	struct tally *tally;
};

/* Digests, in any order. */
struct digest_list {
	uint8_t (*ids)[CC_ID_SIZE];
	size_t nr, room;
};

struct gc {
	struct ctl_store_opts store_opts;
	struct ctl_store store;
	struct cc_lease lease;
	struct ctl_cleanup cleanup;	/* of the lease */
	const char *keep[KEEP_MAX];
	unsigned int nr_keep;
	bool dry_run, list, json;
	uint64_t grace, forks;		/* seconds */
	int64_t now;			/* the store's */

	struct ctl_marks marks;		/* what is in use */
	struct ctl_gc_volumes volumes;
	struct digest_list young;	/* manifests that nothing names yet */

	struct garbage *garbage;
	size_t nr_garbage, room;
	bool failed;			/* out of memory while listing */
	struct tally manifest, trace, chunk;
	struct tally volume;		/* objects of volumes, of whatever kind */
	struct tally leftover;		/* leases of the dead, files of puts that were cut off */

	struct ctl_progress progress;
	pthread_mutex_t lock;		/* covers what follows, and tallies during the sweep */
	size_t next;
	uint64_t looked_ns;
	bool stop;			/* an import came, or something failed */
	char error[320];
};

static const char help[] =
	"Removes manifests, boot traces and chunks that no image of the store uses, nor\n"
	"any below a volume; commits, maps and packs of volumes that their newest\n"
	"checkpoint does not need any more, and all of volumes whose name is gone; if it\n"
	"is older than the grace time; and what imports left that were cut off.\n"
	"What a manifest uses that is younger stays.  A running import is never harmed:\n"
	"gc gives up when there is one, and imports wait for the moment that this takes.\n"
	"Whoever has a volume is not disturbed.\n"
	"Disks that were made of a digest whose name is gone need --keep, but for those\n"
	"that are up on this host.\n"
	"\n"
	"  --grace TIME         do not touch what is younger: 90s, 30m, 24h, 7d; default\n"
	"                       24h\n"
	"  --forks TIME         of a volume that was taken over keep for so long what a\n"
	"                       rescue of the former owner's writes needs; default 30d\n"
	"  --keep sha256:D      what this manifest uses stays, too; may be repeated\n"
	"  --dry-run            remove nothing, only say what would be; needs no right to\n"
	"                       write\n"
	"  --list               print the names of the objects, one a line\n"
	"  --jobs N             requests at once, default 16\n"
	"  --json               print a summary as JSON\n"
	"\n"
	CTL_STORE_HELP;

/* ---- what is garbage ---- */

static int add_garbage(struct gc *g, const char *name, uint64_t size, struct tally *t)
{
	struct garbage *grown;

	if (g->nr_garbage == g->room) {
		grown = realloc(g->garbage, (g->room * 2 + 64) * sizeof(*grown));
		if (!grown)
			return -1;
		g->garbage = grown;
		g->room = g->room * 2 + 64;
	}
	g->garbage[g->nr_garbage].name = strdup(name);
	g->garbage[g->nr_garbage].size = size;
	g->garbage[g->nr_garbage].tally = t;
	return g->garbage[g->nr_garbage++].name ? 0 : -1;
}

static int judge(struct gc *g, struct tally *t, const char *name, uint64_t size, int64_t mtime,
		 bool used)
{
	if (used) {
		t->used++;
		return 0;
	}
	if (g->now - mtime < (int64_t)g->grace) {
		t->young++;
		return 0;
	}
	t->garbage++;
	t->garbage_bytes += size;
	g->failed = add_garbage(g, name, size, t) != 0;
	return g->failed;
}

static int add_young(struct gc *g, const uint8_t id[CC_ID_SIZE])
{
	struct digest_list *l = &g->young;
	void *grown;

	if (l->nr == l->room) {
		grown = realloc(l->ids, (l->room * 2 + 64) * sizeof(*l->ids));
		if (!grown)
			return -1;
		l->ids = grown;
		l->room = l->room * 2 + 64;
	}
	memcpy(l->ids[l->nr++], id, CC_ID_SIZE);
	return 0;
}

/* The digest in the last component of a name; the caller makes the name of it again and compares. */
static bool digest_of_object(const char *name, uint8_t ret_id[CC_ID_SIZE])
{
	char hex[2 * CC_ID_SIZE + 1];
	const char *last = strrchr(name, '/');

	if (!last || strlen(last + 1) < 2 * CC_ID_SIZE)
		return false;
	memcpy(hex, last + 1, 2 * CC_ID_SIZE);
	hex[2 * CC_ID_SIZE] = 0;
	return !cc_id_from_hex(hex, ret_id);
}

/* Names of another form, here and below, are not ours to remove. */
static int see_manifest(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	char object[CC_OBJECT_NAME_MAX];
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];
	uint64_t young = g->manifest.young;
	int r;

	if (!digest_of_object(name, id))
		return 0;
	cc_manifest_name(id, object);
	if (strcmp(object, name))
		return 0;
	r = judge(g, &g->manifest, name, size, mtime, cc_id_set_has(&g->marks.manifests, id));
	if (g->manifest.young != young && add_young(g, id))
		r = g->failed = true;
	return r;
}

/* A trace lives as long as the manifest that it is about. */
static int see_trace(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	char object[CC_OBJECT_NAME_MAX];
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];

	if (!digest_of_object(name, id))
		return 0;
	cc_trace_name(id, object);
	if (strcmp(object, name))
		return 0;
	return judge(g, &g->trace, name, size, mtime, cc_id_set_has(&g->marks.manifests, id));
}

static int see_chunk(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	char object[CC_OBJECT_NAME_MAX];
	size_t raw = strlen("chunks/ab/") + 2 * CC_ID_SIZE;
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];
	bool zstd = strlen(name) != raw;

	if (!digest_of_object(name, id))
		return 0;
	cc_chunk_name(id, zstd ? CC_ENCODING_ZSTD : CC_ENCODING_RAW, object);
	if (strcmp(object, name))
		return 0;
	return judge(g, &g->chunk, name, size, mtime, cc_id_set_has(&g->marks.chunks[zstd], id));
}

static int see_volume_object(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct gc *g = arg;

	return judge(g, &g->volume, name, size, mtime, ctl_gc_volume_uses(&g->volumes, name, mtime));
}

/* Nobody is at work there who was not heard of for so long. */
static int see_leftover(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct gc *g = arg;

	return judge(g, &g->leftover, name, size, mtime, g->now - mtime < CC_LEASE_LIFE);
}

static int see_lease(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	return cc_lease_is_name(name) ? see_leftover(arg, name, size, mtime) : 0;
}

/* see: of the objects, NULL: only leftovers are of interest. */
static int list_objects(struct gc *g, const char *prefix, cc_store_list_fn *see)
{
	char err[256] = "";

	if ((see && cc_store_list(g->store.store, prefix, see, g, err, sizeof(err))) ||
	    cc_store_list_leftovers(g->store.store, prefix, see_leftover, g, err, sizeof(err))) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	if (!g->failed)
		return 0;
	ctl_err("out of memory");
	return CTL_FAILED;
}

/* What a manifest uses that is spared for its age is spared as well, however old it is. */
static int find_garbage(struct gc *g)
{
	int r = list_objects(g, "manifests/", see_manifest);

	if (!r)
		r = ctl_mark_found(&g->marks, g->young.ids, g->young.nr);
	if (!r)
		r = list_objects(g, "traces/", see_trace);
	if (!r)
		r = list_objects(g, "chunks/", see_chunk);
	if (!r)
		r = list_objects(g, "images/", NULL);
	if (!r)
		r = list_objects(g, "volumes/", see_volume_object);
	if (!r)
		r = list_objects(g, "volume-names/", NULL);
	return r ? r : list_objects(g, "leases/", see_lease);
}

/* ---- sweep ---- */

static void stop(struct gc *g, const char *why)
{
	pthread_mutex_lock(&g->lock);
	if (!g->stop)
		snprintf(g->error, sizeof(g->error), "%s", why);
	g->stop = true;
	pthread_mutex_unlock(&g->lock);
}

/* Every few seconds one of the workers looks whether an import wants the store. */
static void look_for_imports(struct gc *g)
{
	uint64_t now = cc_now_ns();
	char err[256] = "";
	unsigned int nr = 0;
	int64_t time;
	bool due;

	pthread_mutex_lock(&g->lock);
	due = now - g->looked_ns >= LOOK_NS;
	if (due)
		g->looked_ns = now;
	pthread_mutex_unlock(&g->lock);
	if (!due)
		return;
	if (cc_lease_others(&g->lease, CC_LEASE_IMPORT, &nr, &time, err, sizeof(err)))
		stop(g, err);
	else if (nr)
		stop(g, "an import wants the store");
}

static bool take(struct gc *g, struct garbage **ret_garbage)
{
	bool taken;

	pthread_mutex_lock(&g->lock);
	taken = !g->stop && g->next < g->nr_garbage;
	if (taken)
		*ret_garbage = &g->garbage[g->next++];
	pthread_mutex_unlock(&g->lock);
	return taken;
}

static void remove_one(struct gc *g, const struct garbage *x)
{
	char err[256] = "";
	enum cc_store_result r = cc_store_delete(g->store.store, x->name, err, sizeof(err));

	if (r && r != CC_STORE_NOTFOUND) {
		stop(g, err);
		return;
	}
	pthread_mutex_lock(&g->lock);
	x->tally->removed++;
	x->tally->removed_bytes += x->size;
	pthread_mutex_unlock(&g->lock);
	ctl_progress_add(&g->progress, x->size);
}

static void *sweeper(void *arg)
{
	struct gc *g = arg;
	struct garbage *x;

	for (;;) {
		look_for_imports(g);
		if (!cc_lease_holds(&g->lease))
			stop(g, "the lease could not be renewed in time");
		if (!take(g, &x))
			return NULL;
		remove_one(g, x);
	}
}

static uint64_t garbage_bytes(const struct gc *g)
{
	return g->manifest.garbage_bytes + g->trace.garbage_bytes + g->chunk.garbage_bytes +
	       g->volume.garbage_bytes + g->leftover.garbage_bytes;
}

static uint64_t objects_removed(const struct gc *g)
{
	return g->manifest.removed + g->trace.removed + g->chunk.removed + g->volume.removed + g->leftover.removed;
}

/* Manifests first, they come first in the list: nobody finds one whose chunks are going. */
static int sweep(struct gc *g)
{
	int r = ctl_gc_raise_floors(&g->volumes);

	if (r)
		return r;
	g->looked_ns = cc_now_ns();
	ctl_progress_start(&g->progress, "removing", garbage_bytes(g));
	r = ctl_workers_run(g->marks.jobs, sweeper, g);
	ctl_progress_end(&g->progress);
	if (r) {
		ctl_err("threads: %s", strerror(-r));
		return CTL_FAILED;
	}
	if (!g->stop)
		return 0;
	ctl_err("%s: stopped after %" PRIu64 " of %zu objects; run it again later", g->error, objects_removed(g),
		g->nr_garbage);
	return CTL_FAILED;
}

/* ---- the command ---- */

static json_t *tally_json(const struct tally *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "used", (json_int_t)t->used,
			 "young", (json_int_t)t->young, "garbage", (json_int_t)t->garbage,
			 "garbage_bytes", (json_int_t)t->garbage_bytes,
			 "removed", (json_int_t)t->removed,
			 "removed_bytes", (json_int_t)t->removed_bytes);
}

static int report_garbage(const struct gc *g)
{
	char size[CTL_SIZE_TEXT];
	const struct tally *m = &g->manifest, *t = &g->trace, *c = &g->chunk, *v = &g->volume, *l = &g->leftover;

	if (g->json)
		return ctl_print_json(json_pack("{s:i, s:b, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "v", 1, "dry_run",
						g->dry_run, "images", (json_int_t)g->marks.nr_images,
						"volumes", (json_int_t)g->volumes.nr_read,
						"manifests", tally_json(m), "traces", tally_json(t),
						"chunks", tally_json(c), "volume_objects", tally_json(v),
						"leftovers", tally_json(l)));
	for (size_t i = 0; i < g->nr_garbage && g->list; i++)
		puts(g->garbage[i].name);
	ctl_note("%" PRIu64 " images and %zu volumes use %" PRIu64 " chunks and %" PRIu64 " objects of volumes; of no use: %"
		 PRIu64 " manifests, %" PRIu64 " boot traces, %" PRIu64 " chunks, %" PRIu64 " objects of volumes, %" PRIu64
		 " leftovers (%s)%s; %" PRIu64 " more are younger than the grace time",
		 g->marks.nr_images, g->volumes.nr_read, c->used, v->used,
		 m->garbage, t->garbage, c->garbage, v->garbage, l->garbage,
		 ctl_size_text(garbage_bytes(g), size),
		 g->dry_run ? ", not removed" : g->nr_garbage ? ", removed" : "",
		 m->young + t->young + c->young + v->young + l->young);
	return CTL_OK;
}

static int refuse_others(struct gc *g)
{
	unsigned int imports, gcs;
	char err[256] = "";

	if (cc_lease_others(&g->lease, CC_LEASE_IMPORT, &imports, &g->now, err, sizeof(err)) ||
	    cc_lease_others(&g->lease, CC_LEASE_GC, &gcs, &g->now, err, sizeof(err))) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	if (!imports && !gcs)
		return 0;
	ctl_err("%s is running on this store (a lease of one that died counts for %d min)",
		imports ? "an import" : "another gc", CC_LEASE_LIFE / 60);
	return CTL_FAILED;
}

static void abandon_lease(void *arg)
{
	struct gc *g = arg;

	stop(g, "interrupted");
	cc_lease_abandon(&g->lease);
}

static int take_lease(struct gc *g)
{
	char err[256] = "";

	ctl_cleanup_add(&g->cleanup, abandon_lease, g);
	if (!cc_lease_take(g->store.store, CC_LEASE_GC, NULL, &g->lease, err, sizeof(err)))
		return refuse_others(g);
	ctl_err("%s", err);
	return CTL_FAILED;
}

/* Without the right to write: by this host's clock, whoever else is at work. */
static int begin(struct gc *g)
{
	int r = ctl_store_open(&g->store_opts, &g->store);

	g->marks.store = g->store.store;
	if (r || !g->dry_run)
		return r ? r : take_lease(g);
	g->now = time(NULL);
	return 0;
}

static int mark(struct gc *g)
{
	int r = ctl_mark_images(&g->marks);

	if (!r)
		r = ctl_mark_digests(&g->marks, g->keep, g->nr_keep);
	g->volumes.store = g->store.store;
	g->volumes.now = g->now;
	g->volumes.grace = g->grace;
	g->volumes.forks = g->forks;
	if (!r)
		r = ctl_gc_mark_volumes(&g->volumes, &g->marks);
	return r ? r : ctl_mark_disks(&g->marks);
}

static int collect(struct gc *g)
{
	int r = begin(g);

	if (!r)
		r = mark(g);
	if (!r)
		r = find_garbage(g);
	if (!r && !g->dry_run)
		r = sweep(g);
	else if (r == CTL_DAMAGE)
		ctl_note("what a damaged image or volume uses is not known: nothing was removed");
	return r ? r : report_garbage(g);
}

static void release(struct gc *g)
{
	ctl_cleanup_remove(&g->cleanup);
	cc_lease_drop(&g->lease);
	ctl_store_close(&g->store);
	ctl_marks_free(&g->marks);
	ctl_gc_volumes_free(&g->volumes);
	free(g->young.ids);
	while (g->nr_garbage)
		free(g->garbage[--g->nr_garbage].name);
	free(g->garbage);
}

static int parse_age(const char *option, const char *s, uint64_t *ret_seconds)
{
	static const struct { char unit; unsigned int seconds; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
	};
	char *end;
	uint64_t n = strtoull(s, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*s < '0' || *s > '9' || end[0] != units[i].unit || end[1] ||
		    n > GRACE_MAX / units[i].seconds)
			continue;
		*ret_seconds = n * units[i].seconds;
		return 0;
	}
	return ctl_usage("%s: expected a time such as 90s, 30m, 24h or 7d, got '%s'", option, s);
}

static int parse_keep(struct gc *g, const char *s)
{
	uint8_t digest[CC_ID_SIZE];

	if (cc_parse_digest(s, digest))
		return ctl_usage("--keep: expected sha256: and 64 lower-case hex digits, got '%s'", s);
	if (g->nr_keep == KEEP_MAX)
		return ctl_usage("--keep: expected at most %d", KEEP_MAX);
	g->keep[g->nr_keep++] = s;
	return 0;
}

static int parse_gc_option(struct gc *g, int c, char **argv)
{
	switch (c) {
	case 'g':
		return parse_age("--grace", optarg, &g->grace);
	case 'f':
		return parse_age("--forks", optarg, &g->forks);
	case 'k':
		return parse_keep(g, optarg);
	case 'd':
		g->dry_run = true;
		return 0;
	case 'l':
		g->list = true;
		return 0;
	case 'j':
		return ctl_parse_jobs(optarg, &g->marks.jobs);
	case CTL_OPT_JSON:
		g->json = true;
		return 0;
	}
	return ctl_store_option(&g->store_opts, c, optarg) ? 0 : ctl_bad_option(c, argv);
}

static int run_gc(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "grace", required_argument, NULL, 'g' },
		{ "forks", required_argument, NULL, 'f' },
		{ "keep", required_argument, NULL, 'k' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "list", no_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct gc g = {
		.grace = GRACE_DEFAULT, .forks = FORKS_DEFAULT,
		.marks = { .jobs = CTL_JOBS_DEFAULT, .lock = PTHREAD_MUTEX_INITIALIZER },
		.lock = PTHREAD_MUTEX_INITIALIZER, .lease = CC_LEASE_INIT,
	};
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_gc_option(&g, c, argv);
		if (r)
			return r;
	}
	r = ctl_operands(argc, 0, "no argument");
	if (r)
		return r;
	ctl_cleanup_start();
	r = collect(&g);
	release(&g);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_gc = {
	.name = "gc",
	.synopsis = "--store S [--grace TIME] [--dry-run] [OPTION]...",
	.summary = "Remove what no image or volume of a store uses",
	.help = help,
	.run = run_gc,
};
