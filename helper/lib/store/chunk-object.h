/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks as objects of a store: encoding for upload, fetching with every check.
 */
#ifndef CC_CHUNK_OBJECT_H
#define CC_CHUNK_OBJECT_H

#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"
#include "store.h"

#define CC_ZSTD_LEVEL_DEFAULT 3
#define CC_ZSTD_LEVEL_MAX 19

/* One thread's encoder. */
struct cc_encoder;

int cc_encoder_new(uint32_t encoding, int level, size_t chunk_size, struct cc_encoder **ret);
void cc_encoder_free(struct cc_encoder *e);
/*
 * Encode a chunk and put it into the store, unless that has it, as far as its size tells.  *ret_sent: bytes
 * of the object that was put, 0 if it was there.
 */
enum cc_store_result cc_chunk_put(struct cc_store *s, struct cc_encoder *e, const uint8_t id[CC_ID_SIZE],
				  const void *chunk, size_t *ret_sent, char *err, size_t errlen);

/*
 * Get a chunk into buf, exactly chunk_size bytes whose SHA-256 is id.  CC_STORE_CORRUPT with a
 * line in err that names the object if it is anything else.
 */
enum cc_store_result cc_chunk_get(struct cc_store *s, const uint8_t id[CC_ID_SIZE],
				   uint32_t encoding, void *buf, size_t chunk_size, char *err,
				   size_t errlen);

#endif
