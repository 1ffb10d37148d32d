// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads of import, export and verify.
 */
#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

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
