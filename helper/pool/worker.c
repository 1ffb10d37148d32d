// SPDX-License-Identifier: GPL-2.0-or-later
/* Long work beside the control loop; see worker.h. */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"

struct cc_worker {
	pthread_t *threads;
	unsigned int nr_threads;
	int eventfd;			/* constant */
	pthread_mutex_t lock;		/* covers what follows */
	pthread_cond_t work;
	struct cc_list waiting, ended;
	bool stop;
};

static struct cc_job *first_job(struct cc_list *list)
{
	return cc_list_entry(list->next, struct cc_job, node);
}

static void tell_ended(struct cc_worker *w)
{
	const uint64_t one = 1;

	/* It can only fail when the counter is full, and then the descriptor is readable. */
	if (write(w->eventfd, &one, sizeof(one)) < 0)
		return;
}

static void *run_jobs(void *arg)
{
	struct cc_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct cc_job *job;

		if (cc_list_empty(&w->waiting)) {
			pthread_cond_wait(&w->work, &w->lock);
			continue;
		}
		job = first_job(&w->waiting);
		cc_list_del(&job->node);
		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
		cc_list_add_tail(&w->ended, &job->node);
		tell_ended(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void end_threads(struct cc_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned int i = 0; i < w->nr_threads; i++)
		pthread_join(w->threads[i], NULL);
}

static int start_threads(struct cc_worker *w, unsigned int threads)
{
	int r = 0;

	while (!r && w->nr_threads < threads) {
		r = cc_thread_start(run_jobs, w, false, &w->threads[w->nr_threads]);
		w->nr_threads += !r;
	}
	if (r)
		end_threads(w);
	return r;
}

int cc_worker_open(unsigned int threads, struct cc_worker **ret_worker)
{
	struct cc_worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->threads = calloc(threads, sizeof(*w->threads));
	if (!w->threads) {
		r = -ENOMEM;
		goto free_worker;
	}
	w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->eventfd < 0) {
		r = -errno;
		goto free_threads;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	cc_list_init(&w->waiting);
	cc_list_init(&w->ended);
	r = start_threads(w, threads);
	if (r)
		goto close_eventfd;
	*ret_worker = w;
	return 0;

close_eventfd:
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	close(w->eventfd);
free_threads:
	free(w->threads);
free_worker:
	free(w);
	return r;
}

void cc_worker_close(struct cc_worker *w)
{
	end_threads(w);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	close(w->eventfd);
	free(w->threads);
	free(w);
}

void cc_worker_submit(struct cc_worker *w, struct cc_job *job)
{
	pthread_mutex_lock(&w->lock);
	cc_list_init(&job->node);
	cc_list_add_tail(&w->waiting, &job->node);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

bool cc_worker_drop(struct cc_worker *w, struct cc_job *job)
{
	bool waits = false;

	pthread_mutex_lock(&w->lock);
	cc_list_each(node, &w->waiting)
		waits |= node == &job->node;
	if (waits)
		cc_list_del(&job->node);
	pthread_mutex_unlock(&w->lock);
	return waits;
}

int cc_worker_fd(const struct cc_worker *w)
{
	return w->eventfd;
}

void cc_worker_reap(struct cc_worker *w)
{
	uint64_t count;

	if (read(w->eventfd, &count, sizeof(count)) < 0)
		count = 0; /* nothing has ended since */
	pthread_mutex_lock(&w->lock);
	while (!cc_list_empty(&w->ended)) {
		struct cc_job *job = first_job(&w->ended);

		cc_list_del(&job->node);
		pthread_mutex_unlock(&w->lock);
		job->done(job);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
}
