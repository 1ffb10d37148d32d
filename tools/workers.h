/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run one function on several threads and wait for all.  Who does what is agreed between them
 * in arg: each takes the next piece until there is none.
 */
#ifndef CTL_WORKERS_H
#define CTL_WORKERS_H

#define CTL_JOBS_DEFAULT 16
#define CTL_JOBS_MAX 256

/* 0, or -EAGAIN/-ENOMEM if not even one thread could be started; fewer than nr is no error. */
int ctl_workers_run(unsigned int nr, void *(*fn)(void *arg), void *arg);

#endif
