// SPDX-License-Identifier: GPL-2.0-or-later
/* Decompression and hashes of what a store sent. */
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "manifest.h"

int cc_verify(const void *buf, size_t size, const uint8_t id[32], char *err, size_t errlen)
{
	char hex[2 * CC_ID_SIZE + 1];
	uint8_t found[CC_ID_SIZE];

	cc_sha256(buf, size, found);
	if (!memcmp(found, id, CC_ID_SIZE))
		return 0;
	cc_id_to_hex(found, hex);
	snprintf(err, errlen, "wrong bytes: their SHA-256 is %.16s...", hex);
	return -EILSEQ;
}

size_t cc_compressed_max(size_t size)
{
	return ZSTD_compressBound(size);
}

/* What the frame's header says, before any byte of it is decompressed. */
static int check_frame(const void *data, size_t size, size_t buf_size, char *err, size_t errlen)
{
	unsigned long long content = ZSTD_getFrameContentSize(data, size);
	size_t frame = ZSTD_findFrameCompressedSize(data, size);

	if (content == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(frame))
		snprintf(err, errlen, "wrong bytes: not a whole zstd frame");
	else if (frame != size)
		snprintf(err, errlen, "wrong bytes: %zu bytes follow the zstd frame", size - frame);
	else if (content != ZSTD_CONTENTSIZE_UNKNOWN && content != buf_size)
		snprintf(err, errlen, "wrong bytes: zstd frame of %llu bytes, expected %zu", content,
			 buf_size);
	else
		return 0;
	return -EILSEQ;
}

int cc_decompress(const void *data, size_t size, void *buf, size_t buf_size,
		  char *err, size_t errlen)
{
	ZSTD_DCtx *ctx;
	size_t n;

	if (check_frame(data, size, buf_size, err, errlen))
		return -EILSEQ;
	ctx = ZSTD_createDCtx();
	if (!ctx) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	/* In one call the output is the window: a huge one that a frame asks for is never allocated. */
	n = ZSTD_decompressDCtx(ctx, buf, buf_size, data, size);
	ZSTD_freeDCtx(ctx);
	if (ZSTD_isError(n)) {
		snprintf(err, errlen, "wrong bytes: zstd: %s", ZSTD_getErrorName(n));
		return -EILSEQ;
	}
	if (n != buf_size) {
		snprintf(err, errlen, "wrong bytes: zstd frame of %zu bytes, expected %zu", n, buf_size);
		return -EILSEQ;
	}
	return 0;
}
