// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Boot traces with a checksum that is right: what is taken is made again to the same bytes; with another run merged
 * into it, it is a trace that is taken.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot-trace.h"
#include "crc32c.h"
#include "fuzz.h"

#define NR_CHUNKS	(1ULL << 20)
#define SHIFT		20

static const uint8_t digest[CC_ID_SIZE] = { 1 };

static int parse(const void *data, size_t size, struct cc_trace *ret)
{
	char err[200] = "";
	int r = cc_trace_parse(data, size, digest, SHIFT, NR_CHUNKS, ret, err, sizeof(err));

	if (r) {
		fuzz_check(r == -EINVAL || r == -ENOMEM);
		fuzz_check_reason(err);
	}
	return r;
}

/* A run of as many touches as the input's last byte says, of chunks out of its other bytes. */
static void merge_run(struct cc_trace *t, const uint8_t *data, size_t size)
{
	uint32_t nr = data[size - 1];
	struct cc_touch run[255];
	struct cc_trace again;
	void *object;
	size_t object_size;

	for (uint32_t i = 0; i < nr; i++)
		run[i] = (struct cc_touch){ .chunk = i * 256 + data[i % size], .ms = i * 7 };
	if (cc_trace_merge(t, run, nr))
		return;
	if (cc_trace_build(t, &object, &object_size))
		abort();
	fuzz_check(!parse(object, object_size, &again));
	fuzz_check(again.nr == t->nr && again.nr >= nr);
	cc_trace_free(&again);
	free(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *object = fuzz_copy(data, size), *again;
	struct cc_trace_header *h = object;
	struct cc_trace t;
	size_t again_size;

	if (size >= sizeof(*h)) {
		h->crc = 0;
		h->crc = htole32(cc_crc32c(object, size));
	}
	if (!parse(object, size, &t)) {
		if (cc_trace_build(&t, &again, &again_size))
			abort();
		fuzz_check(again_size == size && !memcmp(again, object, size));
		free(again);
		merge_run(&t, data, size);
		cc_trace_free(&t);
	}
	free(object);
	return 0;
}

void fuzz_seeds(void)
{
	const struct cc_touch runs[3][3] = {
		{ { 5, 0 }, { 7, 10 }, { 9, 20 } },
		{ { 7, 1 }, { 5, 2 }, { 1000, 3 } },
		{ { 5, 7 }, { 9, 8 }, { 7, 9 } },
	};
	struct cc_trace t = { .chunk_shift = SHIFT };
	size_t size;
	void *object;

	memcpy(t.digest, digest, sizeof(digest));
	for (unsigned int i = 0; i < 3; i++) {
		char name[] = { 'r', 'u', 'n', (char)('1' + i), 0 };

		if (cc_trace_merge(&t, runs[i], 3) || cc_trace_build(&t, &object, &size))
			abort();
		fuzz_seed(name, object, size);
		free(object);
	}
	cc_trace_free(&t);
}
