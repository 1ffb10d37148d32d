// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prefetch over the control socket: what became of it, chunks that an operator asks for, and what a disk has
 * read since its start.
 */
#include "json-text.h"
#include "session-impl.h"

#define PREFETCH_MAX 1024		/* chunks of one request, and of a disk under way by hand */

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

json_t *cc_prefetch_counters(const struct cc_prefetch_stats *st)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "fetched", number(st->fetched),
			 "used", number(st->used), "late", number(st->late),
			 "unread", number(st->unread), "dropped", number(st->dropped),
			 "saved_ms", number(st->saved_ns / CC_MS), "ready", number(st->ready),
			 "pending", number(st->pending),
			 "by_hand", number(st->by_hand));
}

json_t *cc_replay_counters(const struct cc_replay *r)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", cc_replay_state_name(r->state),
			 "runs", number(r->runs), "chunks", number(r->nr), "given", number(r->given),
			 "matched", number(r->matched), "strayed", number(r->strayed));
}

/* The next range of the request; false with a line in err if it is none of the disk's. */
static bool request_range(const json_t *v, const struct cc_disk *k, uint64_t *ret_from, uint64_t *ret_count,
			  char *err, size_t errlen)
{
	const json_t *a = json_array_get(v, 0), *b = json_array_get(v, 1);
	json_int_t from = json_integer_value(a), count = json_integer_value(b);

	if (json_array_size(v) != 2 || !json_is_integer(a) || !json_is_integer(b) || from < 0 || count < 1 ||
	    (uint64_t)from >= k->manifest->nr_chunks || (uint64_t)count > k->manifest->nr_chunks - (uint64_t)from) {
		snprintf(err, errlen, "ranges: expected pairs [FROM, COUNT] inside of the disk's %llu chunks",
			 (unsigned long long)k->manifest->nr_chunks);
		return false;
	}
	*ret_from = (uint64_t)from;
	*ret_count = (uint64_t)count;
	return true;
}

/* All must be good before the first one is begun. */
static bool check_ranges(const json_t *ranges, const struct cc_disk *k, char *err, size_t errlen)
{
	uint64_t from, count, all = 0;
	const json_t *v;
	size_t i;

	if (!json_is_array(ranges)) {
		snprintf(err, errlen, "ranges: expected an array");
		return false;
	}
	json_array_foreach(ranges, i, v) {
		if (!request_range(v, k, &from, &count, err, errlen))
			return false;
		all += count;
		if (count > PREFETCH_MAX || all > PREFETCH_MAX) {
			snprintf(err, errlen, "ranges: expected at most %d chunks", PREFETCH_MAX);
			return false;
		}
	}
	return true;
}

json_t *cc_session_prefetch(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	struct cc_disk *k = cc_request_disk(s, request, err, errlen);
	const json_t *ranges = json_object_get(request, "ranges"), *v;
	uint64_t from, count, taken = 0, result[3] = { 0 };
	size_t i;

	if (!k || !check_ranges(ranges, k, err, errlen))
		return NULL;
	json_array_foreach(ranges, i, v) {
		request_range(v, k, &from, &count, err, errlen);
		for (; count && k->prefetch.by_hand < PREFETCH_MAX; count--, taken++)
			result[cc_fills_prefetch(s->fills, k, from++, true)]++;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "disk", cc_json_text(k->info.name),
			 "taken", number(taken),
			 "queued", number(result[CC_PREFETCH_QUEUED]),
			 "there", number(result[CC_PREFETCH_THERE]),
			 "failed", number(result[CC_PREFETCH_NOT]),
			 "prefetch", cc_prefetch_counters(&k->prefetch));
}

/* ---- recordings ---- */

/* Pairs of chunk and ms; count of them from on. */
static json_t *touches(const struct cc_recording *r, uint64_t from, uint64_t count)
{
	json_t *a = json_array();

	for (uint64_t i = from; i < r->nr && i - from < count; i++) {
		json_array_append_new(a, number(r->touches[i].chunk));
		json_array_append_new(a, number(r->touches[i].ms));
	}
	return a;
}

json_t *cc_session_record(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	static const char *const states[] = { "none", "on", "over" };
	const struct cc_disk *k = cc_request_disk(s, request, err, errlen);
	const struct cc_recording *r;
	char digest[2 * CC_ID_SIZE + 1];
	int64_t from, count;

	if (!k)
		return NULL;
	r = &k->recording;
	from = cc_request_number(request, "from", 0, 0, r->nr, err, errlen);
	count = cc_request_number(request, "count", CC_TRACE_CHUNKS_MAX, 0, CC_TRACE_CHUNKS_MAX, err, errlen);
	if (from < 0 || count < 0)
		return NULL;
	cc_id_to_hex(k->info.digest, digest);
	return json_pack("{s:o, s:s, s:s, s:o, s:i, s:s, s:o, s:i, s:o, s:o, s:o}", "disk",
			 cc_json_text(k->info.name),
			 "store", k->info.store, "digest", digest, "chunks", number(k->manifest->nr_chunks),
			 "chunk_shift", (int)k->manifest->chunk_shift, "state", states[r->state],
			 "age_ms", number(r->started_ns ? (cc_now_ns() - r->started_ns) / CC_MS : 0),
			 "limit_s", CC_RECORDING_SECONDS, "lost", number(r->lost), "recorded", number(r->nr),
			 "touches", touches(r, (uint64_t)from, (uint64_t)count));
}
