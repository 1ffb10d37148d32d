/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run one function on several threads and wait for all.  Who does what is agreed between them
 * in arg: each takes the next piece until there is none.
 */
#ifndef CTL_WORKERS_H
#define CTL_WORKERS_H

#include <stddef.h>

#define CTL_JOBS_DEFAULT 16
#define CTL_JOBS_MAX 256

/* The argument of --jobs: 0, or CTL_USAGE after a message. */
int ctl_parse_jobs(const char *s, unsigned int *ret_jobs);

/* 0, or -EAGAIN/-ENOMEM if not even one thread could be started; fewer than nr is no error. */
int ctl_workers_run(unsigned int nr, void *(*fn)(void *arg), void *arg);
/*
 * fn for each i below nr, on several threads, until one returns non-zero: that is what is returned, or as
 * above.
 */
int ctl_workers_each(unsigned int jobs, size_t nr, int (*fn)(void *arg, size_t i), void *arg);

#endif
