// SPDX-License-Identifier: GPL-2.0-only
/* Counters of one mapped device: summing, clearing, the histogram of waits. */
#include "stats.h"
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/string.h>

int cc_stats_init(struct cc_stats *s)
{
	memset(s, 0, sizeof(*s));
	spin_lock_init(&s->lock);
	s->cpu = alloc_percpu(struct cc_counters);
	return s->cpu ? 0 : -ENOMEM;
}

void cc_stats_exit(struct cc_stats *s)
{
	free_percpu(s->cpu);
}

static void sum_up(const struct cc_stats *s, u64 *n, u64 *volume, u64 *wait)
{
	unsigned int cpu, i;

	memset(n, 0, CC_NR_COUNTERS * sizeof(*n));
	memset(volume, 0, CC_NR_VOLUME_COUNTERS * sizeof(*volume));
	for_each_possible_cpu(cpu) {
		const struct cc_counters *c = per_cpu_ptr(s->cpu, cpu);

		for (i = 0; i < CC_NR_COUNTERS; i++)
			n[i] += READ_ONCE(c->n[i]);
		for (i = 0; i < CC_NR_VOLUME_COUNTERS; i++)
			volume[i] += READ_ONCE(c->volume[i]);
	}
	for (i = 0; i < CC_NR_WAIT; i++)
		wait[i] = atomic64_read(&s->wait[i]);
}

void cc_stats_clear(struct cc_stats *s)
{
	spin_lock(&s->lock);
	sum_up(s, s->base, s->volume_base, s->wait_base);
	s->waited_base = atomic64_read(&s->waited_us);
	spin_unlock(&s->lock);
}

void cc_stats_read(struct cc_stats *s, u64 *ret)
{
	unsigned int i;

	spin_lock(&s->lock);
	sum_up(s, ret, ret + CHUNKCACHE_STAT_WRITES, ret + CHUNKCACHE_STAT_WAIT_HISTOGRAM);
	ret[CHUNKCACHE_STAT_WAITED_US] = atomic64_read(&s->waited_us) - s->waited_base;
	for (i = 0; i < CC_NR_COUNTERS; i++)
		ret[i] -= s->base[i];
	for (i = 0; i < CC_NR_VOLUME_COUNTERS; i++)
		ret[CHUNKCACHE_STAT_WRITES + i] -= s->volume_base[i];
	for (i = 0; i < CC_NR_WAIT; i++)
		ret[CHUNKCACHE_STAT_WAIT_HISTOGRAM + i] -= s->wait_base[i];
	spin_unlock(&s->lock);
}

void cc_stats_waited(struct cc_stats *s, u64 ns)
{
	u64 us = div_u64(ns, 1000);
	unsigned int bucket = us ? ilog2(us) : 0;

	atomic64_inc(&s->wait[min(bucket, CC_NR_WAIT - 1u)]);
	atomic64_add(us, &s->waited_us);
}

unsigned int cc_stats_hit_rate(const u64 *c)
{
	u64 good = c[CHUNKCACHE_STAT_HITS] + c[CHUNKCACHE_STAT_HOLES];
	u64 all = good + c[CHUNKCACHE_STAT_MISSES] + c[CHUNKCACHE_STAT_COALESCED];

	return all ? div64_u64(good * 10000, all) : 0;
}
