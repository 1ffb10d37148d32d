// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the control socket tells of a session, as JSON.  Only reads.
 */
#include "report-impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "json-text.h"
#include "request.h"
#include "uuid.h"

/* 64-bit numbers that mean nothing but themselves do not fit JSON's signed ones. */
static json_t *hex(uint64_t v)
{
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, v);
	return json_string(text);
}

static json_t *uuid(const uint8_t u[16])
{
	char text[CC_UUID_TEXT];

	cc_uuid_text(u, text);
	return json_string(text);
}

static json_t *errors(const struct cc_fill_stats *st)
{
	json_t *o = json_object();

	for (int i = CC_STORE_NOTFOUND; i <= CC_STORE_ERROR; i++)
		json_object_set_new(o, cc_store_result_name((enum cc_store_result)i), cc_json_number(st->errors[i]));
	return o;
}

static json_t *counters(struct cc_session *s)
{
	const struct cc_fill_stats *st = &s->stats;
	struct cc_fetch_stats fs = { 0 };
	json_t *o = json_object();

	cc_fetch_get_stats(s->fetch, &fs);
	json_object_set_new(o, "gets", cc_json_number(fs.gets));
	json_object_set_new(o, "retries", cc_json_number(fs.retries));
	json_object_set_new(o, "bytes", cc_json_number(fs.bytes));
	json_object_set_new(o, "hash_mismatches", cc_json_number(fs.hash_mismatches));
	json_object_set_new(o, "chunks_fetched", cc_json_number(st->fetched));
	json_object_set_new(o, "chunk_bytes", cc_json_number(st->bytes));
	json_object_set_new(o, "misses", cc_json_number(st->misses));
	json_object_set_new(o, "coalesced", cc_json_number(st->coalesced));
	json_object_set_new(o, "mapped", cc_json_number(st->mapped));
	json_object_set_new(o, "ram_hits", cc_json_number(st->ram_hits));
	json_object_set_new(o, "fills", cc_json_number(st->filled));
	json_object_set_new(o, "adopted", cc_json_number(st->adopted));
	json_object_set_new(o, "data_answers", cc_json_number(st->data));
	json_object_set_new(o, "no_slot", cc_json_number(st->no_slot));
	json_object_set_new(o, "write_errors", cc_json_number(st->write_errors));
	json_object_set_new(o, "maps_refused", cc_json_number(st->refused));
	json_object_set_new(o, "failed", cc_json_number(st->failed));
	json_object_set_new(o, "errors", errors(st));
	return o;
}

static json_t *chunks(struct cc_session *s)
{
	json_t *o = json_object();

	for (int i = CC_CHUNK_CANDIDATE; i < CC_CHUNK_NR_STATES; i++)
		json_object_set_new(o, cc_chunk_state_name((enum cc_chunk_state)i),
				    cc_json_number(cc_index_count(s->index, (enum cc_chunk_state)i)));
	return o;
}

static void add_age(json_t *o, const char *key, uint64_t at_ns, uint64_t now_ns)
{
	if (at_ns)
		json_object_set_new(o, key, cc_json_number((now_ns - at_ns) / CC_MS));
}

static json_t *stores(struct cc_session *s)
{
	json_t *a = json_array();
	uint64_t now = cc_now_ns();

	for (unsigned int i = 0; i < s->supplies.nr; i++) {
		const struct cc_supply *supply = &s->supplies.s[i];
		const struct cc_source *x = supply->source;
		json_t *o = json_pack("{s:s, s:s, s:b, s:i, s:f, s:f}", "name", x->config->name,
				      "url", x->config->url, "down", (int)supply->down,
				      "in_flight", (int)supply->in_flight,
				      "price_1000_gets", x->config->price_1000_gets,
				      "price_gib", x->config->price_gib);

		add_age(o, "answered_ms", x->answered_ns, now);
		add_age(o, "failed_ms", x->failed_ns, now);
		if (x->failed_ns)
			json_object_set_new(o, "error", cc_json_text(x->error));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *scrub_figures(const struct cc_session *s)
{
	struct cc_scrub_figures f;

	cc_scrub_get_figures(s->scrub, &f);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "checked", cc_json_number(f.checked),
			 "bytes", cc_json_number(f.bytes), "wrong", cc_json_number(f.wrong),
			 "bad", cc_json_number(f.bad), "unread", cc_json_number(f.unread),
			 "asked", (int)f.asked, "position", cc_json_number(f.position),
			 "slots", cc_json_number(cc_session_max_slots(s)));
}

json_t *cc_report_scrub(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	bool stop = json_is_true(json_object_get(request, "stop"));
	int64_t rate = cc_request_number(request, "rate", INT64_MAX, 1, INT64_MAX, err, errlen);

	if (rate < 0)
		return NULL;
	if (!s->scrub) {
		snprintf(err, errlen, "not attached to the pool");
		return NULL;
	}
	if (stop)
		cc_scrub_unask(s->scrub);
	else
		cc_scrub_ask(s->scrub, (uint64_t)rate);
	return scrub_figures(s);
}

static void add_attachment(struct cc_session *s, json_t *o)
{
	json_object_set_new(o, "session", cc_json_number(s->attachment.session));
	json_object_set_new(o, "instance", hex(s->attachment.instance));
	json_object_set_new(o, "uuid", uuid(cc_pooldev_geometry(s->pooldev)->uuid));
	json_object_set_new(o, "slot_size", cc_json_number(s->attachment.slot_size));
	json_object_set_new(o, "slots", cc_json_number(s->attachment.nr_slots));
	json_object_set_new(o, "waiting", cc_json_number(cc_fills_waiting(s->fills)));
	json_object_set_new(o, "in_flight", cc_json_number(cc_fills_in_flight(s->fills)));
	json_object_set_new(o, "buffers_busy", cc_json_number(cc_ramcache_nr_busy(s->ramcache)));
	json_object_set_new(o, "ram_cached", cc_json_number(cc_ramcache_nr_idle(s->ramcache)));
	json_object_set_new(o, "messages", cc_json_number(cc_channel_messages(s->channel)));
	json_object_set_new(o, "chunks", chunks(s));
}

json_t *cc_report_stat(struct cc_session *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "pool", json_string(s->config->pool));
	json_object_set_new(o, "device", json_string(s->config->device));
	json_object_set_new(o, "state", json_string(cc_session_state_name(s->state)));
	json_object_set_new(o, "version", json_string(CHUNKCACHE_VERSION));
	json_object_set_new(o, "uptime_s", cc_json_number((cc_now_ns() - s->started_ns) / CC_SECOND));
	json_object_set_new(o, "counters", counters(s));
	json_object_set_new(o, "stores", stores(s));
	if (s->scrub)
		json_object_set_new(o, "scrub", scrub_figures(s));
	if (s->state == CC_SESSION_NONE)
		json_object_set_new(o, "reason", cc_json_text(s->attach_error));
	else
		add_attachment(s, o);
	return o;
}

static const char *class_name(uint32_t class)
{
	switch (class) {
	case CHUNKCACHE_FAIL_NOTFOUND:
		return "not found";
	case CHUNKCACHE_FAIL_CORRUPT:
		return "corrupt";
	case CHUNKCACHE_FAIL_TIMEOUT:
		return "timeout";
	}
	return "error";
}

/* The last chunk that could not be had, by number and name. */
static json_t *failure(const struct cc_disk *disk)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:s}", "count", cc_json_number(disk->reads->failure.count),
			      "chunk", cc_json_number(disk->reads->failure.chunk),
			      "age_ms", cc_json_number((cc_now_ns() - disk->reads->failure.at_ns) / CC_MS),
			      "result", class_name(disk->reads->failure.class));
	char id[2 * CC_ID_SIZE + 1];

	if (disk->reads->failure.chunk < disk->nr_chunks) {
		cc_id_to_hex(cc_manifest_id(disk->manifest, disk->reads->failure.chunk), id);
		json_object_set_new(o, "id", json_string(id));
	}
	return o;
}

static json_t *waiting(const struct cc_fills *f, const struct cc_disk *disk)
{
	uint64_t count[CC_CHUNK_NR_STATES];
	json_t *o = json_object();

	cc_fills_waiting_of(f, disk->info.id, count);
	for (int i = 0; i < CC_CHUNK_NR_STATES; i++)
		if (count[i])
			json_object_set_new(o, cc_chunk_state_name((enum cc_chunk_state)i),
					    cc_json_number(count[i]));
	return o;
}

struct disk_list {
	json_t *array;
	const struct cc_fills *fills;
};

static void add_disk(void *arg, const struct cc_disk *disk)
{
	struct disk_list *list = arg;
	static const char *const states[] = { "new", "loaded", "refused" };
	char digest[2 * CC_ID_SIZE + 1];
	json_t *o = json_object();

	cc_id_to_hex(disk->info.digest, digest);
	json_object_set_new(o, "id", cc_json_number(disk->info.id));
	json_object_set_new(o, "name", cc_json_text(disk->info.name));
	json_object_set_new(o, "store", json_string(disk->info.store));
	json_object_set_new(o, "digest", json_string(digest));
	json_object_set_new(o, "sectors", cc_json_number(disk->info.sectors));
	json_object_set_new(o, "state", json_string(states[disk->state]));
	if (disk->reason[0])
		json_object_set_new(o, "reason", cc_json_text(disk->reason));
	if (disk->manifest)
		json_object_set_new(o, "chunks", cc_json_number(disk->nr_chunks));
	if (disk->reads->failure.count)
		json_object_set_new(o, "failure", failure(disk));
	json_object_set_new(o, "waiting", waiting(list->fills, disk));
	json_object_set_new(o, "prefetch", cc_prefetch_counters(&disk->reads->prefetch));
	json_object_set_new(o, "replay", cc_replay_counters(&disk->reads->replay));
	json_object_set_new(o, "recorded", cc_json_number(disk->reads->recording.nr));
	json_array_append_new(list->array, o);
}

json_t *cc_report_disks(struct cc_session *s)
{
	struct disk_list list = { json_array(), s->fills };
	json_t *o = json_object();

	if (s->disks)
		cc_disks_each(s->disks, add_disk, &list);
	json_object_set_new(o, "pool", json_string(s->config->pool));
	json_object_set_new(o, "disks", list.array);
	return o;
}

static json_t *account(const struct cc_account *x)
{
	char digest[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(x->digest, digest);
	return json_pack("{s:o, s:s, s:s, s:b, s:o, s:o}", "disk", cc_json_text(x->disk), "store", x->store,
			 "digest", digest, "up", x->refs != 0, "gets", cc_json_number(x->gets),
			 "bytes", cc_json_number(x->bytes));
}

json_t *cc_report_costs(struct cc_session *s)
{
	const struct cc_accounts *x = &s->sources->accounts;
	json_t *a = json_array();

	cc_list_each(n, &x->list)
		json_array_append_new(a, account(cc_list_entry(n, struct cc_account, node)));
	return json_pack("{s:s, s:o, s:o, s:{s:o, s:o}}", "pool", s->config->pool, "accounts", a,
			 "stores", stores(s), "rest", "gets", cc_json_number(x->rest.gets),
			 "bytes", cc_json_number(x->rest.bytes));
}

/* ---- map ---- */

#define MAP_MAX 16384			/* chunks in one reply: the loop waits while it is made */

static char map_letter(const struct cc_chunk *chunk, bool hole)
{
	if (hole)
		return 'h';
	if (!chunk)
		return '-';
	switch (chunk->state) {
	case CC_CHUNK_CACHED:
		return 'c';
	case CC_CHUNK_CANDIDATE:
		return 'a';
	case CC_CHUNK_MEMORY:
		return 'm';
	case CC_CHUNK_FAILED:
		return 'x';
	case CC_CHUNK_ABSENT:
	case CC_CHUNK_NR_STATES:
		return '-';
	default:
		return 'f';
	}
}

static void fill_map(struct cc_session *s, const struct cc_disk *disk, uint64_t from, uint64_t count,
		     char *letters, json_t *slots)
{
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *id = cc_manifest_id(disk->manifest, from + i);
		bool hole = cc_id_is_hole(id);
		const struct cc_chunk *c = hole ? NULL : cc_index_find(s->index, disk->source->domain, id);

		letters[i] = map_letter(c, hole);
		if (letters[i] == 'c') {
			json_array_append_new(slots, cc_json_number(c->slot));
			json_array_append_new(slots, cc_json_number(c->gen));
		}
	}
	letters[count] = 0;
}

json_t *cc_report_map(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	const struct cc_disk *disk = cc_request_disk(s, request, err, errlen);
	json_t *slots, *o;
	int64_t from, count;
	char *letters;

	if (!disk)
		return NULL;
	from = cc_request_number(request, "from", 0, 0, (int64_t)disk->nr_chunks - 1, err, errlen);
	count = cc_request_number(request, "count", MAP_MAX, 1, MAP_MAX, err, errlen);
	if (from < 0 || count < 0)
		return NULL;
	if ((uint64_t)count > disk->nr_chunks - (uint64_t)from)
		count = (int64_t)(disk->nr_chunks - (uint64_t)from);
	letters = malloc((size_t)count + 1);
	slots = json_array();
	if (!letters || !slots) {
		snprintf(err, errlen, "out of memory");
		free(letters);
		json_decref(slots);
		return NULL;
	}
	fill_map(s, disk, (uint64_t)from, (uint64_t)count, letters, slots);
	o = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "disk", cc_json_text(disk->info.name),
		      "chunks", cc_json_number(disk->nr_chunks),
		      "chunk_bytes", cc_json_number(1ULL << disk->manifest->chunk_shift),
		      "from", cc_json_number((uint64_t)from), "states", letters, "slots", slots);
	free(letters);
	return o;
}
