// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots are read and hashed again; see scrub.h. */
#include "scrub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "chunkcache/io-error.h"
#include "clock.h"
#include "log.h"
#include "manifest.h"
#include "ratelimit.h"
#include "worker.h"

#define GIVE_WAY	(250 * CC_MS)	/* after somebody was seen to wait */
#define LOOK_MAX	(60 * CC_SECOND) /* the clock on the wall may be set */
#define BEHIND_MAX	8		/* of the slots a share: more, and the clock was set */
#define WALK_MAX	65536		/* slots that hold nothing, in one step */

enum scrub_state { SCRUB_IDLE, SCRUB_READING, SCRUB_HASHING };

struct cc_scrub {
	struct cc_scrub_config c;
	struct cc_scrub_figures figures;
	enum scrub_state state;
	bool draining;
	uint64_t due_ns;
	uint64_t next, until;		/* slots that the interval has come to: those between are due */
	uint64_t rate;			/* with figures.asked */
	struct cc_ratelimit limit;
	int error;			/* of the channel, since the last step */

	/* the slot under way */
	struct chunkcache_slot slot;
	uint8_t id[CC_ID_SIZE];
	uint8_t *data;
	bool wrong;
	struct cc_io io;

	struct cc_worker *worker;	/* hashing would hold up the loop */
	struct cc_watch watch;
	struct cc_job job;
};

/* ---- one slot ---- */

static struct cc_chunk *chunk_under_way(struct cc_scrub *s)
{
	struct cc_chunk *chunk = cc_index_at(s->c.index, s->slot.slot);

	return chunk && chunk->state == CC_CHUNK_CACHED && chunk->gen == s->slot.gen &&
	       !memcmp(chunk->id, s->id, CC_ID_SIZE) ? chunk : NULL;
}

/* Nobody is to read it any more.  False: it was not that chunk's any more, whatever was read is nobody's fault. */
static bool give_up_slot(struct cc_scrub *s, bool bad)
{
	struct cc_refusals refused;
	int r;

	if (!chunk_under_way(s))
		return false;
	r = cc_channel_slot_drop(s->c.channel, &s->slot, 1, bad, &refused);
	if (r)
		s->error = r;
	else
		cc_index_slot_gone(s->c.index, s->slot.slot, s->slot.gen);
	return !r && !refused.nr;
}

static void scrub_hash(struct cc_job *job)
{
	struct cc_scrub *s = cc_list_entry(job, struct cc_scrub, job);
	uint8_t digest[CC_ID_SIZE];

	cc_sha256(s->data, s->io.len, digest);
	s->wrong = memcmp(digest, s->id, CC_ID_SIZE);
}

static void scrub_hashed(struct cc_job *job)
{
	struct cc_scrub *s = cc_list_entry(job, struct cc_scrub, job);

	s->state = SCRUB_IDLE;
	s->figures.checked++;
	s->figures.bytes += s->io.len;
	if (!s->wrong || s->draining || !give_up_slot(s, false))
		return;
	s->figures.wrong++;
	if (cc_ratelimit_pass(&s->limit))
		cc_log(LOG_ERR, "scrub: slot %u has other bytes than were written there: dropped, the next reader gets "
		       "the chunk from the store; the cache device may be about to die", s->slot.slot);
}

static void scrub_read(struct cc_io *io, int error)
{
	struct cc_scrub *s = cc_list_entry(io, struct cc_scrub, io);

	if (!error) {
		s->state = SCRUB_HASHING;
		cc_worker_submit(s->worker, &s->job);
		return;
	}
	s->state = SCRUB_IDLE;
	/* Only of its medium is known that it is to blame: else the device may be away for a moment. */
	if (cc_io_error(-error) != CC_IO_MEDIUM || s->draining) {
		s->figures.unread++;
	} else if (give_up_slot(s, true)) {
		s->figures.bad++;
		if (cc_ratelimit_pass(&s->limit))
			cc_log(LOG_ERR, "scrub: slot %u can't be read (%s): not used again", s->slot.slot,
			       strerror(-error));
	}
}

static void start_slot(struct cc_scrub *s, const struct cc_chunk *chunk)
{
	s->slot = (struct chunkcache_slot){ chunk->slot, chunk->gen };
	memcpy(s->id, chunk->id, CC_ID_SIZE);
	s->io.offset = cc_pooldev_slot_offset(s->c.pooldev, chunk->slot);
	s->state = SCRUB_READING;
	cc_pooldev_submit(s->c.pooldev, &s->io);
}

/* Of the slots from *pos up to end, wrapping at the last, the first that holds something; NULL: none, or not yet. */
static struct cc_chunk *next_chunk(struct cc_scrub *s, uint64_t *pos, uint64_t end)
{
	struct cc_chunk *chunk = NULL;

	for (int i = 0; !chunk && *pos != end && i < WALK_MAX; i++) {
		chunk = cc_index_at(s->c.index, (uint32_t)*pos);
		if (chunk && chunk->state != CC_CHUNK_CACHED)
			chunk = NULL;
		*pos = *pos + 1 == s->c.max_slots && end != s->c.max_slots ? 0 : *pos + 1;
	}
	return chunk;
}

/* ---- which, and when ---- */

/* The slot whose time it is. */
static uint64_t slot_of_now(const struct cc_scrub *s)
{
	double share = (double)(cc_real_ns() % s->c.interval_ns) / (double)s->c.interval_ns;
	uint64_t slot = (uint64_t)(share * (double)s->c.max_slots);

	return slot < s->c.max_slots ? slot : s->c.max_slots - 1;
}

static uint64_t step_asked(struct cc_scrub *s, uint64_t now_ns)
{
	struct cc_chunk *chunk = next_chunk(s, &s->figures.position, s->c.max_slots);

	if (chunk) {
		start_slot(s, chunk);
		return now_ns + s->io.len * CC_SECOND / s->rate;
	}
	if (s->figures.position < s->c.max_slots)
		return now_ns;
	s->figures.asked = false;
	cc_log(LOG_INFO, "scrub: all slots were looked at; since the start %llu held other bytes than they should, %llu "
	       "could not be read", (unsigned long long)s->figures.wrong,
	       (unsigned long long)(s->figures.bad + s->figures.unread));
	return now_ns;
}

static uint64_t step_interval(struct cc_scrub *s, uint64_t now_ns)
{
	uint64_t pause = s->c.interval_ns / s->c.max_slots;
	struct cc_chunk *chunk;

	if (s->next == s->until)
		s->until = slot_of_now(s);
	if ((s->until + s->c.max_slots - s->next) % s->c.max_slots > s->c.max_slots / BEHIND_MAX)
		s->next = s->until;
	chunk = next_chunk(s, &s->next, s->until);
	if (chunk) {
		start_slot(s, chunk);
		return now_ns;
	}
	return s->next == s->until ? now_ns + (pause < LOOK_MAX ? pause : LOOK_MAX) : now_ns;
}

uint64_t cc_scrub_step(struct cc_scrub *s, uint64_t now_ns, bool readers_wait, int *ret_error)
{
	*ret_error = s->error;
	s->error = 0;
	if (s->state != SCRUB_IDLE || s->draining || (!s->figures.asked && !s->c.interval_ns))
		return UINT64_MAX;
	if (readers_wait)
		s->due_ns = now_ns + GIVE_WAY;
	if (now_ns < s->due_ns)
		return s->due_ns;
	s->due_ns = s->figures.asked ? step_asked(s, now_ns) : step_interval(s, now_ns);
	return s->state == SCRUB_IDLE ? s->due_ns : UINT64_MAX;
}

void cc_scrub_ask(struct cc_scrub *s, uint64_t rate)
{
	s->figures.asked = true;
	s->figures.position = 0;
	s->rate = rate;
	s->due_ns = 0;
}

void cc_scrub_unask(struct cc_scrub *s)
{
	s->figures.asked = false;
}

void cc_scrub_drain(struct cc_scrub *s)
{
	s->draining = true;
}

void cc_scrub_get_figures(const struct cc_scrub *s, struct cc_scrub_figures *ret)
{
	*ret = s->figures;
}

/* ---- making ---- */

static void on_scrub_hashed(struct cc_watch *w, uint32_t events)
{
	cc_worker_reap(cc_list_entry(w, struct cc_scrub, watch)->worker);
}

void cc_scrub_close(struct cc_scrub *s)
{
	if (!s)
		return;
	if (s->watch.fn)
		cc_loop_remove(s->c.loop, &s->watch);
	if (s->worker)
		cc_worker_close(s->worker);
	free(s->data);
	free(s);
}

int cc_scrub_open(const struct cc_scrub_config *c, struct cc_scrub **ret_scrub)
{
	uint32_t size = 1u << cc_pooldev_geometry(c->pooldev)->slot_shift;
	struct cc_scrub *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->c = *c;
	s->data = aligned_alloc(4096, size);
	s->io = (struct cc_io){ .buf = s->data, .len = size, .done = scrub_read };
	s->job = (struct cc_job){ .run = scrub_hash, .done = scrub_hashed };
	s->next = s->until = c->interval_ns ? slot_of_now(s) : 0;
	r = s->data ? cc_worker_open(1, &s->worker) : -ENOMEM;
	if (!r) {
		s->watch = (struct cc_watch){ .fd = cc_worker_fd(s->worker), .fn = on_scrub_hashed };
		r = cc_loop_add(s->c.loop, &s->watch, EPOLLIN);
		if (r)
			s->watch.fn = NULL;
	}
	if (r)
		cc_scrub_close(s);
	else
		*ret_scrub = s;
	return r;
}
