// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools and disks as JSON; see scan.h.
 */
#include "scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "dm.h"
#include "json-text.h"
#include "say.h"
#include "table.h"

#define SECTOR 512
#define SYSFS "/sys/kernel/dm-chunkcache"

/* ---- from the kernel to JSON ---- */

static json_t *pool_json(const struct ctl_dm_device *d)
{
	struct ctl_pool_status s;

	if (ctl_pool_status_parse(d->params, &s))
		return NULL;
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:s, "
			 "s:b, s:s, s:I, s:I, s:I, s:I, s:[], s:[]}",
			 "name", cc_json_text(d->name), "dev", json_sprintf("%u:%u", d->major, d->minor),
			 "slot_bytes", (json_int_t)s.slot_sectors * SECTOR,
			 "slots", (json_int_t)s.total, "free", (json_int_t)s.free,
			 "filling", (json_int_t)s.filling, "valid", (json_int_t)s.valid,
			 "dying", (json_int_t)s.dying, "bad", (json_int_t)s.bad,
			 "fills", (json_int_t)s.fills, "evictions", (json_int_t)s.evictions,
			 "helper_state", s.helper, "session", (json_int_t)s.session,
			 "mode", s.mode, "suspended", d->suspended, "journal", s.journal,
			 "journal_used", (json_int_t)s.journal_used, "journal_size", (json_int_t)s.journal_size,
			 "log_slots", (json_int_t)s.log, "dirty_max", (json_int_t)s.dirty_max, "disks", "volumes");
}

static json_t *disk_json(const struct ctl_dm_device *d, const struct ctl_disk_table *t)
{
	struct ctl_disk_status s;

	if (ctl_disk_status_parse(d->params, &s))
		return NULL;
	return json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:s, s:s, s:i, s:b}",
			 "name", cc_json_text(d->name), "pool_dev", t->pool, "store", t->store,
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

static json_t *volume_device_json(const struct ctl_dm_device *d, const struct ctl_volume_table *t)
{
	struct ctl_volume_status s;

	if (ctl_volume_status_parse(d->params, &s))
		return NULL;
	return json_pack("{s:o, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b}",
			 "name", cc_json_text(d->name), "pool_dev", t->pool, "store", t->store, "uuid", t->uuid,
			 "bytes", (json_int_t)d->sectors * SECTOR, "volume_state", s.state,
			 "term", (json_int_t)s.term, "hits", (json_int_t)s.disk.hits,
			 "misses", (json_int_t)(s.disk.misses + s.disk.coalesced),
			 "waiting", (json_int_t)s.disk.waiting, "oldest_wait_ms", (json_int_t)s.disk.oldest_ms,
			 "writes", (json_int_t)s.writes, "flushes", (json_int_t)s.flushes,
			 "discarded_bytes", (json_int_t)s.discarded_sectors * SECTOR,
			 "write_errors", (json_int_t)s.write_errors, "held_writes", (json_int_t)s.held,
			 "throttled_us", (json_int_t)s.throttled_us, "open", d->open_count,
			 "suspended", d->suspended);
}

struct scan {
	json_t *pools, *disks, *volumes;
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

static json_t *describe_volume_device(const char *name, const struct ctl_dm_device *status)
{
	struct ctl_volume_table t;
	struct ctl_dm_device d;
	json_t *out = NULL;

	if (ctl_dm_get(name, CTL_DM_TABLE, &d))
		return NULL;
	if (!strcmp(d.type, CTL_TARGET_VOLUME) && !ctl_volume_table_parse(d.params, &t))
		out = volume_device_json(status, &t);
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
	} else if (!strcmp(d.type, CTL_TARGET_VOLUME)) {
		to = scan->volumes;
		out = describe_volume_device(name, &d);
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

/* To those of their pool, under key; those whose pool was removed by force are left. */
static json_t *sort_below(json_t *pools, const json_t *devices, const char *key)
{
	json_t *device, *pool, *to, *dev, *orphans = json_array();
	size_t i, j;

	json_array_foreach(devices, i, device) {
		to = orphans;
		dev = json_object_get(device, "pool_dev");
		json_array_foreach(pools, j, pool)
			if (json_equal(json_object_get(pool, "dev"), dev))
				to = json_object_get(pool, key);
		json_array_append(to, device);
		json_object_del(device, "pool_dev");
	}
	return orphans;
}

/* Disks go below their pool; those whose pool was removed by force make a pool without a name. */
static void sort_devices(struct scan *scan)
{
	json_t *disks = sort_below(scan->pools, scan->disks, "disks");
	json_t *volumes = sort_below(scan->pools, scan->volumes, "volumes");

	if (json_array_size(disks) || json_array_size(volumes))
		json_array_append_new(scan->pools, json_pack("{s:n, s:O, s:O}", "name", "disks", disks,
							     "volumes", volumes));
	json_decref(disks);
	json_decref(volumes);
}

int ctl_scan(json_t **ret_pools, bool *ret_unreadable)
{
	struct scan scan = { .pools = json_array(), .disks = json_array(), .volumes = json_array() };
	int r = ctl_dm_list(scan_device, &scan);

	if (!r)
		sort_devices(&scan);
	json_decref(scan.disks);
	json_decref(scan.volumes);
	if (r) {
		json_decref(scan.pools);
		return r;
	}
	*ret_pools = scan.pools;
	*ret_unreadable = scan.unreadable;
	return 0;
}

/* ---- from the helpers ---- */

/* What the helper knows of a disk, and the kernel does not. */
static void add_known(json_t *ours, const json_t *theirs)
{
	static const char *const keys[] = { "reason", "failure", "waiting", "prefetch", "replay", "recorded" };
	json_t *value;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		value = json_object_get(theirs, keys[i]);
		/* "waiting" of the kernel counts reads, the helper's chunks by state */
		if (value)
			json_object_set(ours, i == 2 ? "waiting_chunks" : keys[i], value);
	}
}

static void add_disks(const char *name, json_t *disks, unsigned int seconds)
{
	json_t *answer, *theirs, *ours;
	struct ctl_asked asked;
	size_t i, j;

	answer = ctl_ask(name, "disks", NULL, seconds, &asked);
	json_array_foreach(json_object_get(answer, "disks"), i, theirs)
		json_array_foreach(disks, j, ours)
			if (json_equal(json_object_get(ours, "disk_id"),
				       json_object_get(theirs, "id")))
				add_known(ours, theirs);
	json_decref(answer);
}

/* What the helper knows of those that have a device; those that have none are added. */
static void add_volumes(const char *name, json_t *volumes, unsigned int seconds)
{
	json_t *answer, *theirs, *ours, *found;
	struct ctl_asked asked;
	size_t i, j;

	answer = ctl_ask(name, "volumes", NULL, seconds, &asked);
	json_array_foreach(json_object_get(answer, "volumes"), i, theirs) {
		found = NULL;
		json_array_foreach(volumes, j, ours)
			if (json_equal(json_object_get(ours, "uuid"), json_object_get(theirs, "uuid")))
				found = ours;
		if (found)
			json_object_update(found, theirs);
		else
			json_array_append(volumes, theirs);
	}
	json_decref(answer);
}

void ctl_scan_helpers(json_t *pools, unsigned int seconds)
{
	struct ctl_asked asked;
	json_t *pool, *answer;
	const char *name;
	size_t i;

	json_array_foreach(pools, i, pool) {
		name = json_string_value(json_object_get(pool, "name"));
		if (!name)
			continue;
		answer = ctl_ask(name, "stat", NULL, seconds, &asked);
		if (asked.pid)
			json_object_set_new(pool, "helper_pid", json_integer(asked.pid));
		if (answer) {
			json_object_set_new(pool, "helper", answer);
			add_disks(name, json_object_get(pool, "disks"), seconds);
			add_volumes(name, json_object_get(pool, "volumes"), seconds);
		} else {
			json_object_set_new(pool, "helper_error", cc_json_text(asked.why));
			json_object_set_new(pool, "helper_silent",
					    json_boolean(asked.result == CTL_ASK_SILENT));
		}
	}
}

/* ---- from sysfs ---- */

/* Numbers of one file, apart by blanks: how many. */
static unsigned int read_numbers(const char *pool, const char *disk, const char *file,
				 uint64_t *values, unsigned int max)
{
	char path[400];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS "/%s/%s/%s", pool, disk, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < max && fscanf(f, "%" SCNu64, &values[n]) == 1)
		n++;
	fclose(f);
	return n;
}

static void add_sysfs(const char *pool, json_t *disk)
{
	static const char *const files[] = {
		"read_sectors", "errors_notfound", "errors_corrupt", "errors_timeout",
		"errors_other", "retried",
	};
	const char *name = ctl_string(disk, "name");
	json_t *histogram = json_array();
	uint64_t values[CTL_NR_WAIT];
	unsigned int i, n;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (read_numbers(pool, name, files[i], values, 1))
			json_object_set_new(disk, files[i], json_integer(values[0]));
	n = read_numbers(pool, name, "wait_histogram_us", values, CTL_NR_WAIT);
	for (i = 0; i < n; i++)
		json_array_append_new(histogram, json_integer(values[i]));
	json_object_set_new(disk, "wait_histogram_us", histogram);
}

static void add_volume_sysfs(const char *pool, json_t *volume)
{
	static const char *const files[] = { "read_sectors", "written_sectors" };
	uint64_t value;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (read_numbers(pool, ctl_string(volume, "name"), files[i], &value, 1))
			json_object_set_new(volume, files[i], json_integer(value));
}

void ctl_scan_sysfs(json_t *pools)
{
	json_t *pool, *device;
	size_t i, j;

	json_array_foreach(pools, i, pool) {
		if (!json_is_string(json_object_get(pool, "name")))
			continue;
		json_array_foreach(json_object_get(pool, "disks"), j, device)
			add_sysfs(ctl_string(pool, "name"), device);
		json_array_foreach(json_object_get(pool, "volumes"), j, device)
			add_volume_sysfs(ctl_string(pool, "name"), device);
	}
}

void ctl_wait_histogram(const json_t *disk, uint64_t ret_n[CTL_NR_WAIT])
{
	const json_t *h = json_object_get(disk, "wait_histogram_us");

	for (unsigned int i = 0; i < CTL_NR_WAIT; i++)
		ret_n[i] = json_integer_value(json_array_get(h, i));
}

double ctl_wait_quantile(const uint64_t n[CTL_NR_WAIT], double q)
{
	uint64_t all = 0, sum = 0;
	unsigned int i;

	for (i = 0; i < CTL_NR_WAIT; i++)
		all += n[i];
	for (i = 0; i < CTL_NR_WAIT && all; i++) {
		sum += n[i];
		if (sum >= q * all)
			return 1.5 * (1ULL << i);
	}
	return 0;
}

/* ---- finding ---- */

/* Leaves only those of that name; false: there is none. */
static bool narrow_list(json_t *devices, const char *name)
{
	bool found = false;

	for (size_t i = json_array_size(devices); i-- > 0;) {
		if (!strcmp(ctl_string(json_array_get(devices, i), "name"), name))
			found = true;
		else
			json_array_remove(devices, i);
	}
	return found;
}

bool ctl_scan_narrow(json_t *pools, const char *name)
{
	bool found = false;

	for (size_t i = json_array_size(pools); i-- > 0;) {
		json_t *pool = json_array_get(pools, i);
		const char *own = json_string_value(json_object_get(pool, "name"));
		bool keep = own && !strcmp(own, name);

		if (!keep) {
			keep = narrow_list(json_object_get(pool, "disks"), name);
			keep |= narrow_list(json_object_get(pool, "volumes"), name);
		}
		if (keep)
			found = true;
		else
			json_array_remove(pools, i);
	}
	return found;
}

static json_t *scan_device_of(json_t *pools, const char *key, const char *name, json_t **ret_pool)
{
	json_t *pool, *device;
	size_t i, j;

	json_array_foreach(pools, i, pool) {
		json_array_foreach(json_object_get(pool, key), j, device) {
			if (strcmp(ctl_string(device, "name"), name))
				continue;
			*ret_pool = pool;
			return device;
		}
	}
	return NULL;
}

json_t *ctl_scan_disk(json_t *pools, const char *name, json_t **ret_pool)
{
	return scan_device_of(pools, "disks", name, ret_pool);
}

json_t *ctl_scan_volume(json_t *pools, const char *name, json_t **ret_pool)
{
	return scan_device_of(pools, "volumes", name, ret_pool);
}
