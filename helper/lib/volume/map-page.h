/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a checkpoint's map in host byte order (chunkcache/volume.h): encoding, and the checks that decide whether
 * bytes of a store are such a page.  Knows no store.
 */
#ifndef CC_MAP_PAGE_H
#define CC_MAP_PAGE_H

#include "pieces.h"

#define CC_PAGE_PIECES_MAX	((1u << CC_PAGE_LOGS_SHIFT) * CC_PIECES_MAX)
/* Of the object; no page compresses to more. */
#define CC_PAGE_SIZE_MAX	(1u << 20)

struct cc_map_page {
	enum cc_map_kind kind;
	uint32_t chunk_shift;
	uint8_t volume[16];		/* that made it */
	uint64_t index;
	uint64_t number;
	uint32_t nr;
	struct cc_piece *pieces;	/* PIECES */
	struct chunkcache_extent *extents; /* EXTENTS */
};

/* The object, malloc()ed, and its SHA-256.  -ENOMEM. */
int cc_page_encode(const struct cc_map_page *p, void **ret_object, size_t *ret_size, uint8_t ret_sha256[CC_ID_SIZE]);
/*
 * Checks sha256 and every rule of volume.h that one page can be held to; term: the highest that can be.  -EILSEQ;
 * -EINVAL with a line in err; -ENOMEM.  On success release with cc_page_free().
 */
int cc_page_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], uint32_t term,
		   struct cc_map_page *ret, char *err, size_t errlen);
void cc_page_free(struct cc_map_page *p);

#endif
