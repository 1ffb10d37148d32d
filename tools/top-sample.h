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
	uint64_t fast, slow, sectors, gets;
	uint64_t wait[CTL_NR_WAIT];
	uint64_t waiting, oldest_ms, errors;
	bool refused, suspended;
	/* a second since the look before; 0 at the first */
	double reads_rate, bytes_rate, misses_rate, gets_rate, errors_rate;
	double hit_share;		/* of the reads since; -1: there were none */
	double wait_us;			/* typical wait of the misses that ended since; 0: none */
};

/* The same of a volume. */
struct ctl_top_volume {
	char name[CTL_DM_NAME_MAX + 1], pool[CTL_DM_NAME_MAX + 1];
	uint64_t reads, writes, sectors, flushes, held, throttled_us;
	uint64_t dirty_bytes, oldest_ms, stored_bytes;
	bool dirty_known, failed;
	double reads_rate, writes_rate, bytes_rate, flushes_rate, stored_rate;
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

/* Look, and reckon rates since before, which may be NULL.  0, or CTL_FAILED after a message. */
int ctl_top_look(const struct ctl_top_sample *before, struct ctl_top_sample *ret_sample);
void ctl_top_free(struct ctl_top_sample *s);

#endif
