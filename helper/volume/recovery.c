// SPDX-License-Identifier: GPL-2.0-or-later
/* Recovery of a pool's journal; see recovery.h. */
#include "recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume/place.h"

static int ring_failed(struct cc_recovery *r, int error)
{
	snprintf(r->why, sizeof(r->why), "journal: %s", cc_journal_ring_why(r->ring));
	return error;
}

static int state_failed(struct cc_recovery *r, int error)
{
	snprintf(r->why, sizeof(r->why), "journal: %s", r->state->why);
	return error;
}

static int kernel_refused(struct cc_recovery *r, const char *what, int error)
{
	snprintf(r->why, sizeof(r->why), "journal: %s: %s", what, cc_channel_error(r->channel));
	return error;
}

/* ---- reading ---- */

typedef int cc_recovery_page_fn(struct cc_recovery *r, const struct cc_journal_head *head, const void *page);

static int bind_page(struct cc_recovery *r, const struct cc_journal_head *head, const void *page)
{
	return cc_journal_state_bind(r->state, head, page);
}

static int apply_page(struct cc_recovery *r, const struct cc_journal_head *head, const void *page)
{
	r->newest = head->number;
	r->nr_read = head->count;
	r->tail = head->tail;
	return cc_journal_state_apply(r->state, head, page, 0);
}

static int each_page(struct cc_recovery *r, cc_recovery_page_fn *fn)
{
	struct cc_journal_head head;
	const void *page;
	int more, error = 0;

	cc_journal_ring_rewind(r->ring);
	while (!error && (more = cc_journal_ring_next(r->ring, &head, &page))) {
		if (more < 0)
			return ring_failed(r, more);
		error = fn(r, &head, page);
	}
	return error ? state_failed(r, error) : 0;
}

static int read_pages(struct cc_recovery *r, uint64_t newest, bool scanned)
{
	int error = cc_journal_ring_walk(r->ring, newest, 0, scanned);

	if (error)
		return ring_failed(r, error);
	error = each_page(r, bind_page);
	if (!error)
		error = each_page(r, apply_page);
	if (!error)
		cc_journal_state_merge(r->state);
	if (!error && cc_journal_state_check(r->state))
		error = state_failed(r, -EBADMSG);
	return error;
}

/* ---- slots ---- */

/* What the kernel says of slots. */
struct log_slots {
	uint64_t nr;
	uint32_t *gens;			/* of those that are LOG; 0: it is not */
	bool *needed;			/* by a log chunk that is not committed */
};

static void free_log_slots(struct log_slots *l)
{
	free(l->gens);
	free(l->needed);
}

static void note_log_slot(void *arg, const struct chunkcache_slot_info *i)
{
	struct log_slots *l = arg;

	if (i->slot < l->nr && i->state == CHUNKCACHE_SLOT_LOG)
		l->gens[i->slot] = i->gen;
}

static int ask_log_slots(struct cc_recovery *r, struct log_slots *l)
{
	int error;

	l->nr = r->nr_slots;
	l->gens = calloc(l->nr, sizeof(*l->gens));
	l->needed = calloc(l->nr, sizeof(*l->needed));
	if (!l->gens || !l->needed) {
		snprintf(r->why, sizeof(r->why), "journal: out of memory");
		return -ENOMEM;
	}
	error = cc_channel_slot_get(r->channel, note_log_slot, l);
	return error ? kernel_refused(r, "list slots", error) : 0;
}

/* An operator may have put back a smaller device. */
static int slot_outside(struct cc_recovery *r, const struct cc_journal_log *log)
{
	snprintf(r->why, sizeof(r->why), "journal: log chunk %" PRIu64 " is in slot %u, the pool has %" PRIu64,
		 cc_place_number(log->key), log->slot, r->nr_slots);
	return -ERANGE;
}

/* ---- claiming ---- */

struct claims {
	struct cc_recovery *r;
	struct log_slots *held;		/* by a helper that died before it could resume */
	struct chunkcache_slot batch[CHUNKCACHE_SLOT_BATCH_MAX];
	uint32_t nr;
};

static int claim_batch(struct claims *c)
{
	int error = c->nr ? cc_channel_slot_claim(c->r->channel, c->batch, c->nr) : 0;

	if (error)
		return kernel_refused(c->r, "claim slots", error);
	for (uint32_t i = 0; i < c->nr; i++)
		c->held->gens[c->batch[i].slot] = c->batch[i].gen;
	c->nr = 0;
	return 0;
}

static int claim_logs(struct claims *c, const struct cc_journal_volume *v)
{
	int error = 0;

	for (size_t i = 0; !error && i < v->nr_logs; i++) {
		const struct cc_journal_log *log = &v->logs[i];

		if (!log->dirty_blocks)
			continue;
		if (log->slot >= c->r->nr_slots)
			return slot_outside(c->r, log);
		if (c->held->gens[log->slot])
			continue;
		c->batch[c->nr++] = (struct chunkcache_slot) { log->slot, 0 };
		if (c->nr == CHUNKCACHE_SLOT_BATCH_MAX)
			error = claim_batch(c);
	}
	return error;
}

static int claim_all(struct cc_recovery *r, struct log_slots *held)
{
	struct claims *c = malloc(sizeof(*c));
	int error = 0;

	if (!c) {
		snprintf(r->why, sizeof(r->why), "journal: out of memory");
		return -ENOMEM;
	}
	c->r = r;
	c->held = held;
	c->nr = 0;
	cc_list_each(node, &r->state->volumes)
		if (!error)
			error = claim_logs(c, cc_list_entry(node, struct cc_journal_volume, node));
	if (!error)
		error = claim_batch(c);
	free(c);
	return error;
}

static void note_needed(const struct cc_journal_volume *v, struct log_slots *held)
{
	for (size_t i = 0; i < v->nr_logs; i++)
		if (!v->logs[i].committed && v->logs[i].slot < held->nr)
			held->needed[v->logs[i].slot] = true;
}

/*
 * A committed log chunk whose slot was not cleaned: a helper died in between.  The slot may be another one's by
 * now, which is not to be cleaned.
 */
static bool may_be_cleaned(const struct cc_recovery *r, const struct cc_journal_log *log, const struct log_slots *held)
{
	return !held->needed[log->slot] && (log->instance != r->instance || log->gen == held->gens[log->slot]);
}

static bool is_in_slot(const struct cc_recovery *r, const struct cc_journal_log *log, const struct log_slots *held,
		       bool resumed)
{
	if (log->slot >= held->nr || !held->gens[log->slot])
		return false;
	if (!resumed)
		return log->dirty_blocks;
	return !log->committed || may_be_cleaned(r, log, held);
}

/* Of v's log chunks those that are in a slot now; other slots the pool gives to whoever asks. */
static void take_generations(struct cc_recovery *r, struct cc_journal_volume *v, const struct log_slots *held,
			     bool resumed)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->nr_logs; i++) {
		struct cc_journal_log *log = &v->logs[i];

		if (!is_in_slot(r, log, held, resumed))
			continue;
		log->gen = held->gens[log->slot];
		log->instance = r->instance;
		r->nr_claimed++;
		v->logs[kept++] = *log;
	}
	v->nr_logs = kept;
	v->tail = 0;
}

static void take_all_generations(struct cc_recovery *r, struct log_slots *held, bool resumed)
{
	cc_list_each(node, &r->state->volumes)
		note_needed(cc_list_entry(node, struct cc_journal_volume, node), held);
	cc_list_each(node, &r->state->volumes)
		take_generations(r, cc_list_entry(node, struct cc_journal_volume, node), held, resumed);
}

/* No device of this instance has a handle yet. */
static void nothing_runs(struct cc_journal_state *s)
{
	cc_list_each(node, &s->volumes)
		cc_list_entry(node, struct cc_journal_volume, node)->runs = false;
}

/* ---- the two ways ---- */

/* Above all that was ever written; the first page names the last one that counts. */
static int resume_journal(struct cc_recovery *r, const struct cc_journal_found *found)
{
	uint64_t next = found->highest + 1, tail = cc_journal_state_tail(r->state, next);
	int error;

	error = cc_channel_journal_resume(r->channel, next, found->newest, tail);
	if (error)
		return kernel_refused(r, "resume", error);
	r->tail = tail;
	return 0;
}

int cc_recovery_run(struct cc_recovery *r)
{
	struct log_slots held = { 0 };
	struct cc_journal_found found;
	int error = cc_journal_ring_scan(r->ring, &found);

	if (error)
		return ring_failed(r, error);
	error = read_pages(r, found.newest, true);
	if (!error)
		error = ask_log_slots(r, &held);
	if (!error)
		error = claim_all(r, &held);
	if (!error) {
		take_all_generations(r, &held, false);
		nothing_runs(r->state);
		error = resume_journal(r, &found);
	}
	free_log_slots(&held);
	return error;
}

int cc_recovery_read(struct cc_recovery *r, uint64_t head)
{
	struct log_slots held = { 0 };
	int error = read_pages(r, head, false);

	if (!error)
		error = ask_log_slots(r, &held);
	if (!error)
		take_all_generations(r, &held, true);
	free_log_slots(&held);
	return error;
}
