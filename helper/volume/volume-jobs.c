// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is done with the store for a volume, in its thread.  While a task runs, the volume's store and snapshot are
 * its own; the loop looks at them when it has ended.
 */
#include "volumes-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/image.h"
#include "volume/place.h"

#define CHECKPOINT_MIN	128		/* commits: who opens the volume reads so many heads at once */
#define CHECKPOINT_MAX	1024		/* and so many in a second or two */
#define CHECKPOINT_SHARE 64		/* in between a map may cost this part of what was put since the last */

/* ---- what the journal says ---- */

void cc_volume_free_snapshot(struct cc_volume_snapshot *s)
{
	free(s->dirty.records);
	free(s->cuts);
	free(s->logs);
	*s = (struct cc_volume_snapshot){ 0 };
}

struct cc_journal_volume *cc_volume_journal(const struct cc_volume *v)
{
	return cc_journal_state_find(cc_journal_follow_volumes(v->all->c.follow), v->uuid);
}

static int compare_log(const void *key, const void *log)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct cc_journal_log *)log)->key;

	return a < b ? -1 : a > b;
}

/* Of a slot that is LOG until this volume says that it is clean.  By any thread; of those that fail any is told. */
static int read_log(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	struct cc_volume_snapshot *s = arg;
	const struct cc_journal_log *log = bsearch(&key, s->logs, s->nr_logs, sizeof(*log), compare_log);
	int r;

	if (!log || log->slot == CC_NO_SLOT)
		return -ENOENT;
	r = cc_pooldev_read(s->pooldev, buf, (size_t)blocks << CC_BLOCK_SHIFT,
			    cc_pooldev_slot_offset(s->pooldev, log->slot) + ((uint64_t)block << CC_BLOCK_SHIFT));
	if (r) {
		__atomic_store_n(&s->bad_slot, log->slot, __ATOMIC_RELAXED);
		__atomic_store_n(&s->error, r, __ATOMIC_RELAXED);
	}
	return r;
}

/* Where the log chunks from the last commit on fill another, and one more; UINT64_MAX: they do not. */
static uint64_t commit_full_at(const struct cc_journal_volume *j, uint64_t stored)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i + 1 < j->nr_logs; i++) {
		if (blocks > CC_COMMIT_BYTES >> CC_BLOCK_SHIFT)
			return j->logs[i + 1].key;
		if (j->logs[i].key >= cc_place_log_key(stored))
			blocks += j->logs[i].dirty_blocks;
	}
	return UINT64_MAX;
}

/* Of one commit: however much is dirty, the loop copies no more than goes into it. */
static void copy_commit(const struct cc_journal_volume *j, uint64_t stored, struct cc_volume_snapshot *s)
{
	uint64_t full_at = commit_full_at(j, stored), end = stored;

	for (size_t i = 0; i < j->nr_cuts && end < full_at; i++)
		if (j->cuts[i] > stored)
			end = s->cuts[s->dirty.nr_cuts++] = j->cuts[i];
	for (size_t i = 0; i < j->nr_writes; i++)
		if (j->writes[i].r.place >= stored && j->writes[i].r.place < end)
			s->dirty.records[s->dirty.nr_records++] = j->writes[i].r;
}

/* All that is left, with one cut behind it when nobody writes any more. */
static void copy_rest(const struct cc_journal_volume *j, struct cc_volume_snapshot *s)
{
	for (size_t i = 0; s->is_dirty && i < j->nr_cuts; i++)
		s->cuts[s->dirty.nr_cuts++] = j->cuts[i];
	if (s->is_dirty)
		s->cuts[s->dirty.nr_cuts++] = cc_place_term_end(j->term);
	for (size_t i = 0; i < j->nr_writes; i++)
		s->dirty.records[s->dirty.nr_records++] = j->writes[i].r;
}

/* Behind all that the journal has. */
static uint64_t highest_position(const struct cc_journal_volume *j)
{
	uint64_t highest = cc_place_position(j->cut > j->committed ? j->cut : j->committed);

	for (size_t i = 0; i < j->nr_writes; i++) {
		const struct chunkcache_record *r = &j->writes[i].r;
		uint64_t end = cc_place_position(r->place) + (cc_place_is_data(r->place) ? r->count : 0);

		if (end > highest)
			highest = end;
	}
	return highest;
}

int cc_volume_take_snapshot(struct cc_pooldev *pd, const struct cc_journal_volume *j, bool all, uint64_t stored,
			    struct cc_volume_snapshot *s)
{
	cc_volume_free_snapshot(s);
	if (!j)
		return 0;
	s->pooldev = pd;
	s->dirty.read = read_log;
	s->dirty.read_side_by_side = true;
	s->dirty.arg = s;
	s->dirty.records = calloc(j->nr_writes + 1, sizeof(*s->dirty.records));
	s->cuts = calloc(j->nr_cuts + 1, sizeof(*s->cuts));
	s->logs = calloc(j->nr_logs + 1, sizeof(*s->logs));
	if (!s->dirty.records || !s->cuts || !s->logs) {
		cc_volume_free_snapshot(s);
		return -ENOMEM;
	}
	s->highest = highest_position(j);
	s->is_dirty = cc_journal_volume_is_dirty(j);
	if (all)
		copy_rest(j, s);
	else
		copy_commit(j, stored, s);
	s->dirty.cuts = s->cuts;
	for (size_t i = 0; i < j->nr_logs; i++)
		s->logs[s->nr_logs++] = j->logs[i];
	s->term = j->term;
	return 0;
}

/* ---- tasks ---- */

static int commit_once(struct cc_volume *v)
{
	v->snapshot.dirty.uploads = v->at->uploads;
	return cc_volume_commit(&v->store, &v->snapshot.dirty, &v->counts, &v->stored, v->err, sizeof(v->err));
}

static int commit_all(struct cc_volume *v)
{
	const struct cc_volume_dirty *d = &v->snapshot.dirty;
	uint64_t last = d->nr_cuts ? d->cuts[d->nr_cuts - 1] & ~CC_PLACE_DATA : 0;
	int r;

	do {
		r = __atomic_load_n(&v->all->draining, __ATOMIC_RELAXED) ? -ECANCELED : commit_once(v);
	} while (!r && v->stored < last);
	return r;
}

static int refuse_volume(struct cc_volume *v, int r)
{
	v->refused = true;
	return r;
}

/* May it be opened here, as the log is now? */
static int decide(struct cc_volume *v)
{
	const struct cc_volume_log *log = &v->store.log;
	bool carries = !cc_volume_log_foreign(log) && log->last.term >= v->snapshot.term &&
		       log->run_term <= v->snapshot.term;

	if (cc_volume_log_foreign(log)) {
		snprintf(v->err, sizeof(v->err), "it is open on %s (term %u): take it over with chunkctl volume up",
			 *log->last.host ? log->last.host : "another host", log->last.term);
		return refuse_volume(v, -EPERM);
	}
	if (v->snapshot.is_dirty && !carries) {
		snprintf(v->err, sizeof(v->err), "this pool has writes of term %u, and another host has had it since",
			 v->snapshot.term);
		return refuse_volume(v, -EEXIST);
	}
	if (log->last.chunk_shift != cc_pooldev_geometry(v->all->c.pooldev)->slot_shift) {
		snprintf(v->err, sizeof(v->err), "expected log chunks of %u bytes as the pool's slots, it has %u",
			 1u << cc_pooldev_geometry(v->all->c.pooldev)->slot_shift, 1u << log->last.chunk_shift);
		return refuse_volume(v, -EINVAL);
	}
	if (log->last.size < v->info.sectors * 512) {
		snprintf(v->err, sizeof(v->err), "the device has %" PRIu64 " sectors, the volume %" PRIu64,
			 v->info.sectors, log->last.size / 512);
		return refuse_volume(v, -EINVAL);
	}
	return 0;
}

static int take_base(struct cc_volume *v)
{
	static const uint8_t none[CC_ID_SIZE];
	const struct cc_commit *last = &v->store.log.last;
	enum cc_store_result res;
	struct cc_manifest m;
	int r;

	if (v->base || !memcmp(last->base, none, sizeof(none)))
		return 0;
	res = cc_image_manifest(v->at->store, last->base, &m, v->err, sizeof(v->err));
	if (res)
		return res == CC_STORE_NOTFOUND || res == CC_STORE_CORRUPT ? refuse_volume(v, -EBADMSG) : -EIO;
	if (m.chunk_shift != last->chunk_shift) {
		cc_manifest_free(&m);
		snprintf(v->err, sizeof(v->err), "the image below it has other chunks");
		return refuse_volume(v, -EBADMSG);
	}
	r = cc_image_of_manifest(&m, &v->base);
	if (!r)
		return 0;
	snprintf(v->err, sizeof(v->err), "the image below it: %s", r == -ENOMEM ? "out of memory" : "too many chunks");
	return r == -ENOMEM ? r : refuse_volume(v, -EBADMSG);
}

/*
 * What is in the store was in the journal before.  If there is more in terms of this pool only, then the cache device
 * is not the one that wrote it, or is as it was some time ago.
 */
static bool is_set_back(const struct cc_volume *v)
{
	const struct cc_pieces *p = &v->store.pieces;
	const struct cc_piece *last = p->nr ? &p->all[p->nr - 1] : NULL;

	return v->snapshot.is_dirty && last && cc_place_position(last->place) + last->count > v->snapshot.highest;
}

/* Each time that somebody was faster the whole decision is made anew. */
static int decide_and_take(struct cc_volume *v)
{
	int r;

	do {
		r = cc_volume_log_read(&v->store.log, v->err, sizeof(v->err));
		if (!r)
			r = decide(v);
		if (!r)
			r = cc_volume_log_take(&v->store.log, v->err, sizeof(v->err));
	} while (r == -EAGAIN);
	return r;
}

static int run_open(struct cc_volume *v)
{
	int r;

	cc_volume_state_free(&v->store);
	cc_volume_state_init(&v->store, v->at->store, v->uuid, cc_pooldev_geometry(v->all->c.pooldev)->uuid,
			     v->all->host);
	v->store.log.parallel = v->at->source->config->connections < CC_OPEN_PARALLEL ?
				v->at->source->config->connections : CC_OPEN_PARALLEL;
	if (v->info.volume_state == CHUNKCACHE_VOLUME_RUNNING) {
		r = cc_volume_log_read(&v->store.log, v->err, sizeof(v->err));
		if (!r)
			r = cc_volume_log_resume(&v->store.log, v->info.term, v->err, sizeof(v->err));
	} else {
		r = decide_and_take(v);
		v->snapshot.set_back = !r && is_set_back(v);
		/* What the journal has of an earlier term: in the store before the kernel hears of it. */
		if (!r)
			r = commit_all(v);
	}
	if (!r)
		r = take_base(v);
	v->stored = v->store.log.last.upto;
	return r;
}

/* What was put the last time is what the next one costs, more or less. */
static bool wants_checkpoint(const struct cc_volume *v)
{
	uint64_t bytes = v->counts.bytes - v->checkpoint_bytes;

	return v->store.since_checkpoint >= CHECKPOINT_MAX ||
	       (v->store.since_checkpoint >= CHECKPOINT_MIN && bytes / CHECKPOINT_SHARE >= v->store.map_bytes);
}

static int run_commit(struct cc_volume *v)
{
	int r = commit_once(v);

	if (r || !wants_checkpoint(v))
		return r;
	r = cc_volume_state_checkpoint(&v->store, false, v->err, sizeof(v->err));
	v->checkpoint_bytes = v->counts.bytes;
	return r == -EAGAIN ? 0 : r;	/* then the next checkpoint is it */
}

static int run_close(struct cc_volume *v)
{
	struct cc_commit c = { .type = CC_COMMIT_CLOSE };
	int r = cc_volume_state_checkpoint(&v->store, true, v->err, sizeof(v->err));

	return r ? r : cc_volume_log_append(&v->store.log, &c, NULL, 0, v->err, sizeof(v->err));
}

static void run_task(struct cc_job *job)
{
	struct cc_volume *v = cc_list_entry(job, struct cc_volume, job);

	v->snapshot.error = 0;
	switch (v->task) {
	case CC_TASK_OPEN:
		v->result = run_open(v);
		break;
	case CC_TASK_COMMIT:
		v->result = run_commit(v);
		break;
	case CC_TASK_SNAPSHOT:
		v->result = cc_volume_snap_take(v);
		break;
	case CC_TASK_CLOSE:
		v->result = run_close(v);
		break;
	default:
		v->result = cc_volume_log_probe(&v->store.log, v->err, sizeof(v->err));
		v->result = v->result == -EAGAIN ? 0 : v->result;
		break;
	}
	if (v->result && v->snapshot.error)
		snprintf(v->err, sizeof(v->err), "slot %" PRIu32 " of the cache device can't be read, which has what no store "
			 "has: %s", v->snapshot.bad_slot, strerror(-v->snapshot.error));
}

static void task_done(struct cc_job *job)
{
	struct cc_volume *v = cc_list_entry(job, struct cc_volume, job);

	v->all->nr_tasks--;
	v->ended(v);
}

static bool wants_snapshot(enum cc_volume_task task)
{
	return task == CC_TASK_OPEN || task == CC_TASK_COMMIT;
}

void cc_volume_start_task(struct cc_volume *v, enum cc_volume_task task, void (*ended)(struct cc_volume *v))
{
	bool all = task == CC_TASK_OPEN && v->info.volume_state == CHUNKCACHE_VOLUME_NEW;

	if (wants_snapshot(task) &&
	    cc_volume_take_snapshot(v->all->c.pooldev, cc_volume_journal(v), all, v->upto, &v->snapshot))
		return;			/* no memory: at the next step */
	cc_volume_age_commit_begun(&v->age);
	v->task = task;
	v->ended = ended;
	v->refused = false;
	*v->err = '\0';
	v->job = (struct cc_job){ .run = run_task, .done = task_done };
	v->all->nr_tasks++;
	cc_worker_submit(v->worker, &v->job);
}
