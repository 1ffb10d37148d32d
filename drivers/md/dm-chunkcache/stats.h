/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of one mapped device: per CPU where hits count, so that a hit writes no
 * line that another CPU writes; atomics where only misses do.
 *
 * cc_stats_read() may be called in process context; it sums over all possible CPUs, so
 * CPUs that went away are not forgotten.  cc_stats_clear() remembers the sums and
 * subtracts them later: counting never stops and is never lost.
 */
#ifndef CC_STATS_H
#define CC_STATS_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include "types.h"

/* Counters of enum chunkcache_stat that count ended reads; the rest is elsewhere. */
#define CC_NR_COUNTERS	(CHUNKCACHE_STAT_REQUEUED + 1)
/* Of volumes, from CHUNKCACHE_STAT_WRITES on; HELD_WRITES among them is a gauge and stays 0. */
#define CC_NR_VOLUME_COUNTERS	(CHUNKCACHE_STAT_PARTS - CHUNKCACHE_STAT_WRITES + 1)
#define CC_NR_WAIT	32

struct cc_counters {
	u64 n[CC_NR_COUNTERS];
	u64 volume[CC_NR_VOLUME_COUNTERS];
};

struct cc_stats {
	struct cc_counters __percpu *cpu;	/* constant; disks have copies */
	/* log2 histogram, microseconds; written by misses: not in the line above */
	atomic64_t wait[CC_NR_WAIT] ____cacheline_aligned_in_smp;
	atomic64_t waited_us;			/* all together */
	spinlock_t lock;			/* the sums below */
	u64 base[CC_NR_COUNTERS];		/* sums at the last clear */
	u64 volume_base[CC_NR_VOLUME_COUNTERS];
	u64 wait_base[CC_NR_WAIT];
	u64 waited_base;
};

int cc_stats_init(struct cc_stats *s);
void cc_stats_exit(struct cc_stats *s);
void cc_stats_clear(struct cc_stats *s);

/* Fills ret[0..CC_NR_COUNTERS) and what ret[CHUNKCACHE_STAT_MAX + 1] has of waits. */
void cc_stats_read(struct cc_stats *s, u64 *ret);

/* A miss ended that waited so long. */
void cc_stats_waited(struct cc_stats *s, u64 ns);

static inline void cc_stats_inc(struct cc_stats *s, unsigned int counter)
{
	this_cpu_inc(s->cpu->n[counter]);
}

/* CHUNKCACHE_STAT_WRITES and those behind it. */
static inline void cc_stats_inc_volume(struct cc_stats *s, unsigned int counter, u64 n)
{
	this_cpu_add(s->cpu->volume[counter - CHUNKCACHE_STAT_WRITES], n);
}

/* A read ended well that counts as this; the hit path's, hence without cc_stats. */
static inline void cc_counters_read(struct cc_counters __percpu *cpu, unsigned int counter,
				    unsigned int sectors)
{
	this_cpu_inc(cpu->n[counter]);
	this_cpu_add(cpu->n[CHUNKCACHE_STAT_READ_SECTORS], sectors);
}

/* A write ended well; as above. */
static inline void cc_counters_written(struct cc_counters __percpu *cpu, unsigned int sectors)
{
	const unsigned int written = CHUNKCACHE_STAT_WRITTEN_SECTORS - CHUNKCACHE_STAT_WRITES;

	this_cpu_inc(cpu->volume[0]);
	this_cpu_add(cpu->volume[written], sectors);
}

/* Hits and holes as a share of all reads that ended well, in 1/100 of a percent. */
unsigned int cc_stats_hit_rate(const u64 *counters);

#endif
