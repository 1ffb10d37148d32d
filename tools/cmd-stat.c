// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl stat: pools and disks as the kernel sees them, and what each helper says of itself.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "command.h"
#include "dm.h"
#include "scan.h"
#include "stat-every.h"
#include "ui.h"

static const char help[] =
	"Without a name: all pools, their disks and volumes.  HITS counts reads that did\n"
	"not wait, holes too; DIRTY is what a volume has in no store yet, OLDEST how long\n"
	"some of that waits.  `chunkctl explain NAME' says why I/O waits or fails.\n"
	"\n"
	"  --json               print everything as JSON, with the helper's own counters\n"
	"  --every SECONDS      a line each 0.2 to 3600 seconds of what happened in them:\n"
	"                       reads, and writes where there are volumes; with --json\n"
	"                       an object a line\n"
	"  --lines N            end after N of these lines\n";

static struct ctl_ui ui;

static void print_head(const json_t *p)
{
	uint64_t size = ctl_number(p, "slot_bytes"), nr = ctl_number(p, "slots");
	char slot[CTL_SIZE_TEXT], all[CTL_SIZE_TEXT];

	printf("%spool %s%s  %s in %" PRIu64 " slots of %s", ctl_color(&ui, CTL_BOLD),
	       ctl_string(p, "name"), ctl_color(&ui, CTL_PLAIN), ctl_size_text(size * nr, all), nr,
	       ctl_size_text(size, slot));
	if (strcmp(ctl_string(p, "mode"), "normal"))
		printf(", %s%s%s", ctl_color(&ui, CTL_RED), ctl_string(p, "mode"),
		       ctl_color(&ui, CTL_PLAIN));
	putchar('\n');
}

static void print_slots(const json_t *p)
{
	uint64_t nr = ctl_number(p, "slots"), valid = ctl_number(p, "valid");
	double share = nr ? (double)valid / nr : 0;
	char bar[CTL_BAR_TEXT];

	printf("  slots   %s%s%s %.0f%% valid; %" PRIu64 " free, %" PRIu64 " filling, %" PRIu64
	       " dying, %" PRIu64 " bad\n", ctl_color(&ui, CTL_GREEN),
	       ctl_bar(&ui, share, 20, bar), ctl_color(&ui, CTL_PLAIN), share * 100,
	       ctl_number(p, "free"), ctl_number(p, "filling"), ctl_number(p, "dying"),
	       ctl_number(p, "bad"));
	printf("  filled  %" PRIu64 " times since it is up, %" PRIu64 " evictions\n",
	       ctl_number(p, "fills"), ctl_number(p, "evictions"));
}

/* Of a pool that takes volumes. */
static void print_journal(const json_t *p)
{
	const char *state = ctl_string(p, "journal");
	bool well = !strcmp(state, "running");
	uint64_t size = ctl_number(p, "slot_bytes");
	char log[CTL_SIZE_TEXT], max[CTL_SIZE_TEXT];

	if (!strcmp(state, "none"))
		return;
	printf("  journal %s%s%s, %" PRIu64 " of %" PRIu64 " pages in use; log slots %s of at most %s\n",
	       well ? "" : ctl_color(&ui, CTL_RED), state, ctl_color(&ui, CTL_PLAIN), ctl_number(p, "journal_used"),
	       ctl_number(p, "journal_size"), ctl_size_text(ctl_number(p, "log_slots") * size, log),
	       ctl_size_text(ctl_number(p, "dirty_max") * size, max));
}

static void print_stores(const json_t *h)
{
	const json_t *store;
	size_t i;

	json_array_foreach(json_object_get(h, "stores"), i, store) {
		if (!json_is_true(json_object_get(store, "down")))
			continue;
		printf("  %sstore%s   ", ctl_color(&ui, CTL_RED), ctl_color(&ui, CTL_PLAIN));
		printf("%s does not answer (%s)\n", ctl_string(store, "name"),
		       ctl_string(store, "url"));
		if (json_object_get(store, "error")) {
			printf("          ");
			ctl_wrap(ctl_string(store, "error"), 10, ui.columns);
		}
	}
}

static void print_helper(const json_t *p)
{
	const json_t *h = json_object_get(p, "helper"), *c = json_object_get(h, "counters");
	bool attached = !strcmp(ctl_string(p, "helper_state"), "attached");
	bool none = !strcmp(ctl_string(p, "helper_state"), "none");
	char bytes[CTL_SIZE_TEXT], span[CTL_CELL], gets[CTL_CELL];

	printf("  helper  %s%s%s", attached ? "" : ctl_color(&ui, CTL_RED),
	       none ? "none runs: what is not cached waits" : ctl_string(p, "helper_state"),
	       ctl_color(&ui, CTL_PLAIN));
	if (h)
		printf(", pid %" PRIu64 ", up %s: %s GETs, %s, %" PRIu64 " retries, %" PRIu64
		       " failed\n", ctl_number(p, "helper_pid"),
		       ctl_span_text(ctl_number(h, "uptime_s"), span),
		       ctl_count_text(ctl_number(c, "gets"), gets),
		       ctl_size_text(ctl_number(c, "bytes"), bytes), ctl_number(c, "retries"),
		       ctl_number(c, "failed"));
	else
		printf("; its control socket: %s\n", ctl_string(p, "helper_error"));
	if (json_object_get(h, "reason")) {
		printf("          not attached: ");
		ctl_wrap(ctl_string(h, "reason"), 24, ui.columns);
	}
	print_stores(h);
}

static void print_pool(const json_t *p)
{
	if (!json_string_value(json_object_get(p, "name"))) {
		printf("%sno pool%s (removed by force)\n", ctl_color(&ui, CTL_RED),
		       ctl_color(&ui, CTL_PLAIN));
		return;
	}
	print_head(p);
	print_slots(p);
	print_journal(p);
	print_helper(p);
}

/* Lines below a disk: what is not as it should be. */
static void print_notes(const json_t *d)
{
	const char *manifest = ctl_string(d, "manifest");
	char span[CTL_CELL];

	if (json_is_true(json_object_get(d, "suspended")))
		printf("    %ssuspended%s\n", ctl_color(&ui, CTL_RED), ctl_color(&ui, CTL_PLAIN));
	if (strcmp(manifest, "loaded")) {
		printf("    %smanifest %s%s", ctl_color(&ui, CTL_RED), manifest,
		       ctl_color(&ui, CTL_PLAIN));
		if (json_object_get(d, "reason")) {
			printf(": ");
			ctl_wrap(ctl_string(d, "reason"), 15 + strlen(manifest), ui.columns);
		} else {
			putchar('\n');
		}
	}
	if (ctl_number(d, "waiting"))
		printf("    %swaits%s: %" PRIu64 " read%s, the oldest for %s\n",
		       ctl_color(&ui, CTL_YELLOW), ctl_color(&ui, CTL_PLAIN),
		       ctl_number(d, "waiting"), ctl_number(d, "waiting") == 1 ? "" : "s",
		       ctl_time_text(ctl_number(d, "oldest_wait_ms") * 1000.0, span));
}

/* What was fetched ahead, and what it was good for. */
static void print_ahead(const json_t *d)
{
	const json_t *p = json_object_get(d, "prefetch"), *r = json_object_get(d, "replay");
	const char *state = ctl_string(r, "state");
	char saved[CTL_CELL];

	if (!ctl_number(p, "fetched"))
		return;
	printf("    ahead: %" PRIu64 " fetched, %" PRIu64 " used, %" PRIu64 " late, %" PRIu64
	       " evicted unread; %s of waiting saved\n", ctl_number(p, "fetched"), ctl_number(p, "used"),
	       ctl_number(p, "late"), ctl_number(p, "unread"),
	       ctl_time_text(ctl_number(p, "saved_ms") * 1000.0, saved));
	if (ctl_number(r, "runs"))
		printf("    boot trace of %" PRIu64 " runs: %" PRIu64 " of %" PRIu64 " chunks read, %" PRIu64
		       " others%s\n", ctl_number(r, "runs"), ctl_number(r, "matched"),
		       ctl_number(r, "chunks"), ctl_number(r, "strayed"),
		       strcmp(state, "left") ? "" : "; it was left");
}

static void print_disk(const json_t *d)
{
	uint64_t fast = ctl_number(d, "hits") + ctl_number(d, "holes");
	uint64_t misses = ctl_number(d, "misses") + ctl_number(d, "coalesced");
	uint64_t chunks = ctl_number(d, "chunks");
	char name[64], reads[CTL_CELL], missed[CTL_CELL], errors[CTL_CELL], waiting[CTL_CELL];
	char bar[CTL_BAR_TEXT], rate[16] = "-";
	double share = fast + misses ? (double)fast / (fast + misses) : 0;

	if (fast + misses)
		snprintf(rate, sizeof(rate), share == 1 ? "100%%" : "%.1f%%", share * 100);
	printf("  %-20s %6s  %s%s%s %6s  %6s %6s %7s %6.0f%%\n",
	       ctl_cut(&ui, ctl_string(d, "name"), 20, name, sizeof(name)),
	       ctl_count_text(fast + misses, reads), ctl_color(&ui, ctl_hit_color(fast + misses ? share : -1)),
	       ctl_bar(&ui, share, 10, bar), ctl_color(&ui, CTL_PLAIN), rate,
	       ctl_count_text(misses, missed), ctl_count_text(ctl_number(d, "errors"), errors),
	       ctl_count_text(ctl_number(d, "waiting"), waiting),
	       chunks ? 100.0 * ctl_number(d, "mapped") / chunks : 0);
	print_notes(d);
	print_ahead(d);
}

/* ---- volumes ---- */

/* Lines below a volume: what is not as it should be. */
static void print_volume_notes(const json_t *v)
{
	const char *state = ctl_string(v, "volume_state");
	char span[CTL_CELL];

	if (json_is_true(json_object_get(v, "suspended")))
		printf("    %ssuspended%s\n", ctl_color(&ui, CTL_RED), ctl_color(&ui, CTL_PLAIN));
	if (json_object_get(v, "why")) {
		printf("    %s%s%s: ", ctl_color(&ui, CTL_RED), ctl_string(v, "state"), ctl_color(&ui, CTL_PLAIN));
		ctl_wrap(ctl_string(v, "why"), 6 + strlen(ctl_string(v, "state")), ui.columns);
	} else if (json_object_get(v, "volume_state") && strcmp(state, "running")) {
		printf("    %s%s%s\n", ctl_color(&ui, CTL_RED), strcmp(state, "new") ? state : "not open yet: its I/O waits",
		       ctl_color(&ui, CTL_PLAIN));
	}
	if (ctl_number(v, "held_writes"))
		printf("    %swrites wait%s for room: %" PRIu64 " of them; see `chunkctl explain %s'\n",
		       ctl_color(&ui, CTL_YELLOW), ctl_color(&ui, CTL_PLAIN), ctl_number(v, "held_writes"),
		       ctl_string(v, "name"));
	if (ctl_number(v, "waiting"))
		printf("    %swaits%s: %" PRIu64 " reads, the oldest for %s\n", ctl_color(&ui, CTL_YELLOW),
		       ctl_color(&ui, CTL_PLAIN), ctl_number(v, "waiting"),
		       ctl_time_text((double)ctl_number(v, "oldest_wait_ms") * 1000, span));
}

static void print_volume(const json_t *v)
{
	const char *label = json_string_value(json_object_get(v, "name"));
	char name[64], reads[CTL_CELL], writes[CTL_CELL], flushes[CTL_CELL], dirty[CTL_SIZE_TEXT], age[CTL_CELL];
	char throttled[CTL_CELL], commit[CTL_CELL];
	bool known = json_object_get(v, "dirty_bytes");

	printf("  %-18s %6s %6s %7s %9s %9s %7s %7s\n",
	       ctl_cut(&ui, label ? label : ctl_string(v, "uuid"), 18, name, sizeof(name)),
	       ctl_count_text(ctl_number(v, "hits") + ctl_number(v, "misses"), reads),
	       ctl_count_text(ctl_number(v, "writes"), writes), ctl_count_text(ctl_number(v, "flushes"), flushes),
	       ctl_time_text((double)ctl_number(v, "throttled_us"), throttled),
	       known ? ctl_size_text(ctl_number(v, "dirty_bytes"), dirty) : "?",
	       json_object_get(v, "oldest_ms") ? ctl_time_text((double)ctl_number(v, "oldest_ms") * 1000, age) : "-",
	       json_object_get(v, "commit_age_ms") ?
	       ctl_time_text((double)ctl_number(v, "commit_age_ms") * 1000, commit) : "-");
	print_volume_notes(v);
}

static void print_volumes(const json_t *pool)
{
	json_t *volumes = json_object_get(pool, "volumes"), *volume;
	size_t i;

	if (json_array_size(volumes))
		printf("\n  %s%-18s %6s %6s %7s %9s %9s %7s %7s%s\n", ctl_color(&ui, CTL_DIM), "VOLUME", "READS",
		       "WRITES", "FLUSHES", "THROTTLED", "DIRTY", "OLDEST", "COMMIT", ctl_color(&ui, CTL_PLAIN));
	json_array_foreach(volumes, i, volume)
		print_volume(volume);
}

static void print_people(const json_t *pools)
{
	json_t *pool, *disk, *disks;
	size_t i, j;

	if (!json_array_size(pools))
		printf("no pools, no disks\n");
	json_array_foreach(pools, i, pool) {
		if (i)
			putchar('\n');
		print_pool(pool);
		disks = json_object_get(pool, "disks");
		if (json_array_size(disks))
			printf("\n  %s%-20s %6s  %-17s  %6s %6s %7s %7s%s\n",
			       ctl_color(&ui, CTL_DIM), "DISK", "READS", "HITS", "MISSES", "ERRORS",
			       "WAITING", "CACHED", ctl_color(&ui, CTL_PLAIN));
		json_array_foreach(disks, j, disk)
			print_disk(disk);
		print_volumes(pool);
	}
}

static int stat_all(const char *name, bool json)
{
	bool unreadable = false;
	json_t *pools;
	int code, r = ctl_scan(&pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	code = unreadable ? CTL_DAMAGE : CTL_OK;
	if (name && !ctl_scan_narrow(pools, name)) {
		ctl_err("%s: no such pool, disk or volume", name);
		json_decref(pools);
		return CTL_FAILED;
	}
	ctl_scan_helpers(pools, CTL_ASK_SECONDS);
	ctl_scan_sysfs(pools);
	if (!json)
		print_people(pools);
	else if (ctl_print_json(json_pack("{s:i, s:O}", "v", 1, "pools", pools)))
		code = CTL_FAILED;
	json_decref(pools);
	return code;
}

static int parse_stat_option(struct ctl_stat_every *e, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'j':
		e->json = true;
		return 0;
	case 'e':
		return ctl_parse_interval("--every", optarg, &e->interval_ms);
	case 'n':
		if (ctl_parse_number("--lines", optarg, 1, UINT32_MAX, &n))
			return CTL_USAGE;
		e->lines = n;
		return 0;
	}
	return ctl_bad_option(c, argv);
}

static int run_stat(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "json", no_argument, NULL, 'j' },
		{ "every", required_argument, NULL, 'e' },
		{ "lines", required_argument, NULL, 'n' },
		{ 0 }
	};
	struct ctl_stat_every every = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_stat_option(&every, c, argv);
		if (r)
			return r;
	}
	if (argc - optind > 1)
		return ctl_usage("expected at most one DISK, VOLUME or POOL");
	if (every.lines && !every.interval_ms)
		return ctl_usage("--lines: expected with --every");
	ctl_ui_init(&ui);
	every.name = argv[optind];
	if (every.interval_ms)
		return ctl_stat_every(&every, &ui);
	return ctl_finish(stat_all(every.name, every.json));
}

const struct ctl_command ctl_cmd_stat = {
	.name = "stat",
	.synopsis = "[DISK|VOLUME|POOL] [--json] [--every SECONDS [--lines N]]",
	.summary = "Show pools, disks and volumes",
	.help = help,
	.run = run_stat,
};
