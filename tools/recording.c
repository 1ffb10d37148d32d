// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings out of JSON; see recording.h.
 */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "say.h"

/* The pair at index; false if it is none, or its time goes back. */
static bool take_touch(const json_t *a, size_t index, uint32_t last_ms, struct cc_touch *ret_touch)
{
	const json_t *chunk = json_array_get(a, index), *ms = json_array_get(a, index + 1);
	json_int_t c = json_integer_value(chunk), t = json_integer_value(ms);

	if (!json_is_integer(chunk) || !json_is_integer(ms) || c < 0 || c > UINT32_MAX || t < last_ms ||
	    t >= CC_TRACE_NO_TIME)
		return false;
	*ret_touch = (struct cc_touch) { (uint32_t)c, (uint32_t)t };
	return true;
}

static int take_touches(const json_t *a, uint64_t limit_ms, struct ctl_recording *r)
{
	size_t nr = json_array_size(a) / 2;
	struct cc_touch t = { 0, 0 };

	if (!json_is_array(a) || json_array_size(a) % 2 || nr > CC_TRACE_CHUNKS_MAX)
		return -1;
	r->touches = malloc((nr + 1) * sizeof(*r->touches));
	if (!r->touches)
		return -1;
	for (size_t i = 0; i < nr; i++) {
		if (!take_touch(a, 2 * i, t.ms, &t))
			return -1;
		if (t.ms < limit_ms)
			r->touches[r->nr++] = t;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct cc_touch *x = a, *y = b;

	return (x->chunk > y->chunk) - (x->chunk < y->chunk);
}

static bool distinct(const struct ctl_recording *r)
{
	struct cc_touch *sorted = malloc((r->nr + 1) * sizeof(*sorted));
	bool twice = !sorted;

	if (!sorted)
		return false;
	memcpy(sorted, r->touches, r->nr * sizeof(*sorted));
	qsort(sorted, r->nr, sizeof(*sorted), compare);
	for (uint32_t i = 1; i < r->nr; i++)
		twice |= sorted[i].chunk == sorted[i - 1].chunk;
	free(sorted);
	return !twice;
}

int ctl_recording_take(const json_t *o, const char *what, uint64_t limit_ms, struct ctl_recording *ret_recording)
{
	struct ctl_recording r = { .lost = ctl_number(o, "lost") };

	if (!strcmp(ctl_string(o, "state"), "none")) {
		ctl_err("%s: was up before its helper started: what it read first is not known", what);
		return CTL_FAILED;
	}
	if (cc_id_from_hex(ctl_string(o, "digest"), r.digest) ||
	    take_touches(json_object_get(o, "touches"), limit_ms, &r) || !distinct(&r)) {
		ctl_err("%s: expected a recording: a digest, and touches: pairs of chunk and ms", what);
		ctl_recording_free(&r);
		return CTL_FAILED;
	}
	*ret_recording = r;
	return 0;
}

void ctl_recording_free(struct ctl_recording *r)
{
	free(r->touches);
	memset(r, 0, sizeof(*r));
}
