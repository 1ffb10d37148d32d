/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going over a whole image once, on several threads: what its chunks are, and, if so wished, each that
 * the store lacks goes there.
 */
#ifndef CTL_IMPORT_PASS_H
#define CTL_IMPORT_PASS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "cleanup.h"
#include "id-set.h"
#include "image-source.h"
#include "progress.h"
#include "store/lease.h"
#include "store/store.h"

/* What happened to the chunks of one pass. */
struct ctl_pass_count {
	uint64_t holes;
	uint64_t duplicates;		/* of another chunk of this image */
	uint64_t present;		/* in the store before */
	uint64_t uploaded;
	uint64_t uploaded_bytes;	/* as encoded */
};

struct ctl_pass {
	/* the caller's; constant while workers run */
	struct cc_store *store;
	uint32_t chunk_shift, encoding;
	int level;			/* of compression */
	unsigned int jobs;
	struct cc_lease *lease;		/* by which chunks that are in the store stay there */

	bool upload;			/* else only hash */
	struct ctl_progress progress;

	pthread_mutex_t reading;	/* a stream: who reads its next chunk, without lock */
	bool ended;			/* the stream; covered by reading, as source and next are then */

	pthread_mutex_t lock;		/* covers what follows */
	struct ctl_source source;	/* opened by the caller */
	uint64_t next;			/* chunk to be taken next */
	uint64_t image_size, nr_chunks;	/* of a stream: known at its end */
	uint8_t *ids;			/* of the chunks, nr_ids have room */
	uint64_t nr_ids;
	struct cc_id_set seen;
	struct ctl_pass_count count;
	bool failed;
	char error[CTL_SOURCE_WHY];
	bool running;			/* workers */
	pthread_cond_t stopped;		/* they are not any more */
	struct ctl_cleanup cleanup;
};

#define CTL_PASS_INIT { \
	.source.fd = -1, \
	.reading = PTHREAD_MUTEX_INITIALIZER, \
	.lock = PTHREAD_MUTEX_INITIALIZER, \
	.stopped = PTHREAD_COND_INITIALIZER, \
}

/* Once the source is open: image_size and nr_chunks.  0, or -EFBIG: a manifest has not so many. */
int ctl_pass_size(struct ctl_pass *p);
/* Has the lease lapsed, while the machine slept, say?  Chunks that were there may be gone then. */
#define CTL_LEASE_LAPSED "stood still for so long that a gc may have run meanwhile; run it again"
/*
 * With upload, ends early if the lease has lapsed.  ids and count are of this pass.  0, or CTL_FAILED after a
 * message.
 */
int ctl_pass_run(struct ctl_pass *p, bool upload);
/* Closes the source as well. */
void ctl_pass_free(struct ctl_pass *p);

#endif
