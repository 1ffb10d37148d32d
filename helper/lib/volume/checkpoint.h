/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of a checkpoint: which block of a volume is at which place, and the pieces of its log chunks.  All of
 * it in one object, named by its SHA-256.
 */
#ifndef CC_CHECKPOINT_H
#define CC_CHECKPOINT_H

#include "pieces.h"
#include "store/store.h"

struct cc_checkpoint {
	uint8_t volume[16];
	uint32_t chunk_shift;
	uint64_t number;		/* of the last object of the log that it has */
	uint64_t upto;
	struct cc_pieces pieces;
	struct chunkcache_extent *extents;	/* by block, none on another */
	size_t nr_extents;
};

#define CC_MAP_SIZE_MAX (1ULL << 33)

/* The object, malloc()ed, and its SHA-256.  -ENOMEM; -E2BIG. */
int cc_checkpoint_encode(const struct cc_checkpoint *p, void **ret_object, size_t *ret_size,
			 uint8_t ret_sha256[CC_ID_SIZE]);
/*
 * Checks sha256 and every rule of volume.h; blocks: of the volume.  -EILSEQ, -EINVAL with a line in err, -ENOMEM.
 * On success release with cc_checkpoint_free().
 */
int cc_checkpoint_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], uint64_t blocks,
			 uint32_t term, struct cc_checkpoint *ret, char *err, size_t errlen);
void cc_checkpoint_free(struct cc_checkpoint *p);

#endif
