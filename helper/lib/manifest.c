// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Manifests and object names: builds and checks the bytes of format.h, and hashes.  Does
 * no I/O: where the bytes come from and go to is the business of stores and callers.
 */
#include "manifest.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

static const uint8_t hole_id[CC_ID_SIZE];

void cc_sha256(const void *data, size_t size, uint8_t ret_digest[CC_ID_SIZE])
{
	/* Cannot fail but for lack of memory inside the library, which is no digest to go on with. */
	if (EVP_Digest(data, size, ret_digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

bool cc_id_is_hole(const uint8_t id[CC_ID_SIZE])
{
	return !memcmp(id, hole_id, CC_ID_SIZE);
}

static uint64_t chunks_of(uint64_t image_size, uint32_t chunk_shift)
{
	return (image_size + (1ULL << chunk_shift) - 1) >> chunk_shift;
}

/* Checks all fields of the header but says nothing about the object's length. */
static int check_header(const struct cc_manifest_header *h, char *err, size_t errlen)
{
	uint32_t version = le32toh(h->version), shift = le32toh(h->chunk_shift);
	uint32_t encoding = le32toh(h->encoding);
	uint64_t image_size = le64toh(h->image_size);

	if (memcmp(h->magic, CC_MANIFEST_MAGIC, sizeof(h->magic)))
		snprintf(err, errlen, "manifest: wrong magic, this is not a manifest");
	else if (version != CC_MANIFEST_VERSION)
		snprintf(err, errlen, "manifest: version is %" PRIu32 ", expected %d", version,
			 CC_MANIFEST_VERSION);
	else if (shift < CC_CHUNK_SHIFT_MIN || shift > CC_CHUNK_SHIFT_MAX)
		snprintf(err, errlen, "manifest: chunk_shift is %" PRIu32 ", expected %d to %d",
			 shift, CC_CHUNK_SHIFT_MIN, CC_CHUNK_SHIFT_MAX);
	else if (!image_size || image_size > CC_IMAGE_SIZE_MAX || image_size % 512)
		snprintf(err, errlen, "manifest: image_size is %" PRIu64
			 ", expected a multiple of 512 from 512 to 2^50", image_size);
	else if (chunks_of(image_size, shift) > CC_MANIFEST_CHUNKS_MAX)
		snprintf(err, errlen, "manifest: %" PRIu64 " chunks, expected at most %zu",
			 chunks_of(image_size, shift), CC_MANIFEST_CHUNKS_MAX);
	else if (encoding != CC_ENCODING_RAW && encoding != CC_ENCODING_ZSTD)
		snprintf(err, errlen, "manifest: encoding is %" PRIu32 ", expected %d or %d",
			 encoding, CC_ENCODING_RAW, CC_ENCODING_ZSTD);
	else if (h->reserved[0] || h->reserved[1] || h->reserved[2] || h->reserved[3])
		snprintf(err, errlen, "manifest: reserved bytes are set, expected 0");
	else
		return 0;
	return -EINVAL;
}

/* data is known to begin with a good header. */
static void take_head(struct cc_manifest *m, void *data, size_t size, const uint8_t *digest)
{
	const struct cc_manifest_header *h = data;

	memcpy(m->digest, digest, CC_ID_SIZE);
	m->chunk_shift = le32toh(h->chunk_shift);
	m->encoding = le32toh(h->encoding);
	m->image_size = le64toh(h->image_size);
	m->nr_chunks = chunks_of(m->image_size, m->chunk_shift);
	m->ids = (const uint8_t *)data + sizeof(*h);
	m->data = data;
	m->size = size;
}

int cc_manifest_parse(void *data, size_t size, const uint8_t digest[CC_ID_SIZE],
		      struct cc_manifest *ret_manifest, char *err, size_t errlen)
{
	const struct cc_manifest_header *h = data;
	uint8_t found[CC_ID_SIZE];
	char hex[2 * CC_ID_SIZE + 1];
	uint64_t chunks;
	int r;

	cc_sha256(data, size, found);
	if (memcmp(found, digest, CC_ID_SIZE)) {
		cc_id_to_hex(found, hex);
		snprintf(err, errlen, "manifest: its digest is sha256:%s, not the one asked for", hex);
		return -EILSEQ;
	}
	if (size < sizeof(*h)) {
		snprintf(err, errlen, "manifest: %zu bytes, expected at least %zu", size, sizeof(*h));
		return -EINVAL;
	}
	r = check_header(h, err, errlen);
	if (r)
		return r;
	chunks = chunks_of(le64toh(h->image_size), le32toh(h->chunk_shift));
	if (size != sizeof(*h) + chunks * CC_ID_SIZE) {
		snprintf(err, errlen, "manifest: %zu bytes, expected %" PRIu64 " for its %" PRIu64
			 " chunks", size, sizeof(*h) + chunks * CC_ID_SIZE, chunks);
		return -EINVAL;
	}
	take_head(ret_manifest, data, size, found);
	return 0;
}

int cc_manifest_build(uint32_t chunk_shift, uint64_t image_size, uint32_t encoding,
		      const uint8_t *ids, struct cc_manifest *ret_manifest)
{
	struct cc_manifest_header h = {
		.version = htole32(CC_MANIFEST_VERSION),
		.chunk_shift = htole32(chunk_shift),
		.image_size = htole64(image_size),
		.encoding = htole32(encoding),
	};
	uint8_t digest[CC_ID_SIZE], *data;
	char err[128];
	size_t size;

	memcpy(h.magic, CC_MANIFEST_MAGIC, sizeof(h.magic));
	if (check_header(&h, err, sizeof(err)))
		return -EINVAL;
	size = sizeof(h) + chunks_of(image_size, chunk_shift) * CC_ID_SIZE;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	memcpy(data, &h, sizeof(h));
	memcpy(data + sizeof(h), ids, size - sizeof(h));
	cc_sha256(data, size, digest);
	take_head(ret_manifest, data, size, digest);
	return 0;
}

void cc_manifest_free(struct cc_manifest *m)
{
	free(m->data);
	memset(m, 0, sizeof(*m));
}

/* ---- names ---- */

void cc_id_to_hex(const uint8_t id[CC_ID_SIZE], char ret_hex[2 * CC_ID_SIZE + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CC_ID_SIZE; i++) {
		ret_hex[2 * i] = digits[id[i] >> 4];
		ret_hex[2 * i + 1] = digits[id[i] & 15];
	}
	ret_hex[2 * CC_ID_SIZE] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int cc_id_from_hex(const char *hex, uint8_t ret_id[CC_ID_SIZE])
{
	uint8_t id[CC_ID_SIZE];

	if (strnlen(hex, 2 * CC_ID_SIZE + 1) != 2 * CC_ID_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < CC_ID_SIZE; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		id[i] = high << 4 | low;
	}
	memcpy(ret_id, id, CC_ID_SIZE);
	return 0;
}

void cc_chunk_name(const uint8_t id[CC_ID_SIZE], uint32_t encoding,
		   char ret_name[CC_OBJECT_NAME_MAX])
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(id, hex);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, "chunks/%.2s/%s%s", hex, hex,
		 encoding == CC_ENCODING_ZSTD ? ".zst" : "");
}

void cc_manifest_name(const uint8_t digest[CC_ID_SIZE], char ret_name[CC_OBJECT_NAME_MAX])
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(digest, hex);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, "manifests/%s", hex);
}

int cc_image_name(const char *name, char ret_name[CC_OBJECT_NAME_MAX])
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strnlen(name, CC_IMAGE_NAME_MAX + 1);

	if (!len || len > CC_IMAGE_NAME_MAX || strspn(name, allowed) != len)
		return -EINVAL;
	if (name[0] == '.' || name[0] == '-')
		return -EINVAL;
	snprintf(ret_name, CC_OBJECT_NAME_MAX, "images/%s", name);
	return 0;
}
