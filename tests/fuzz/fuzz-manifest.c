// SPDX-License-Identifier: GPL-2.0-or-later
/* Manifests with a digest that is right: what is taken can be built again from what was found in it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "manifest.h"

static void check_parsed(const struct cc_manifest *m, const uint8_t *data, size_t size)
{
	struct cc_manifest again;

	fuzz_check(m->nr_chunks && m->ids >= (const uint8_t *)m->data);
	fuzz_check(m->ids + m->nr_chunks * CC_ID_SIZE == (const uint8_t *)m->data + size);
	fuzz_check(m->image_size <= m->nr_chunks << m->chunk_shift &&
		   m->image_size > (m->nr_chunks - 1) << m->chunk_shift);
	fuzz_check(!cc_manifest_build(m->chunk_shift, m->image_size, m->encoding, m->ids, &again));
	fuzz_check(again.size == size && !memcmp(again.data, data, size));
	fuzz_check(!memcmp(again.digest, m->digest, CC_ID_SIZE));
	cc_manifest_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *object = fuzz_copy(data, size);
	uint8_t digest[CC_ID_SIZE];
	struct cc_manifest m;
	char err[160] = "";
	int r;

	cc_sha256(object, size, digest);
	r = cc_manifest_parse(object, size, digest, &m, err, sizeof(err));
	if (r) {
		fuzz_check(r == -EINVAL);
		fuzz_check_reason(err);
		free(object);
		return 0;
	}
	check_parsed(&m, data, size);
	digest[0] ^= 1;
	fuzz_check(cc_manifest_parse(object, size, digest, &m, err, sizeof(err)) == -EILSEQ);
	free(object);
	return 0;
}

static void put(const char *name, uint32_t chunk_shift, uint64_t image_size, uint32_t encoding)
{
	static const uint8_t ids[4 * CC_ID_SIZE] = { 1, [CC_ID_SIZE] = 2, [3 * CC_ID_SIZE] = 3 };
	struct cc_manifest m;

	if (cc_manifest_build(chunk_shift, image_size, encoding, ids, &m))
		abort();
	fuzz_seed(name, m.data, m.size);
	cc_manifest_free(&m);
}

void fuzz_seeds(void)
{
	put("raw", 20, 4 << 20, CC_ENCODING_RAW);
	put("zstd", 16, (3 << 16) + 512, CC_ENCODING_ZSTD);
	put("small", 24, 512, CC_ENCODING_RAW);
}
