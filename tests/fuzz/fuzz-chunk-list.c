// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists of chunks and recordings of first touches, that people carry from host to host.  A list that is taken is
 * in order, inside of the image, and written anew it is the same list.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/chunk-list.h"
#include "../../tools/recording.h"
#include "fuzz.h"

static void check_order(const struct ctl_chunk_list *l)
{
	uint64_t behind = 0, count = 0;

	for (size_t i = 0; i < l->nr; i++) {
		fuzz_check(l->ranges[i].from >= behind && l->ranges[i].count);
		behind = l->ranges[i].from + l->ranges[i].count;
		count += l->ranges[i].count;
	}
	fuzz_check(behind <= l->nr_chunks && count == l->count);
}

static void check_again(const struct ctl_chunk_list *l)
{
	struct ctl_chunk_list again;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	ctl_chunk_list_head(to, l->image, l->nr_chunks);
	for (size_t i = 0; i < l->nr; i++)
		ctl_range_print(to, l->ranges[i]);
	fclose(to);
	fuzz_check(!ctl_chunk_list_read(fuzz_file(text, size), &again));
	fuzz_check(again.nr == l->nr && !strcmp(again.image, l->image) && again.nr_chunks == l->nr_chunks);
	fuzz_check(!l->nr || !memcmp(again.ranges, l->ranges, l->nr * sizeof(*l->ranges)));
	ctl_chunk_list_free(&again);
	free(text);
}

static void take_recording(const uint8_t *data, size_t size)
{
	json_t *o = json_loadb((const char *)data, size, 0, NULL);
	struct ctl_recording r;

	if (json_is_object(o) && !ctl_recording_take(o, "recording", 60000, &r)) {
		fuzz_check(r.nr <= CC_TRACE_CHUNKS_MAX);
		for (uint32_t i = 0; i < r.nr; i++)
			fuzz_check(r.touches[i].ms < 60000 && (!i || r.touches[i].ms >= r.touches[i - 1].ms));
		ctl_recording_free(&r);
	}
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_chunk_list l;

	if (!ctl_chunk_list_read(fuzz_file(data, size), &l)) {
		check_order(&l);
		check_again(&l);
		ctl_chunk_list_free(&l);
	}
	take_recording(data, size);
	return 0;
}

void fuzz_setup(void)
{
	/* What chunkctl says is of no interest here; the sanitizers write to the descriptor. */
	stderr = fopen("/dev/null", "we");
}
