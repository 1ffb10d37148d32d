// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Following the journal; see journal-follow.h.  A page that has grown is read again, and what is new of it taken.
 * A page that could not be written again comes as another one with the same records: what was known of it is
 * taken back.
 */
#include "journal-follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "uuid.h"
#include "pool/worker.h"
#include "journal-anew.h"
#include "recovery.h"
#include "volume/place.h"

#define PAGES		256u		/* read at a time: 1 MiB */
#define NEARLY_FULL	7		/* eighths of the ring */
#define RETRY_NS	CC_SECOND
#define FAILURES_MAX	5		/* in a row: a page that is written all the time may be hard to catch */

struct read_job {
	struct cc_job job;
	struct cc_journal_follow *f;
	uint64_t head, from;
	bool walked;
	/* out */
	int error;
	bool more;
	unsigned int nr;
	struct cc_journal_head heads[PAGES];
	uint8_t (*pages)[CC_JOURNAL_PAGE];
};

struct cc_journal_follow {
	struct cc_journal_follow_config c;
	enum cc_follow_state how;
	char why[256];
	struct cc_journal_ring *ring;	/* the job's, while reading */
	struct cc_journal_state state;
	uint64_t nr_positions;
	uint64_t page;			/* the last one that was taken; 0: none */
	unsigned int nr_taken;		/* records of it */
	uint64_t tail;			/* as the kernel was told */
	bool failed;			/* the kernel says so */
	bool news;			/* the kernel has something */
	uint64_t due;			/* when to ask again after an error */
	unsigned int failures;		/* of reading, in a row */
	bool warned;			/* of a ring that is nearly full, and of whom */
	struct cc_journal_anew anew;
	uint64_t anew_due;		/* not before */
	struct cc_worker *worker;
	bool reading;
	uint64_t asked, answered;	/* readings that were begun, the last one that has ended well */
	struct read_job read;
};

static void break_off(struct cc_journal_follow *f, const char *why)
{
	f->how = CC_FOLLOW_BROKEN;
	snprintf(f->why, sizeof(f->why), "%s", why);
	cc_log(LOG_ERR, "%s; nothing is committed or given up, and what is cached is served", f->why);
}

/* ---- at first ---- */

/* For good; what was written may be readable even so. */
static void note_failed(struct cc_journal_follow *f, const struct cc_journal_info *info)
{
	if (info->state == CHUNKCACHE_JOURNAL_FAILED && !f->failed)
		cc_log(LOG_ERR, "journal: the cache device does not take its pages any more; writes of volumes fail, what is "
		       "in the journal goes to the store as far as it can be read");
	f->failed = info->state == CHUNKCACHE_JOURNAL_FAILED;
}

static int read_area(void *arg, void *buf, size_t len, uint64_t offset)
{
	struct cc_pooldev *pd = arg;

	return cc_pooldev_read(pd, buf, len, cc_pooldev_geometry(pd)->journal_offset + offset);
}

static bool is_of_the_session(int error)
{
	return error == -ENOTCONN || error == -ESTALE || error == -ENOBUFS || error == -ENOMEM;
}

static int read_first(struct cc_journal_follow *f, const struct cc_journal_info *info)
{
	struct cc_recovery r = {
		.channel = f->c.channel, .ring = f->ring, .state = &f->state, .instance = f->c.instance,
		.nr_slots = f->c.nr_slots,
	};
	bool recovering = info->state == CHUNKCACHE_JOURNAL_RECOVERING;
	int error = recovering ? cc_recovery_run(&r) : cc_recovery_read(&r, info->head);

	if (error && is_of_the_session(error))
		return error;
	if (error) {
		break_off(f, r.why);
		return 0;
	}
	note_failed(f, info);
	f->how = CC_FOLLOW_FOLLOWING;
	f->page = r.newest;
	f->nr_taken = r.nr_read;
	f->tail = recovering ? r.tail : info->tail;
	/* The FORGET of the helper before this one has to be known before anything is added anew. */
	f->anew_due = recovering ? 0 : cc_now_ns() + CC_JOURNAL_SETTLE_NS;
	f->news = true;
	if (recovering)
		cc_log(LOG_INFO, "journal: recovered up to page %" PRIu64 ", %" PRIu64 " slots have what no store has",
		       r.newest, r.nr_claimed);
	return 0;
}

static int open_parts(struct cc_journal_follow *f)
{
	const struct cc_pool_geometry *g = cc_pooldev_geometry(f->c.pooldev);
	int r = cc_journal_state_open(&f->state);

	f->nr_positions = g->journal_size / CC_JOURNAL_POSITION;
	f->anew.nr_positions = f->nr_positions;
	f->read.pages = calloc(PAGES, CC_JOURNAL_PAGE);
	if (!r && !f->read.pages)
		r = -ENOMEM;
	if (!r)
		r = cc_journal_ring_open(g->uuid, g->journal_size, read_area, f->c.pooldev, &f->ring);
	return r ? r : cc_worker_open(1, &f->worker);
}

int cc_journal_follow_open(const struct cc_journal_follow_config *c, struct cc_journal_follow **ret_follow)
{
	struct cc_journal_follow *f = calloc(1, sizeof(*f));
	struct cc_journal_info info = { .state = CHUNKCACHE_JOURNAL_NONE };
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->c = *c;
	f->anew.channel = c->channel;
	f->anew.state = &f->state;
	f->due = UINT64_MAX;
	if (cc_pooldev_geometry(c->pooldev)->journal_size)
		r = cc_channel_journal_get(c->channel, &info);
	if (!r && info.state != CHUNKCACHE_JOURNAL_NONE)
		r = open_parts(f);
	if (!r && info.state != CHUNKCACHE_JOURNAL_NONE)
		r = read_first(f, &info);
	if (r) {
		cc_journal_follow_close(f);
		return r;
	}
	*ret_follow = f;
	return 0;
}

void cc_journal_follow_close(struct cc_journal_follow *f)
{
	if (!f)
		return;
	if (f->worker)
		cc_worker_close(f->worker);
	cc_journal_ring_close(f->ring);
	cc_journal_state_close(&f->state);
	free(f->read.pages);
	free(f);
}

/* ---- what others ask ---- */

enum cc_follow_state cc_journal_follow_how(const struct cc_journal_follow *f)
{
	return f->how;
}

const char *cc_journal_follow_why(const struct cc_journal_follow *f)
{
	return f->why;
}

bool cc_journal_follow_failed(const struct cc_journal_follow *f)
{
	return f->failed;
}

struct cc_journal_state *cc_journal_follow_volumes(struct cc_journal_follow *f)
{
	return &f->state;
}

uint64_t cc_journal_follow_keeps(const struct cc_journal_follow *f, struct cc_journal_volume *v)
{
	uint64_t oldest = cc_journal_volume_oldest(v);

	return oldest <= f->page ? f->page - oldest + 1 : 0;
}

bool cc_journal_follow_half_full(const struct cc_journal_follow *f)
{
	return f->page - f->tail >= f->nr_positions / 2;
}

uint16_t cc_journal_follow_handle(const struct cc_journal_follow *f)
{
	return f->how == CC_FOLLOW_FOLLOWING ? cc_journal_state_free_handle(&f->state, f->tail) : 0;
}

void cc_journal_follow_wake(struct cc_journal_follow *f)
{
	f->news = true;
}

uint64_t cc_journal_follow_ticket(struct cc_journal_follow *f)
{
	f->news = true;
	return f->asked + 1;
}

bool cc_journal_follow_has_read(const struct cc_journal_follow *f, uint64_t ticket)
{
	return f->answered >= ticket;
}

int cc_journal_follow_fd(const struct cc_journal_follow *f)
{
	return f->worker ? cc_worker_fd(f->worker) : -1;
}

void cc_journal_follow_reap(struct cc_journal_follow *f)
{
	cc_worker_reap(f->worker);
}

/* ---- reading on ---- */

/* In the worker's thread. */
static void read_pages_job(struct cc_job *job)
{
	struct read_job *r = cc_list_entry(job, struct read_job, job);
	struct cc_journal_ring *ring = r->f->ring;
	const void *page;
	int got = 0;

	r->nr = 0;
	r->error = r->walked ? 0 : cc_journal_ring_walk(ring, r->head, r->from, false);
	while (!r->error && r->nr < PAGES) {
		got = cc_journal_ring_next(ring, &r->heads[r->nr], &page);
		if (got <= 0)
			break;
		memcpy(r->pages[r->nr++], page, CC_JOURNAL_PAGE);
	}
	if (got < 0)
		r->error = got;
	r->more = !r->error && r->nr == PAGES;
	r->walked = true;
}

static int take_read_page(struct cc_journal_follow *f, const struct cc_journal_head *head, const void *page)
{
	unsigned int first = 0;
	int error = cc_journal_state_bind(&f->state, head, page);

	if (head->number == f->page)
		first = f->nr_taken;
	else if (f->page && head->prev < f->page)
		cc_journal_state_take_back(&f->state, f->page);
	if (!error)
		error = cc_journal_state_apply(&f->state, head, page, first);
	f->page = head->number;
	f->nr_taken = head->count;
	return error;
}

static void start_reading(struct cc_journal_follow *f)
{
	f->reading = true;
	f->read.f = f;
	f->read.job.run = read_pages_job;
	cc_worker_submit(f->worker, &f->read.job);
}

static void pages_read(struct cc_job *job)
{
	struct read_job *r = cc_list_entry(job, struct read_job, job);
	struct cc_journal_follow *f = r->f;
	char why[200];
	int error = 0;

	f->reading = false;
	if (r->error && ++f->failures < FAILURES_MAX) {
		f->due = cc_now_ns() + RETRY_NS;
		return;
	}
	if (r->error) {
		snprintf(why, sizeof(why), "journal: %s", cc_journal_ring_why(f->ring));
		break_off(f, why);
		return;
	}
	f->failures = 0;
	for (unsigned int i = 0; !error && i < r->nr; i++)
		error = take_read_page(f, &r->heads[i], r->pages[i]);
	if (!error && !r->more)
		error = cc_journal_state_check(&f->state);
	if (error) {
		snprintf(why, sizeof(why), "journal: %s", f->state.why);
		break_off(f, why);
		return;
	}
	if (r->more) {
		start_reading(f);
		return;
	}
	f->answered = f->asked;
	if (f->c.changed)
		f->c.changed(f->c.arg);
}

static int ask_and_read(struct cc_journal_follow *f)
{
	struct cc_journal_info info;
	int error = cc_channel_journal_get(f->c.channel, &info);

	if (error)
		return error;
	note_failed(f, &info);
	f->news = false;
	f->asked++;
	/* The first page of this instance is not written yet. */
	if (info.head < f->page || !info.head) {
		f->answered = f->asked;
		return 0;
	}
	f->read.head = info.head;
	f->read.from = f->page > info.tail ? f->page : info.tail;
	f->read.walked = false;
	f->read.job.done = pages_read;
	start_reading(f);
	return 0;
}

/* ---- the tail ---- */

/* Who wants to write waits soon; it may be for a volume that nobody commits any more. */
static void warn_full(struct cc_journal_follow *f)
{
	struct cc_journal_volume *most = NULL;
	char uuid[CC_UUID_TEXT];

	if (f->page - f->tail < f->nr_positions / 8 * NEARLY_FULL) {
		f->warned = false;
		return;
	}
	if (f->warned)
		return;
	f->warned = true;
	cc_list_each(node, &f->state.volumes) {
		struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		if (!most || cc_journal_follow_keeps(f, v) > cc_journal_follow_keeps(f, most))
			most = v;
	}
	if (!most)
		return;
	cc_uuid_text(most->uuid, uuid);
	cc_log(LOG_WARNING, "journal: nearly full, %" PRIu64 " of its %" PRIu64 " pages stay for volume %s, of which %zu writes "
	       "are in no store; all volumes wait soon: chunkctl volume show", cc_journal_follow_keeps(f, most),
	       f->nr_positions, uuid, most->nr_writes);
}

static int move_tail(struct cc_journal_follow *f, uint64_t now_ns)
{
	uint64_t tail = cc_journal_state_tail(&f->state, f->page);
	int error = 0;

	if (tail > f->tail) {
		error = cc_channel_journal_trim(f->c.channel, tail);
		if (!error)
			f->tail = tail;
	}
	warn_full(f);
	if (error || now_ns < f->anew_due)
		return error;
	return cc_journal_anew_step(&f->anew, f->page, f->tail);
}

/* A device that died was perhaps read, in vain, before the kernel has found out by a write. */
static int look_if_failed(struct cc_journal_follow *f)
{
	struct cc_journal_info info;
	int error = cc_channel_journal_get(f->c.channel, &info);

	if (error)
		return error;
	f->news = false;
	note_failed(f, &info);
	return 0;
}

uint64_t cc_journal_follow_step(struct cc_journal_follow *f, uint64_t now_ns, int *ret_error)
{
	int error = 0;

	*ret_error = 0;
	if (f->how == CC_FOLLOW_BROKEN && f->news)
		*ret_error = look_if_failed(f);
	if (f->how != CC_FOLLOW_FOLLOWING || f->reading)
		return UINT64_MAX;
	if (now_ns >= f->due) {
		f->news = true;
		f->due = UINT64_MAX;
	}
	if (f->news)
		error = ask_and_read(f);
	if (!error && !f->reading && f->page && !f->failed)
		error = move_tail(f, now_ns);
	if (error)
		f->due = now_ns + RETRY_NS;
	*ret_error = error;
	return f->due;
}
