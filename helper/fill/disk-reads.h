/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fill engine keeps of each disk: what it reads, what it will read next, what was fetched for that,
 * and what could not be had.
 */
#ifndef CC_DISK_READS_H
#define CC_DISK_READS_H

#include "ahead/allowance.h"
#include "ahead/prefetch.h"
#include "ahead/recording.h"
#include "ahead/replay.h"
#include "pool/disks.h"

/* The last chunk of a disk that was answered with an error. */
struct cc_disk_failure {
	uint64_t count;			/* how many there were; 0: none */
	uint64_t chunk;
	uint64_t at_ns;
	uint32_t class;			/* CHUNKCACHE_FAIL_* */
};

/* What became of chunks that were fetched for a disk before anybody asked for them. */
struct cc_prefetch_stats {
	uint64_t fetched;		/* fetches begun */
	uint64_t used;			/* of those: in a slot when they were read first */
	uint64_t late;			/* asked for while they were on their way */
	uint64_t unread;		/* evicted before anybody read them */
	uint64_t dropped;		/* not to be had, or no slot for them */
	uint64_t saved_ns;		/* what readers of used and late ones did not have to wait */
	unsigned int ready;		/* in a slot, not read yet: now */
	unsigned int pending;		/* queued, or on their way: now */
	unsigned int by_hand;		/* of pending: an operator asked for them */
};

struct cc_disk_reads {
	struct cc_disk *disk;
	struct cc_disk_failure failure;
	struct cc_allowance allowance;
	struct cc_streams streams;	/* once the disk is LOADED */
	struct cc_recording recording;	/* from LOADED on, of a disk that was NEW to the kernel */
	struct cc_replay replay;
	struct cc_prefetch_stats prefetch;
};

/* For disk->reads.  -ENOMEM. */
int cc_disk_reads_new(struct cc_disk *disk);
void cc_disk_reads_free(struct cc_disk *disk);
/* disk is LOADED, and fresh if nobody has served it before; window: chunks of a stream, 0: no prefetch. */
void cc_disk_reads_start(struct cc_disk *disk, bool fresh, uint32_t window);
/* Is it to be heard of the first read of chunk? */
bool cc_disk_reads_listen(const struct cc_disk *disk, uint64_t chunk);

#endif
