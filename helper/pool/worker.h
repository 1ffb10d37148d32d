/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads for work that would hold up the control loop.  Jobs are begun in the order in which they came, as many at
 * a time as there are threads, and end in the loop; all functions are the loop's.
 */
#ifndef CC_WORKER_H
#define CC_WORKER_H

#include <stdbool.h>
#include "list.h"

struct cc_worker;

struct cc_job {
	void (*run)(struct cc_job *job);	/* in a thread of the worker's, which the job is until it ends */
	void (*done)(struct cc_job *job);	/* in cc_worker_reap(); the job is the caller's again */
	/* private */
	struct cc_list node;
};

int cc_worker_open(unsigned int threads, struct cc_worker **ret_worker);
/* Waits for the jobs under way.  Of those that have not ended nobody hears any more. */
void cc_worker_close(struct cc_worker *w);
void cc_worker_submit(struct cc_worker *w, struct cc_job *job);
/* If the job has not begun, takes it back: true, and it will not be done(). */
bool cc_worker_drop(struct cc_worker *w, struct cc_job *job);
/* Readable when jobs have ended. */
int cc_worker_fd(const struct cc_worker *w);
void cc_worker_reap(struct cc_worker *w);

#endif
