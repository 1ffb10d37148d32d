// SPDX-License-Identifier: GPL-2.0-or-later
/* What volumes put into one store; see uploads.h. */
#include "uploads.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "manifest.h"
#include "thread.h"
#include "volume-name.h"

#define GIVE_WAY_MAX	(250 * CC_MS)	/* a pack, to readers */
#define CATCH_UP_MAX	CC_SECOND	/* of the rate, when nothing went for a while */

struct cc_uploads {
	struct cc_uploads_config c;
	pthread_t *threads;
	unsigned int nr_threads;
	struct cc_pack *packs;		/* c.parallel of them */
	pthread_mutex_t lock;		/* covers what follows */
	pthread_cond_t change;		/* of any of it */
	struct cc_pack *free, *first, *last; /* of those to be put, in order */
	bool stopped, readers_wait;
	unsigned int commits_wait;
	uint64_t paid_ns;		/* what went is paid for then */
	struct cc_uploads_figures figures;
};

/* With the lock held; UINT64_MAX: until something changes. */
static void wait_for_change(struct cc_uploads *u, uint64_t until_ns)
{
	const struct timespec until = { until_ns / CC_SECOND, until_ns % CC_SECOND };

	if (until_ns == UINT64_MAX)
		pthread_cond_wait(&u->change, &u->lock);
	else
		pthread_cond_clockwait(&u->change, &u->lock, CLOCK_MONOTONIC, &until);
}

static void pay(struct cc_uploads *u, uint64_t bytes, uint64_t now_ns)
{
	if (!u->c.rate)
		return;
	if (u->paid_ns + CATCH_UP_MAX < now_ns)
		u->paid_ns = now_ns;
	u->paid_ns += (uint64_t)((double)bytes / u->c.rate * CC_SECOND);
}

/* When to look again, or 0: now is the time. */
static uint64_t next_turn(const struct cc_uploads *u, bool is_pack, uint64_t yield_until_ns, uint64_t now_ns)
{
	if (is_pack && u->readers_wait && now_ns < yield_until_ns)
		return yield_until_ns;
	if (now_ns < u->paid_ns)
		return u->paid_ns;
	return is_pack && u->commits_wait ? UINT64_MAX : 0;
}

/* With the lock held.  False: stopped. */
static bool take_upload_turn(struct cc_uploads *u, uint64_t bytes, bool is_pack)
{
	uint64_t now_ns = cc_now_ns(), yield_until_ns = now_ns + GIVE_WAY_MAX, look_ns;

	while (!u->stopped && (look_ns = next_turn(u, is_pack, yield_until_ns, now_ns))) {
		uint64_t began_ns = now_ns;
		bool readers = is_pack && u->readers_wait && now_ns < yield_until_ns;

		wait_for_change(u, look_ns);
		now_ns = cc_now_ns();
		*(readers ? &u->figures.gave_way_ns : &u->figures.throttled_ns) += now_ns - began_ns;
	}
	if (!u->stopped)
		pay(u, bytes, now_ns);
	return !u->stopped;
}

int cc_uploads_wait_turn(struct cc_uploads *u, uint64_t bytes)
{
	bool go;

	pthread_mutex_lock(&u->lock);
	u->commits_wait++;
	go = take_upload_turn(u, bytes, false);
	u->commits_wait--;
	pthread_cond_broadcast(&u->change);
	pthread_mutex_unlock(&u->lock);
	return go ? 0 : -ECANCELED;
}

/* ---- the threads ---- */

static int put_pack(struct cc_uploads *u, const struct cc_pack *p, const uint8_t sha256[CC_ID_SIZE], char *err,
		    size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];

	cc_pack_name(p->batch->volume, p->batch->term, sha256, name);
	return cc_store_put(u->c.store, name, p->buf, p->size, err, errlen) ? -EIO : 0;
}

static void name_pieces(const struct cc_pack *p, const uint8_t sha256[CC_ID_SIZE])
{
	for (uint32_t i = 0; i < p->nr_pieces; i++) {
		p->pieces[i].pack_term = p->batch->term;
		memcpy(p->pieces[i].pack, sha256, CC_ID_SIZE);
	}
}

/* With the lock held. */
static void give_pack_back(struct cc_uploads *u, struct cc_pack *p)
{
	free(p->buf);
	p->buf = NULL;
	p->size = 0;
	p->next = u->free;
	u->free = p;
	pthread_cond_broadcast(&u->change);
}

/* With the lock held. */
static void end_pack(struct cc_uploads *u, struct cc_pack *p, int error, const char *err)
{
	struct cc_pack_batch *b = p->batch;

	if (error && !b->error) {
		b->error = error;
		snprintf(b->err, sizeof(b->err), "%s", err);
	}
	b->under_way--;
	u->figures.under_way--;
	give_pack_back(u, p);
}

/* 0, or -ECANCELED: stopped, or another of its batch has failed. */
static int wait_for_turn(struct cc_uploads *u, const struct cc_pack *p)
{
	bool go;

	pthread_mutex_lock(&u->lock);
	go = !p->batch->error && take_upload_turn(u, p->size, true);
	pthread_mutex_unlock(&u->lock);
	return go ? 0 : -ECANCELED;
}

static void run_pack(struct cc_uploads *u, struct cc_pack *p)
{
	uint8_t sha256[CC_ID_SIZE];
	char err[sizeof(p->batch->err)] = "stopped";
	int error = p->batch->fill ? p->batch->fill(p, p->batch->arg, err, sizeof(err)) : 0;

	if (!error) {
		cc_sha256(p->buf, p->size, sha256);
		error = wait_for_turn(u, p);
	}
	if (!error)
		error = put_pack(u, p, sha256, err, sizeof(err));
	if (!error)
		name_pieces(p, sha256);
	pthread_mutex_lock(&u->lock);
	end_pack(u, p, error, err);
	pthread_mutex_unlock(&u->lock);
}

static void *run_uploads(void *arg)
{
	struct cc_uploads *u = arg;
	struct cc_pack *p;

	pthread_mutex_lock(&u->lock);
	while (u->first || !u->stopped) {
		p = u->first;
		if (!p) {
			wait_for_change(u, UINT64_MAX);
			continue;
		}
		u->first = p->next;
		pthread_mutex_unlock(&u->lock);
		run_pack(u, p);
		pthread_mutex_lock(&u->lock);
	}
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

/* ---- packs ---- */

struct cc_pack *cc_pack_get(struct cc_uploads *u, struct cc_pack_batch *b)
{
	struct cc_pack *p = NULL;

	pthread_mutex_lock(&u->lock);
	while (!u->free && !u->stopped && !b->error)
		wait_for_change(u, UINT64_MAX);
	if (!u->stopped && !b->error) {
		p = u->free;
		u->free = p->next;
	}
	pthread_mutex_unlock(&u->lock);
	return p;
}

void cc_pack_release(struct cc_uploads *u, struct cc_pack *p)
{
	pthread_mutex_lock(&u->lock);
	give_pack_back(u, p);
	pthread_mutex_unlock(&u->lock);
}

void cc_pack_put(struct cc_uploads *u, struct cc_pack *p, struct cc_pack_batch *b)
{
	p->batch = b;
	p->next = NULL;
	pthread_mutex_lock(&u->lock);
	if (u->first)
		u->last->next = p;
	else
		u->first = p;
	u->last = p;
	b->under_way++;
	u->figures.under_way++;
	pthread_cond_broadcast(&u->change);
	pthread_mutex_unlock(&u->lock);
}

int cc_pack_batch_wait(struct cc_uploads *u, struct cc_pack_batch *b)
{
	int error;

	pthread_mutex_lock(&u->lock);
	while (b->under_way)
		wait_for_change(u, UINT64_MAX);
	error = b->error;
	pthread_mutex_unlock(&u->lock);
	return error;
}

/* ---- all of it ---- */

void cc_uploads_give_way(struct cc_uploads *u, bool readers_wait)
{
	pthread_mutex_lock(&u->lock);
	if (u->readers_wait != readers_wait) {
		u->readers_wait = readers_wait;
		pthread_cond_broadcast(&u->change);
	}
	pthread_mutex_unlock(&u->lock);
}

void cc_uploads_get_figures(struct cc_uploads *u, struct cc_uploads_figures *ret)
{
	pthread_mutex_lock(&u->lock);
	*ret = u->figures;
	pthread_mutex_unlock(&u->lock);
}

void cc_uploads_stop(struct cc_uploads *u)
{
	pthread_mutex_lock(&u->lock);
	u->stopped = true;
	pthread_cond_broadcast(&u->change);
	pthread_mutex_unlock(&u->lock);
}

void cc_uploads_close(struct cc_uploads *u)
{
	if (!u)
		return;
	cc_uploads_stop(u);
	for (unsigned int i = 0; i < u->nr_threads; i++)
		pthread_join(u->threads[i], NULL);
	pthread_cond_destroy(&u->change);
	pthread_mutex_destroy(&u->lock);
	free(u->packs);
	free(u->threads);
	free(u);
}

int cc_uploads_open(const struct cc_uploads_config *c, struct cc_uploads **ret_uploads)
{
	struct cc_uploads *u = calloc(1, sizeof(*u));
	int r = 0;

	if (!u)
		return -ENOMEM;
	u->c = *c;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->change, NULL);
	u->threads = calloc(c->parallel, sizeof(*u->threads));
	u->packs = calloc(c->parallel, sizeof(*u->packs));
	if (!u->threads || !u->packs)
		r = -ENOMEM;
	for (unsigned int i = 0; !r && i < c->parallel; i++) {
		u->packs[i].next = u->free;
		u->free = &u->packs[i];
		r = cc_thread_start(run_uploads, u, false, &u->threads[i]);
		u->nr_threads += !r;
	}
	if (r)
		cc_uploads_close(u);
	else
		*ret_uploads = u;
	return r;
}
