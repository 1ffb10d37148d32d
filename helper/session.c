// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One attachment to the pool; see session.h.  Decides when to pull, when to give up, and
 * in which order the parts are made and unmade.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "notify.h"
#include "session-impl.h"

#define RETRY_BUSY	(200 * CC_MS)	/* another helper is attached */
#define RETRY		CC_SECOND
#define PULL_ALL_PERIOD	CC_SECOND	/* while somebody waits */
#define STOP_MAX	(10 * CC_SECOND)
#define BUFFERS_DEFAULT	64
#define BUFFERS_MIN	4

const char *cc_session_state_name(enum cc_session_state state)
{
	static const char *const names[] = { "none", "attached", "draining" };

	return names[state];
}

/* ---- what the pool holds ---- */

/* The kernel may hand out more slots than there were at first: a pool can be resized. */
static uint64_t max_slots(const struct cc_session *s)
{
	return cc_superblock_max_slots(cc_pooldev_geometry(s->pooldev));
}

struct known_slot {
	uint32_t gen;
	uint8_t state;
	bool seen;			/* was handed out in this instance */
};

struct slot_load {
	struct cc_session *s;
	struct known_slot *known;
	struct chunkcache_slot unknown[CHUNKCACHE_SLOT_BATCH_MAX]; /* FILLING for us, but not ours */
	uint32_t nr_unknown;
};

static void take_slot(void *arg, const struct chunkcache_slot_info *i)
{
	struct slot_load *l = arg;

	if (l->known && i->slot < max_slots(l->s))
		l->known[i->slot] = (struct known_slot) { i->gen, (uint8_t)i->state, true };
	if (i->state == CHUNKCACHE_SLOT_FILLING && i->session == l->s->attachment.session &&
	    !cc_fills_holds(l->s->fills, i->slot, i->gen) && l->nr_unknown < CHUNKCACHE_SLOT_BATCH_MAX)
		l->unknown[l->nr_unknown++] = (struct chunkcache_slot) { i->slot, i->gen };
}

/* An entry of the slot table: believed, to be checked, or of no use. */
static void take_record(void *arg, uint32_t slot, const struct cc_slot_record *r)
{
	struct slot_load *l = arg;
	struct cc_index *x = l->s->index;
	const struct known_slot *k;
	bool valid;
	struct cc_chunk *c;

	if (slot >= l->s->attachment.nr_slots)
		return;
	k = &l->known[slot];
	valid = k->seen && k->state == CHUNKCACHE_SLOT_VALID && k->gen == r->gen &&
		r->instance == l->s->attachment.instance;
	if (!valid && k->seen)
		return;
	c = cc_index_get(x, r->domain, r->id);
	if (!c || c->state == CC_CHUNK_CACHED || (!valid && c->state == CC_CHUNK_CANDIDATE))
		return;
	cc_index_bind(x, c, slot, r->gen);
	cc_index_set_state(x, c, valid ? CC_CHUNK_CACHED : CC_CHUNK_CANDIDATE);
}

static int keep_batch(struct cc_session *s, struct chunkcache_slot *slots, uint32_t nr)
{
	struct cc_refusals refused;
	int r = nr ? cc_channel_slot_keep(s->channel, slots, nr, &refused) : 0;

	for (uint32_t i = 0; nr && !r && i < refused.nr; i++) {
		uint32_t n = refused.r[i].index;
		struct cc_chunk *k = n < nr ? cc_index_at(s->index, slots[n].slot) : NULL;

		if (k && k->state == CC_CHUNK_CANDIDATE)
			cc_index_forget(s->index, k);
	}
	return r;
}

/* The candidates' slots are to be handed out last. */
static int keep_candidates(struct cc_session *s)
{
	struct chunkcache_slot slots[CHUNKCACHE_SLOT_BATCH_MAX];
	uint32_t nr = 0;
	int r = 0;

	for (uint64_t i = 0; !r && i < s->attachment.nr_slots; i++) {
		struct cc_chunk *k = cc_index_at(s->index, (uint32_t)i);

		if (!k || k->state != CC_CHUNK_CANDIDATE)
			continue;
		slots[nr++] = (struct chunkcache_slot) { (uint32_t)i, 0 };
		if (nr == CHUNKCACHE_SLOT_BATCH_MAX) {
			r = keep_batch(s, slots, nr);
			nr = 0;
		}
	}
	return r ? r : keep_batch(s, slots, nr);
}

/* Which slots are FILLING for this session though nobody here works on them: the answer that named them was lost. */
static int release_unknown(struct cc_session *s, struct slot_load *l)
{
	if (!l->nr_unknown)
		return 0;
	cc_log(LOG_NOTICE, "%u slots were granted by an answer that was lost; released", l->nr_unknown);
	return cc_channel_slot_release(s->channel, l->unknown, l->nr_unknown, false);
}

static int reconcile(struct cc_session *s)
{
	struct slot_load *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->s = s;
	r = cc_channel_slot_get(s->channel, take_slot, l);
	if (!r)
		r = release_unknown(s, l);
	free(l);
	return r;
}

static int load_slots(struct cc_session *s)
{
	struct slot_load *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (!l)
		return -ENOMEM;
	l->s = s;
	l->known = calloc(max_slots(s), sizeof(*l->known));
	if (!l->known)
		goto out;
	r = cc_channel_slot_get(s->channel, take_slot, l);
	if (!r)
		r = release_unknown(s, l);
	if (!r)
		r = cc_slot_table_load(s->pooldev, take_record, l);
	if (!r)
		r = keep_candidates(s);
out:
	free(l->known);
	free(l);
	return r;
}

/* For the slot table: what the index knows of a slot. */
static bool slot_record(void *arg, uint32_t slot, struct cc_slot_record *ret)
{
	struct cc_session *s = arg;
	const struct cc_chunk *k = cc_index_at(s->index, slot);

	if (!k || (k->state != CC_CHUNK_CACHED && k->state != CC_CHUNK_CANDIDATE && k->state != CC_CHUNK_WANTED))
		return false;
	memcpy(ret->id, k->id, CC_ID_SIZE);
	ret->domain = k->domain;
	/* A candidate stays one: no instance has the number 0 in common with it. */
	ret->instance = k->state == CC_CHUNK_CACHED ? s->attachment.instance : 0;
	ret->gen = k->gen;
	return true;
}

/* ---- events ---- */

static void on_bell(struct cc_watch *w, uint32_t events)
{
	struct cc_session *s = cc_list_entry(w, struct cc_session, bell_watch);

	/* The sticky error of a lost ring is taken with the next read. */
	if (cc_channel_bell_drain(s->channel) || events & EPOLLERR)
		s->pull = true;
}

static void on_ring(struct cc_watch *w, uint32_t events)
{
	cc_pooldev_reap(cc_list_entry(w, struct cc_session, ring_watch)->pooldev);
}

static void on_disks(struct cc_watch *w, uint32_t events)
{
	cc_disks_reap(cc_list_entry(w, struct cc_session, disks_watch)->disks);
}

static void on_fetch(struct cc_watch *w, uint32_t events)
{
	struct cc_session *s = cc_list_entry(w, struct cc_session, fetch_watch);

	while (cc_fetch_reap(s->fetch))
		;
}

static int watch(struct cc_session *s, struct cc_watch *w, int fd,
		 void (*fn)(struct cc_watch *w, uint32_t events))
{
	w->fd = fd;
	w->fn = fn;
	return cc_loop_add(s->loop, w, EPOLLIN);
}

static void unwatch(struct cc_session *s, struct cc_watch *w)
{
	if (w->fn)
		cc_loop_remove(s->loop, w);
	w->fn = NULL;
}

/* ---- making and unmaking ---- */

static void close_parts(struct cc_session *s)
{
	unwatch(s, &s->bell_watch);
	unwatch(s, &s->ring_watch);
	unwatch(s, &s->fetch_watch);
	unwatch(s, &s->disks_watch);
	cc_fills_close(s->fills);
	cc_disks_close(s->disks);
	cc_writer_close(s->writer);
	cc_manifest_area_close(s->area);
	cc_slot_table_close(s->table);
	cc_ramcache_close(s->ramcache);
	cc_index_close(s->index);
	cc_pooldev_close(s->pooldev);
	cc_channel_close(s->channel);
	s->fills = NULL;
	s->disks = NULL;
	s->writer = NULL;
	s->area = NULL;
	s->table = NULL;
	s->ramcache = NULL;
	s->index = NULL;
	s->pooldev = NULL;
	s->channel = NULL;
}

static int open_memory(struct cc_session *s, uint32_t slot_shift)
{
	uint64_t nr = s->config->buffer_bytes ? s->config->buffer_bytes >> slot_shift : BUFFERS_DEFAULT;
	struct cc_ramcache_config c;
	int r;

	s->nr_buffers = nr < BUFFERS_MIN ? BUFFERS_MIN : (unsigned int)nr;
	r = cc_index_open(max_slots(s), &s->index);
	if (r)
		return r;
	c = (struct cc_ramcache_config) {
		.chunk_size = (size_t)1 << slot_shift, .nr_fill = s->nr_buffers,
		.nr_cache = (unsigned int)(s->config->ram_cache_bytes >> slot_shift),
		.nr_reserved = s->nr_buffers / 4, .lock = s->config->lock_memory,
		.evict = cc_fills_evicted, .arg = s->index,
	};
	return cc_ramcache_open(&c, &s->ramcache);
}

static void on_loaded(void *arg, struct cc_disk *disk, bool fresh)
{
	struct cc_session *s = arg;

	cc_disk_reads_start(disk, fresh, s->config->prefetch ? s->config->prefetch_window : 0);
	if (s->config->replay && fresh)
		cc_fills_replay(s->fills, disk);
}

static int open_disks(struct cc_session *s, uint32_t slot_shift)
{
	struct cc_disks_config c = {
		.channel = s->channel, .fetch = s->fetch, .index = s->index, .sources = s->sources,
		.area = s->area, .pooldev = s->pooldev, .slot_shift = slot_shift,
		.added = cc_disk_reads_new, .loaded = on_loaded, .listens = cc_disk_reads_listen,
		.gone = cc_disk_reads_free, .arg = s,
	};

	return cc_disks_open(&c, &s->disks);
}

/* Half of what there is: who comes finds a buffer and a request.  The kernel gives a quarter of the slots. */
static unsigned int prefetch_max(const struct cc_session *s)
{
	uint64_t max = s->config->fetch.max_in_flight / 2;

	if (max > s->nr_buffers / 2)
		max = s->nr_buffers / 2;
	if (max > s->attachment.nr_slots / 4)
		max = s->attachment.nr_slots / 4;
	return max ? (unsigned int)max : 1;
}

static int open_fills(struct cc_session *s, uint32_t slot_shift)
{
	struct cc_fills_config c = {
		.channel = s->channel, .disks = s->disks, .fetch = s->fetch, .index = s->index,
		.ramcache = s->ramcache, .table = s->table, .supplies = &s->supplies, .writer = s->writer,
		.nr_slots = s->attachment.nr_slots, .max_slots = max_slots(s), .slot_shift = slot_shift,
		.nr_buffers = s->nr_buffers, .slot_wait_ms = s->config->slot_wait_ms,
		.prefetch_max = prefetch_max(s),
	};

	return cc_fills_open(&c, &s->stats, &s->fills);
}

static int open_parts(struct cc_session *s)
{
	uint32_t shift = cc_pooldev_geometry(s->pooldev)->slot_shift;
	int r;

	r = open_memory(s, shift);
	if (!r)
		r = cc_slot_table_open(s->pooldev, slot_record, s, &s->table);
	if (!r)
		r = cc_manifest_area_open(s->pooldev, &s->area);
	if (!r)
		r = cc_writer_open(s->pooldev, s->config->verify_fill, &s->writer);
	if (!r)
		r = open_disks(s, shift);
	if (!r)
		r = open_fills(s, shift);
	if (!r)
		r = load_slots(s);
	if (!r)
		r = watch(s, &s->bell_watch, cc_channel_bell_fd(s->channel), on_bell);
	if (!r)
		r = watch(s, &s->ring_watch, cc_pooldev_event_fd(s->pooldev), on_ring);
	if (!r)
		r = watch(s, &s->fetch_watch, cc_fetch_fd(s->fetch), on_fetch);
	if (!r)
		r = watch(s, &s->disks_watch, cc_disks_fd(s->disks), on_disks);
	return r;
}

/* Open and attach; 0 or -errno with a line in err. */
static int try_attach(struct cc_session *s, char *err, size_t errlen)
{
	const struct cc_pool_geometry *g;
	int r;

	r = cc_channel_open(&s->channel);
	if (r) {
		snprintf(err, errlen, "kernel module dm-chunkcache: %s",
			 r == -ENOENT ? "not loaded" : strerror(-r));
		return r;
	}
	r = cc_pooldev_open(s->config->device, &s->pooldev, err, errlen);
	if (r)
		return r;
	g = cc_pooldev_geometry(s->pooldev);
	r = cc_channel_attach(s->channel, cc_pooldev_fd(s->pooldev), g->uuid, &s->attachment);
	if (r) {
		snprintf(err, errlen, "%s: attach: %s", s->config->device,
			 r == -EBUSY ? "another helper is attached; waiting for it to leave" :
			 cc_channel_error(s->channel));
		return r;
	}
	if (s->attachment.slot_size != 1u << g->slot_shift || s->attachment.nr_slots > max_slots(s)) {
		snprintf(err, errlen, "%s: the kernel's pool has %llu slots of %u bytes, its superblock up to %llu of %u",
			 s->config->device, (unsigned long long)s->attachment.nr_slots,
			 s->attachment.slot_size, (unsigned long long)max_slots(s), 1u << g->slot_shift);
		return -EINVAL;
	}
	r = open_parts(s);
	if (r)
		snprintf(err, errlen, "%s: start: %s", s->config->device, strerror(-r));
	return r;
}

static void attached(struct cc_session *s)
{
	s->state = CC_SESSION_ATTACHED;
	s->attach_error[0] = 0;
	s->refresh = true;
	s->pull_all = true;
	s->pull = false;
	s->reconcile = false;
	s->lost = false;
	cc_log(LOG_INFO, "pool %s: session %llu, %llu slots of %u bytes, %llu known, %llu to be checked",
	       s->attachment.pool_name, (unsigned long long)s->attachment.session,
	       (unsigned long long)s->attachment.nr_slots, s->attachment.slot_size,
	       (unsigned long long)cc_index_count(s->index, CC_CHUNK_CACHED),
	       (unsigned long long)cc_index_count(s->index, CC_CHUNK_CANDIDATE));
	cc_notify("READY=1\nSTATUS=attached to %s", s->attachment.pool_name);
}

/* Each reason is logged once, however often it is tried. */
static void not_attached(struct cc_session *s, int error, const char *err)
{
	close_parts(s);
	if (strcmp(err, s->attach_error)) {
		cc_log(error == -EBUSY || error == -ENOENT ? LOG_NOTICE : LOG_ERR, "%s", err);
		snprintf(s->attach_error, sizeof(s->attach_error), "%s", err);
		cc_notify("STATUS=%s", err);
	}
	s->attach_due = cc_now_ns() + (error == -EBUSY ? RETRY_BUSY : RETRY);
}

static uint64_t step_none(struct cc_session *s, uint64_t now_ns)
{
	char err[256];
	int r;

	if (s->stop) {
		cc_loop_stop(s->loop);
		return UINT64_MAX;
	}
	if (now_ns < s->attach_due)
		return s->attach_due;
	r = try_attach(s, err, sizeof(err));
	if (r) {
		not_attached(s, r, err);
		return s->attach_due;
	}
	attached(s);
	return 0;
}

/* ---- working ---- */

static void drain(struct cc_session *s, bool lost)
{
	s->state = CC_SESSION_DRAINING;
	s->lost = lost;
	s->drain_deadline = s->stop ? cc_now_ns() + STOP_MAX : UINT64_MAX;
	cc_disks_cancel(s->disks);
	cc_fills_drain(s->fills, lost);
}

/* True if the session is over. */
static bool channel_failed(struct cc_session *s, int r, const char *what)
{
	switch (r) {
	case 0:
	case -ENOENT:
		return false;
	case -ENOBUFS:
		/* Whatever the lost answer said is asked for again. */
		s->pull_all = true;
		s->reconcile = true;
		s->refresh = true;
		cc_fills_slots_free(s->fills);
		return false;
	case -ENOTCONN:
	case -ESTALE:
		cc_log(LOG_WARNING, "pool %s: the session has ended; starting over", s->attachment.pool_name);
		drain(s, true);
		return true;
	default:
		if (cc_ratelimit_pass(&s->limit))
			cc_log(LOG_ERR, "%s: %s", what,
			       r == -ENOMEM ? "out of memory" : cc_channel_error(s->channel));
		/* What was not done is found again in the kernel's tables. */
		s->again = true;
		s->pull_all_due = cc_now_ns() + PULL_ALL_PERIOD;
		return false;
	}
}

static bool step_pull(struct cc_session *s, uint64_t now_ns)
{
	bool all = s->pull_all, more = false;
	uint32_t pending = 0;
	int r;

	if (!s->pull && !all)
		return true;
	s->pull = false;
	s->pull_all = false;
	if (all)
		s->pull_all_due = now_ns + PULL_ALL_PERIOD;
	r = cc_fills_pull(s->fills, all, &pending, &more);
	if (channel_failed(s, r, "pull misses"))
		return false;
	if (more)
		s->pull = true;
	if (pending & CHUNKCACHE_PENDING_DISK || cc_fills_unknown_disk(s->fills))
		s->refresh = true;
	if (pending & CHUNKCACHE_PENDING_SLOT)
		cc_fills_slots_free(s->fills);
	return true;
}

static bool step_refresh(struct cc_session *s)
{
	int r;

	if (!s->refresh)
		return true;
	s->refresh = false;
	r = cc_disks_refresh(s->disks);
	if (r == -ENOBUFS)
		s->refresh = true;
	return !channel_failed(s, r, "list disks");
}

static bool step_reconcile(struct cc_session *s)
{
	int r;

	if (!s->reconcile)
		return true;
	s->reconcile = false;
	r = reconcile(s);
	if (r == -ENOBUFS)
		s->reconcile = true;
	return !channel_failed(s, r, "list slots");
}

/* Else nobody waits: nothing to look for, and the kernel rings if that changes. */
static bool looks_again(const struct cc_session *s)
{
	return s->again || cc_fills_waiting(s->fills);
}

static uint64_t step_attached(struct cc_session *s, uint64_t now_ns)
{
	bool loaded = false;
	uint64_t due = UINT64_MAX;
	int r;

	if (s->stop) {
		drain(s, false);
		return 0;
	}
	if (looks_again(s) && now_ns >= s->pull_all_due) {
		s->pull_all = true;
		s->refresh |= s->again;
		s->again = false;
	}
	if (!step_refresh(s) || !step_pull(s, now_ns) || !step_reconcile(s))
		return 0;
	due = cc_earlier(due, cc_disks_step(s->disks, now_ns, &loaded, &r));
	if (channel_failed(s, r, "disks"))
		return 0;
	if (loaded)
		s->pull_all = true;
	due = cc_earlier(due, cc_fills_step(s->fills, now_ns, &r));
	if (channel_failed(s, r, "fills"))
		return 0;
	due = cc_earlier(due, cc_slot_table_step(s->table, now_ns, false));
	if (!cc_pooldev_flush(s->pooldev))
		due = cc_earlier(due, now_ns + CC_MS);
	if (looks_again(s))
		due = cc_earlier(due, s->pull_all_due);
	return s->pull || s->pull_all || s->refresh || s->reconcile ? 0 : due;
}

/* ---- the end ---- */

static bool quiet(const struct cc_session *s)
{
	return !cc_fills_in_flight(s->fills) && !cc_disks_in_flight(s->disks) &&
	       !cc_pooldev_in_flight(s->pooldev) && (s->lost || cc_slot_table_clean(s->table));
}

static void drained(struct cc_session *s)
{
	if (!s->lost && cc_channel_detach(s->channel))
		cc_log(LOG_WARNING, "detach: %s", cc_channel_error(s->channel));
	close_parts(s);
	s->state = CC_SESSION_NONE;
	s->attach_due = cc_now_ns() + RETRY_BUSY;
}

static uint64_t step_draining(struct cc_session *s, uint64_t now_ns)
{
	int r;

	if (s->stop && s->drain_deadline == UINT64_MAX)
		s->drain_deadline = now_ns + STOP_MAX;
	cc_fills_step(s->fills, now_ns, &r);
	if (r == -ENOTCONN)
		s->lost = true;
	if (!s->lost)
		cc_slot_table_step(s->table, now_ns, true);
	cc_pooldev_flush(s->pooldev);
	if (quiet(s)) {
		drained(s);
		return 0;
	}
	if (now_ns < s->drain_deadline)
		return cc_earlier(s->drain_deadline, now_ns + 100 * CC_MS);
	cc_log(LOG_WARNING, "stop: %u fetches and writes, %u transfers still in flight; leaving them",
	       cc_fills_in_flight(s->fills) + cc_disks_in_flight(s->disks), cc_pooldev_in_flight(s->pooldev));
	s->dirty = true;
	cc_loop_stop(s->loop);
	return UINT64_MAX;
}

uint64_t cc_session_step(struct cc_session *s, uint64_t now_ns)
{
	switch (s->state) {
	case CC_SESSION_ATTACHED:
		return step_attached(s, now_ns);
	case CC_SESSION_DRAINING:
		return step_draining(s, now_ns);
	default:
		return step_none(s, now_ns);
	}
}

void cc_session_stop(struct cc_session *s)
{
	s->stop = true;
}

bool cc_session_clean(const struct cc_session *s)
{
	return !s->dirty;
}

int cc_session_open(const struct cc_config *c, struct cc_loop *loop, struct cc_fetch *fetch,
		    struct cc_sources *sources, struct cc_session **ret_session)
{
	struct cc_session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->config = c;
	s->loop = loop;
	s->fetch = fetch;
	s->sources = sources;
	cc_supplies_init(&s->supplies, sources);
	s->started_ns = cc_now_ns();
	*ret_session = s;
	return 0;
}

void cc_session_close(struct cc_session *s)
{
	if (!s)
		return;
	if (s->state != CC_SESSION_NONE)
		close_parts(s);
	free(s);
}
