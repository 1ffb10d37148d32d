// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill engine against a kernel, a store and a device that are played here, on a clock of its own.  At random
 * slots run out, slots are evicted, fetches and writes fail, answers are lost, misses are given twice.  What must
 * hold: a mapping names a slot that holds that chunk; bytes are those of the chunk; a chunk is fetched once at a
 * time; an error is only given for what the store does not have; in the end no miss is left.  Some disks have boot
 * traces, some of which are cut or not to be had.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot-trace.h"
#include "clock.h"
#include "fill/fill.h"
#include "log.h"
#include "manifest.h"

#define SHIFT		CC_CHUNK_SHIFT_MIN
#define SIZE		((size_t)1 << SHIFT)
#define NR_IDS		48u		/* distinct chunks; the last NR_MISSING are not in the store */
#define NR_MISSING	2u
#define NR_CHUNKS	64u		/* of a disk */
#define NR_DISKS	4u		/* 0..2 in one domain, 3 in another */
#define NR_SLOTS	24u
#define MAX_QUEUE	256

static int nr, failed;

static void ok(int good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++nr, name);
	failed += !good;
}

static void must(int good, const char *what)
{
	if (good)
		return;
	printf("not ok %d - %s\n", nr + 1, what);
	exit(1);
}

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(seed >> 8) * n) >> 24);
}

static uint64_t clock_ns = 1;

uint64_t cc_now_ns(void)
{
	return clock_ns;
}

/* ---- what everything is ---- */

static int faults;			/* in 100 */
static bool stores_down;
static uint8_t ids[NR_IDS][CC_ID_SIZE];
static struct cc_sources sources;
static struct cc_supplies supplies;
static struct cc_disk disks[NR_DISKS];
static struct cc_disk_reads reads[NR_DISKS];
static struct cc_manifest manifests[NR_DISKS];
static uint8_t disk_ids[NR_DISKS][NR_CHUNKS][CC_ID_SIZE];

static void fill_content(void *buf, uint32_t id)
{
	uint32_t *p = buf;

	for (size_t i = 0; i < SIZE / sizeof(*p); i++)
		p[i] = id * 100003 + (uint32_t)i;
}

static bool is_content(const void *buf, size_t offset, size_t len, uint32_t id)
{
	const uint32_t *p = buf;

	for (size_t i = 0; i < len / sizeof(*p); i++)
		if (p[i] != id * 100003 + (uint32_t)(offset / sizeof(*p) + i))
			return false;
	return true;
}

static uint32_t id_number(const uint8_t *id)
{
	for (uint32_t i = 0; i < NR_IDS; i++)
		if (!memcmp(ids[i], id, CC_ID_SIZE))
			return i;
	must(0, "an id that nobody has");
	return 0;
}

static uint32_t id_at(uint64_t disk, uint64_t chunk)
{
	return id_number(disk_ids[disk - 1][chunk]);
}

struct cc_disk *cc_disks_find(struct cc_disks *d, uint64_t id)
{
	return id >= 1 && id <= NR_DISKS ? &disks[id - 1] : NULL;
}

uint32_t cc_disks_maps(struct cc_disks *d, uint64_t domain, const uint8_t id[CC_ID_SIZE],
		       struct chunkcache_slot slot, struct chunkcache_map *maps, uint32_t max,
		       cc_disks_skip_fn *skip, void *arg)
{
	uint32_t n = 0;

	for (uint64_t k = 1; k <= NR_DISKS; k++)
		for (uint64_t c = 0; c < NR_CHUNKS && n < max; c++)
			if (disks[k - 1].source->domain == domain && !memcmp(disk_ids[k - 1][c], id, CC_ID_SIZE) &&
			    !skip(arg, k, c))
				maps[n++] = (struct chunkcache_map) {
					.disk = k, .chunk = c, .count = 1, .slot = slot.slot, .gen = slot.gen,
				};
	return n;
}

/* The disks' streams are tested elsewhere; here chunks are prefetched at random. */
#define PREFETCH_MAX 4u
static struct cc_prefetch_stats all_prefetch;
static uint64_t nr_in_vain;
static uint64_t nr_marked, nr_hints, nr_spare_slots;

void cc_source_note(struct cc_source *s, const struct cc_fetch_req *req, uint64_t now_ns)
{
}

/* ---- the kernel ---- */

struct slot {
	enum chunkcache_slot_state state;
	uint32_t gen;
	uint32_t id;			/* NR_IDS: rubbish */
	uint64_t domain;
};

struct miss {
	uint64_t cookie;		/* 0: nobody waits */
	bool sent;
	uint32_t offset, len, flags, pos;
};

static struct slot slots[NR_SLOTS];
static struct miss misses[NR_DISKS][NR_CHUNKS];
static bool mapped[NR_DISKS][NR_CHUNKS];
static bool marked[NR_DISKS][NR_CHUNKS];
static bool hints[NR_DISKS][NR_CHUNKS];
static uint64_t cookies;
static uint32_t pending;
static bool rung;
static uint64_t nr_mapped, nr_data, nr_failed, nr_lost;

static bool unlucky(void)
{
	return rnd(100) < (uint32_t)faults;
}

static struct miss *miss_at(uint64_t disk, uint64_t chunk)
{
	must(disk >= 1 && disk <= NR_DISKS && chunk < NR_CHUNKS, "an answer for a chunk that is none");
	return &misses[disk - 1][chunk];
}

int cc_channel_miss_get(struct cc_channel *c, bool all, uint32_t count, struct chunkcache_miss *out,
			uint32_t *ret_nr, uint32_t *ret_pending)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i < NR_DISKS * NR_CHUNKS; i++) {
		struct miss *m = &misses[i / NR_CHUNKS][i % NR_CHUNKS];

		if (all)
			m->sent = false;
		if (hints[i / NR_CHUNKS][i % NR_CHUNKS] && n < count) {
			hints[i / NR_CHUNKS][i % NR_CHUNKS] = false;
			nr_hints++;
			out[n++] = (struct chunkcache_miss) {
				.disk = i / NR_CHUNKS + 1, .chunk = i % NR_CHUNKS, .flags = CHUNKCACHE_MISS_HINT,
			};
		}
		if (!m->cookie || m->sent || n == count)
			continue;
		m->sent = true;
		out[n++] = (struct chunkcache_miss) {
			.disk = i / NR_CHUNKS + 1, .chunk = i % NR_CHUNKS, .cookie = m->cookie,
			.offset = m->offset, .len = m->len, .flags = m->flags,
		};
	}
	if (unlucky()) {
		nr_lost++;
		return -ENOBUFS;
	}
	*ret_nr = n;
	*ret_pending = pending;
	pending = 0;
	return 0;
}

static void answered(struct miss *m)
{
	m->cookie = 0;
	m->pos = 0;
}

int cc_channel_miss_data(struct cc_channel *c, const struct chunkcache_miss *w, uint32_t offset,
			 const void *data, uint32_t len, bool last)
{
	struct miss *m = miss_at(w->disk, w->chunk);

	must(len && len <= CHUNKCACHE_DATA_MAX && !(len % 512) && !(offset % 512) && offset + len <= SIZE,
	     "a piece of a size or at a place that is not allowed");
	must(is_content(data, offset, len, id_at(w->disk, w->chunk)), "bytes are not those of the chunk");
	if (!m->cookie)
		return -ENOENT;
	if (m->cookie != w->cookie)
		return -ESTALE;
	if (offset <= m->offset)
		m->pos = m->offset;
	if (m->pos >= offset && offset + len > m->pos)
		m->pos = offset + len;
	if (!last)
		return 0;
	if (m->pos >= m->offset + m->len) {
		answered(m);
		nr_data++;
	} else {
		m->sent = false;
		rung = true;
	}
	return 0;
}

int cc_channel_miss_fail(struct cc_channel *c, const struct chunkcache_fail *f, uint32_t count,
			 struct cc_refusals *ret)
{
	ret->nr = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct miss *m = miss_at(f[i].disk, f[i].chunk);

		must(id_at(f[i].disk, f[i].chunk) >= NR_IDS - NR_MISSING, "an error for what can be had");
		must(f[i].class == CHUNKCACHE_FAIL_NOTFOUND, "the error's class");
		if (m->cookie == f[i].cookie) {
			answered(m);
			nr_failed++;
		}
	}
	return 0;
}

int cc_channel_slot_alloc(struct cc_channel *c, uint32_t count, bool prefetch,
			  struct chunkcache_slot *out, uint32_t *ret_nr)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < NR_SLOTS && n < count && !unlucky(); i++) {
		if (slots[i].state == CHUNKCACHE_SLOT_VALID && rnd(2))
			slots[i].state = CHUNKCACHE_SLOT_FREE;
		if (slots[i].state != CHUNKCACHE_SLOT_FREE)
			continue;
		slots[i].state = CHUNKCACHE_SLOT_FILLING;
		slots[i].gen++;
		out[n++] = (struct chunkcache_slot) { i, slots[i].gen };
		nr_spare_slots += prefetch;
	}
	*ret_nr = n;
	return 0;
}

int cc_channel_slot_adopt(struct cc_channel *c, uint32_t slot, uint32_t *ret_gen)
{
	if (slots[slot].gen || slots[slot].state != CHUNKCACHE_SLOT_FREE)
		return -EBUSY;
	slots[slot].state = CHUNKCACHE_SLOT_FILLING;
	*ret_gen = ++slots[slot].gen;
	return 0;
}

static uint32_t try_map(const struct chunkcache_map *m)
{
	const struct slot *s = &slots[m->slot];
	struct miss *w = miss_at(m->disk, m->chunk);

	must(!m->reserved && m->count == 1 && !(m->flags & ~CHUNKCACHE_MAP_MARK), "a mapping's fields");
	if (s->state != CHUNKCACHE_SLOT_VALID || s->gen != m->gen)
		return ESTALE;
	must(s->id == id_at(m->disk, m->chunk), "mapped to another chunk's slot");
	must(s->domain == disks[m->disk - 1].source->domain, "mapped to another domain's slot");
	mapped[m->disk - 1][m->chunk] = true;
	marked[m->disk - 1][m->chunk] = m->flags & CHUNKCACHE_MAP_MARK;
	nr_marked += marked[m->disk - 1][m->chunk];
	if (w->cookie && !(w->flags & CHUNKCACHE_MISS_DATA)) {
		answered(w);
		nr_mapped++;
	}
	return 0;
}

int cc_channel_map(struct cc_channel *c, const struct chunkcache_map *m, uint32_t count, struct cc_refusals *ret)
{
	must(count && count <= CHUNKCACHE_MAP_BATCH_MAX, "size of a batch of mappings");
	ret->nr = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t error = try_map(&m[i]);

		if (error)
			ret->r[ret->nr++] = (struct chunkcache_refused) { i, error };
	}
	return 0;
}

int cc_channel_slot_done(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key, bool prefetch,
			 const struct chunkcache_map *m, uint32_t count, struct cc_refusals *ret)
{
	struct slot *s = &slots[slot.slot];
	bool lost = unlucky();

	if (s->state != CHUNKCACHE_SLOT_FILLING || s->gen != slot.gen)
		return -ESTALE;
	if (lost && rnd(2))
		goto lost;
	must(s->id < NR_IDS && !memcmp(&key, ids[s->id], 8), "a slot that was not written is called done");
	s->state = CHUNKCACHE_SLOT_VALID;
	ret->nr = 0;
	if (count)
		cc_channel_map(c, m, count, ret);
	if (!lost)
		return 0;
lost:
	/* The engine is told to look for such slots; here they are just given back. */
	if (s->state == CHUNKCACHE_SLOT_FILLING)
		s->state = CHUNKCACHE_SLOT_FREE;
	nr_lost++;
	return -ENOBUFS;
}

int cc_channel_slot_release(struct cc_channel *c, const struct chunkcache_slot *s, uint32_t count, bool bad)
{
	for (uint32_t i = 0; i < count; i++) {
		must(slots[s[i].slot].state == CHUNKCACHE_SLOT_FILLING && slots[s[i].slot].gen == s[i].gen,
		     "a slot is released that is not ours");
		slots[s[i].slot].state = CHUNKCACHE_SLOT_FREE;
		pending |= CHUNKCACHE_PENDING_SLOT;
	}
	return 0;
}

/* ---- the store ---- */

#define HANG (8 * CC_SECOND)	/* as long as probes, one a second, do not run out */
#define NO_TIME UINT64_MAX

static struct cc_fetch_req *fetches[MAX_QUEUE];
static uint64_t fetch_due[MAX_QUEUE];	/* of fetches: not answered before */
static unsigned int nr_fetches;
static enum cc_fetch_priority last_prio; /* that the fetch engine was told */
static uint64_t hang_until;		/* what is asked for before hangs, and fails */
static uint32_t bad_id = NR_IDS;	/* never comes */
static unsigned int bad_tries;
static uint64_t bad_tried_ns, bad_gap;	/* the last time; the longest between two */
static uint64_t first_fetched_ns = NO_TIME;

void cc_fetch_submit(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	for (unsigned int i = 0; i < nr_fetches; i++)
		must(memcmp(fetches[i]->id, req->id, CC_ID_SIZE) || fetches[i]->store != req->store ||
		     req->kind == CC_FETCH_TRACE,
		     "a chunk is fetched twice at a time");
	must(nr_fetches < MAX_QUEUE, "too many fetches");
	last_prio = prio;
	fetch_due[nr_fetches] = clock_ns < hang_until ? clock_ns + HANG : 0;
	fetches[nr_fetches++] = req;
	if (req->kind == CC_FETCH_TRACE || id_number(req->id) != bad_id)
		return;
	if (bad_tries++ && clock_ns - bad_tried_ns > bad_gap)
		bad_gap = clock_ns - bad_tried_ns;
	bad_tried_ns = clock_ns;
}

void cc_fetch_promote(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	last_prio = prio;
}

void cc_fetch_cancel(struct cc_fetch *f, struct cc_fetch_req *req)
{
}

const char *cc_store_result_name(enum cc_store_result r)
{
	return "result";
}

static uint64_t nr_traces, nr_given, nr_left;

/* Chunks in any order; now and then it is cut, or not there. */
static void complete_trace(struct cc_fills *f, struct cc_fetch_req *req)
{
	struct cc_trace t = { .chunk_shift = SHIFT };
	struct cc_touch run[NR_CHUNKS];
	void *data;

	for (uint32_t i = 0; i < NR_CHUNKS; i++)
		run[i] = (struct cc_touch) { (i * 29 + 7) % NR_CHUNKS, i };
	must(!cc_trace_merge(&t, run, NR_CHUNKS / 2) && !cc_trace_build(&t, &data, &req->size), "a trace");
	must(req->size <= req->buf_size, "room for a trace");
	memcpy(req->buf, data, req->size);
	free(data);
	cc_trace_free(&t);
	req->size -= rnd(3) ? 0 : 1;
	req->result = rnd(4) ? CC_STORE_OK : rnd(2) ? CC_STORE_NOTFOUND : CC_STORE_ERROR;
	nr_traces++;
	req->done(req);
}

static void complete_fetch(struct cc_fills *f)
{
	unsigned int i = rnd(nr_fetches);
	struct cc_fetch_req *req = fetches[i];
	bool hung = fetch_due[i];
	uint32_t id;

	if (clock_ns < fetch_due[i])
		return;
	fetches[i] = fetches[--nr_fetches];
	fetch_due[i] = fetch_due[nr_fetches];
	if (req->kind == CC_FETCH_TRACE) {
		complete_trace(f, req);
		return;
	}
	id = id_number(req->id);
	memset(req->buf, 0xee, SIZE);
	if (stores_down || hung || id == bad_id || unlucky()) {
		req->result = rnd(2) ? CC_STORE_ERROR : CC_STORE_TIMEOUT;
	} else if (id >= NR_IDS - NR_MISSING) {
		req->result = CC_STORE_NOTFOUND;
	} else {
		fill_content(req->buf, id);
		req->size = SIZE;
		if (first_fetched_ns == NO_TIME)
			first_fetched_ns = clock_ns;
	}
	req->done(req);
}

/* ---- the device ---- */

struct transfer {
	struct cc_slot_io *io;
	uint32_t slot;
	void *data;
	bool write;
};

static struct transfer transfers[MAX_QUEUE];
static unsigned int nr_transfers;

static void transfer(struct cc_slot_io *s, uint32_t slot, void *data, bool write)
{
	must(slots[slot].state == CHUNKCACHE_SLOT_FILLING, "transfer to a slot that is not FILLING");
	must(nr_transfers < MAX_QUEUE, "too many transfers");
	transfers[nr_transfers++] = (struct transfer) { s, slot, data, write };
}

void cc_writer_write(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data)
{
	transfer(s, slot, data, true);
}

void cc_writer_read(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data)
{
	transfer(s, slot, data, false);
}

static void complete_transfer(void)
{
	unsigned int i = rnd(nr_transfers);
	struct transfer t = transfers[i];
	struct slot *s = &slots[t.slot];
	int error = unlucky() ? -EIO : 0;

	transfers[i] = transfers[--nr_transfers];
	if (!error && t.write) {
		for (s->id = 0; s->id < NR_IDS && !is_content(t.data, 0, SIZE, s->id); s->id++)
			;
		must(s->id < NR_IDS, "bytes changed while they were written");
	} else if (!error) {
		fill_content(t.data, s->id);
	}
	t.io->done(t.io, error);
}

static struct cc_index *the_index;

void cc_slot_table_mark(struct cc_slot_table *t, uint32_t slot, uint64_t now_ns)
{
	const struct cc_chunk *k = cc_index_at(the_index, slot);

	must(k && k->state == CC_CHUNK_CACHED && k->gen == slots[slot].gen, "slot table is told of a wrong slot");
}

/* ---- the play ---- */

static void set_up_images(void)
{
	for (uint32_t i = 0; i < NR_IDS; i++) {
		void *buf = malloc(SIZE);

		fill_content(buf, i);
		cc_sha256(buf, SIZE, ids[i]);
		free(buf);
	}
	sources.nr = 2;
	for (unsigned int i = 0; i < 2; i++) {
		static struct cc_store_config configs[2];

		configs[i].name = i ? "b" : "a";
		configs[i].connections = 4;
		sources.s[i] = (struct cc_source) {
			.store = (void *)&configs[i], .config = &configs[i], .domain = 100 + i,
		};
	}
	cc_supplies_init(&supplies, &sources);
	for (unsigned int k = 0; k < NR_DISKS; k++) {
		for (unsigned int c = 0; c < NR_CHUNKS; c++)
			memcpy(disk_ids[k][c], ids[rnd(NR_IDS)], CC_ID_SIZE);
		manifests[k] = (struct cc_manifest) { .nr_chunks = NR_CHUNKS, .ids = disk_ids[k][0] };
		disks[k] = (struct cc_disk) {
			.info.id = k + 1, .state = CHUNKCACHE_DISK_LOADED, .manifest = &manifests[k],
			.nr_chunks = manifests[k].nr_chunks,
			.source = &sources.s[k == NR_DISKS - 1],
		};
		disks[k].reads = &reads[k];
		reads[k] = (struct cc_disk_reads) { .disk = &disks[k] };
		cc_replay_init(&reads[k].replay);
		cc_recording_start(&reads[k].recording, NR_CHUNKS, clock_ns);
	}
}

/* What an earlier instance left: some right, some not what the table says. */
static void set_up_slots(struct cc_index *x)
{
	memset(slots, 0, sizeof(slots));
	for (uint32_t i = 0; i < NR_SLOTS; i++) {
		struct cc_chunk *k = cc_index_get(x, 100, ids[i]);

		slots[i].id = rnd(3) ? i : (i + 1) % NR_IDS;
		cc_index_bind(x, k, i, 7);
		cc_index_set_state(x, k, CC_CHUNK_CANDIDATE);
	}
}

/* The domain of what is in a slot is known from who is bound to it when it becomes VALID. */
static void note_domains(void)
{
	for (uint32_t i = 0; i < NR_SLOTS; i++)
		if (slots[i].state == CHUNKCACHE_SLOT_FILLING && cc_index_at(the_index, i))
			slots[i].domain = cc_index_at(the_index, i)->domain;
}

static void new_miss(void)
{
	uint64_t disk = rnd(NR_DISKS), chunk = rnd(NR_CHUNKS);
	struct miss *m = &misses[disk][chunk];

	if (m->cookie)
		return;
	*m = (struct miss) { .cookie = ++cookies, .offset = rnd(64) * 512 };
	m->len = (rnd((uint32_t)(SIZE - m->offset) / 512) + 1) * 512;
	m->flags = (rnd(8) ? 0 : CHUNKCACHE_MISS_DATA) | (rnd(4) ? 0 : CHUNKCACHE_MISS_AHEAD);
	rung = true;
}

static void new_prefetch(struct cc_fills *f)
{
	unsigned int prefetching = 0;

	unsigned int disk = rnd(NR_DISKS);

	cc_fills_prefetch(f, &disks[disk], rnd(NR_CHUNKS), disk ? CC_PREFETCH_GUESS : CC_PREFETCH_BY_HAND);
	for (unsigned int i = 0; i < sources.nr; i++) {
		must(supplies.s[i].prefetching <= 3, "a store's connections are taken by prefetch");
		prefetching += supplies.s[i].prefetching;
	}
	must(prefetching <= PREFETCH_MAX, "too many fetches that nobody waits for");
}

/* A disk comes up anew, as far as its trace goes. */
static void new_replay(struct cc_fills *f)
{
	struct cc_disk *disk = &disks[rnd(NR_DISKS)];
	struct cc_replay *r = &disk->reads->replay;

	if (r->state == CC_REPLAY_GIVEN || r->state == CC_REPLAY_LEFT) {
		nr_given += r->given;
		nr_left += r->state == CC_REPLAY_LEFT;
		cc_replay_free(r);
	}
	if (r->state != CC_REPLAY_NONE)
		return;
	cc_recording_start(&disk->reads->recording, NR_CHUNKS, clock_ns);
	cc_fills_replay(f, disk);
}

/* Somebody reads a chunk that is mapped. */
static void new_hit(void)
{
	uint64_t disk = rnd(NR_DISKS), chunk = rnd(NR_CHUNKS);

	if (!mapped[disk][chunk] || !marked[disk][chunk])
		return;
	marked[disk][chunk] = false;
	hints[disk][chunk] = true;
	rung = true;
}

/* What was paid for and not read is counted, but for what was asked for by hand, and until it counts half. */
static void check_allowance(const struct cc_disk_reads *r, unsigned int disk)
{
	const struct cc_prefetch_stats *st = &r->prefetch;
	uint64_t in_vain = st->fetched - st->used - st->late;

	must(r->allowance.unread <= in_vain, "more are in vain than were fetched");
	if (disk && r->allowance.touched < CC_ALLOWANCE_AGE / 2) {
		must(r->allowance.unread == in_vain, "what was fetched in vain is not known");
		nr_in_vain += in_vain;
	}
}

/* Everything that was fetched for nobody has come to one end. */
static void check_prefetch(void)
{
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		const struct cc_prefetch_stats *st = &reads[i].prefetch;

		must(!st->pending && !st->by_hand, "a prefetch is still counted as pending");
		must(st->used + st->late + st->unread <= st->fetched, "more came of prefetches than there were");
		check_allowance(&reads[i], i);
		all_prefetch.fetched += st->fetched;
		all_prefetch.used += st->used;
		all_prefetch.late += st->late;
		all_prefetch.unread += st->unread;
		all_prefetch.dropped += st->dropped;
	}
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		cc_recording_free(&reads[i].recording);
		cc_replay_free(&reads[i].replay);
	}
	must(!supplies.s[0].prefetching && !supplies.s[1].prefetching, "a prefetch is still counted as under way");
}

static bool pull_all;

static void one_round(struct cc_fills *f)
{
	uint32_t got = 0;
	bool more;
	int r = 0;

	if (rung || pull_all) {
		bool all = pull_all;

		rung = false;
		pull_all = false;
		r = cc_fills_pull(f, all, &got, &more);
		must(!r || r == -ENOBUFS, "pull");
		pull_all = r;
		if (got & CHUNKCACHE_PENDING_SLOT)
			cc_fills_slots_free(f);
	}
	cc_fills_step(f, clock_ns, &r);
	must(!r || r == -ENOBUFS, "step");
	pull_all |= r || !rnd(50);
	note_domains();
	if (nr_fetches && rnd(2))
		complete_fetch(f);
	if (nr_transfers && rnd(2))
		complete_transfer();
	clock_ns += rnd(20) * CC_MS;
}

static bool somebody_waits(void)
{
	for (uint64_t i = 0; i < NR_DISKS * NR_CHUNKS; i++)
		if (misses[i / NR_CHUNKS][i % NR_CHUNKS].cookie)
			return true;
	return false;
}

static struct cc_ramcache *ramcache;

static struct cc_fills *begin(uint32_t s, unsigned int nr_fill, unsigned int nr_cache)
{
	struct cc_ramcache_config rc = {
		.chunk_size = SIZE, .nr_fill = nr_fill, .nr_cache = nr_cache, .nr_reserved = 2,
		.evict = cc_fills_evicted,
	};
	static struct cc_fill_stats stats;
	struct cc_fills_config c = {
		.supplies = &supplies, .nr_slots = NR_SLOTS, .max_slots = NR_SLOTS, .slot_shift = SHIFT,
		.nr_buffers = nr_fill, .slot_wait_ms = 200, .prefetch_max = PREFETCH_MAX,
	};
	struct cc_fills *f;

	seed = s;
	set_up_images();
	must(!cc_index_open(NR_SLOTS, &the_index), "index");
	rc.arg = the_index;
	c.index = the_index;
	must(!cc_ramcache_open(&rc, &ramcache), "buffers");
	c.ramcache = ramcache;
	must(!cc_fills_open(&c, &stats, &f), "fills");
	set_up_slots(the_index);
	return f;
}

static void end(struct cc_fills *f)
{
	cc_fills_drain(f, false);
	memset(fetch_due, 0, sizeof(fetch_due));
	while (nr_fetches)
		complete_fetch(f);
	while (nr_transfers)
		complete_transfer();
	must(!cc_fills_in_flight(f), "something is in flight after the end");
	must(!cc_ramcache_nr_busy(ramcache), "a buffer is lost");
	check_prefetch();
	cc_fills_close(f);
	cc_ramcache_close(ramcache);
	cc_index_close(the_index);
}

static void play(uint32_t s, unsigned int nr_cache)
{
	struct cc_fills *f = begin(s, 6, nr_cache);

	faults = 10;
	for (int i = 0; i < 3000; i++) {
		if (rnd(3) == 0)
			new_miss();
		if (rnd(6) == 0)
			new_prefetch(f);
		if (rnd(3) == 0)
			new_hit();
		if (rnd(100) == 0)
			new_replay(f);
		one_round(f);
	}
	faults = 0;
	for (int rounds = 0; rounds < 20000 && somebody_waits(); rounds++) {
		pull_all |= !(rounds % 50);
		one_round(f);
	}
	must(!somebody_waits(), "a miss is left unanswered");
	end(f);
}

/* However long the stores were down, what waits is served within seconds of their return. */
static void play_down(uint32_t s)
{
	struct cc_fills *f = begin(s, 6, 2);
	uint64_t back;

	stores_down = true;
	for (int i = 0; i < 40; i++)
		new_miss();
	for (back = clock_ns + 100 * CC_SECOND; clock_ns < back;)
		one_round(f);
	stores_down = false;
	must(somebody_waits(), "nobody waits for a store that is down");
	while (somebody_waits() && clock_ns < back + 10 * CC_SECOND)
		one_round(f);
	printf("# seed %u: served %llu ms after the stores came back\n", s,
	       (unsigned long long)(clock_ns - back) / CC_MS);
	ok(!somebody_waits() && clock_ns - back < 5 * CC_SECOND, "stores that were down for 100 s");
	end(f);
}

/* Disk NR_DISKS, the only one of its store, gets chunks that nobody has and that differ. */
static void own_chunks(void)
{
	for (uint32_t c = 0; c < NR_IDS - NR_MISSING; c++)
		memcpy(disk_ids[NR_DISKS - 1][c], ids[c], CC_ID_SIZE);
}

static void miss_own(uint32_t chunk, uint32_t flags)
{
	struct miss *m = &misses[NR_DISKS - 1][chunk];

	if (m->cookie)
		return;
	*m = (struct miss) { .cookie = ++cookies, .len = 512, .flags = flags };
	rung = true;
}

/* Requests that were under way when the store came back go on hanging; it is found out nevertheless. */
static void play_hang(uint32_t s)
{
	struct cc_fills *f = begin(s, 16, 2);
	uint64_t back = clock_ns + 100 * CC_SECOND + s * 370 * CC_MS, took;

	own_chunks();
	hang_until = back;
	for (uint32_t c = 0; c < NR_IDS - NR_MISSING; c++)
		miss_own(c, 0);
	while (clock_ns < back)
		one_round(f);
	must(supplies.s[1].down, "a store that hangs is down");
	first_fetched_ns = NO_TIME;
	while (first_fetched_ns == NO_TIME && clock_ns < back + 2 * HANG)
		one_round(f);
	took = clock_ns - back;
	while (somebody_waits() && clock_ns < back + 3 * HANG)
		one_round(f);
	printf("# seed %u: fetched the first chunk %llu ms after the store came back\n", s,
	       (unsigned long long)took / CC_MS);
	ok(took < 2500 * CC_MS && !somebody_waits(), "a store whose requests hung for 100 s");
	end(f);
}

/* Trouble with one chunk is no outage: it is tried again soon, however often it has failed. */
static void play_flaky(void)
{
	struct cc_fills *f = begin(1, 6, 0);
	uint64_t until = clock_ns + 60 * CC_SECOND;

	own_chunks();
	bad_id = 7;
	bad_tries = bad_gap = 0;
	miss_own(bad_id, 0);
	while (clock_ns < until) {
		miss_own(rnd(NR_IDS - NR_MISSING), 0);
		one_round(f);
		must(!supplies.s[1].down, "a store that answers is up");
	}
	bad_id = NR_IDS;
	while (somebody_waits() && clock_ns < until + 10 * CC_SECOND)
		one_round(f);
	printf("# %u tries, at most %llu ms apart\n", bad_tries, (unsigned long long)bad_gap / CC_MS);
	ok(bad_tries > 30 && bad_gap < 2000 * CC_MS && !somebody_waits(), "a chunk that fails again and again");
	end(f);
}

/* Readahead of a chunk, and a read of the same disk joins it: somebody waits now.  started: it is under way. */
static void read_of_readahead(bool started)
{
	struct cc_fills *f = begin(1, 6, 2);
	uint32_t got = 0;
	bool more;
	int r = 0;

	own_chunks();
	miss_own(0, CHUNKCACHE_MISS_AHEAD);
	must(!cc_fills_pull(f, false, &got, &more), "pull");
	if (started)
		cc_fills_step(f, clock_ns, &r);
	must(nr_fetches == started && (!started || last_prio == CC_FETCH_AHEAD), "readahead");
	misses[NR_DISKS - 1][0].flags = 0;
	misses[NR_DISKS - 1][0].sent = false;
	must(!cc_fills_pull(f, false, &got, &more), "pull");
	cc_fills_step(f, clock_ns, &r);
	ok(nr_fetches == 1 && last_prio == CC_FETCH_DEMAND,
	   started ? "a read of what readahead fetches" : "a read of what readahead is about to fetch");
	while (somebody_waits())
		one_round(f);
	end(f);
}

int main(void)
{
	char name[80];

	cc_log_level(-1);
	for (uint32_t s = 1; s <= 40; s++) {
		play(s, s % 4 * 2);
		snprintf(name, sizeof(name), "seed %u, RAM cache of %u", s, s % 4 * 2);
		ok(1, name);
	}
	for (uint32_t s = 1; s <= 4; s++)
		play_down(s);
	for (uint32_t s = 1; s <= 8; s++)
		play_hang(s);
	play_flaky();
	read_of_readahead(false);
	read_of_readahead(true);
	printf("# %llu by mapping, %llu by bytes, %llu by error, %llu answers lost\n",
	       (unsigned long long)nr_mapped, (unsigned long long)nr_data, (unsigned long long)nr_failed,
	       (unsigned long long)nr_lost);
	printf("# prefetched %llu: used %llu, late %llu, unread %llu, dropped %llu; %llu marks, %llu hints\n",
	       (unsigned long long)all_prefetch.fetched, (unsigned long long)all_prefetch.used,
	       (unsigned long long)all_prefetch.late, (unsigned long long)all_prefetch.unread,
	       (unsigned long long)all_prefetch.dropped, (unsigned long long)nr_marked,
	       (unsigned long long)nr_hints);
	ok(all_prefetch.used > 100 && all_prefetch.late > 100 && all_prefetch.unread > 100 &&
	   all_prefetch.dropped > 10 && nr_marked > 100 && nr_spare_slots > 100 && nr_in_vain > 100, "and every way of a prefetch");
	printf("# %llu boot traces asked for, %llu chunks given, %llu left\n", (unsigned long long)nr_traces,
	       (unsigned long long)nr_given, (unsigned long long)nr_left);
	ok(nr_traces > 100 && nr_given > 1000 && nr_left > 10, "and every way of a replay");
	ok(nr_mapped > 1000 && nr_data > 1000 && nr_failed > 100 && nr_lost > 100, "every way was gone");
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}
