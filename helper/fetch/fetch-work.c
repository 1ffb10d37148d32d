// SPDX-License-Identifier: GPL-2.0-or-later
/* The fetch engine's hash workers: decompress and check what the network threads got. */
#include "fetch-impl.h"

#include <errno.h>
#include <stdlib.h>

#include "thread.h"

static void *run_hash(void *arg)
{
	struct cc_fetch *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		struct cc_fetch_priv *p;

		if (cc_list_empty(&f->landed)) {
			pthread_cond_wait(&f->hash_work, &f->lock);
			continue;
		}
		p = cc_list_entry(f->landed.next, struct cc_fetch_priv, node);
		cc_fetch_set_state(f, p, CC_FETCH_CHECKING);
		pthread_mutex_unlock(&f->lock);
		cc_fetch_check(f, p);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int cc_fetch_work_open(struct cc_fetch *f, unsigned int threads)
{
	int r;

	f->workers = calloc(threads ? threads : 1, sizeof(*f->workers));
	if (!f->workers)
		return -ENOMEM;
	for (f->nr_workers = 0; f->nr_workers < threads; f->nr_workers++) {
		r = cc_thread_start(run_hash, f, false, &f->workers[f->nr_workers]);
		if (r)
			goto close;
	}
	return 0;

close:
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->hash_work);
	pthread_mutex_unlock(&f->lock);
	cc_fetch_work_close(f);
	return r;
}

void cc_fetch_work_close(struct cc_fetch *f)
{
	while (f->nr_workers)
		pthread_join(f->workers[--f->nr_workers], NULL);
	free(f->workers);
	f->workers = NULL;
}
