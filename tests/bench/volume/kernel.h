/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of one volume, played for the helper's own code in one process: a pool in a file, whose journal
 * is written as the module writes it, slots, and one device.  Takes the place of channel.c and of the list of
 * disks; all else is the helper's.  One thread.
 */
#ifndef CC_BENCH_KERNEL_H
#define CC_BENCH_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/pooldev.h"

struct cc_bench_kernel {
	struct cc_pooldev *pooldev;
	/* what the helper has done; CLOCK_MONOTONIC */
	uint64_t resumed_ns, started_ns;
	uint32_t nr_logs;		/* log chunks and extents that it has told */
	uint64_t nr_extents;
	uint32_t handle, term;
	char failed[400];		/* why it gave the volume up; "": it has not */
	/* COMMITTED: all below place is in the store. */
	void (*committed)(uint64_t place);
	/* The journal has news. */
	void (*news)(void);
};

extern struct cc_bench_kernel bench_kernel;

/* A pool that chunkctl format made; recovering: its journal was not resumed yet. */
void bench_kernel_open(const char *path, bool recovering);
void bench_kernel_plug(const uint8_t uuid[16], uint64_t sectors);

/* ---- the guest, of the volume with handle; one block each ---- */

/* Records that go to the ring, as a volume does that nobody commits. */
void bench_kernel_name(uint16_t handle, const uint8_t uuid[16], uint32_t term);
/* The place that it took, or 0: the dirty limit is reached. */
uint64_t bench_kernel_write(uint16_t handle, uint32_t term, uint64_t block);
/* The page that takes records is durable. */
void bench_kernel_flush(void);
/* What slots hold is known to the journal only. */
void bench_kernel_reboot(void);
uint64_t bench_kernel_pages(void);

#endif
