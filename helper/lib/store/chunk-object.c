// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunk objects: raw bytes or exactly one zstd frame.
 */
#include "chunk-object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "manifest.h"
#include "verify.h"

struct cc_encoder {
	uint32_t encoding;
	int level;
	size_t chunk_size;
	ZSTD_CCtx *zstd;
	void *out;
	size_t out_size;
};

int cc_encoder_new(uint32_t encoding, int level, size_t chunk_size, struct cc_encoder **ret)
{
	struct cc_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->encoding = encoding;
	e->level = level;
	e->chunk_size = chunk_size;
	if (encoding == CC_ENCODING_ZSTD) {
		e->out_size = cc_compressed_max(chunk_size);
		e->out = malloc(e->out_size);
		e->zstd = ZSTD_createCCtx();
		if (!e->out || !e->zstd) {
			cc_encoder_free(e);
			return -ENOMEM;
		}
	}
	*ret = e;
	return 0;
}

void cc_encoder_free(struct cc_encoder *e)
{
	if (!e)
		return;
	ZSTD_freeCCtx(e->zstd);
	free(e->out);
	free(e);
}

/* The result is chunk itself or memory of the encoder, valid until its next use. */
static int encode_chunk(struct cc_encoder *e, const void *chunk, const void **ret_data,
			size_t *ret_size)
{
	size_t n;

	if (e->encoding == CC_ENCODING_RAW) {
		*ret_data = chunk;
		*ret_size = e->chunk_size;
		return 0;
	}
	n = ZSTD_compressCCtx(e->zstd, e->out, e->out_size, chunk, e->chunk_size, e->level);
	if (ZSTD_isError(n))
		return -EIO;
	*ret_data = e->out;
	*ret_size = n;
	return 0;
}

static enum cc_store_result look_for_chunk(struct cc_store *s, const struct cc_encoder *e,
					   const char *object, bool *ret_present, char *err,
					   size_t errlen)
{
	uint64_t size;
	enum cc_store_result r = cc_store_head(s, object, &size, err, errlen);

	if (r && r != CC_STORE_NOTFOUND)
		return r;
	*ret_present = !r && (e->encoding == CC_ENCODING_RAW ? size == e->chunk_size : size > 0);
	return CC_STORE_OK;
}

enum cc_store_result cc_chunk_put(struct cc_store *s, struct cc_encoder *e, const uint8_t id[CC_ID_SIZE],
				  const void *chunk, size_t *ret_sent, char *err, size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX];
	enum cc_store_result res;
	bool present = false;
	const void *data;

	*ret_sent = 0;
	cc_chunk_name(id, e->encoding, object);
	res = look_for_chunk(s, e, object, &present, err, errlen);
	if (res || present)
		return res;
	if (encode_chunk(e, chunk, &data, ret_sent)) {
		snprintf(err, errlen, "%s: compression failed", object);
		return CC_STORE_ERROR;
	}
	return cc_store_put(s, object, data, *ret_sent, err, errlen);
}

static int decode_chunk(uint32_t encoding, const void *data, size_t size, void *buf,
			size_t chunk_size, char *err, size_t errlen)
{
	if (encoding == CC_ENCODING_ZSTD)
		return cc_decompress(data, size, buf, chunk_size, err, errlen);
	if (size != chunk_size) {
		snprintf(err, errlen, "wrong bytes: %zu of them, expected %zu", size, chunk_size);
		return -EILSEQ;
	}
	memcpy(buf, data, size);
	return 0;
}

enum cc_store_result cc_chunk_get(struct cc_store *s, const uint8_t id[CC_ID_SIZE],
				   uint32_t encoding, void *buf, size_t chunk_size, char *err,
				   size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], why[160] = "";
	enum cc_store_result res;
	void *data;
	size_t size;
	int r;

	cc_chunk_name(id, encoding, object);
	res = cc_store_get(s, object, cc_compressed_max(chunk_size), &data, &size, err, errlen);
	if (res == CC_STORE_TOOBIG)
		return CC_STORE_CORRUPT;
	if (res)
		return res;
	r = decode_chunk(encoding, data, size, buf, chunk_size, why, sizeof(why));
	free(data);
	if (!r)
		r = cc_verify(buf, chunk_size, id, why, sizeof(why));
	if (!r)
		return CC_STORE_OK;
	snprintf(err, errlen, "%s: %s", object, why);
	return r == -EILSEQ ? CC_STORE_CORRUPT : CC_STORE_ERROR;
}
