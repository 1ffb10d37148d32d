// SPDX-License-Identifier: GPL-2.0-or-later
/* Which volumes there are, and what is due for each; see volumes.h. */
#include "volumes-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "volume/place.h"

#define STEP_MAX	(250 * CC_MS)	/* what nobody rings for is seen so late */
#define LOOK_INTERVAL	CC_SECOND	/* at what was written and not cut */
#define READY_BYTES	(8u << 20)	/* are committed before the interval ends */
#define READY_RECORDS	(CC_COMMIT_RECORDS / 2) /* the same: zeros have no bytes */
#define CUT_GRACE	(100 * CC_MS)	/* from asking for a cut until it is known that there is none to be made */
#define IDLE_MAX	(60 * CC_SECOND) /* a log chunk stays open without a write */
#define PROBE_INTERVAL	(5 * CC_SECOND)	/* a zombie serves what is old at most so long */
#define RETRY_INTERVAL	(2 * CC_SECOND)

static bool follows(const struct cc_volumes *all)
{
	return cc_journal_follow_how(all->c.follow) == CC_FOLLOW_FOLLOWING;
}

/* ---- life ---- */

static void volume_free(struct cc_volume *v)
{
	if (v->watch.fn)
		cc_loop_remove(v->all->c.loop, &v->watch);
	if (v->worker)
		cc_worker_close(v->worker);
	cc_list_del(&v->node);
	cc_volume_free_snapshot(&v->snapshot);
	cc_volume_state_free(&v->store);
	cc_image_put(v->base);
	cc_pieces_free(&v->pieces);
	free(v->keys);
	free(v);
}

static void on_volume(struct cc_watch *w, uint32_t events)
{
	cc_worker_reap(cc_list_entry(w, struct cc_volume, watch)->worker);
}

static struct cc_volume *volume_new(struct cc_volumes *all, const struct cc_disk_info *info)
{
	struct cc_volume *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->all = all;
	v->info = v->newest = *info;
	v->ticket = cc_journal_follow_ticket(all->c.follow);
	memcpy(v->uuid, info->volume_uuid, sizeof(v->uuid));
	cc_list_add_tail(&all->volumes, &v->node);
	if (!cc_worker_open(1, &v->worker)) {
		v->watch = (struct cc_watch){ .fd = cc_worker_fd(v->worker), .fn = on_volume };
		if (!cc_loop_add(all->c.loop, &v->watch, EPOLLIN))
			return v;
		v->watch.fn = NULL;
	}
	volume_free(v);
	return NULL;
}

/* Misses of what was never written are the fill engine's, as those of disks are. */
static void use_base(struct cc_volume *v)
{
	struct cc_disks *disks = v->all->c.disks;

	if (!v->base)
		return;
	if (!v->base->source)
		v->base = cc_disks_add_base(disks, v->base, v->at->source);
	cc_disks_set_base(disks, v->info.id, v->base);
}

/* ---- which devices there are ---- */

/* A device of it again: a reload has the overlay already, a new one has to be told all. */
static void new_device(struct cc_volume *v)
{
	if (v->newest.id <= v->info.id)
		return;
	v->info = v->newest;
	if (v->life != CC_VOLUME_GONE && v->info.volume_state != CHUNKCACHE_VOLUME_NEW) {
		if (v->life == CC_VOLUME_RUNNING)
			use_base(v);
		return;
	}
	v->life = CC_VOLUME_OPENING;
	v->task_due = 0;
	/* What the one before wrote is durable; nothing may be opened before it is known. */
	v->ticket = cc_journal_follow_ticket(v->all->c.follow);
}

static void see_disk(void *arg, const struct cc_disk *disk)
{
	struct cc_volumes *all = arg;
	struct cc_volume *v;

	if (!disk->info.is_volume)
		return;
	v = cc_volume_of_uuid(all, disk->info.volume_uuid);
	if (!v)
		v = volume_new(all, &disk->info);
	if (!v) {
		all->error = -ENOMEM;
		return;
	}
	v->seen = true;
	if (disk->info.id > v->newest.id)
		v->newest = disk->info;
}

void cc_volumes_refresh(struct cc_volumes *all)
{
	cc_list_each(n, &all->volumes)
		cc_list_entry(n, struct cc_volume, node)->seen = false;
	cc_disks_each(all->c.disks, see_disk, all);
}

static void device_gone(struct cc_volume *v)
{
	struct cc_journal_volume *j = cc_volume_journal(v);

	if (v->life == CC_VOLUME_RUNNING) {
		v->life = CC_VOLUME_GONE;
		v->ticket = cc_journal_follow_ticket(v->all->c.follow);
		return;
	}
	if (j)
		j->runs = false;
	volume_free(v);
}

/* ---- a task has ended ---- */

/* What the task has added, for misses, or dropped. */
static int learn_pieces(struct cc_volume *v)
{
	int r = 0;

	if (v->pieces.dropped != v->store.pieces.dropped)
		return cc_pieces_copy(&v->store.pieces, &v->pieces);
	for (size_t i = v->pieces.nr; !r && i < v->store.pieces.nr; i++)
		r = cc_pieces_add(&v->pieces, &v->store.pieces.all[i]);
	return r;
}

static void start_volume(struct cc_volume *v)
{
	struct cc_volumes *all = v->all;
	bool fresh = v->info.volume_state == CHUNKCACHE_VOLUME_NEW;
	int r;

	v->term = v->store.log.own_term;
	v->handle = fresh ? cc_journal_follow_handle(all->c.follow) : v->info.handle;
	r = v->handle ? cc_volume_number_logs(v) : -ENOSPC;
	if (!r && fresh)
		r = cc_volume_load(v);
	if (!r && fresh)
		r = cc_channel_volume_start(all->c.channel, v->info.id, v->handle, v->term);
	if (!r && !fresh && v->nr_keys != v->info.nr_logs)
		r = -EPROTO;
	cc_pieces_free(&v->pieces);
	if (!r)
		r = learn_pieces(v);
	if (r) {
		snprintf(v->err, sizeof(v->err), "telling the kernel: %s", strerror(-r));
		cc_volume_failed(v, v->err);
		return;
	}
	v->life = CC_VOLUME_RUNNING;
	use_base(v);
	all->started = true;
	v->told = 0;
	v->upto = v->stored;
	/* All of the terms before is in the store: so are their log chunks that were not full. */
	if (fresh && v->snapshot.term && cc_place_term_end(v->snapshot.term) > v->upto)
		v->upto = cc_place_term_end(v->snapshot.term);
	cc_log(LOG_INFO, "volume %s: term %u, %u log chunks", v->info.name, v->term, v->nr_keys);
	if (v->snapshot.set_back)
		cc_log(LOG_WARNING, "volume %s: the cache device is as it was before the last commits, perhaps restored from a "
		       "copy: what was written after these is lost, as if the host were", v->info.name);
}

static bool is_over(const struct cc_volume *v)
{
	return v->refused || v->result == -ESTALE || v->result == -EBADMSG || v->result == -ENOSPC ||
	       (v->result == -ENOENT && v->task == CC_TASK_OPEN);
}

static void task_failed(struct cc_volume *v, enum cc_volume_task task)
{
	if (is_over(v)) {
		cc_volume_failed(v, v->err);
		return;
	}
	v->task_due = cc_now_ns() + RETRY_INTERVAL;
	v->commit_due = 0;
	snprintf(v->why, sizeof(v->why), "%s", v->err);
	if (cc_ratelimit_pass(&v->limit))
		cc_log(LOG_ERR, "volume %s: %s: %s; trying again", v->info.name,
		       task == CC_TASK_OPEN ? "open" : task == CC_TASK_CLOSE ? "close" : "commit", v->err);
}

/* Nothing is left to do, and its handle may be another's. */
static void volume_closed(struct cc_volume *v)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_FORGET, .volume = v->handle };
	struct cc_journal_volume *j = cc_volume_journal(v);
	int error = 0;

	cc_log(LOG_INFO, "volume %s: closed", v->info.name);
	if (v->handle)
		error = cc_channel_journal_add(v->all->c.channel, &r, 1);
	cc_volume_channel(v->all, error);
	if (v->handle && !error && j)
		j->leaving = true;
	v->life = CC_VOLUME_FAILED;
}

static void note_commit(struct cc_volume *v)
{
	if (v->counts.commits != v->counted.commits)
		v->commit_ns = cc_now_ns();
	v->counted = v->counts;
	cc_volume_age_committed(&v->age, v->stored);
}

static void task_ended(struct cc_volume *v)
{
	enum cc_volume_task task = v->task;

	v->task = CC_TASK_NONE;
	v->unreadable = v->result && v->snapshot.error;
	v->probe_due = cc_now_ns() + PROBE_INTERVAL;
	note_commit(v);
	if (!v->result)
		*v->why = '\0';
	if (task == CC_TASK_OPEN && !v->result)
		start_volume(v);
	else if (task == CC_TASK_CLOSE && !v->result)
		volume_closed(v);
	else if (task == CC_TASK_COMMIT && !learn_pieces(v) && v->stored > v->upto)
		v->upto = v->stored;
	else if (task == CC_TASK_SNAPSHOT)
		cc_volume_snap_ended(v);
	if (v->result && v->result != -ECANCELED && (task != CC_TASK_SNAPSHOT || is_over(v)))
		task_failed(v, task);
}

/* ---- what is due ---- */

static void tell_committed(struct cc_volume *v)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_COMMITTED, .volume = v->handle, .place = v->upto };
	int error;

	if (v->upto <= v->told || !v->upto)
		return;
	error = cc_channel_journal_add(v->all->c.channel, &r, 1);
	if (!error)
		v->told = v->upto;
	else if (error != -ENOSPC)
		cc_volume_channel(v->all, error);
}

/* COMMITTED is durable: before that a crash would claim a slot that holds something else by then. */
static void clean_slots(struct cc_volumes *all, struct cc_journal_volume *j)
{
	size_t i = 0;

	while (i < j->nr_logs) {
		const struct cc_journal_log log = j->logs[i];
		const struct chunkcache_slot slot = { .slot = log.slot, .gen = log.gen };
		int r = -EBUSY;

		if (log.committed && log.slot != CC_NO_SLOT)
			r = cc_channel_slot_clean(all->c.channel, slot, log.key);
		cc_volume_channel(all, r);
		if (!r || r == -ESTALE || r == -ENOENT)
			cc_journal_volume_cleaned(j, log.key);
		else
			i++;
	}
}

/* Nobody writes any more, and all that was written is in the store: then so is all of its term. */
static bool all_is_stored(struct cc_volume *v, const struct cc_journal_volume *j)
{
	uint64_t end = cc_place_term_end(v->term);

	if (!cc_journal_follow_has_read(v->all->c.follow, v->ticket) || (j && cc_journal_volume_is_dirty(j)))
		return false;
	if (end > v->upto)
		v->upto = end;
	return v->told == v->upto && (!j || !j->nr_logs);
}

static bool has_open_log(const struct cc_journal_volume *j)
{
	for (size_t i = 0; i < j->nr_logs; i++)
		if (!j->logs[i].committed)
			return true;
	return false;
}

/* Of what was written since the last cut. */
static bool much_is_ready(const struct cc_journal_volume *j)
{
	uint64_t blocks = 0, records = 0;

	if (j->dirty_blocks < READY_BYTES >> CC_BLOCK_SHIFT && j->nr_writes < READY_RECORDS)
		return false;
	for (size_t i = 0; i < j->nr_writes; i++) {
		const struct chunkcache_record *r = &j->writes[i].r;

		if (r->place < j->cut)
			continue;
		records++;
		blocks += cc_place_is_data(r->place) ? r->count : 0;
	}
	return blocks >= READY_BYTES >> CC_BLOCK_SHIFT || records >= READY_RECORDS;
}

/*
 * Each commit takes what is below a cut: one at the end of the interval, when much is ready before, and one that
 * closes the log chunk of a volume that does not write any more, or its slot would stay dirty for ever.
 */
static void step_cut(struct cc_volume *v, const struct cc_journal_volume *j, uint64_t now_ns)
{
	uint64_t interval_ns = v->at->source->config->commit_interval_ms * CC_MS;
	bool seal = false;

	if (!j || !has_open_log(j) || j->cut != v->last_cut) {
		v->last_cut = j ? j->cut : 0;
		v->changed_ns = now_ns;
	}
	if (now_ns >= v->changed_ns + IDLE_MAX) {
		seal = true;
		v->changed_ns = now_ns;
	}
	if (interval_ns > LOOK_INTERVAL && now_ns >= v->look_due) {
		cc_journal_follow_wake(v->all->c.follow);
		v->look_due = now_ns + LOOK_INTERVAL;
	}
	if (!seal && now_ns < v->cut_due && !(j && interval_ns > LOOK_INTERVAL && much_is_ready(j)))
		return;
	cc_volume_channel(v->all, cc_channel_volume_cut(v->all->c.channel, v->info.id, seal));
	cc_volume_age_asked(&v->age, now_ns);
	v->asked_cut = j ? j->cut : 0;
	/* However often one is asked for: what the first found has waited long enough. */
	v->commit_due = cc_earlier(v->commit_due, now_ns + CUT_GRACE);
	v->cut_due = now_ns + interval_ns;
}

/*
 * A full log chunk has a cut, too, which nobody waits for: on its own it would be an object more.  So a commit begins
 * with the cut that was asked for, and before if it can't take more, if there is soon no room for writes, or if
 * flushes wait for it.
 */
static bool commit_is_due(const struct cc_volume *v, const struct cc_journal_volume *j, uint64_t now_ns)
{
	if (!j || !j->nr_cuts || j->cuts[j->nr_cuts - 1] <= v->upto)
		return false;
	if (v->life == CC_VOLUME_GONE || v->info.durable_store || v->all->presses)
		return true;
	if (j->dirty_blocks >= CC_COMMIT_BYTES >> CC_BLOCK_SHIFT || now_ns >= v->commit_due)
		return true;
	return v->commit_due != UINT64_MAX && j->cut != v->asked_cut;
}

static void step_running(struct cc_volume *v, uint64_t now_ns)
{
	const struct cc_journal_volume *j = cc_volume_journal(v);

	tell_committed(v);
	cc_volume_age_read(&v->age, j ? j->cut : 0, j && j->nr_writes, now_ns);
	cc_volume_snap_step(v, j, now_ns);
	if (v->life == CC_VOLUME_RUNNING)
		step_cut(v, j, now_ns);
	if (v->task != CC_TASK_NONE || now_ns < v->task_due)
		return;
	if (commit_is_due(v, j, now_ns)) {
		v->commit_due = UINT64_MAX;
		cc_volume_start_task(v, CC_TASK_COMMIT, task_ended);
	} else if (cc_volume_snap_is_due(v)) {
		cc_volume_snap_started(v);
		cc_volume_start_task(v, CC_TASK_SNAPSHOT, task_ended);
	} else if (v->life == CC_VOLUME_GONE && all_is_stored(v, j)) {
		cc_volume_start_task(v, CC_TASK_CLOSE, task_ended);
	} else if (now_ns >= v->probe_due) {
		cc_volume_start_task(v, CC_TASK_PROBE, task_ended);
	}
}

static void step_opening(struct cc_volume *v, uint64_t now_ns)
{
	if (v->task != CC_TASK_NONE || now_ns < v->task_due || cc_volume_fork_is_wanted(v->all, v->uuid) ||
	    !cc_journal_follow_has_read(v->all->c.follow, v->ticket))
		return;
	v->at = cc_volume_store_of(v->all, v->info.store, v->err, sizeof(v->err));
	if (v->at)
		cc_volume_start_task(v, CC_TASK_OPEN, task_ended);
	else
		cc_volume_failed(v, v->err);
}

static void step_volume(struct cc_volume *v, uint64_t now_ns)
{
	if (v->task == CC_TASK_NONE)
		new_device(v);
	switch (v->life) {
	case CC_VOLUME_OPENING:
		step_opening(v, now_ns);
		break;
	case CC_VOLUME_RUNNING:
	case CC_VOLUME_GONE:
		step_running(v, now_ns);
		break;
	case CC_VOLUME_FAILED:
		break;
	}
	if (!v->seen && v->life != CC_VOLUME_GONE && v->task == CC_TASK_NONE)
		device_gone(v);
}

/* Of the slots or of the journal half is what no store has: writes would wait soon. */
static bool room_is_short(const struct cc_volumes *all)
{
	uint64_t logs = 0;

	cc_list_each(n, &cc_journal_follow_volumes(all->c.follow)->volumes)
		logs += cc_list_entry(n, struct cc_journal_volume, node)->nr_logs;
	return 2 * logs >= cc_pooldev_geometry(all->c.pooldev)->dirty_max || cc_journal_follow_half_full(all->c.follow);
}

static void step_all(struct cc_volumes *all, uint64_t now_ns)
{
	all->presses = room_is_short(all);
	cc_volume_forks_step(all, now_ns);
	cc_list_each(n, &cc_journal_follow_volumes(all->c.follow)->volumes)
		clean_slots(all, cc_list_entry(n, struct cc_journal_volume, node));
	cc_list_each_safe(n, &all->volumes)
		step_volume(cc_list_entry(n, struct cc_volume, node), now_ns);
}

/* Without the journal's word none can be opened; those that run go on until their writes wait. */
static void fail_opening(struct cc_volumes *all)
{
	cc_list_each(n, &all->volumes) {
		struct cc_volume *v = cc_list_entry(n, struct cc_volume, node);

		if (v->life == CC_VOLUME_OPENING && v->task == CC_TASK_NONE)
			cc_volume_failed(v, "the pool's journal can't be read: see the helper's log");
	}
}

uint64_t cc_volumes_step(struct cc_volumes *all, uint64_t now_ns, bool *ret_started, int *ret_error)
{
	*ret_error = 0;
	if (cc_list_empty(&all->volumes) && cc_list_empty(&all->forks))
		return UINT64_MAX;
	if (!all->draining && follows(all))
		step_all(all, now_ns);
	else if (!all->draining)
		fail_opening(all);
	if (!all->draining)
		cc_volumes_look_stuck(all, now_ns);
	*ret_started |= all->started;
	all->started = false;
	*ret_error = all->error;
	all->error = 0;
	return now_ns + STEP_MAX;
}

void cc_volumes_drain(struct cc_volumes *all)
{
	__atomic_store_n(&all->draining, true, __ATOMIC_RELAXED);
	cc_list_each(n, &all->stores)
		cc_volume_store_stop(cc_list_entry(n, struct cc_volume_store, node));
}

void cc_volumes_give_way(struct cc_volumes *all, bool readers_wait)
{
	cc_list_each(n, &all->stores)
		cc_uploads_give_way(cc_list_entry(n, struct cc_volume_store, node)->uploads,
				    readers_wait || all->nr_misses);
}

unsigned int cc_volumes_in_flight(const struct cc_volumes *all)
{
	return all->nr_tasks + all->nr_misses;
}

/* ---- open and close ---- */

int cc_volumes_open(const struct cc_volumes_config *c, struct cc_volumes **ret_volumes)
{
	struct cc_volumes *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->c = *c;
	cc_list_init(&all->volumes);
	cc_list_init(&all->misses);
	cc_list_init(&all->stores);
	cc_list_init(&all->forks);
	if (gethostname(all->host, sizeof(all->host) - 1))
		all->host[0] = '\0';
	*ret_volumes = all;
	return 0;
}

void cc_volumes_close(struct cc_volumes *all)
{
	if (!all)
		return;
	while (!cc_list_empty(&all->volumes))
		volume_free(cc_list_entry(all->volumes.next, struct cc_volume, node));
	cc_volume_forks_close(all);
	while (!cc_list_empty(&all->stores))
		cc_volume_store_close(cc_list_entry(all->stores.next, struct cc_volume_store, node));
	cc_volume_misses_forget(all);
	free(all);
}
