/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A manifest with the way back: from a chunk ID to the places in the image where it is.
 */
#ifndef CC_PLACES_H
#define CC_PLACES_H

#include "manifest.h"

struct cc_places;

/* m must outlive it.  -ENOMEM, or -EFBIG if there are too many chunks. */
int cc_places_build(const struct cc_manifest *m, struct cc_places **ret_places);
void cc_places_free(struct cc_places *p);

#define CC_NO_PLACE UINT64_MAX
/* A chunk number with this id, or CC_NO_PLACE. */
uint64_t cc_places_first(const struct cc_places *p, const uint8_t id[CC_ID_SIZE]);
/* Another one with the same id. */
uint64_t cc_places_next(const struct cc_places *p, uint64_t chunk);

#endif
