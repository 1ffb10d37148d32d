// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics of the helper itself: process, session, fills, stores. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "metrics-impl.h"

/* Counters of struct cc_fill_stats that have a family of their own. */
static const struct {
	struct cc_metric m;
	size_t offset;
} fill_families[] = {
#define FILL(name, field, help) { COUNTER("helper_" name, help), offsetof(struct cc_fill_stats, field) }
	FILL("misses", misses, "Misses taken from the kernel, each time that it gave one."),
	FILL("misses_coalesced", coalesced, "Misses that joined a fill under way."),
	FILL("index_answers", mapped, "Misses answered from the index, without a fetch."),
	FILL("ram_hits", ram_hits, "Misses answered from the RAM cache."),
	FILL("data_answers", data, "Misses answered with bytes instead of a slot."),
	FILL("misses_failed", failed, "Misses answered with an error."),
	FILL("chunks_fetched", fetched, "Chunks that came and were right."),
	FILL("fetched_bytes", bytes, "Bytes received for chunks."),
	FILL("fills", filled, "Slots that the kernel took as valid."),
	FILL("fills_adopted", adopted, "Of those, slots that held the bytes already."),
	FILL("chunks_without_slot", no_slot, "Chunks that got no slot in time."),
	FILL("write_errors", write_errors, "Writes to the pool that failed."),
	FILL("maps_refused", refused, "Mappings that the kernel refused, mostly of slots that were evicted."),
#undef FILL
};

static const struct cc_metric
	info = INFO("helper", "The helper's version."),
	start_time = { "process_start_time_seconds", "When the process began, since 1970.", CC_GAUGE },
	cpu = { "process_cpu_seconds", "Time on a CPU, of user and system together.", CC_COUNTER },
	resident = { "process_resident_memory_bytes", "Memory that is resident.", CC_GAUGE },
	attached = GAUGE("helper_attached", "Whether the helper serves the pool."),
	fetch_errors = COUNTER("helper_fetch_errors", "Chunks that were not to be had, by result."),
	slot_bytes = GAUGE("pool_slot_bytes", "Size of a slot, and of a chunk."),
	waiting = GAUGE("helper_waiting_misses", "Misses that were taken and not answered yet."),
	in_flight = GAUGE("helper_in_flight_chunks", "Chunks that are being fetched, written or read back."),
	busy = GAUGE("helper_busy_buffers", "Chunk buffers in use."),
	ram = GAUGE("helper_ram_chunks", "Chunks in the RAM cache."),
	scrubbed = COUNTER("helper_scrubbed_slots", "Slots that were read and hashed again."),
	scrub_wrong = COUNTER("helper_scrub_wrong_slots", "Of those, slots with other bytes than were written; dropped."),
	scrub_failed = COUNTER("helper_scrub_failed_slots", "Slots that scrub could not read."),
	chunks = GAUGE("helper_chunks", "Chunks that the index knows, by state."),
	down = GAUGE("store_down", "Whether the store failed several times in a row."),
	store_in_flight = GAUGE("store_in_flight_chunks", "Chunks that are being fetched from the store."),
	answered = GAUGE("store_last_answer_timestamp_seconds",
			 "When the store answered last, be it with not found; 0 if never.");

/* ---- process ---- */

/* A moment of CLOCK_MONOTONIC in milliseconds since 1970; 0 stays 0. */
static uint64_t since_1970_ms(uint64_t at_ns)
{
	return at_ns ? (cc_real_ns() - (cc_now_ns() - at_ns)) / CC_MS : 0;
}

static uint64_t resident_bytes(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct cc_labels version = *pool;
	struct timespec ts;

	cc_labels_add(&version, "version", CHUNKCACHE_VERSION);
	cc_text_one(t, &version, &info, 1, 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	cc_text_one(t, pool, &start_time, since_1970_ms(s->started_ns), 3);
	cc_text_one(t, pool, &cpu, (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / CC_MS, 3);
	cc_text_one(t, pool, &resident, resident_bytes(), 0);
}

/* ---- session ---- */

static void put_fills(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	for (size_t i = 0; i < NR(fill_families); i++)
		cc_text_one(t, pool, &fill_families[i].m,
			       *(const uint64_t *)((const char *)&s->stats + fill_families[i].offset), 0);
	cc_text_family(t, &fetch_errors);
	for (int i = CC_STORE_NOTFOUND; i <= CC_STORE_ERROR; i++)
		cc_text_sample(t, pool, cc_text_label("result",
				cc_store_result_name((enum cc_store_result)i)), s->stats.errors[i], 0);
}

static void put_scrub(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct cc_scrub_figures f;

	cc_scrub_get_figures(s->scrub, &f);
	cc_text_one(t, pool, &scrubbed, f.checked, 0);
	cc_text_one(t, pool, &scrub_wrong, f.wrong, 0);
	cc_text_one(t, pool, &scrub_failed, f.bad + f.unread, 0);
}

static void put_attachment(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	cc_text_one(t, pool, &slot_bytes, s->attachment.slot_size, 0);
	cc_text_one(t, pool, &waiting, cc_fills_waiting(s->fills), 0);
	cc_text_one(t, pool, &in_flight, cc_fills_in_flight(s->fills), 0);
	cc_text_one(t, pool, &busy, cc_ramcache_nr_busy(s->ramcache), 0);
	cc_text_one(t, pool, &ram, cc_ramcache_nr_idle(s->ramcache), 0);
	put_scrub(s, pool, t);
	cc_text_family(t, &chunks);
	for (int i = CC_CHUNK_CANDIDATE; i < CC_CHUNK_NR_STATES; i++)
		cc_text_sample(t, pool, cc_text_label("state",
				cc_chunk_state_name((enum cc_chunk_state)i)),
			       cc_index_count(s->index, (enum cc_chunk_state)i), 0);
}

/* ---- stores ---- */

static uint64_t is_down(const struct cc_supply *x)
{
	return x->down;
}

static uint64_t nr_in_flight(const struct cc_supply *x)
{
	return x->in_flight;
}

static uint64_t answered_ms(const struct cc_supply *x)
{
	return since_1970_ms(x->source->answered_ns);
}

static void put_stores(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t,
		       const struct cc_metric *m, uint64_t (*value)(const struct cc_supply *x),
		       unsigned int decimals)
{
	cc_text_family(t, m);
	for (unsigned int i = 0; i < s->supplies.nr; i++) {
		struct cc_labels l = *pool;

		cc_labels_add(&l, "store", s->supplies.s[i].source->config->name);
		cc_text_sample(t, &l, NULL, value(&s->supplies.s[i]), decimals);
	}
}

void cc_metrics_session(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	put_process(s, pool, t);
	cc_text_one(t, pool, &attached, s->state == CC_SESSION_ATTACHED, 0);
	put_fills(s, pool, t);
	if (s->state != CC_SESSION_NONE)
		put_attachment(s, pool, t);
	put_stores(s, pool, t, &down, is_down, 0);
	put_stores(s, pool, t, &store_in_flight, nr_in_flight, 0);
	put_stores(s, pool, t, &answered, answered_ms, 3);
}
