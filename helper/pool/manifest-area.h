/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manifest area of the pool device: manifests that were fetched once, so that a restart, or a disk made while
 * the store is away, needs no store.  A cache: what is read is checked against its digest by
 * whoever asked, and what does not fit is left out.
 */
#ifndef CC_MANIFEST_AREA_H
#define CC_MANIFEST_AREA_H

#include "chunkcache/format.h"
#include "pooldev.h"

struct cc_manifest_area;

/* Reads the directory; blocking.  -errno of the device or of no memory. */
int cc_manifest_area_open(struct cc_pooldev *pd, struct cc_manifest_area **ret_area);
/* Nothing may be in flight. */
void cc_manifest_area_close(struct cc_manifest_area *a);
/* Where the manifest is: byte offset on the device and size.  -ENOENT. */
int cc_manifest_area_find(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			  uint64_t *ret_offset, uint32_t *ret_size);
/* Its content was wrong. */
void cc_manifest_area_forget(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE]);
/* Copies data and writes it, in place of what was not used for longest.  Failure is silent. */
void cc_manifest_area_store(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			    const void *data, uint32_t size);

#endif
