/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one gate between a store's bytes and everybody else: decompression and SHA-256.
 */
#ifndef CC_VERIFY_H
#define CC_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/* Compares the SHA-256 of buf with id.  Returns 0 or -EILSEQ with a line in err. */
int cc_verify(const void *buf, size_t size, const uint8_t id[32], char *err, size_t errlen);

/*
 * Decompresses one zstd frame that must fill buf exactly; nothing may follow the frame.  Uses
 * bounded memory whatever the frame claims.  Returns 0, -EILSEQ with a line in err, or -ENOMEM.
 */
int cc_decompress(const void *data, size_t size, void *buf, size_t buf_size,
		  char *err, size_t errlen);
/* The most bytes that a frame of size bytes may take up in the store. */
size_t cc_compressed_max(size_t size);

#endif
