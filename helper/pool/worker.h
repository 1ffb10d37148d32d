/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for work that would hold up the control loop.  Jobs are run one after the other, and end in the
 * loop; all functions are the loop's.
 */
#ifndef CC_WORKER_H
#define CC_WORKER_H

#include <stdbool.h>
#include "list.h"

struct cc_worker;

struct cc_job {
	void (*run)(struct cc_job *job);	/* in the worker's thread, which the job is until it ends */
	void (*done)(struct cc_job *job);	/* in cc_worker_reap(); the job is the caller's again */
	/* private */
	struct cc_list node;
};

int cc_worker_open(struct cc_worker **ret_worker);
/* Waits for the job under way.  Of those that have not ended nobody hears any more. */
void cc_worker_close(struct cc_worker *w);
void cc_worker_submit(struct cc_worker *w, struct cc_job *job);
/* If the job has not begun, takes it back: true, and it will not be done(). */
bool cc_worker_drop(struct cc_worker *w, struct cc_job *job);
/* Readable when jobs have ended. */
int cc_worker_fd(const struct cc_worker *w);
void cc_worker_reap(struct cc_worker *w);

#endif
