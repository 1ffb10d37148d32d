// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The thread that waits for the end; see cleanup.h.
 */
#include "cleanup.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

/* Held for good by who cleans up. */
static pthread_mutex_t cleanup_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cc_list cleanups = { &cleanups, &cleanups };

static void watched_signals(sigset_t *set)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(set, numbers[i]);
}

static void *wait_for_end(void *arg)
{
	sigset_t *set = arg;
	struct cc_list *node;
	int number;

	if (sigwait(set, &number))
		return NULL;
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
	pthread_mutex_lock(&cleanup_lock);
	ctl_note("%s", strsignal(number));
	for (node = cleanups.prev; node != &cleanups; node = node->prev) {
		struct ctl_cleanup *c = cc_list_entry(node, struct ctl_cleanup, node);

		c->fn(c->arg);
	}
	/* Its default action, which was not changed: a shell sees what it was. */
	raise(number);
	exit(CTL_FAILED);
}

void ctl_cleanup_start(void)
{
	static sigset_t set;
	pthread_t thread;

	watched_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, wait_for_end, &set))
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	else
		pthread_detach(thread);
}

void ctl_cleanup_add(struct ctl_cleanup *c, void (*fn)(void *arg), void *arg)
{
	c->fn = fn;
	c->arg = arg;
	pthread_mutex_lock(&cleanup_lock);
	cc_list_add_tail(&cleanups, &c->node);
	pthread_mutex_unlock(&cleanup_lock);
}

void ctl_cleanup_remove(struct ctl_cleanup *c)
{
	if (!c->fn)
		return;
	pthread_mutex_lock(&cleanup_lock);
	cc_list_del(&c->node);
	c->fn = NULL;
	pthread_mutex_unlock(&cleanup_lock);
}
