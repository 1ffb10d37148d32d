// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the control socket tells of a session, as JSON.  Only reads.
 */
#include <inttypes.h>
#include <stdio.h>

#include "session-impl.h"

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

/* 64-bit numbers that mean nothing but themselves do not fit JSON's signed ones. */
static json_t *hex(uint64_t v)
{
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, v);
	return json_string(text);
}

static json_t *uuid(const uint8_t u[16])
{
	char text[40];
	int n = 0;

	for (int i = 0; i < 16; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	return json_string(text);
}

static json_t *errors(const struct cc_fill_stats *st)
{
	json_t *o = json_object();

	for (int i = CC_STORE_NOTFOUND; i <= CC_STORE_ERROR; i++)
		json_object_set_new(o, cc_store_result_name((enum cc_store_result)i), number(st->errors[i]));
	return o;
}

static json_t *counters(struct cc_session *s)
{
	const struct cc_fill_stats *st = &s->stats;
	struct cc_fetch_stats fs = { 0 };
	json_t *o = json_object();

	cc_fetch_get_stats(s->fetch, &fs);
	json_object_set_new(o, "gets", number(fs.gets));
	json_object_set_new(o, "retries", number(fs.retries));
	json_object_set_new(o, "bytes", number(fs.bytes));
	json_object_set_new(o, "hash_mismatches", number(fs.hash_mismatches));
	json_object_set_new(o, "chunks_fetched", number(st->fetched));
	json_object_set_new(o, "chunk_bytes", number(st->bytes));
	json_object_set_new(o, "misses", number(st->misses));
	json_object_set_new(o, "coalesced", number(st->coalesced));
	json_object_set_new(o, "mapped", number(st->mapped));
	json_object_set_new(o, "ram_hits", number(st->ram_hits));
	json_object_set_new(o, "fills", number(st->filled));
	json_object_set_new(o, "adopted", number(st->adopted));
	json_object_set_new(o, "data_answers", number(st->data));
	json_object_set_new(o, "no_slot", number(st->no_slot));
	json_object_set_new(o, "write_errors", number(st->write_errors));
	json_object_set_new(o, "maps_refused", number(st->refused));
	json_object_set_new(o, "failed", number(st->failed));
	json_object_set_new(o, "errors", errors(st));
	return o;
}

static json_t *chunks(struct cc_session *s)
{
	json_t *o = json_object();

	for (int i = CC_CHUNK_CANDIDATE; i < CC_CHUNK_NR_STATES; i++)
		json_object_set_new(o, cc_chunk_state_name((enum cc_chunk_state)i),
				    number(cc_index_count(s->index, (enum cc_chunk_state)i)));
	return o;
}

static json_t *stores(struct cc_session *s)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < s->sources->nr; i++) {
		const struct cc_source *x = &s->sources->s[i];

		json_array_append_new(a, json_pack("{s:s, s:s, s:b, s:i}", "name", x->config->name,
						   "url", x->config->url, "down", (int)x->down,
						   "in_flight", (int)x->in_flight));
	}
	return a;
}

static void add_attachment(struct cc_session *s, json_t *o)
{
	json_object_set_new(o, "session", number(s->attachment.session));
	json_object_set_new(o, "instance", hex(s->attachment.instance));
	json_object_set_new(o, "uuid", uuid(cc_pooldev_geometry(s->pooldev)->uuid));
	json_object_set_new(o, "slot_size", number(s->attachment.slot_size));
	json_object_set_new(o, "slots", number(s->attachment.nr_slots));
	json_object_set_new(o, "waiting", number(cc_fills_waiting(s->fills)));
	json_object_set_new(o, "in_flight", number(cc_fills_in_flight(s->fills)));
	json_object_set_new(o, "buffers_busy", number(cc_ramcache_nr_busy(s->ramcache)));
	json_object_set_new(o, "ram_cached", number(cc_ramcache_nr_idle(s->ramcache)));
	json_object_set_new(o, "messages", number(cc_channel_messages(s->channel)));
	json_object_set_new(o, "chunks", chunks(s));
}

json_t *cc_session_stat(struct cc_session *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "pool", json_string(s->config->pool));
	json_object_set_new(o, "device", json_string(s->config->device));
	json_object_set_new(o, "state", json_string(cc_session_state_name(s->state)));
	json_object_set_new(o, "version", json_string(CHUNKCACHE_VERSION));
	json_object_set_new(o, "uptime_s", number((cc_now_ns() - s->started_ns) / CC_SECOND));
	json_object_set_new(o, "counters", counters(s));
	json_object_set_new(o, "stores", stores(s));
	if (s->state == CC_SESSION_NONE)
		json_object_set_new(o, "reason", json_string(s->attach_error));
	else
		add_attachment(s, o);
	return o;
}

static void add_disk(void *arg, const struct cc_disk *k)
{
	static const char *const states[] = { "new", "loaded", "refused" };
	char digest[2 * CC_ID_SIZE + 1];
	json_t *o = json_object();

	cc_id_to_hex(k->info.digest, digest);
	json_object_set_new(o, "id", number(k->info.id));
	json_object_set_new(o, "name", json_string(k->info.name));
	json_object_set_new(o, "store", json_string(k->info.store));
	json_object_set_new(o, "digest", json_string(digest));
	json_object_set_new(o, "sectors", number(k->info.sectors));
	json_object_set_new(o, "state", json_string(states[k->state]));
	if (k->reason[0])
		json_object_set_new(o, "reason", json_string(k->reason));
	if (k->manifest)
		json_object_set_new(o, "chunks", number(k->manifest->nr_chunks));
	json_array_append_new(arg, o);
}

json_t *cc_session_disks(struct cc_session *s)
{
	json_t *o = json_object(), *a = json_array();

	if (s->disks)
		cc_disks_each(s->disks, add_disk, a);
	json_object_set_new(o, "pool", json_string(s->config->pool));
	json_object_set_new(o, "disks", a);
	return o;
}
