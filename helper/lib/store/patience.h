/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of a long job.  A reader wants an answer or an error soon; a job that has run for hours wants to
 * go on when the store does.  So once the store has answered it:
 *
 *	a failure that may pass		is tried again for config->patience_ms, not attempts times
 *	a transfer			may take as long as it likes: only one that stalls is given up
 *	requests at a time		fewer when the store is too busy or the way to it too narrow (pace.h)
 *
 * A store that never answered is a mistake more likely than an outage: that is told at once.  Any thread.
 */
#ifndef CC_PATIENCE_H
#define CC_PATIENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "pace.h"
#include "retry.h"

/*
 * Why a long job waits for the store, and since how many seconds; NULL: it does not any more.  Called
 * by the threads whose requests do, one at a time; not to use the store.
 */
typedef void cc_patience_fn(void *arg, const char *reason, unsigned int seconds);

enum cc_patience_end {
	CC_PATIENCE_WELL,
	CC_PATIENCE_ANSWERED,		/* there is no such object, or there is one already */
	CC_PATIENCE_TIMEOUT,
	CC_PATIENCE_FAILED,
};

struct cc_patience {
	bool on;			/* constant once requests are made; else nothing of this holds */
	uint64_t patience_ns;
	cc_patience_fn *fn;
	void *arg;
	pthread_mutex_t lock;		/* covers what follows */
	pthread_cond_t room;
	struct cc_pace pace;
	bool ended;			/* by cc_patience_end_now() */
	bool answered;			/* once at least */
	uint64_t away_ns;		/* nothing has gone well since; 0: the last one did */
	bool told;			/* fn knows that it is away */
};

void cc_patience_init(struct cc_patience *p);
void cc_patience_destroy(struct cc_patience *p);
void cc_patience_start(struct cc_patience *p, unsigned int patience_ms, cc_patience_fn *fn, void *arg);

/* The program is to end: nobody is patient any more, those who wait go on at once.  Any thread. */
void cc_patience_end_now(struct cc_patience *p);
/* Between two attempts. */
void cc_patience_sleep(struct cc_patience *p, unsigned int ms);

/* Waits until there may be one more request.  Returns true if it is to be patient. */
bool cc_patience_enter(struct cc_patience *p);
/* How it ended. */
void cc_patience_leave(struct cc_patience *p, enum cc_patience_end end, enum cc_retry_class class);
/* May a request go on that has failed since failed_ns, after delay_ms more?  Then the reason may be told. */
bool cc_patience_lasts(struct cc_patience *p, uint64_t failed_ns, unsigned int delay_ms, const char *reason);

#endif
