// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl explain: why reads of a disk are slow, stuck or failing, and writes of a volume.  Looks at disk, pool,
 * helper and store in the order in which a read goes through them, says in sentences what is wrong with
 * each, and what to type next.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "command.h"
#include "config.h"
#include "dm.h"
#include "explain-volume.h"
#include "scan.h"
#include "ui.h"

#define FAILURE_FRESH_MS (600 * 1000)	/* a chunk that failed longer ago is history */
#define WAIT_LONG_MS 2000		/* a miss that waits longer is not just under way */

static const char help[] =
	"Says in a few sentences why I/O of a disk or volume is slow, stuck or failing,\n"
	"and what to type next.  Exit status 3 if something is broken, 5 if something is\n"
	"odd that lets I/O go on.\n"
	"\n"
	"  --json               print the findings as JSON\n";

static const char *pool_name(const struct ctl_explanation *x)
{
	return ctl_string(x->pool, "name");
}

static const json_t *helper(const struct ctl_explanation *x)
{
	return json_object_get(x->pool, "helper");
}

/* ---- disk ---- */

static void check_disk(struct ctl_explanation *x)
{
	uint64_t fast = ctl_number(x->disk, "hits") + ctl_number(x->disk, "holes");
	uint64_t all = fast + ctl_number(x->disk, "misses") + ctl_number(x->disk, "coalesced");
	uint64_t retried = ctl_number(x->disk, "retried");
	char reads[CTL_CELL], size[CTL_SIZE_TEXT];

	if (json_is_true(json_object_get(x->disk, "suspended"))) {
		ctl_explain_mark(x, PART_DISK, LEVEL_BAD, "suspended");
		ctl_explain_say(x, "%s is suspended: all its reads wait in device-mapper, be they cached or not.",
		    x->name);
		ctl_explain_next(x, "dmsetup resume %s", x->name);
	}
	if (retried) {
		ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " reads of the cache device failed", retried);
		ctl_explain_say(x, "%" PRIu64 " reads of the cache device failed and were served from the store "
		    "instead: the device may be about to die.", retried);
		ctl_explain_next(x, "dmesg | grep chunkcache");
	}
	ctl_explain_mark(x, PART_DISK, LEVEL_OK, "%s, %.1f%% cached; %s reads, %.1f%% of them did not wait",
		      ctl_size_text(ctl_number(x->disk, "bytes"), size),
		      100.0 * ctl_number(x->disk, "mapped") /
	     (ctl_number(x->disk, "chunks") ? ctl_number(x->disk, "chunks") : 1),
	     ctl_count_text(all, reads), all ? 100.0 * fast / all : 100.0);
}

/* ---- pool ---- */

/* Slots that leave before they were of use: more chunks are wanted than there is room for. */
static void check_size(struct ctl_explanation *x)
{
	uint64_t slots = ctl_number(x->pool, "slots"), fills = ctl_number(x->pool, "fills");
	uint64_t evictions = ctl_number(x->pool, "evictions");
	uint64_t fast = ctl_number(x->disk, "hits") + ctl_number(x->disk, "holes");
	uint64_t slow = ctl_number(x->disk, "misses") + ctl_number(x->disk, "coalesced");

	if (evictions < slots || evictions * 2 < fills || slow * 5 < fast)
		return;
	ctl_explain_mark(x, PART_POOL, LEVEL_ODD, "%s: %" PRIu64 " slots were filled %" PRIu64 " times",
		      pool_name(x), slots, fills);
	ctl_explain_say(x, "The pool is too small for what its disks read: %" PRIu64 " slots were filled %" PRIu64
	    " times, and %" PRIu64 " times a chunk had to go for another one.", slots, fills,
	    evictions);
	ctl_explain_next(x, "chunkctl top");
}

static void check_pool(struct ctl_explanation *x)
{
	const char *name = pool_name(x);

	if (!json_is_string(json_object_get(x->pool, "name"))) {
		ctl_explain_mark(x, PART_POOL, LEVEL_BAD, "gone: it was removed by force");
		ctl_explain_say(x, "The pool of %s was removed by force: what is cached is still read, all else "
		    "waits until the pool is back.", x->name);
		ctl_explain_next(x, "chunkctl pool-up POOL DEVICE");
		return;
	}
	/* One that shrinks goes on as ever. */
	if (!strcmp(ctl_string(x->pool, "mode"), "suspended") ||
	    json_is_true(json_object_get(x->pool, "suspended"))) {
		ctl_explain_mark(x, PART_POOL, LEVEL_BAD, "%s: suspended", name);
		ctl_explain_say(x, "The pool %s is suspended: what is cached is still read, but nothing can be "
		    "written into its slots, so all else waits.", name);
		ctl_explain_next(x, "dmsetup resume %s", name);
	}
	if (ctl_number(x->pool, "bad")) {
		ctl_explain_mark(x, PART_POOL, LEVEL_ODD, "%s: %" PRIu64 " slots are bad", name,
			      ctl_number(x->pool, "bad"));
		ctl_explain_say(x, "%" PRIu64 " slots of the pool are out of use because the cache device failed "
		    "there.", ctl_number(x->pool, "bad"));
		ctl_explain_next(x, "dmesg | grep chunkcache");
		ctl_explain_next(x, "chunkctl pool-retry-bad %s (once the fault is gone)", name);
	}
	check_size(x);
	ctl_explain_mark(x, PART_POOL, LEVEL_OK, "%s: %" PRIu64 " of %" PRIu64 " slots valid, %" PRIu64 " free",
		      name, ctl_number(x->pool, "valid"), ctl_number(x->pool, "slots"),
		      ctl_number(x->pool, "free"));
}

/* ---- helper ---- */

/* The state letter of /proc/PID/stat, or 0. */
static char process_state(uint64_t pid)
{
	char path[64], line[400], *end = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f))
		end = strrchr(line, ')');	/* the name before it may be anything */
	fclose(f);
	return end && end[1] == ' ' ? end[2] : 0;
}

static void helper_silent(struct ctl_explanation *x)
{
	uint64_t pid = ctl_number(x->pool, "helper_pid");
	bool stopped = process_state(pid) == 'T';

	ctl_explain_mark(x, PART_HELPER, LEVEL_BAD, stopped ? "pid %" PRIu64 ": stopped by a signal" :
		      "pid %" PRIu64 ": does not answer", pid);
	ctl_explain_say(x, "The helper of %s (pid %" PRIu64 ") %s: what is cached is still read, all else waits "
	    "for it.", pool_name(x), pid,
	    stopped ? "was stopped by a signal" : "runs, but does not answer");
	if (stopped)
		ctl_explain_next(x, "kill -CONT %" PRIu64, pid);
	ctl_explain_next(x, "systemctl restart chunkcached@%s", pool_name(x));
}

static void helper_dead(struct ctl_explanation *x)
{
	ctl_explain_mark(x, PART_HELPER, LEVEL_BAD, "not running");
	ctl_explain_say(x, "The helper of %s does not run: what is cached is still read, all else waits until a "
	    "helper is there again.", pool_name(x));
	ctl_explain_next(x, "systemctl restart chunkcached@%s", pool_name(x));
	ctl_explain_next(x, "journalctl -u chunkcached@%s -n 50", pool_name(x));
}

static void helper_not_attached(struct ctl_explanation *x)
{
	const char *why = ctl_string(helper(x), "reason");

	ctl_explain_mark(x, PART_HELPER, LEVEL_BAD, "runs, but is not attached");
	ctl_explain_say(x, "The helper of %s runs, but could not attach to the pool (%s): what is cached is "
	    "still read, all else waits.", pool_name(x), why);
	ctl_explain_next(x, "journalctl -u chunkcached@%s -n 50", pool_name(x));
}

static void helper_draining(struct ctl_explanation *x)
{
	ctl_explain_mark(x, PART_HELPER, LEVEL_BAD, "an earlier helper's writes are not over");
	ctl_explain_say(x, "The last helper of %s is gone, but writes that it began are not over, or somebody "
	    "holds its files: until then its slots can't be used again.", pool_name(x));
	ctl_explain_next(x, "fuser -v /dev/mapper/%s", pool_name(x));
	ctl_explain_next(x, "systemctl restart chunkcached@%s", pool_name(x));
}

static void check_helper(struct ctl_explanation *x)
{
	const char *state = ctl_string(x->pool, "helper_state");
	const json_t *h = helper(x);
	char span[CTL_CELL];

	if (!json_is_string(json_object_get(x->pool, "name"))) {
		ctl_explain_mark(x, PART_HELPER, LEVEL_UNKNOWN, "not known without the pool");
	} else if (json_is_true(json_object_get(x->pool, "helper_silent"))) {
		helper_silent(x);
	} else if (h && !strcmp(ctl_string(h, "state"), "none")) {
		helper_not_attached(x);
	} else if (!strcmp(state, "none")) {
		helper_dead(x);
	} else if (!strcmp(state, "draining")) {
		helper_draining(x);
	} else if (!h) {
		ctl_explain_mark(x, PART_HELPER, LEVEL_ODD, "attached, its control socket: %s",
			      ctl_string(x->pool, "helper_error"));
		ctl_explain_say(x, "The helper is attached, but its control socket can't be asked (%s), so "
		    "nothing is known of stores.", ctl_string(x->pool, "helper_error"));
	} else {
		ctl_explain_mark(x, PART_HELPER, LEVEL_OK, "pid %" PRIu64 ", up %s, %" PRIu64 " GETs in flight",
			      ctl_number(x->pool, "helper_pid"),
			      ctl_span_text(ctl_number(h, "uptime_s"), span), ctl_number(h, "in_flight"));
	}
}

/* ---- manifest ---- */

static void check_manifest(struct ctl_explanation *x)
{
	const char *manifest = ctl_string(x->disk, "manifest");
	const char *reason = ctl_string(x->disk, "reason");
	const char *store = ctl_string(x->disk, "store");

	if (!strcmp(manifest, "refused")) {
		ctl_explain_mark(x, PART_DISK, LEVEL_BAD, "its manifest was refused");
		ctl_explain_say(x, "The manifest of %s was refused (%s): reads of chunks that are not cached fail "
		    "with EIO.", x->name, reason);
		if (strstr(reason, "no store")) {
			ctl_explain_next(x, "add [store %s] to " CC_CONFIG_DIR "/%s.conf", store, pool_name(x));
			ctl_explain_next(x, "systemctl restart chunkcached@%s", pool_name(x));
		} else {
			ctl_explain_next(x, "chunkctl verify %s --store %s --config " CC_CONFIG_DIR "/%s.conf",
			     ctl_string(x->disk, "digest"), store, pool_name(x));
		}
	} else if (!strcmp(manifest, "new") && helper(x)) {
		ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "its manifest is not here yet");
		ctl_explain_say(x, "The helper has not got the manifest of %s yet: until then all reads of what is "
		    "not cached wait.", x->name);
	}
}

/* ---- store ---- */

static const json_t *find_store(const struct ctl_explanation *x)
{
	const json_t *store;
	size_t i;

	json_array_foreach(json_object_get(helper(x), "stores"), i, store)
		if (!strcmp(ctl_string(store, "name"), ctl_string(x->disk, "store")))
			return store;
	return NULL;
}

/* Did it fail more lately than it answered? */
static bool store_fails(const json_t *store)
{
	const json_t *answered = json_object_get(store, "answered_ms");

	return json_is_true(json_object_get(store, "down")) ||
	       (json_object_get(store, "failed_ms") &&
		(!answered || json_integer_value(answered) > (json_int_t)ctl_number(store, "failed_ms")));
}

static void store_bad(struct ctl_explanation *x, const json_t *store)
{
	const char *name = ctl_string(store, "name");
	char span[CTL_CELL];

	ctl_explain_mark(x, PART_STORE, LEVEL_BAD, "%s: does not answer (%s)", name, ctl_string(store, "url"));
	if (json_object_get(store, "answered_ms"))
		ctl_explain_say(x, "Store %s has not answered for %s", name,
		    ctl_span_text(ctl_number(store, "answered_ms") / 1000, span));
	else
		ctl_explain_say(x, "Store %s has not answered since the helper started", name);
	if (json_object_get(store, "error"))
		ctl_explain_say(x, "(%s):", ctl_string(store, "error"));
	else
		ctl_explain_say(x, "(%s):", ctl_string(store, "url"));
	if (!strcmp(ctl_string(x->disk, "mode"), "soft"))
		ctl_explain_say(x, "reads of what is not cached wait and fail at their deadline, ETIMEDOUT.");
	else
		ctl_explain_say(x, "reads of what is not cached wait until it does; none fails of it.");
	ctl_explain_next(x, "chunkctl images --store %s --config " CC_CONFIG_DIR "/%s.conf", name, pool_name(x));
	ctl_explain_next(x, "journalctl -u chunkcached@%s -n 50", pool_name(x));
}

static void check_store(struct ctl_explanation *x)
{
	const json_t *store = find_store(x);
	const char *name = ctl_string(x->disk, "store");

	if (!helper(x)) {
		ctl_explain_mark(x, PART_STORE, LEVEL_UNKNOWN, "%s: not known without the helper", name);
	} else if (!store) {
		ctl_explain_mark(x, PART_STORE, LEVEL_BAD, "%s: not in the helper's configuration", name);
	} else if (store_fails(store)) {
		store_bad(x, store);
	} else {
		ctl_explain_mark(x, PART_STORE, LEVEL_OK, "%s: %s", name, ctl_string(store, "url"));
	}
}

/* ---- chunks that could not be had ---- */

static void check_failure(struct ctl_explanation *x)
{
	const json_t *f = json_object_get(x->disk, "failure");
	bool corrupt = !strcmp(ctl_string(f, "result"), "corrupt");
	enum ctl_level level = ctl_number(f, "age_ms") < FAILURE_FRESH_MS ? LEVEL_BAD : LEVEL_ODD;
	char span[CTL_CELL];

	if (!f)
		return;
	ctl_explain_mark(x, PART_STORE, level, "%s: %s", ctl_string(x->disk, "store"),
		      corrupt ? "has a chunk with wrong bytes" : "lacks a chunk");
	ctl_explain_say(x, "Chunk %" PRIu64 " of %s (%.16s) %s store %s: its readers got %s, %" PRIu64
	    " answers of this kind, the last one %s ago.", ctl_number(f, "chunk"), x->name,
	    ctl_string(f, "id"), corrupt ? "has other bytes than its name says in" : "is not in",
	    ctl_string(x->disk, "store"), corrupt ? "EILSEQ" : "ENODATA", ctl_number(f, "count"),
	    ctl_span_text(ctl_number(f, "age_ms") / 1000, span));
	ctl_explain_next(x, "chunkctl verify %s --store %s --config " CC_CONFIG_DIR "/%s.conf",
	     ctl_string(x->disk, "digest"), ctl_string(x->disk, "store"), pool_name(x));
	if (corrupt)
		ctl_explain_next(x, "remove the objects that it names from store %s   (an import leaves what is there)",
		     ctl_string(x->disk, "store"));
	ctl_explain_next(x, "chunkctl import IMAGE --name NAME --store %s   (uploads what is missing)",
	     ctl_string(x->disk, "store"));
}

/* What the kernel has counted and the helper does not tell of (any more). */
static void check_errors(struct ctl_explanation *x)
{
	uint64_t timeouts = ctl_number(x->disk, "errors_timeout");
	uint64_t others = ctl_number(x->disk, "errors_other");
	uint64_t data = ctl_number(x->disk, "errors_notfound") +
			ctl_number(x->disk, "errors_corrupt");

	if (timeouts) {
		ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " reads failed at their deadline", timeouts);
		ctl_explain_say(x, "%" PRIu64 " reads failed at their deadline, ETIMEDOUT, since the counters "
		    "were cleared.", timeouts);
	}
	if (others) {
		ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " reads failed with EIO", others);
		ctl_explain_say(x, "%" PRIu64 " reads failed with EIO since the counters were cleared.", others);
	}
	if (data && !json_object_get(x->disk, "failure")) {
		ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " reads failed for lack of data", data);
		ctl_explain_say(x, "%" PRIu64 " reads failed with ENODATA or EILSEQ since the counters were "
		    "cleared, before this helper started.", data);
	}
	if (timeouts || others || data)
		ctl_explain_next(x, "dmsetup message %s 0 clear_stats   (to see whether there are new ones)",
		     x->name);
}

/* ---- waiting ---- */

/* Reads wait though every part is well: what for? */
static void explain_waits(struct ctl_explanation *x)
{
	const json_t *w = json_object_get(x->disk, "waiting_chunks");
	uint64_t fetching = ctl_number(w, "fetching"), slot = ctl_number(w, "fetched");
	uint64_t writing = ctl_number(w, "writing"), turn = ctl_number(w, "wanted");
	bool is_long = ctl_number(x->disk, "oldest_wait_ms") >= WAIT_LONG_MS;

	if (fetching + slot + writing + turn)
		ctl_explain_say(x, "Of the chunks that they wait for, %" PRIu64 " are being fetched, %" PRIu64
		    " wait for their turn, %" PRIu64 " for a free slot, %" PRIu64 " are being "
		    "written.", fetching, turn, slot, writing);
	if (!is_long) {
		ctl_explain_say(x, "That is what misses look like while they are under way.");
		return;
	}
	ctl_explain_mark(x, PART_STORE, LEVEL_ODD, "%s: slow", ctl_string(x->disk, "store"));
	if (slot > fetching && !ctl_number(x->pool, "free"))
		ctl_explain_say(x, "There is no free slot: slow reads of the cache device hold those that were "
		    "evicted, or the pool is far too small.");
	else
		ctl_explain_say(x, "The store or the way to it is slow.");
	ctl_explain_next(x, "chunkctl top");
}

static void check_waits(struct ctl_explanation *x)
{
	uint64_t waiting = ctl_number(x->disk, "waiting");
	char span[CTL_CELL];

	if (!waiting)
		return;
	x->level = ctl_explanation_worst(x);	/* which is what they wait for */
	ctl_explain_say(x, "%" PRIu64 " read%s now, the oldest for %s.", waiting,
	    waiting == 1 ? " waits" : "s wait",
	    ctl_time_text(ctl_number(x->disk, "oldest_wait_ms") * 1000.0, span));
	if (ctl_explanation_worst(x) == LEVEL_OK)
		explain_waits(x);
}

static void say_well(struct ctl_explanation *x)
{
	uint64_t n[CTL_NR_WAIT];
	char half[CTL_CELL], most[CTL_CELL];

	ctl_wait_histogram(x->disk, n);
	ctl_explain_say(x, "Nothing is wrong with %s.", x->name);
	if (ctl_wait_quantile(n, 0.5))
		ctl_explain_say(x, "Of the reads that had to wait for the store, half waited less than about %s, "
		    "99%% less than about %s.", ctl_time_text(ctl_wait_quantile(n, 0.5), half),
		    ctl_time_text(ctl_wait_quantile(n, 0.99), most));
}

/* ---- the command ---- */

/* No disk of ours has that name: say what is there. */
static int no_such_disk(const char *name)
{
	struct ctl_dm_device d;

	if (ctl_dm_get(name, CTL_DM_TABLE, &d)) {
		ctl_err("%s: no such disk; `chunkctl stat' lists those that are up", name);
		return CTL_FAILED;
	}
	if (!strcmp(d.type, "error"))
		ctl_err("%s: has an error table, as `chunkctl down --force' leaves one: all reads "
			"fail; next: chunkctl down --force %s", name, name);
	else if (!strcmp(d.type, CTL_TARGET_POOL))
		ctl_err("%s: is a pool; expected one of its disks", name);
	else
		ctl_err("%s: is no disk of ours (its target is %s)", name,
			d.type[0] ? d.type : "none");
	ctl_dm_free(&d);
	return CTL_FAILED;
}

static int explain(struct ctl_explanation *x, bool json)
{
	struct ctl_ui ui;

	if (x->is_volume)
		ctl_explain_volume(x);
	else
		check_disk(x);
	check_pool(x);
	check_helper(x);
	check_manifest(x);
	check_store(x);
	check_failure(x);
	check_errors(x);
	check_waits(x);
	if (ctl_explanation_is_empty(x))
		say_well(x);
	if (json) {
		if (ctl_explanation_json(x))
			return CTL_FAILED;
	} else {
		ctl_ui_init(&ui);
		ctl_explanation_print(x, &ui);
	}
	return ctl_explanation_status(x);
}

static int explain_disk(const char *name, bool json)
{
	struct ctl_explanation x = { .name = name };
	bool unreadable = false;
	json_t *pools;
	int r = ctl_scan(&pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	x.disk = ctl_scan_disk(pools, name, &x.pool);
	if (!x.disk) {
		x.disk = ctl_scan_volume(pools, name, &x.pool);
		x.is_volume = x.disk;
	}
	if (x.disk) {
		ctl_scan_narrow(pools, name);
		ctl_scan_helpers(pools, CTL_ASK_SECONDS);
		ctl_scan_sysfs(pools);
		r = explain(&x, json);
	} else {
		r = no_such_disk(name);
	}
	json_decref(pools);
	return r;
}

static int run_explain(const struct ctl_command *cmd, int argc, char **argv)
{
	bool json;
	int r;

	if (!ctl_json_option(cmd, argc, argv, &json, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, "one DISK or VOLUME");
	if (r)
		return r;
	return ctl_finish(explain_disk(argv[optind], json));
}

const struct ctl_command ctl_cmd_explain = {
	.name = "explain",
	.synopsis = "DISK|VOLUME [--json]",
	.summary = "Say why a disk or volume is slow, stuck or failing",
	.help = help,
	.run = run_explain,
};
