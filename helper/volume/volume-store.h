/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the volumes of one store share: connections of their own for commits and packs, which are as patient as the
 * store's `patience' says, and threads for misses.  One store that hangs holds up no other.  The control loop's, but
 * for the store and uploads, which are any thread's.
 */
#ifndef CC_VOLUME_STORE_H
#define CC_VOLUME_STORE_H

#include "list.h"
#include "loop.h"
#include "pool/sources.h"
#include "pool/worker.h"
#include "volume/uploads.h"

struct cc_volume_store {
	struct cc_list node;
	struct cc_source *source;	/* misses ask its store */
	struct cc_store *store;		/* log, maps and packs */
	struct cc_uploads *uploads;
	struct cc_loop *loop;
	struct cc_worker *misses;
	struct cc_watch watch;
	unsigned int nr_misses;
	bool full;			/* misses were left to the kernel */
};

/* -errno with a line in err. */
int cc_volume_store_open(struct cc_source *source, struct cc_loop *loop, struct cc_volume_store **ret_store, char *err,
			 size_t errlen);
/* Nothing is started any more, and what waits for the store does not for long. */
void cc_volume_store_stop(struct cc_volume_store *s);
/* Waits for its threads; no volume uses it any more. */
void cc_volume_store_close(struct cc_volume_store *s);

#endif
