// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl stat: pools and disks as the kernel sees them, by dm status, and what the helper says
 * of itself, by its control socket.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "chunkctl.h"
#include "config.h"
#include "dm.h"
#include "table.h"

#define SECTOR 512
#define ANSWER_MAX (16 << 20)
#define ANSWER_SECONDS 5

static const char help[] =
	"Without a name: all pools and their disks.\n"
	"\n"
	"  --json               print everything as JSON, with the helper's own counters\n";

/* ---- the helper ---- */

static int connect_helper(const char *pool)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	int fd, r;

	if (snprintf(a.sun_path, sizeof(a.sun_path), CC_RUN_DIR "/%s.sock", pool) >=
	    (int)sizeof(a.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* One line, without its newline, malloc()ed. */
static int read_line(int fd, char **ret_line)
{
	size_t size = 0, room = 0;
	char *line = NULL, *grown;
	ssize_t n;

	do {
		if (size == room) {
			room = room ? room * 2 : 4096;
			grown = room > ANSWER_MAX ? NULL : realloc(line, room + 1);
			if (!grown) {
				free(line);
				return -ENOMEM;
			}
			line = grown;
		}
		n = recv(fd, line + size, room - size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(line);
			return n ? -errno : -ECONNRESET;
		}
		size += n;
	} while (line[size - 1] != '\n');
	line[size - 1] = 0;
	*ret_line = line;
	return 0;
}

/* The helper's answer to a command, or NULL and a reason. */
static json_t *ask_helper(const char *pool, const char *command, const char **ret_why)
{
	json_t *answer = NULL;
	char *line = NULL, request[64];
	int r = 0, n, fd = connect_helper(pool);

	if (fd < 0) {
		*ret_why = fd == -ENOENT || fd == -ECONNREFUSED ? "not running" : strerror(-fd);
		return NULL;
	}
	n = snprintf(request, sizeof(request), "{\"v\":1,\"cmd\":\"%s\"}\n", command);
	if (send(fd, request, n, MSG_NOSIGNAL) != n)
		r = -EIO;
	if (!r)
		r = read_line(fd, &line);
	close(fd);
	if (r) {
		*ret_why = r == -EAGAIN ? "does not answer" : strerror(-r);
		return NULL;
	}
	answer = json_loads(line, 0, NULL);
	free(line);
	if (!answer)
		*ret_why = "its answer is no JSON";
	return answer;
}

/* ---- from the kernel to JSON ---- */

static json_t *pool_json(const struct ctl_dm_device *d)
{
	struct ctl_pool_status s;

	if (ctl_pool_status_parse(d->params, &s))
		return NULL;
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:s, "
			 "s:b, s:[]}",
			 "name", d->name, "dev", json_sprintf("%u:%u", d->major, d->minor),
			 "slot_bytes", (json_int_t)s.slot_sectors * SECTOR,
			 "slots", (json_int_t)s.total, "free", (json_int_t)s.free,
			 "filling", (json_int_t)s.filling, "valid", (json_int_t)s.valid,
			 "dying", (json_int_t)s.dying, "bad", (json_int_t)s.bad,
			 "fills", (json_int_t)s.fills, "evictions", (json_int_t)s.evictions,
			 "helper_state", s.helper, "session", (json_int_t)s.session,
			 "mode", s.mode, "suspended", d->suspended, "disks");
}

static json_t *disk_json(const struct ctl_dm_device *d, const struct ctl_disk_table *t)
{
	struct ctl_disk_status s;

	if (ctl_disk_status_parse(d->params, &s))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:s, s:s, s:i, s:b}",
			 "name", d->name, "pool_dev", t->pool, "store", t->store,
			 "digest", t->digest, "bytes", (json_int_t)d->sectors * SECTOR,
			 "disk_id", (json_int_t)s.id,
			 "chunk_bytes", (json_int_t)s.chunk_sectors * SECTOR,
			 "mapped", (json_int_t)s.mapped, "chunks", (json_int_t)s.chunks,
			 "hits", (json_int_t)s.hits, "misses", (json_int_t)s.misses,
			 "coalesced", (json_int_t)s.coalesced, "holes", (json_int_t)s.holes,
			 "errors", (json_int_t)s.errors, "waiting", (json_int_t)s.waiting,
			 "oldest_wait_ms", (json_int_t)s.oldest_ms, "manifest", s.manifest,
			 "mode", s.mode, "open", d->open_count, "suspended", d->suspended);
}

struct scan {
	json_t *pools, *disks;
	bool unreadable;
};

static json_t *describe_disk(const char *name, const struct ctl_dm_device *status)
{
	struct ctl_disk_table t;
	struct ctl_dm_device d;
	json_t *out = NULL;

	if (ctl_dm_get(name, CTL_DM_TABLE, &d))
		return NULL;
	if (!strcmp(d.type, CTL_TARGET_DISK) && !ctl_disk_table_parse(d.params, &t))
		out = disk_json(status, &t);
	ctl_dm_free(&d);
	return out;
}

static int scan_device(void *arg, const char *name)
{
	struct scan *scan = arg;
	struct ctl_dm_device d;
	json_t *out, *to;

	if (ctl_dm_get(name, CTL_DM_STATUS, &d))
		return 0;			/* gone meanwhile */
	if (!strcmp(d.type, CTL_TARGET_POOL)) {
		to = scan->pools;
		out = pool_json(&d);
	} else if (!strcmp(d.type, CTL_TARGET_DISK)) {
		to = scan->disks;
		out = describe_disk(name, &d);
	} else {
		ctl_dm_free(&d);
		return 0;
	}
	if (out) {
		json_array_append_new(to, out);
	} else {
		ctl_err("%s: status of unknown form: %s", name, d.params);
		scan->unreadable = true;
	}
	ctl_dm_free(&d);
	return 0;
}

/* Disks go below their pool; those whose pool was removed by force make a pool without a name. */
static void sort_disks(struct scan *scan)
{
	json_t *disk, *pool, *to, *dev, *orphans = json_array();
	size_t i, j;

	json_array_foreach(scan->disks, i, disk) {
		to = orphans;
		dev = json_object_get(disk, "pool_dev");
		json_array_foreach(scan->pools, j, pool)
			if (json_equal(json_object_get(pool, "dev"), dev))
				to = json_object_get(pool, "disks");
		json_array_append(to, disk);
	}
	if (json_array_size(orphans))
		json_array_append_new(scan->pools,
				      json_pack("{s:n, s:O}", "name", "disks", orphans));
	json_decref(orphans);
}

/* Why a manifest was refused is something that the helper knows, and the kernel's log. */
static void add_reasons(const char *name, json_t *disks)
{
	json_t *answer, *theirs, *ours, *reason;
	const char *why;
	size_t i, j;

	answer = ask_helper(name, "disks", &why);
	json_array_foreach(json_object_get(answer, "disks"), i, theirs) {
		reason = json_object_get(theirs, "reason");
		json_array_foreach(disks, j, ours)
			if (reason && json_equal(json_object_get(ours, "disk_id"),
						 json_object_get(theirs, "id")))
				json_object_set(ours, "reason", reason);
	}
	json_decref(answer);
}

static void add_helpers(json_t *pools)
{
	const char *name, *why;
	json_t *pool, *answer;
	size_t i;

	json_array_foreach(pools, i, pool) {
		name = json_string_value(json_object_get(pool, "name"));
		if (!name)
			continue;
		answer = ask_helper(name, "stat", &why);
		if (answer) {
			json_object_set_new(pool, "helper", answer);
			add_reasons(name, json_object_get(pool, "disks"));
		} else {
			json_object_set_new(pool, "helper_error", json_string(why));
		}
	}
}

/* Leave only the pool, or the pool with only the disk, that has the name. */
static bool narrow(json_t *pools, const char *name)
{
	bool found = false;
	size_t i, j;

	for (i = json_array_size(pools); i-- > 0;) {
		json_t *pool = json_array_get(pools, i), *disks = json_object_get(pool, "disks");
		const char *own = json_string_value(json_object_get(pool, "name"));
		bool keep = own && !strcmp(own, name);

		for (j = keep ? 0 : json_array_size(disks); j-- > 0;) {
			json_t *disk = json_array_get(disks, j);

			if (!strcmp(json_string_value(json_object_get(disk, "name")), name))
				keep = true;
			else
				json_array_remove(disks, j);
		}
		if (keep)
			found = true;
		else
			json_array_remove(pools, i);
	}
	return found;
}

/* ---- from JSON to people ---- */

static uint64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

static void print_helper(const json_t *p)
{
	const json_t *h = json_object_get(p, "helper"), *c = json_object_get(h, "counters"), *store;
	char bytes[CTL_SIZE_TEXT];
	size_t i;

	printf("  helper   %s, session %" PRIu64, text(p, "helper_state"), number(p, "session"));
	if (h)
		printf(": %" PRIu64 " GETs, %s, %" PRIu64 " retries, %" PRIu64 " chunks failed",
		       number(c, "gets"), ctl_size_text(number(c, "bytes"), bytes),
		       number(c, "retries"), number(c, "failed"));
	else
		printf("; its control socket: %s", text(p, "helper_error"));
	printf("\n");
	if (json_object_get(h, "reason"))
		printf("           not attached: %s\n", text(h, "reason"));
	json_array_foreach(json_object_get(h, "stores"), i, store)
		if (json_is_true(json_object_get(store, "down")))
			printf("  store    %s does not answer (%s)\n", text(store, "name"),
			       text(store, "url"));
}

static void print_pool(const json_t *p)
{
	char slot[CTL_SIZE_TEXT], all[CTL_SIZE_TEXT];

	if (!json_string_value(json_object_get(p, "name"))) {
		printf("no pool (removed by force):\n");
		return;
	}
	printf("pool %s: %" PRIu64 " slots of %s (%s), %s\n", text(p, "name"), number(p, "slots"),
	       ctl_size_text(number(p, "slot_bytes"), slot),
	       ctl_size_text(number(p, "slot_bytes") * number(p, "slots"), all), text(p, "mode"));
	printf("  slots    %" PRIu64 " free, %" PRIu64 " filling, %" PRIu64 " valid, %" PRIu64
	       " dying, %" PRIu64 " bad\n", number(p, "free"), number(p, "filling"),
	       number(p, "valid"), number(p, "dying"), number(p, "bad"));
	printf("  since up %" PRIu64 " fills, %" PRIu64 " evictions\n", number(p, "fills"),
	       number(p, "evictions"));
	print_helper(p);
}

static void print_disk(const json_t *d)
{
	uint64_t hits = number(d, "hits"), misses = number(d, "misses");
	uint64_t reads = hits + misses + number(d, "coalesced");
	char rate[16] = "-", waiting[48] = "0";

	if (reads)
		snprintf(rate, sizeof(rate), "%.1f%%", 100.0 * hits / reads);
	if (number(d, "waiting"))
		snprintf(waiting, sizeof(waiting), "%" PRIu64 " (%.1fs)", number(d, "waiting"),
			 number(d, "oldest_wait_ms") / 1000.0);
	printf("  %-20s %12" PRIu64 " %10" PRIu64 " %7s %9" PRIu64 " %7" PRIu64 " %10s %9" PRIu64
	       "/%-9" PRIu64 " %-8s %s\n", text(d, "name"), hits, misses, rate,
	       number(d, "holes"), number(d, "errors"), waiting, number(d, "mapped"),
	       number(d, "chunks"), text(d, "manifest"), text(d, "mode"));
	if (json_object_get(d, "reason"))
		printf("    %s: %s\n", text(d, "manifest"), text(d, "reason"));
}

static void print_people(const json_t *pools)
{
	json_t *pool, *disk, *disks;
	size_t i, j;

	if (!json_array_size(pools))
		printf("no pools, no disks\n");
	json_array_foreach(pools, i, pool) {
		print_pool(pool);
		disks = json_object_get(pool, "disks");
		if (json_array_size(disks))
			printf("  %-20s %12s %10s %7s %9s %7s %10s %19s %-8s %s\n", "DISK", "HITS",
			       "MISSES", "RATE", "HOLES", "ERRORS", "WAITING", "MAPPED/CHUNKS",
			       "MANIFEST", "MODE");
		json_array_foreach(disks, j, disk)
			print_disk(disk);
	}
}

static int show(struct scan *scan, const char *name, bool json)
{
	int code = scan->unreadable ? CTL_DAMAGE : CTL_OK;

	sort_disks(scan);
	if (name && !narrow(scan->pools, name)) {
		ctl_err("%s: no such pool or disk", name);
		return CTL_FAILED;
	}
	add_helpers(scan->pools);
	if (!json)
		print_people(scan->pools);
	else if (ctl_print_json(json_pack("{s:i, s:O}", "v", 1, "pools", scan->pools)))
		return CTL_FAILED;
	return code;
}

static int stat_all(const char *name, bool json)
{
	struct scan scan = { .pools = json_array(), .disks = json_array() };
	int r = ctl_dm_list(scan_device, &scan);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		r = CTL_FAILED;
	} else {
		r = show(&scan, name, json);
	}
	json_decref(scan.pools);
	json_decref(scan.disks);
	return r;
}

static int run_stat(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		{ 0 }
	};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c != CTL_OPT_JSON)
			return ctl_bad_option(c, argv);
		json = true;
	}
	if (argc - optind > 1)
		return ctl_usage("expected at most one DISK or POOL");
	return ctl_finish(stat_all(argv[optind], json));
}

const struct ctl_command ctl_cmd_stat = {
	.name = "stat",
	.synopsis = "[DISK|POOL] [--json]",
	.summary = "Show pools and disks",
	.help = help,
	.run = run_stat,
};
