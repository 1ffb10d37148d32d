// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is left in a pool of a volume that it may not commit any more, as another host has had it since: copied to a
 * new volume, or given up.  Both are somebody's wish, never done by itself.
 */
#include "volumes-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "uuid.h"
#include "volume/volume-name.h"
#include "volume/volume-rescue.h"

/*
 * A wish is granted when all is known that was written: nobody reads the journal on for a volume that has failed.
 *
 *	ASKED		the journal is read as far as it is durable, then COPIED or FORGOTTEN; or there is nothing
 *	COPIED		a rescue runs in its thread, then ENDED
 *	FORGOTTEN	FORGET is on its way into the journal, then slots are freed, and that is all
 *	ENDED		a rescue, well or not: stays for who asks how, until the next wish
 */
enum fork_state {
	FORK_ASKED,
	FORK_COPIED,
	FORK_FORGOTTEN,
	FORK_ENDED,
};

struct cc_fork {
	struct cc_list node;
	struct cc_volumes *all;
	uint8_t uuid[16];
	enum fork_state state;		/* set_fork_state() */
	uint64_t settled_ns;		/* then a ticket is taken */
	uint64_t ticket;		/* 0: not yet */
	/* a rescue: the thread's, while COPIED */
	struct cc_worker *worker;	/* NULL: it is to be given up */
	struct cc_watch watch;
	struct cc_job job;
	struct cc_volume_snapshot snapshot;
	struct cc_volume_store *at;
	char as[CC_IMAGE_NAME_MAX + 1];
	char rescued_as[CC_IMAGE_NAME_MAX + 1]; /* by the last one that ended well; "": none has */
	int result;
	char err[400];
	/* FORGOTTEN: to be freed once the journal has nothing of it */
	struct chunkcache_slot *slots;
	uint32_t nr_slots;
};

static void set_fork_state(struct cc_fork *f, enum fork_state state)
{
	f->state = state;
}

static struct cc_fork *fork_of(const struct cc_volumes *all, const uint8_t uuid[16])
{
	cc_list_each(n, &all->forks) {
		struct cc_fork *f = cc_list_entry(n, struct cc_fork, node);

		if (!memcmp(f->uuid, uuid, sizeof(f->uuid)))
			return f;
	}
	return NULL;
}

static void free_fork(struct cc_fork *f)
{
	if (f->watch.fn)
		cc_loop_remove(f->all->c.loop, &f->watch);
	if (f->worker)
		cc_worker_close(f->worker);
	cc_list_del(&f->node);
	cc_volume_free_snapshot(&f->snapshot);
	free(f->slots);
	free(f);
}

/* For the next wish.  Of those before only what there is of them is kept.  NULL: no memory, nothing was changed. */
static struct cc_fork *renew_fork(struct cc_volumes *all, const uint8_t uuid[16])
{
	struct cc_fork *before = fork_of(all, uuid), *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (before) {
		memcpy(f->rescued_as, before->rescued_as, sizeof(f->rescued_as));
		free_fork(before);
	}
	f->all = all;
	/* What its device has taken may still be on its way. */
	f->settled_ns = cc_volume_of_uuid(all, uuid) ? cc_now_ns() + CC_JOURNAL_SETTLE_NS : 0;
	memcpy(f->uuid, uuid, sizeof(f->uuid));
	cc_list_add_tail(&all->forks, &f->node);
	return f;
}

bool cc_volume_fork_is_wanted(const struct cc_volumes *all, const uint8_t uuid[16])
{
	const struct cc_fork *f = fork_of(all, uuid);

	return f && (f->state == FORK_ASKED || f->state == FORK_COPIED);
}

const char *cc_volume_rescue_state(const struct cc_volumes *all, const uint8_t uuid[16])
{
	const struct cc_fork *f = fork_of(all, uuid);

	if (!f || !f->worker)
		return "";
	return f->state != FORK_ENDED ? "running" : f->result ? f->err : "done";
}

const char *cc_volume_rescued_as(const struct cc_volumes *all, const uint8_t uuid[16])
{
	const struct cc_fork *f = fork_of(all, uuid);

	return f ? f->rescued_as : "";
}

/* ---- may anything be done with it? ---- */

/* Its slots stay as they are: no device of it is at work, nor can be opened now. */
static int check_still(const struct cc_volumes *all, const uint8_t uuid[16], char *err, size_t errlen)
{
	const struct cc_volume *v = cc_volume_of_uuid(all, uuid);
	const struct cc_fork *f = fork_of(all, uuid);

	if (cc_journal_follow_how(all->c.follow) != CC_FOLLOW_FOLLOWING || all->draining)
		snprintf(err, errlen, "the pool's journal is not being followed");
	else if (v && (v->life != CC_VOLUME_FAILED || v->task != CC_TASK_NONE))
		snprintf(err, errlen, "volume: it is open, or being opened, on this host: nothing of it is a fork");
	else if (f && f->state != FORK_ENDED)
		snprintf(err, errlen, "volume: it is being %s", f->worker ? "rescued" : "discarded");
	else
		return 0;
	return -EBUSY;
}

/* What the journal has of it; NULL with a line: nothing. */
static struct cc_journal_volume *find_fork(const struct cc_volumes *all, const uint8_t uuid[16], char *err,
					   size_t errlen)
{
	struct cc_journal_volume *j = cc_journal_state_find(cc_journal_follow_volumes(all->c.follow), uuid);

	if (j && (j->nr_writes || j->nr_logs))
		return j;
	snprintf(err, errlen, "volume: this pool has nothing of it that is in no store");
	return NULL;
}

static int check_fork(const struct cc_volumes *all, const uint8_t uuid[16], char *err, size_t errlen)
{
	int r = check_still(all, uuid, err, errlen);

	return r ? r : find_fork(all, uuid, err, errlen) ? 0 : -ENOENT;
}

/* ---- a rescue ---- */

static bool is_draining(void *arg)
{
	const struct cc_fork *f = arg;

	return __atomic_load_n(&f->all->draining, __ATOMIC_RELAXED);
}

static void run_rescue(struct cc_job *job)
{
	struct cc_fork *f = cc_list_entry(job, struct cc_fork, job);
	const struct cc_pool_geometry *g = cc_pooldev_geometry(f->all->c.pooldev);
	const struct cc_volume_rescue r = {
		.store = f->at->store, .volume = f->uuid, .self = g->uuid, .host = f->all->host,
		.term = f->snapshot.term, .fork = &f->snapshot.dirty, .as = f->as,
		.parallel = f->at->source->config->connections < CC_OPEN_PARALLEL ?
			    f->at->source->config->connections : CC_OPEN_PARALLEL,
		.stop = is_draining, .arg = f,
	};

	f->result = cc_volume_rescue_run(&r, f->err, sizeof(f->err));
}

static void end_rescue(struct cc_fork *f)
{
	char uuid[CC_UUID_TEXT];

	set_fork_state(f, FORK_ENDED);
	cc_volume_free_snapshot(&f->snapshot);
	cc_uuid_text(f->uuid, uuid);
	if (f->result)
		cc_log(LOG_ERR, "volume %s: rescue as %s: %s", uuid, f->as, f->err);
	else
		cc_log(LOG_INFO, "volume %s: rescued as %s; what is left of it here stays until it is discarded", uuid,
		       f->as);
	if (!f->result)
		memcpy(f->rescued_as, f->as, sizeof(f->rescued_as));
}

static void rescue_done(struct cc_job *job)
{
	struct cc_fork *f = cc_list_entry(job, struct cc_fork, job);

	f->all->nr_tasks--;
	end_rescue(f);
}

static void start_rescue(struct cc_fork *f)
{
	struct cc_journal_volume *j = find_fork(f->all, f->uuid, f->err, sizeof(f->err));

	f->result = j ? cc_volume_take_snapshot(f->all->c.pooldev, j, true, 0, &f->snapshot) : -ENOENT;
	if (f->result) {
		if (j)
			snprintf(f->err, sizeof(f->err), "start: %s", strerror(-f->result));
		end_rescue(f);
		return;
	}
	f->snapshot.dirty.uploads = f->at->uploads;
	set_fork_state(f, FORK_COPIED);
	f->all->nr_tasks++;
	f->job = (struct cc_job){ .run = run_rescue, .done = rescue_done };
	cc_worker_submit(f->worker, &f->job);
}

static void on_rescue(struct cc_watch *w, uint32_t events)
{
	cc_worker_reap(cc_list_entry(w, struct cc_fork, watch)->worker);
}

static int open_rescue(struct cc_fork *f)
{
	int r = cc_worker_open(1, &f->worker);

	if (r)
		return r;
	f->watch = (struct cc_watch){ .fd = cc_worker_fd(f->worker), .fn = on_rescue };
	r = cc_loop_add(f->all->c.loop, &f->watch, EPOLLIN);
	if (r)
		f->watch.fn = NULL;
	return r;
}

int cc_volumes_rescue(struct cc_volumes *all, const uint8_t uuid[16], const char *store, const char *as, char *err,
		      size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX];
	struct cc_volume_store *at;
	struct cc_fork *f;
	int r = check_fork(all, uuid, err, errlen);

	if (r)
		return r;
	if (cc_volume_name(as, object)) {
		snprintf(err, errlen, "as: expected a name of a volume: 1 to %d of [a-zA-Z0-9._-]", CC_IMAGE_NAME_MAX);
		return -EINVAL;
	}
	at = cc_volume_store_of(all, store, err, errlen);
	if (!at)
		return -ENOENT;
	f = renew_fork(all, uuid);
	if (!f) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	f->at = at;
	snprintf(f->as, sizeof(f->as), "%s", as);
	r = open_rescue(f);
	if (r) {
		snprintf(err, errlen, "start: %s", strerror(-r));
		free_fork(f);
	}
	return r;
}

/* ---- giving it up ---- */

static int note_slots(struct cc_fork *f, const struct cc_journal_volume *j)
{
	f->slots = calloc(j->nr_logs + 1, sizeof(*f->slots));
	if (!f->slots)
		return -ENOMEM;
	for (size_t i = 0; i < j->nr_logs; i++)
		if (j->logs[i].slot != CC_NO_SLOT)
			f->slots[f->nr_slots++] = (struct chunkcache_slot){ j->logs[i].slot, j->logs[i].gen };
	return 0;
}

int cc_volumes_discard(struct cc_volumes *all, const uint8_t uuid[16], char *err, size_t errlen)
{
	int r = check_fork(all, uuid, err, errlen);

	if (r)
		return r;
	if (cc_volume_of_uuid(all, uuid)) {
		snprintf(err, errlen, "volume: its device is still there: remove it first");
		return -EBUSY;
	}
	if (!renew_fork(all, uuid)) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

/* What the kernel does not take now is tried again. */
static void forget(struct cc_fork *f)
{
	struct cc_journal_volume *j = find_fork(f->all, f->uuid, f->err, sizeof(f->err));
	int r;

	if (!j) {
		free_fork(f);
		return;
	}
	r = note_slots(f, j);
	if (!r)
		r = cc_channel_journal_add(f->all->c.channel, &(struct chunkcache_record){
					   .type = CC_JOURNAL_FORGET, .volume = j->handle }, 1);
	if (r) {
		free(f->slots);
		f->slots = NULL;
		f->nr_slots = 0;
		if (r != -ENOSPC)
			cc_volume_channel(f->all, r);
		return;
	}
	j->leaving = true;
	set_fork_state(f, FORK_FORGOTTEN);
	cc_log(LOG_NOTICE, "volume: %zu writes and %u slots that are in no store are given up, as was asked for",
	       j->nr_writes, f->nr_slots);
}

/* FORGET was read, so it is durable: before that a crash would claim slots that hold something else by then. */
static bool is_forgotten(const struct cc_volumes *all, const struct cc_fork *f)
{
	const struct cc_journal_volume *j = cc_journal_state_find(cc_journal_follow_volumes(all->c.follow), f->uuid);

	return !j || (!j->nr_writes && !j->nr_logs);
}

static int drop_slots(struct cc_volumes *all, struct cc_fork *f)
{
	uint32_t done = 0;
	int r = 0;

	while (!r && done < f->nr_slots) {
		struct cc_refusals refused;
		uint32_t n = f->nr_slots - done;

		if (n > CHUNKCACHE_MAP_BATCH_MAX)
			n = CHUNKCACHE_MAP_BATCH_MAX;
		r = cc_channel_slot_drop(all->c.channel, &f->slots[done], n, false, &refused);
		done += n;
	}
	return r;
}

static bool all_is_known(struct cc_fork *f, uint64_t now_ns)
{
	if (now_ns < f->settled_ns)
		return false;
	if (!f->ticket)
		f->ticket = cc_journal_follow_ticket(f->all->c.follow);
	return cc_journal_follow_has_read(f->all->c.follow, f->ticket);
}

static void step_fork(struct cc_fork *f, uint64_t now_ns)
{
	if (f->state == FORK_ASKED && all_is_known(f, now_ns)) {
		if (f->worker)
			start_rescue(f);
		else
			forget(f);
	} else if (f->state == FORK_FORGOTTEN && is_forgotten(f->all, f)) {
		cc_volume_channel(f->all, drop_slots(f->all, f));
		free_fork(f);
	}
}

void cc_volume_forks_step(struct cc_volumes *all, uint64_t now_ns)
{
	cc_list_each_safe(n, &all->forks)
		step_fork(cc_list_entry(n, struct cc_fork, node), now_ns);
}

void cc_volume_forks_close(struct cc_volumes *all)
{
	while (!cc_list_empty(&all->forks))
		free_fork(cc_list_entry(all->forks.next, struct cc_fork, node));
}
