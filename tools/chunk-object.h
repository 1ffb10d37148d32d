/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks as objects of a store: encoding for upload, fetching with every check.
 */
#ifndef CTL_CHUNK_OBJECT_H
#define CTL_CHUNK_OBJECT_H

#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"
#include "store/store.h"

#define CTL_ZSTD_LEVEL_DEFAULT 3
#define CTL_ZSTD_LEVEL_MAX 19

/* One thread's encoder. */
struct ctl_encoder;

int ctl_encoder_new(uint32_t encoding, int level, size_t chunk_size, struct ctl_encoder **ret);
void ctl_encoder_free(struct ctl_encoder *e);
/*
 * Encode a chunk.  The result is chunk itself or memory of the encoder, valid until its next use.
 * -EIO if the compressor fails.
 */
int ctl_encode(struct ctl_encoder *e, const void *chunk, const void **ret_data, size_t *ret_size);

/*
 * Get a chunk into buf, exactly chunk_size bytes whose SHA-256 is id.  CC_STORE_CORRUPT with a
 * line in err that names the object if it is anything else.
 */
enum cc_store_result ctl_chunk_get(struct cc_store *s, const uint8_t id[CC_ID_SIZE],
				   uint32_t encoding, void *buf, size_t chunk_size, char *err,
				   size_t errlen);

#endif
