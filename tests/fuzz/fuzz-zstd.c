// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks as zstd frames: taken only if they fill the chunk to the byte, whatever their headers say.  The first
 * input byte is the size of the chunk, as far as it can be that small.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "fuzz.h"
#include "verify.h"

#define CHUNK_UNIT	256u

static void check_bytes(const uint8_t *buf, size_t size)
{
	size_t room = cc_compressed_max(size), packed;
	uint8_t *frame = malloc(room), *again = malloc(size + 1);
	char err[160];

	packed = ZSTD_compress(frame, room, buf, size, 1);
	fuzz_check(!ZSTD_isError(packed));
	fuzz_check(!cc_decompress(frame, packed, again, size, err, sizeof(err)));
	fuzz_check(!memcmp(again, buf, size));
	fuzz_check(cc_decompress(frame, packed, again, size + 1, err, sizeof(err)) == -EILSEQ);
	free(again);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	size_t chunk = (fuzz_take_u8(&in) + 1) * CHUNK_UNIT;
	uint8_t *buf = malloc(chunk), *frame = fuzz_copy(in.at, in.left);
	char err[160] = "";
	int r = cc_decompress(frame, in.left, buf, chunk, err, sizeof(err));

	if (r) {
		fuzz_check(r == -EILSEQ);
		fuzz_check_reason(err);
	} else {
		check_bytes(buf, chunk);
	}
	free(frame);
	free(buf);
	return 0;
}

/* ---- seeds ---- */

/* units: of the chunk; with_size: the frame tells it. */
static void put(const char *name, unsigned int units, bool noise, bool with_size, bool checksum)
{
	size_t size = units * CHUNK_UNIT, room = cc_compressed_max(size), n;
	uint8_t *chunk = calloc(1, size), *out = malloc(room + 1);
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	uint32_t state = 1;

	for (size_t i = 0; noise && i < size; i++) {
		state = state * 1664525 + 1013904223;
		chunk[i] = i % 3 ? state >> 24 : 'a';
	}
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, with_size);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, checksum);
	out[0] = units - 1;
	n = ZSTD_compress2(ctx, out + 1, room, chunk, size);
	if (ZSTD_isError(n))
		abort();
	fuzz_seed(name, out, n + 1);
	ZSTD_freeCCtx(ctx);
	free(out);
	free(chunk);
}

void fuzz_seeds(void)
{
	put("zeros", 256, false, true, false);
	put("noise", 2, true, true, true);
	put("unsized", 1, true, false, false);
	put("long", 40, true, false, true);
}
