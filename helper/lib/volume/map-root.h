/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roots of a checkpoint's map in host byte order (chunkcache/volume.h): encoding, and the checks of what a store gives
 * for one.  Knows no store.
 */
#ifndef CC_MAP_ROOT_H
#define CC_MAP_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"
#include "chunkcache/volume.h"
#include "manifest.h"

#define CC_ROOT_SIZE_MAX	(256u << 20)
#define CC_ORIGINS_MAX		4096

struct cc_origin {
	uint8_t volume[16];
	uint32_t term;			/* the last one that is of it */
};

struct cc_ref {
	uint64_t index;
	uint32_t kind;			/* enum cc_map_kind */
	uint32_t term;			/* 0: zeros at zeros_place */
	uint64_t zeros_place;
	uint8_t sha256[CC_ID_SIZE];
};

struct cc_root {
	uint8_t volume[16];
	uint32_t chunk_shift, term;
	uint64_t number, upto, size;
	uint8_t base[CC_ID_SIZE];
	struct cc_origin *origins;
	uint32_t nr_origins;
	struct cc_ref *refs;		/* by kind and index */
	size_t nr_refs;
};

/* The object, malloc()ed, and its SHA-256.  -ENOMEM; -E2BIG. */
int cc_root_encode(const struct cc_root *p, void **ret_object, size_t *ret_size, uint8_t ret_sha256[CC_ID_SIZE]);
/*
 * Checks sha256 and every rule of volume.h that a root can be held to.  -EILSEQ; -EINVAL with a line in err; -ENOMEM.
 * On success release with cc_root_free().
 */
int cc_root_decode(const void *object, size_t size, const uint8_t sha256[CC_ID_SIZE], struct cc_root *ret, char *err,
		   size_t errlen);
void cc_root_free(struct cc_root *p);
/* The volume in whose directory objects of that term are. */
const uint8_t *cc_root_volume(const struct cc_root *p, uint32_t term);

#endif
