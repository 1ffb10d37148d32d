// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prefetch over the control socket: what became of it, chunks that an operator asks for, and what a disk has
 * read since its start.
 */
#include "report-impl.h"

#include "json-text.h"
#include "request.h"

#define PREFETCH_MAX 1024		/* chunks of one request, and of a disk under way by hand */

json_t *cc_prefetch_counters(const struct cc_prefetch_stats *st)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "fetched", cc_json_number(st->fetched),
			 "used", cc_json_number(st->used), "late", cc_json_number(st->late),
			 "unread", cc_json_number(st->unread), "dropped", cc_json_number(st->dropped),
			 "saved_ms", cc_json_number(st->saved_ns / CC_MS), "ready", cc_json_number(st->ready),
			 "pending", cc_json_number(st->pending),
			 "by_hand", cc_json_number(st->by_hand));
}

json_t *cc_replay_counters(const struct cc_replay *r)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", cc_replay_state_name(r->state),
			 "runs", cc_json_number(r->runs), "chunks", cc_json_number(r->nr), "given", cc_json_number(r->given),
			 "matched", cc_json_number(r->matched), "strayed", cc_json_number(r->strayed));
}

/* The next range of the request; false with a line in err if it is none of the disk's. */
static bool request_range(const json_t *v, const struct cc_disk *disk, uint64_t *ret_from, uint64_t *ret_count,
			  char *err, size_t errlen)
{
	const json_t *a = json_array_get(v, 0), *b = json_array_get(v, 1);
	json_int_t from = json_integer_value(a), count = json_integer_value(b);
	uint64_t nr = disk->nr_chunks;

	if (json_array_size(v) != 2 || !json_is_integer(a) || !json_is_integer(b) || from < 0 || count < 1 ||
	    (uint64_t)from >= nr || (uint64_t)count > nr - (uint64_t)from) {
		snprintf(err, errlen, "ranges: expected pairs [FROM, COUNT] inside of the disk's %llu chunks",
			 (unsigned long long)nr);
		return false;
	}
	*ret_from = (uint64_t)from;
	*ret_count = (uint64_t)count;
	return true;
}

/* All must be good before the first one is begun. */
static bool check_ranges(const json_t *ranges, const struct cc_disk *disk, char *err, size_t errlen)
{
	uint64_t from, count, all = 0;
	const json_t *v;
	size_t i;

	if (!json_is_array(ranges)) {
		snprintf(err, errlen, "ranges: expected an array");
		return false;
	}
	json_array_foreach(ranges, i, v) {
		if (!request_range(v, disk, &from, &count, err, errlen))
			return false;
		all += count;
		if (count > PREFETCH_MAX || all > PREFETCH_MAX) {
			snprintf(err, errlen, "ranges: expected at most %d chunks", PREFETCH_MAX);
			return false;
		}
	}
	return true;
}

json_t *cc_report_prefetch(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	struct cc_disk *disk = cc_request_disk(s, request, err, errlen);
	const json_t *ranges = json_object_get(request, "ranges"), *v;
	uint64_t from, count, taken = 0, result[3] = { 0 };
	size_t i;

	if (!disk || !check_ranges(ranges, disk, err, errlen))
		return NULL;
	json_array_foreach(ranges, i, v) {
		request_range(v, disk, &from, &count, err, errlen);
		for (; count && disk->reads->prefetch.by_hand < PREFETCH_MAX; count--, taken++)
			result[cc_fills_prefetch(s->fills, disk, from++, CC_PREFETCH_BY_HAND)]++;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "disk", cc_json_text(disk->info.name),
			 "taken", cc_json_number(taken),
			 "queued", cc_json_number(result[CC_PREFETCH_QUEUED]),
			 "there", cc_json_number(result[CC_PREFETCH_THERE]),
			 "failed", cc_json_number(result[CC_PREFETCH_NOT]),
			 "prefetch", cc_prefetch_counters(&disk->reads->prefetch));
}

/* ---- recordings ---- */

/* Pairs of chunk and ms; count of them from on. */
static json_t *touches(const struct cc_recording *r, uint64_t from, uint64_t count)
{
	json_t *a = json_array();

	for (uint64_t i = from; i < r->nr && i - from < count; i++) {
		json_array_append_new(a, cc_json_number(r->touches[i].chunk));
		json_array_append_new(a, cc_json_number(r->touches[i].ms));
	}
	return a;
}

json_t *cc_report_record(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	static const char *const states[] = { "none", "on", "over" };
	const struct cc_disk *disk = cc_request_disk(s, request, err, errlen);
	const struct cc_recording *r;
	char digest[2 * CC_ID_SIZE + 1];
	int64_t from, count;

	if (!disk)
		return NULL;
	r = &disk->reads->recording;
	from = cc_request_number(request, "from", 0, 0, r->nr, err, errlen);
	count = cc_request_number(request, "count", CC_TRACE_CHUNKS_MAX, 0, CC_TRACE_CHUNKS_MAX, err, errlen);
	if (from < 0 || count < 0)
		return NULL;
	cc_id_to_hex(disk->info.digest, digest);
	return json_pack("{s:o, s:s, s:s, s:o, s:i, s:s, s:o, s:i, s:o, s:o, s:o}", "disk",
			 cc_json_text(disk->info.name),
			 "store", disk->info.store, "digest", digest, "chunks", cc_json_number(disk->manifest->nr_chunks),
			 "chunk_shift", (int)disk->manifest->chunk_shift, "state", states[r->state],
			 "age_ms", cc_json_number(r->started_ns ? (cc_now_ns() - r->started_ns) / CC_MS : 0),
			 "limit_s", CC_RECORDING_SECONDS, "lost", cc_json_number(r->lost), "recorded", cc_json_number(r->nr),
			 "touches", touches(r, (uint64_t)from, (uint64_t)count));
}
