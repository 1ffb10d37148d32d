/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a store is in use: the manifests of its images and disks, and their chunks.  Whatever can't be
 * read ends it, as what it uses is not known.
 */
#ifndef CTL_GC_MARK_H
#define CTL_GC_MARK_H

#include <pthread.h>
#include <stdint.h>
#include "id-set.h"
#include "manifest.h"
#include "store/store.h"

struct ctl_marks {
	/* the caller's */
	struct cc_store *store;
	unsigned int jobs;		/* manifests asked for at once */

	uint64_t nr_images;
	pthread_mutex_t lock;		/* covers what follows, while there are workers */
	struct cc_id_set manifests, chunks[2];	/* chunks by encoding */
};

/* All return 0, or an enum ctl_exit after a message. */
/* What the names of the store mean. */
int ctl_mark_images(struct ctl_marks *m);
/* Of digests as text, "sha256:...". */
int ctl_mark_digests(struct ctl_marks *m, const char *const *digests, size_t nr);
/* Manifests that were found in the store; one that has gone meanwhile is none. */
int ctl_mark_found(struct ctl_marks *m, const uint8_t (*digests)[CC_ID_SIZE], size_t nr);
/* The same of one; whose: what a message about it begins with. */
int ctl_mark_digest(struct ctl_marks *m, const uint8_t digest[CC_ID_SIZE], const char *whose);
/* Disks of this host, whatever store they are of: a manifest stays if it is in this one. */
int ctl_mark_disks(struct ctl_marks *m);
void ctl_marks_free(struct ctl_marks *m);

#endif
