// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl gc: mark what the images of a store use, sweep what none does and what is old enough.
 * How it keeps out of the way of imports is in lease.h.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "dm.h"
#include "id-set.h"
#include "image-arg.h"
#include "store/lease.h"
#include "progress.h"
#include "store-opts.h"
#include "table.h"
#include "clock.h"
#include "workers.h"

#define GRACE_DEFAULT (24 * 3600)
#define GRACE_MAX (3650 * 24 * 3600ULL)
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

struct gc {
	struct ctl_store_opts store_opts;
	struct ctl_store store;
	struct cc_lease lease;
	const char *keep[KEEP_MAX];
	unsigned int nr_keep, jobs;
	bool dry_run, list, json;
	uint64_t grace;			/* seconds */
	int64_t now;			/* the store's */

	struct cc_id_set manifests, chunks[2];	/* in use; chunks by encoding */
	uint64_t nr_images;

	struct garbage *garbage;
	size_t nr_garbage, room;
	bool failed;			/* out of memory while listing */
	struct tally manifest, trace, chunk;

	struct ctl_progress progress;
	pthread_mutex_t lock;		/* covers what follows, and tallies during the sweep */
	size_t next;
	uint64_t looked_ns;
	bool stop;			/* an import came, or something failed */
	char error[320];
};

static const char help[] =
	"Removes manifests, boot traces and chunks that no image of the store uses and\n"
	"that are older than the grace time.  A running import is never harmed: gc gives\n"
	"up when there is one, and imports wait for the moment that this takes.  Disks\n"
	"that were made of a digest whose name is gone need --keep, but for those that\n"
	"are up on this host.\n"
	"\n"
	"  --grace TIME         do not touch what is younger: 90s, 30m, 24h, 7d; default\n"
	"                       24h\n"
	"  --keep sha256:D      what this manifest uses stays, too; may be repeated\n"
	"  --dry-run            remove nothing, only say what would be\n"
	"  --list               print the names of the objects, one a line\n"
	"  --jobs N             removals at once, default 16\n"
	"  --json               print a summary as JSON\n"
	"\n"
	CTL_STORE_HELP;

/* ---- mark ---- */

static int out_of_memory(void)
{
	ctl_err("out of memory");
	return CTL_FAILED;
}

static int mark_manifest(struct gc *g, const struct cc_manifest *m)
{
	struct cc_id_set *chunks = &g->chunks[m->encoding == CC_ENCODING_ZSTD];
	uint64_t i;

	if (cc_id_set_add(&g->manifests, m->digest) < 0)
		return out_of_memory();
	for (i = 0; i < m->nr_chunks; i++)
		if (!cc_id_is_hole(cc_manifest_id(m, i)) &&
		    cc_id_set_add(chunks, cc_manifest_id(m, i)) < 0)
			return out_of_memory();
	return 0;
}

/* NAME or sha256:DIGEST; whatever can't be read ends it: what it uses is not known. */
static int mark_image(struct gc *g, const char *what)
{
	struct cc_manifest m;
	int r = ctl_image_resolve(g->store.store, what, &m);

	if (r)
		return r;
	r = mark_manifest(g, &m);
	cc_manifest_free(&m);
	return r;
}

static int mark_images(struct gc *g)
{
	struct cc_image_names names = { 0 };
	char err[256] = "";
	size_t i;
	int r = 0;

	if (cc_image_list(g->store.store, &names, err, sizeof(err))) {
		ctl_err("%s", err);
		r = CTL_FAILED;
	}
	for (i = 0; i < names.nr && !r; i++)
		r = mark_image(g, names.names[i]);
	g->nr_images = names.nr;
	cc_image_names_free(&names);
	for (i = 0; i < g->nr_keep && !r; i++)
		r = mark_image(g, g->keep[i]);
	return r;
}

/* A disk of this host, whatever store it is of: its manifest stays if it is in this one. */
static int mark_disk(void *arg, const char *name)
{
	struct gc *g = arg;
	struct ctl_disk_table t;
	struct ctl_dm_device d;
	struct cc_manifest m;
	uint8_t digest[CC_ID_SIZE];
	enum cc_store_result res;
	char err[256] = "";
	int r = 0;

	r = ctl_dm_get(name, CTL_DM_TABLE, &d);
	if (r == -ENXIO)
		return 0;			/* gone meanwhile */
	if (r) {
		ctl_err("%s: %s", name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (!strcmp(d.type, CTL_TARGET_DISK) && !ctl_disk_table_parse(d.params, &t) &&
	    !cc_parse_digest(t.digest, digest)) {
		res = cc_image_manifest(g->store.store, digest, &m, err, sizeof(err));
		if (!res) {
			r = mark_manifest(g, &m);
			cc_manifest_free(&m);
		} else if (res != CC_STORE_NOTFOUND) {
			ctl_err("disk %s: %s", name, err);
			r = CTL_FAILED;
		}
	}
	ctl_dm_free(&d);
	return r;
}

static int mark_disks(struct gc *g)
{
	int r = ctl_dm_list(mark_disk, g);

	/* Without the module there is no disk to be spared. */
	if (r >= 0 || access("/sys/module/dm_chunkcache", F_OK))
		return r > 0 ? CTL_FAILED : 0;
	ctl_err("which disks of this host use the store is not known: %s; run it as root", ctl_dm_reason(r));
	return CTL_FAILED;
}

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

/* Names of another form are not ours to remove. */
static int see_manifest(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];

	if (cc_id_from_hex(name + strlen("manifests/"), id))
		return 0;
	return judge(g, &g->manifest, name, size, mtime, cc_id_set_has(&g->manifests, id));
}

/* A trace lives as long as the manifest that it is about. */
static int see_trace(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];

	if (cc_id_from_hex(name + strlen("traces/"), id))
		return 0;
	return judge(g, &g->trace, name, size, mtime, cc_id_set_has(&g->manifests, id));
}

static int see_chunk(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	char object[CC_OBJECT_NAME_MAX], hex[2 * CC_ID_SIZE + 1];
	size_t prefix = strlen("chunks/ab/"), len = strlen(name);
	struct gc *g = arg;
	uint8_t id[CC_ID_SIZE];
	bool zstd;

	if (len < prefix + 2 * CC_ID_SIZE)
		return 0;
	memcpy(hex, name + prefix, 2 * CC_ID_SIZE);
	hex[2 * CC_ID_SIZE] = 0;
	zstd = len != prefix + 2 * CC_ID_SIZE;
	if (cc_id_from_hex(hex, id))
		return 0;
	cc_chunk_name(id, zstd ? CC_ENCODING_ZSTD : CC_ENCODING_RAW, object);
	if (strcmp(object, name))
		return 0;
	return judge(g, &g->chunk, name, size, mtime, cc_id_set_has(&g->chunks[zstd], id));
}

static int find_garbage(struct gc *g)
{
	char err[256] = "";

	if (cc_store_list(g->store.store, "manifests/", see_manifest, g, err, sizeof(err)) ||
	    cc_store_list(g->store.store, "traces/", see_trace, g, err, sizeof(err)) ||
	    cc_store_list(g->store.store, "chunks/", see_chunk, g, err, sizeof(err))) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	return g->failed ? out_of_memory() : 0;
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

/* Manifests first, they come first in the list: nobody finds one whose chunks are going. */
static int sweep(struct gc *g)
{
	int r;

	g->looked_ns = cc_now_ns();
	ctl_progress_start(&g->progress, "removing",
			   g->manifest.garbage_bytes + g->trace.garbage_bytes + g->chunk.garbage_bytes);
	r = ctl_workers_run(g->jobs, sweeper, g);
	ctl_progress_end(&g->progress);
	if (r) {
		ctl_err("threads: %s", strerror(-r));
		return CTL_FAILED;
	}
	if (!g->stop)
		return 0;
	ctl_err("%s: stopped after %" PRIu64 " of %zu objects; run it again later", g->error,
		g->manifest.removed + g->trace.removed + g->chunk.removed, g->nr_garbage);
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

static int report(const struct gc *g)
{
	char size[CTL_SIZE_TEXT];
	const struct tally *m = &g->manifest, *t = &g->trace, *c = &g->chunk;

	if (g->json)
		return ctl_print_json(json_pack("{s:i, s:b, s:I, s:o, s:o, s:o}", "v", 1, "dry_run",
						g->dry_run, "images", (json_int_t)g->nr_images,
						"manifests", tally_json(m), "traces", tally_json(t),
						"chunks", tally_json(c)));
	for (size_t i = 0; i < g->nr_garbage && g->list; i++)
		puts(g->garbage[i].name);
	ctl_note("%" PRIu64 " images use %" PRIu64 " chunks; of no use: %" PRIu64 " manifests, %"
		 PRIu64 " boot traces, %" PRIu64 " chunks (%s)%s; %" PRIu64
		 " more are younger than the grace time",
		 g->nr_images, c->used, m->garbage, t->garbage, c->garbage,
		 ctl_size_text(m->garbage_bytes + t->garbage_bytes + c->garbage_bytes, size),
		 g->dry_run ? ", not removed" : g->nr_garbage ? ", removed" : "",
		 m->young + t->young + c->young);
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

static int take_lease(struct gc *g)
{
	char err[256] = "";

	if (!cc_lease_take(g->store.store, CC_LEASE_GC, NULL, &g->lease, err, sizeof(err)))
		return refuse_others(g);
	ctl_err("%s", err);
	return CTL_FAILED;
}

static int collect(struct gc *g)
{
	int r = ctl_store_open(&g->store_opts, &g->store);

	if (!r)
		r = take_lease(g);
	if (!r)
		r = mark_images(g);
	if (!r)
		r = mark_disks(g);
	if (!r)
		r = find_garbage(g);
	if (!r && !g->dry_run)
		r = sweep(g);
	else if (r == CTL_DAMAGE)
		ctl_note("what a damaged image uses is not known: nothing was removed");
	return r ? r : report(g);
}

static void release(struct gc *g)
{
	cc_lease_drop(&g->lease);
	ctl_store_close(&g->store);
	cc_id_set_free(&g->manifests);
	cc_id_set_free(&g->chunks[0]);
	cc_id_set_free(&g->chunks[1]);
	while (g->nr_garbage)
		free(g->garbage[--g->nr_garbage].name);
	free(g->garbage);
}

static int parse_grace(const char *s, uint64_t *ret_seconds)
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
	return ctl_usage("--grace: expected a time such as 90s, 30m, 24h or 7d, got '%s'", s);
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

static int parse_option(struct gc *g, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'g':
		return parse_grace(optarg, &g->grace);
	case 'k':
		return parse_keep(g, optarg);
	case 'd':
		g->dry_run = true;
		return 0;
	case 'l':
		g->list = true;
		return 0;
	case 'j':
		if (ctl_parse_number("--jobs", optarg, 1, CTL_JOBS_MAX, &n))
			return CTL_USAGE;
		g->jobs = n;
		return 0;
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
		{ "keep", required_argument, NULL, 'k' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "list", no_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct gc g = {
		.grace = GRACE_DEFAULT, .jobs = CTL_JOBS_DEFAULT,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_option(&g, c, argv);
		if (r)
			return r;
	}
	r = ctl_operands(argc, 0, "no argument");
	if (r)
		return r;
	r = collect(&g);
	release(&g);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_gc = {
	.name = "gc",
	.synopsis = "--store S [--grace TIME] [--dry-run] [OPTION]...",
	.summary = "Remove what no image of a store uses",
	.help = help,
	.run = run_gc,
};
