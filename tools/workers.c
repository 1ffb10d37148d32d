// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads of what asks a store for much.
 */
#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "say.h"

int ctl_parse_jobs(const char *s, unsigned int *ret_jobs)
{
	uint64_t n;

	if (ctl_parse_number("--jobs", s, 1, CTL_JOBS_MAX, &n))
		return CTL_USAGE;
	*ret_jobs = n;
	return 0;
}

int ctl_workers_run(unsigned int nr, void *(*fn)(void *arg), void *arg)
{
	unsigned int i, started = 0;
	pthread_t *threads;
	int r = 0;

	threads = calloc(nr, sizeof(*threads));
	if (!threads)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		r = pthread_create(&threads[started], NULL, fn, arg);
		if (r)
			break;
		started++;
	}
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return started ? 0 : -r;
}

struct each {
	int (*fn)(void *arg, size_t i);
	void *arg;
	size_t nr;
	pthread_mutex_t lock;		/* covers what follows */
	size_t next;
	int result;
};

static void *each_worker(void *arg)
{
	struct each *e = arg;
	int r;

	pthread_mutex_lock(&e->lock);
	while (e->next < e->nr && !e->result) {
		size_t i = e->next++;

		pthread_mutex_unlock(&e->lock);
		r = e->fn(e->arg, i);
		pthread_mutex_lock(&e->lock);
		if (!e->result)
			e->result = r;
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

int ctl_workers_each(unsigned int jobs, size_t nr, int (*fn)(void *arg, size_t i), void *arg)
{
	struct each e = { .fn = fn, .arg = arg, .nr = nr, .lock = PTHREAD_MUTEX_INITIALIZER };
	int r;

	if (!nr)
		return 0;
	r = ctl_workers_run(jobs < nr ? jobs : nr, each_worker, &e);
	return r ? r : e.result;
}
