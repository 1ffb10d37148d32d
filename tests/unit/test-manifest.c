// SPDX-License-Identifier: GPL-2.0-or-later
/* Manifests: what is built parses, and nothing else does; names. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "manifest.h"
#include "tap.h"

#define SHIFT 16
#define CHUNKS 5

static struct cc_manifest good;

/* Parses a changed copy with a digest that is right for it; expects a refusal with text in it. */
static void refused(const char *name, const struct cc_manifest_header *h, size_t size, int error,
		    const char *text)
{
	char *data = calloc(1, size + 1), err[200] = "";
	struct cc_manifest m = { .size = 12345 };
	uint8_t digest[32];
	int r;

	memcpy(data, good.data, size < good.size ? size : good.size);
	memcpy(data, h, size < sizeof(*h) ? size : sizeof(*h));
	cc_sha256(data, size, digest);
	r = cc_manifest_parse(data, size, digest, &m, err, sizeof(err));
	ok(r == error && strstr(err, text) && m.size == 12345, "refused: %s (%s)", name, err);
	free(data);
}

static void test_refusals(void)
{
	struct cc_manifest_header h, base;

	memcpy(&base, good.data, sizeof(base));
#define CHANGED(name, change, text) do { \
		h = base; change; refused(name, &h, good.size, -EINVAL, text); } while (0)
	CHANGED("magic", h.magic[0] ^= 1, "magic");
	CHANGED("version 2", h.version = htole32(2), "version is 2");
	CHANGED("version 0", h.version = 0, "version is 0");
	CHANGED("chunk shift 15", h.chunk_shift = htole32(15), "chunk_shift");
	CHANGED("chunk shift 25", h.chunk_shift = htole32(25), "chunk_shift");
	CHANGED("chunk shift 2^32 - 1", h.chunk_shift = htole32(~0u), "chunk_shift");
	CHANGED("size 0", h.image_size = 0, "image_size");
	CHANGED("size odd", h.image_size = htole64(513), "image_size");
	CHANGED("size above 2^50", h.image_size = htole64((1ULL << 50) + 512), "image_size");
	CHANGED("size 2^64 - 512", h.image_size = htole64(-512ULL), "image_size");
	CHANGED("2^40 chunks", h.image_size = htole64(1ULL << 56), "image_size");
	CHANGED("2^34 chunks", h.image_size = htole64(1ULL << 50), "expected");
	CHANGED("a chunk more", h.image_size = htole64(le64toh(h.image_size) + 65536), "bytes");
	CHANGED("a chunk less", h.image_size = htole64(le64toh(h.image_size) - 65536), "bytes");
	CHANGED("encoding 2", h.encoding = htole32(2), "encoding");
	CHANGED("reserved", h.reserved[3] = 1, "reserved");
#undef CHANGED
	refused("empty", &base, 0, -EINVAL, "0 bytes");
	refused("half a header", &base, sizeof(base) / 2, -EINVAL, "bytes");
	refused("header only", &base, sizeof(base), -EINVAL, "bytes");
	refused("a byte short", &base, good.size - 1, -EINVAL, "bytes");
	refused("a byte long", &base, good.size + 1, -EINVAL, "bytes");
}

static void test_digest(void)
{
	char *copy = malloc(good.size), err[200] = "";
	struct cc_manifest m;
	uint8_t digest[32];

	memcpy(copy, good.data, good.size);
	memcpy(digest, good.digest, 32);
	digest[31] ^= 1;
	ok(cc_manifest_parse(copy, good.size, digest, &m, err, sizeof(err)) == -EILSEQ,
	   "digest differs: EILSEQ (%s)", err);
	copy[good.size - 1] ^= 1;
	ok(cc_manifest_parse(copy, good.size, good.digest, &m, err, sizeof(err)) == -EILSEQ,
	   "a bit of the last id differs: EILSEQ");
	copy[good.size - 1] ^= 1;
	ok(!cc_manifest_parse(copy, good.size, good.digest, &m, err, sizeof(err)) &&
	   m.nr_chunks == CHUNKS && m.chunk_shift == SHIFT && m.data == copy &&
	   m.image_size == good.image_size && !memcmp(cc_manifest_id(&m, 3), cc_manifest_id(&good, 3), 32),
	   "the unchanged one parses");
	cc_manifest_free(&m);
}

/* What a helper takes is said of the header, before bytes are counted. */
static void test_too_many(void)
{
	struct cc_manifest_header h = {
		.magic = "ccmanif", .version = htole32(CC_MANIFEST_VERSION), .chunk_shift = htole32(16),
		.image_size = htole64((CC_MANIFEST_CHUNKS_MAX + 1) << 16),
	};
	uint8_t digest[CC_ID_SIZE];
	struct cc_manifest m;
	char err[200] = "";

	h.magic[7] = '\n';
	cc_sha256(&h, sizeof(h), digest);
	ok(cc_manifest_parse(&h, sizeof(h), digest, &m, err, sizeof(err)) == -EINVAL &&
	   strstr(err, "chunks, expected at most 33554431"), "more chunks than a helper takes: %s", err);
	h.image_size = htole64(CC_MANIFEST_CHUNKS_MAX << 16);
	cc_sha256(&h, sizeof(h), digest);
	ok(cc_manifest_parse(&h, sizeof(h), digest, &m, err, sizeof(err)) == -EINVAL &&
	   strstr(err, "for its 33554431 chunks"), "so many are taken: %s", err);
}

static void test_build_refusals(void)
{
	static const uint8_t ids[32];
	struct cc_manifest m;

	ok(cc_manifest_build(15, 65536, 0, ids, &m) == -EINVAL, "build: shift 15 refused");
	ok(cc_manifest_build(16, 100, 0, ids, &m) == -EINVAL, "build: size 100 refused");
	ok(cc_manifest_build(16, 512, 7, ids, &m) == -EINVAL, "build: encoding 7 refused");
	ok(!cc_manifest_build(24, 512, 1, ids, &m) && m.nr_chunks == 1 &&
	   cc_id_is_hole(cc_manifest_id(&m, 0)), "build: one hole of 16 MiB for 512 bytes");
	cc_manifest_free(&m);
}

static void test_names(void)
{
	static const char hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	char name[CC_OBJECT_NAME_MAX], text[65], image[CC_IMAGE_NAME_MAX + 2];
	uint8_t id[32], before[32];

	cc_sha256("", 0, id);
	cc_id_to_hex(id, text);
	ok(!strcmp(text, hex), "SHA-256 of nothing");
	cc_chunk_name(id, CC_ENCODING_ZSTD, name);
	ok(!strncmp(name, "chunks/e3/e3b0", 14) && !strcmp(name + 74, ".zst"), "chunk: %s", name);
	cc_manifest_name(id, name);
	ok(!strncmp(name, "manifests/e3b0", 14) && strlen(name) == 74, "manifest: %s", name);
	memcpy(before, id, 32);
	ok(cc_id_from_hex("e3", id) && cc_id_from_hex("", id), "hex: too short");
	text[0] = 'E';
	ok(cc_id_from_hex(text, id), "hex: capital");
	text[0] = 'g';
	ok(cc_id_from_hex(text, id) && !memcmp(id, before, 32), "hex: no digit; output untouched");
	snprintf(name, sizeof(name), "%s0", hex);
	ok(cc_id_from_hex(name, id), "hex: too long");
	memset(id, 0, 32);
	ok(!cc_id_from_hex(hex, id) && !memcmp(id, before, 32), "hex: right");
	ok(!cc_image_name("debian-12.raw", name) && !strcmp(name, "images/debian-12.raw"), "image: %s",
	   name);
	ok(cc_image_name("", name) && cc_image_name(".x", name) && cc_image_name("-x", name) &&
	   cc_image_name("a/b", name) && cc_image_name("..", name) && cc_image_name("a b", name) &&
	   cc_image_name("a\n", name), "image: bad names refused");
	memset(image, 'a', sizeof(image));
	image[CC_IMAGE_NAME_MAX + 1] = '\0';
	ok(cc_image_name(image, name), "image: 129 characters refused");
	image[CC_IMAGE_NAME_MAX] = '\0';
	ok(!cc_image_name(image, name), "image: 128 characters taken");
}

int main(void)
{
	uint8_t ids[CHUNKS * 32];

	for (size_t i = 0; i < sizeof(ids); i++)
		ids[i] = i * 7;
	ok(!cc_manifest_build(SHIFT, CHUNKS * 65536ULL - 1024, CC_ENCODING_RAW, ids, &good) &&
	   good.nr_chunks == CHUNKS, "built");
	test_digest();
	test_refusals();
	test_too_many();
	test_build_refusals();
	test_names();
	cc_manifest_free(&good);
	return tap_done();
}
