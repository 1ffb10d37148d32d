/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of a checkpoint in a store: a root, and the pages that it names.  Only those that changed are put.  All
 * return 0, -EIO, -EBADMSG (damaged, missing, or not what it should be) or -ENOMEM, with a line in err.
 */
#ifndef CC_CHECKPOINT_H
#define CC_CHECKPOINT_H

#include "map-page.h"
#include "map-root.h"
#include "store/store.h"

/* The root of that name of a volume; release with cc_root_free(). */
int cc_checkpoint_get_root(struct cc_store *store, const uint8_t volume[16], uint32_t term,
			   const uint8_t sha256[CC_ID_SIZE], struct cc_root *ret, char *err, size_t errlen);
/* The object that a root names; false: none is needed. */
bool cc_checkpoint_page_name(const struct cc_root *root, const struct cc_ref *ref, char ret_name[CC_OBJECT_NAME_MAX]);

struct cc_checkpoint {
	struct cc_store *store;
	unsigned int parallel;		/* requests at a time */
	struct cc_vmap *map;
	struct cc_pieces *pieces;
	uint64_t bytes;			/* that were put */
};

/* Gets all pages of root, and adds them to a map of root's size (NULL: without those) and to pieces, both empty. */
int cc_checkpoint_load(struct cc_checkpoint *p, const struct cc_root *root, char *err, size_t errlen);
/*
 * Puts what changed since the root before, whose refs are what root has, then root; its refs are the new ones then.
 * What counts as changed is left as it is, as nothing names what was put until it is in the log.
 */
int cc_checkpoint_put(struct cc_checkpoint *p, struct cc_root *root, uint8_t ret_sha256[CC_ID_SIZE], char *err,
		      size_t errlen);

#endif
