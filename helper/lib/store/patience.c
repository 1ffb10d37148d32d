// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of a store that a long job needs; see patience.h. */
#include "patience.h"

#include <errno.h>
#include <time.h>

#include "clock.h"

#define MAX_ACTIVE	256		/* as many as there may be connections */
#define TELL_NS		(2 * CC_SECOND)	/* what is over sooner is no news ... */
#define TELL_AFTER_NS	(500 * CC_MS)	/* ... nor is one request of many that has to wait */

void cc_patience_init(struct cc_patience *p)
{
	*p = (struct cc_patience){ .on = false };
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	cc_pace_init(&p->pace, MAX_ACTIVE);
}

void cc_patience_destroy(struct cc_patience *p)
{
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
}

void cc_patience_start(struct cc_patience *p, unsigned int patience_ms, cc_patience_fn *fn, void *arg)
{
	p->on = patience_ms != 0;
	p->patience_ns = patience_ms * CC_MS;
	p->fn = fn;
	p->arg = arg;
}

void cc_patience_end_now(struct cc_patience *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

void cc_patience_sleep(struct cc_patience *p, unsigned int ms)
{
	uint64_t until_ns = cc_now_ns() + ms * CC_MS;
	const struct timespec until = { until_ns / CC_SECOND, until_ns % CC_SECOND };
	int r = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->ended && r != ETIMEDOUT)
		r = pthread_cond_clockwait(&p->room, &p->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&p->lock);
}

bool cc_patience_enter(struct cc_patience *p)
{
	bool answered;

	if (!p->on)
		return false;
	pthread_mutex_lock(&p->lock);
	while (!cc_pace_has_room(&p->pace) && !p->ended)
		pthread_cond_wait(&p->room, &p->lock);
	p->pace.active++;
	answered = p->answered && !p->ended;
	pthread_mutex_unlock(&p->lock);
	return answered;
}

/* Called with the lock held, which also keeps what fn is told in order. */
static void note_answer(struct cc_patience *p, uint64_t now)
{
	p->answered = true;
	if (p->told)
		p->fn(p->arg, NULL, (now - p->away_ns) / CC_SECOND);
	p->told = false;
	p->away_ns = 0;
}

/* One that another attempt may change; all else is the store's word. */
static bool may_pass(enum cc_retry_class class)
{
	return class == CC_RETRY_TRANSIENT || class == CC_RETRY_THROTTLE || class == CC_RETRY_AUTH;
}

void cc_patience_leave(struct cc_patience *p, enum cc_patience_end end, enum cc_retry_class class)
{
	uint64_t now = cc_now_ns();

	if (!p->on)
		return;
	pthread_mutex_lock(&p->lock);
	p->pace.active--;
	if (class == CC_RETRY_THROTTLE || end == CC_PATIENCE_TIMEOUT)
		cc_pace_slow_down(&p->pace, now);
	if (end == CC_PATIENCE_WELL)
		cc_pace_speed_up(&p->pace);
	if (end == CC_PATIENCE_WELL || end == CC_PATIENCE_ANSWERED)
		note_answer(p, now);
	else if (may_pass(class) && !p->away_ns)
		p->away_ns = now;
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

/* Called with the lock held. */
static void tell(struct cc_patience *p, uint64_t now, uint64_t until, const char *reason)
{
	if (p->told || !p->away_ns || now - p->away_ns < TELL_AFTER_NS || until - p->away_ns < TELL_NS)
		return;
	p->told = true;
	p->fn(p->arg, reason, (now - p->away_ns) / CC_SECOND);
}

bool cc_patience_lasts(struct cc_patience *p, uint64_t failed_ns, unsigned int delay_ms, const char *reason)
{
	uint64_t now = cc_now_ns(), until = now + delay_ms * CC_MS;

	if (until >= failed_ns + p->patience_ns)
		return false;
	pthread_mutex_lock(&p->lock);
	tell(p, now, until, reason);
	pthread_mutex_unlock(&p->lock);
	return true;
}
