/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `chunkctl top' shows: rates of disks and pools between two looks at them.
 */
#ifndef CTL_TOP_SAMPLE_H
#define CTL_TOP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dm.h"
#include "scan.h"

/* Counters of a disk at one moment. */
struct ctl_top_disk {
	char name[CTL_DM_NAME_MAX + 1], pool[CTL_DM_NAME_MAX + 1];
	uint64_t fast, slow, sectors, gets, got_bytes;
	uint64_t wait[CTL_NR_WAIT];
	uint64_t waiting, oldest_ms, errors;
	bool refused, suspended;
	/* a second since the look before; 0 at the first */
	double reads_rate, bytes_rate, misses_rate, gets_rate, got_rate, errors_rate;
	double hit_share;		/* of the reads since; -1: there were none */
	uint64_t waited[CTL_NR_WAIT];	/* as wait, of the misses that ended since */
	double wait_us;			/* typical of these; 0: none */
};

/* The same of a volume. */
struct ctl_top_volume {
	char name[CTL_DM_NAME_MAX + 1], pool[CTL_DM_NAME_MAX + 1];
	uint64_t fast, slow, read_sectors, writes, sectors, flushes, held, throttled_us;
	uint64_t dirty_bytes, oldest_ms, stored_bytes;
	bool dirty_known, failed;
	double reads_rate, misses_rate, read_rate;	/* read_rate: bytes */
	double writes_rate, bytes_rate, flushes_rate, stored_rate;
	double throttled_share;		/* of the time since the look before */
};

struct ctl_top_pool {
	char name[CTL_DM_NAME_MAX + 1];
	uint64_t slots, valid, slot_bytes, gets, bytes;
	char helper[32];		/* "attached", "none", "draining", "silent", "no pool" */
	char down[64];			/* a store that does not answer, or "" */
	bool suspended;
	double gets_rate, bytes_rate;
};

struct ctl_top_sample {
	uint64_t at_ns;
	struct ctl_top_disk *disks;	/* by pool and name */
	size_t nr_disks;
	struct ctl_top_volume *volumes;	/* by pool and name */
	size_t nr_volumes;
	struct ctl_top_pool *pools;
	size_t nr_pools;
};

/* Sums, as if all were one disk and one volume; of waits the longest that goes on, and what is typical of all. */
struct ctl_top_total {
	size_t nr_disks, nr_volumes;
	struct ctl_top_disk disks;
	struct ctl_top_volume volumes;
};

/* Look, and reckon rates since before, which may be NULL.  0, or CTL_FAILED after a message. */
int ctl_top_look(const struct ctl_top_sample *before, struct ctl_top_sample *ret_sample);
/* Of the disks and volumes of that pool, or the one of that name; NULL: of all. */
struct ctl_top_total ctl_top_sum(const struct ctl_top_sample *s, const char *name);
/* Is there a pool, disk or volume of that name? */
bool ctl_top_has(const struct ctl_top_sample *s, const char *name);
void ctl_top_free(struct ctl_top_sample *s);

#endif
