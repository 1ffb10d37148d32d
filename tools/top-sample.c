// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking at all disks and reckoning rates; see top-sample.h.
 */
#include "top-sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "say.h"
#include "clock.h"

#define ANSWER_SECONDS 1		/* the screen must not stand still for long */

/* ---- one look ---- */

static void take_accounts(struct ctl_top_pool *p, struct ctl_top_disk *disks, size_t nr,
			  const json_t *answer)
{
	const json_t *a, *rest = json_object_get(answer, "rest");
	size_t i, j;

	p->gets = ctl_number(rest, "gets");
	p->bytes = ctl_number(rest, "bytes");
	json_array_foreach(json_object_get(answer, "accounts"), i, a) {
		p->gets += ctl_number(a, "gets");
		p->bytes += ctl_number(a, "bytes");
		for (j = 0; j < nr; j++)
			if (!strcmp(disks[j].name, ctl_string(a, "disk"))) {
				disks[j].gets += ctl_number(a, "gets");
				disks[j].got_bytes += ctl_number(a, "bytes");
			}
	}
}

static void sample_costs(struct ctl_top_pool *p, struct ctl_top_disk *disks, size_t nr)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(p->name, "costs", NULL, ANSWER_SECONDS, &asked);
	const json_t *store;
	size_t i;

	if (!answer) {
		if (asked.result == CTL_ASK_SILENT)
			strcpy(p->helper, "silent");
		return;
	}
	take_accounts(p, disks, nr, answer);
	json_array_foreach(json_object_get(answer, "stores"), i, store)
		if (json_is_true(json_object_get(store, "down")))
			snprintf(p->down, sizeof(p->down), "%s", ctl_string(store, "name"));
	json_decref(answer);
}

static void take_disk(struct ctl_top_disk *d, const char *pool, const json_t *disk)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%s", ctl_string(disk, "name"));
	snprintf(d->pool, sizeof(d->pool), "%s", pool);
	d->fast = ctl_number(disk, "hits") + ctl_number(disk, "holes");
	d->slow = ctl_number(disk, "misses") + ctl_number(disk, "coalesced");
	d->sectors = ctl_number(disk, "read_sectors");
	d->errors = ctl_number(disk, "errors");
	d->waiting = ctl_number(disk, "waiting");
	d->oldest_ms = ctl_number(disk, "oldest_wait_ms");
	d->refused = !strcmp(ctl_string(disk, "manifest"), "refused");
	d->suspended = json_is_true(json_object_get(disk, "suspended"));
	ctl_wait_histogram(disk, d->wait);
}

static void sample_volume(struct ctl_top_volume *v, const char *pool, const json_t *volume)
{
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", ctl_string(volume, "name"));
	snprintf(v->pool, sizeof(v->pool), "%s", pool);
	v->fast = ctl_number(volume, "hits");
	v->slow = ctl_number(volume, "misses");
	v->read_sectors = ctl_number(volume, "read_sectors");
	v->writes = ctl_number(volume, "writes");
	v->sectors = ctl_number(volume, "written_sectors");
	v->flushes = ctl_number(volume, "flushes");
	v->held = ctl_number(volume, "held_writes");
	v->throttled_us = ctl_number(volume, "throttled_us");
	v->failed = !strcmp(ctl_string(volume, "volume_state"), "failed");
}

/* What is in no store yet, by the helper. */
static void sample_dirty(const char *pool, struct ctl_top_volume *volumes, size_t nr)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(pool, "volumes", NULL, ANSWER_SECONDS, &asked);
	const json_t *v;
	size_t i, j;

	json_array_foreach(json_object_get(answer, "volumes"), i, v) {
		for (j = 0; j < nr && strcmp(volumes[j].name, ctl_string(v, "name")); j++)
			;
		if (j == nr)
			continue;
		volumes[j].dirty_known = true;
		volumes[j].dirty_bytes = ctl_number(v, "dirty_bytes");
		volumes[j].oldest_ms = ctl_number(v, "oldest_ms");
		volumes[j].stored_bytes = ctl_number(v, "stored_bytes");
	}
	json_decref(answer);
}

static void take_pool(struct ctl_top_pool *p, const json_t *pool)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", ctl_string(pool, "name"));
	p->slots = ctl_number(pool, "slots");
	p->valid = ctl_number(pool, "valid");
	p->slot_bytes = ctl_number(pool, "slot_bytes");
	p->suspended = json_is_true(json_object_get(pool, "suspended"));
	snprintf(p->helper, sizeof(p->helper), "%s",
		 json_is_string(json_object_get(pool, "name")) ? ctl_string(pool, "helper_state") :
								 "no pool");
}

static size_t count_below(const json_t *pools, const char *key)
{
	const json_t *pool;
	size_t i, nr = 0;

	json_array_foreach(pools, i, pool)
		nr += json_array_size(json_object_get(pool, key));
	return nr;
}

static void fill_pool(struct ctl_top_sample *s, struct ctl_top_pool *p, const json_t *pool)
{
	size_t i, disk = s->nr_disks, volume = s->nr_volumes;
	const json_t *device;

	take_pool(p, pool);
	json_array_foreach(json_object_get(pool, "disks"), i, device)
		take_disk(&s->disks[s->nr_disks++], p->name, device);
	json_array_foreach(json_object_get(pool, "volumes"), i, device)
		sample_volume(&s->volumes[s->nr_volumes++], p->name, device);
	if (!strcmp(p->helper, "no pool"))
		return;
	sample_costs(p, s->disks + disk, s->nr_disks - disk);
	if (s->nr_volumes > volume)
		sample_dirty(p->name, s->volumes + volume, s->nr_volumes - volume);
}

static int fill_rows(struct ctl_top_sample *s, const json_t *pools)
{
	const json_t *pool;
	size_t i;

	s->disks = calloc(count_below(pools, "disks") + 1, sizeof(*s->disks));
	s->volumes = calloc(count_below(pools, "volumes") + 1, sizeof(*s->volumes));
	s->pools = calloc(json_array_size(pools) + 1, sizeof(*s->pools));
	if (!s->disks || !s->volumes || !s->pools)
		return -1;
	json_array_foreach(pools, i, pool)
		fill_pool(s, &s->pools[s->nr_pools++], pool);
	return 0;
}

/* ---- rates ---- */

static int by_names(const void *a, const void *b)
{
	const struct ctl_top_disk *x = a, *y = b;
	int r = strcmp(x->pool, y->pool);

	return r ? r : strcmp(x->name, y->name);
}

static int by_volume_names(const void *a, const void *b)
{
	const struct ctl_top_volume *x = a, *y = b;
	int r = strcmp(x->pool, y->pool);

	return r ? r : strcmp(x->name, y->name);
}

/* Counters that were cleared or began anew have gone back. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (now - before) / seconds : 0;
}

static void reckon_disk(struct ctl_top_disk *d, const struct ctl_top_disk *b, double seconds)
{
	double fast = rate(d->fast, b->fast, seconds);

	d->misses_rate = rate(d->slow, b->slow, seconds);
	d->reads_rate = fast + d->misses_rate;
	d->bytes_rate = rate(d->sectors, b->sectors, seconds) * 512;
	d->gets_rate = rate(d->gets, b->gets, seconds);
	d->got_rate = rate(d->got_bytes, b->got_bytes, seconds);
	d->errors_rate = rate(d->errors, b->errors, seconds);
	d->hit_share = d->reads_rate > 0 ? fast / d->reads_rate : -1;
	for (unsigned int i = 0; i < CTL_NR_WAIT; i++)
		d->waited[i] = d->wait[i] > b->wait[i] ? d->wait[i] - b->wait[i] : 0;
	d->wait_us = ctl_wait_quantile(d->waited, 0.5);
}

static void reckon_volume(struct ctl_top_volume *v, const struct ctl_top_volume *b, double seconds)
{
	v->misses_rate = rate(v->slow, b->slow, seconds);
	v->reads_rate = rate(v->fast, b->fast, seconds) + v->misses_rate;
	v->read_rate = rate(v->read_sectors, b->read_sectors, seconds) * 512;
	v->writes_rate = rate(v->writes, b->writes, seconds);
	v->bytes_rate = rate(v->sectors, b->sectors, seconds) * 512;
	v->flushes_rate = rate(v->flushes, b->flushes, seconds);
	v->stored_rate = rate(v->stored_bytes, b->stored_bytes, seconds);
	v->throttled_share = rate(v->throttled_us, b->throttled_us, seconds) / 1e6;
}

static void reckon(struct ctl_top_sample *s, const struct ctl_top_sample *b)
{
	double seconds = (s->at_ns - b->at_ns) / 1e9;
	const struct ctl_top_volume *volume;
	const struct ctl_top_disk *old;
	size_t i, j;

	for (i = 0; i < s->nr_volumes && seconds > 0; i++) {
		volume = bsearch(&s->volumes[i], b->volumes, b->nr_volumes, sizeof(*b->volumes), by_volume_names);
		if (volume)
			reckon_volume(&s->volumes[i], volume, seconds);
	}
	for (i = 0; i < s->nr_disks && seconds > 0; i++) {
		old = bsearch(&s->disks[i], b->disks, b->nr_disks, sizeof(*b->disks), by_names);
		if (old)
			reckon_disk(&s->disks[i], old, seconds);
	}
	for (i = 0; i < s->nr_pools && seconds > 0; i++)
		for (j = 0; j < b->nr_pools; j++)
			if (!strcmp(s->pools[i].name, b->pools[j].name)) {
				s->pools[i].gets_rate = rate(s->pools[i].gets, b->pools[j].gets, seconds);
				s->pools[i].bytes_rate = rate(s->pools[i].bytes, b->pools[j].bytes,
							      seconds);
			}
}

int ctl_top_look(const struct ctl_top_sample *before, struct ctl_top_sample *ret_sample)
{
	struct ctl_top_sample s = { .at_ns = cc_now_ns() };
	bool unreadable = false;
	json_t *pools;
	int r = ctl_scan(&pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	ctl_scan_sysfs(pools);
	r = fill_rows(&s, pools);
	json_decref(pools);
	if (r) {
		ctl_top_free(&s);
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	for (size_t i = 0; i < s.nr_disks; i++)
		s.disks[i].hit_share = -1;
	qsort(s.disks, s.nr_disks, sizeof(*s.disks), by_names);
	qsort(s.volumes, s.nr_volumes, sizeof(*s.volumes), by_volume_names);
	if (before)
		reckon(&s, before);
	*ret_sample = s;
	return 0;
}

/* ---- totals ---- */

static bool is_asked_for(const char *asked, const char *pool, const char *name)
{
	return !asked || !strcmp(asked, pool) || !strcmp(asked, name);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_disk(struct ctl_top_disk *all, const struct ctl_top_disk *d)
{
	all->waiting += d->waiting;
	all->oldest_ms = longer(all->oldest_ms, d->oldest_ms);
	all->reads_rate += d->reads_rate;
	all->bytes_rate += d->bytes_rate;
	all->misses_rate += d->misses_rate;
	all->gets_rate += d->gets_rate;
	all->got_rate += d->got_rate;
	for (unsigned int i = 0; i < CTL_NR_WAIT; i++)
		all->waited[i] += d->waited[i];
}

static void add_volume(struct ctl_top_volume *all, const struct ctl_top_volume *v)
{
	all->reads_rate += v->reads_rate;
	all->misses_rate += v->misses_rate;
	all->read_rate += v->read_rate;
	all->writes_rate += v->writes_rate;
	all->bytes_rate += v->bytes_rate;
	all->flushes_rate += v->flushes_rate;
	all->stored_rate += v->stored_rate;
	all->dirty_bytes += v->dirty_bytes;
	all->oldest_ms = longer(all->oldest_ms, v->oldest_ms);
}

struct ctl_top_total ctl_top_sum(const struct ctl_top_sample *s, const char *name)
{
	struct ctl_top_total t = { .disks.name = "all", .volumes.name = "all" };

	for (size_t i = 0; i < s->nr_disks; i++)
		if (is_asked_for(name, s->disks[i].pool, s->disks[i].name)) {
			add_disk(&t.disks, &s->disks[i]);
			t.nr_disks++;
		}
	for (size_t i = 0; i < s->nr_volumes; i++)
		if (is_asked_for(name, s->volumes[i].pool, s->volumes[i].name)) {
			add_volume(&t.volumes, &s->volumes[i]);
			t.nr_volumes++;
		}
	t.disks.hit_share = t.disks.reads_rate > 0 ? 1 - t.disks.misses_rate / t.disks.reads_rate : -1;
	t.disks.wait_us = ctl_wait_quantile(t.disks.waited, 0.5);
	return t;
}

bool ctl_top_has(const struct ctl_top_sample *s, const char *name)
{
	struct ctl_top_total t = ctl_top_sum(s, name);

	for (size_t i = 0; i < s->nr_pools; i++)
		if (!strcmp(s->pools[i].name, name))
			return true;
	return t.nr_disks || t.nr_volumes;
}

void ctl_top_free(struct ctl_top_sample *s)
{
	free(s->disks);
	free(s->volumes);
	free(s->pools);
	memset(s, 0, sizeof(*s));
}
