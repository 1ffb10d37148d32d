// SPDX-License-Identifier: GPL-2.0-or-later
/* One attachment to the pool; see session.h.  Decides when to pull and when to give up. */
#include "session-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify.h"

#define RETRY_BUSY	(200 * CC_MS)	/* another helper is attached */
#define RETRY		CC_SECOND
#define PULL_ALL_PERIOD	CC_SECOND	/* while somebody waits */
#define STOP_MAX	(10 * CC_SECOND)

const char *cc_session_state_name(enum cc_session_state state)
{
	static const char *const names[] = { "none", "attached", "draining" };

	return names[state];
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
	if (s->attachment.slot_size != 1u << g->slot_shift || s->attachment.nr_slots > cc_session_max_slots(s)) {
		snprintf(err, errlen, "%s: the kernel's pool has %llu slots of %u bytes, its superblock up to %llu of %u",
			 s->config->device, (unsigned long long)s->attachment.nr_slots,
			 s->attachment.slot_size, (unsigned long long)cc_session_max_slots(s), 1u << g->slot_shift);
		return -EINVAL;
	}
	r = cc_session_open_parts(s);
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
	cc_session_close_parts(s);
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
	cc_volumes_drain(s->volumes);
	cc_fills_drain(s->fills, lost);
	cc_scrub_drain(s->scrub);
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
		cc_journal_follow_wake(s->follow);
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
	if (pending & CHUNKCACHE_PENDING_JOURNAL)
		cc_journal_follow_wake(s->follow);
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
	cc_volumes_refresh(s->volumes);
	return !channel_failed(s, r, "list disks");
}

static bool step_reconcile(struct cc_session *s)
{
	int r;

	if (!s->reconcile)
		return true;
	s->reconcile = false;
	r = cc_session_reconcile(s);
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
	due = cc_earlier(due, cc_fills_step(s->fills, now_ns, &r));
	if (channel_failed(s, r, "fills"))
		return 0;
	cc_volumes_give_way(s->volumes, cc_fills_waiting(s->fills));
	due = cc_earlier(due, cc_volumes_step(s->volumes, now_ns, &loaded, &r));
	if (channel_failed(s, r, "volumes"))
		return 0;
	if (loaded)
		s->pull_all = true;
	due = cc_earlier(due, cc_journal_follow_step(s->follow, now_ns, &r));
	if (channel_failed(s, r, "journal"))
		return 0;
	due = cc_earlier(due, cc_scrub_step(s->scrub, now_ns, cc_fills_waiting(s->fills), &r));
	if (channel_failed(s, r, "scrub"))
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
	return !cc_fills_in_flight(s->fills) && !cc_volumes_in_flight(s->volumes) && !cc_disks_in_flight(s->disks) &&
	       !cc_pooldev_in_flight(s->pooldev) && (s->lost || cc_slot_table_clean(s->table));
}

static void drained(struct cc_session *s)
{
	if (!s->lost && cc_channel_detach(s->channel))
		cc_log(LOG_WARNING, "detach: %s", cc_channel_error(s->channel));
	cc_session_close_parts(s);
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
		cc_session_close_parts(s);
	free(s);
}
