// SPDX-License-Identifier: GPL-2.0-or-later
/* Starts threads. */
#include "thread.h"

#include <errno.h>
#include <time.h>

/* TLS handshakes and the resolver's plug-ins need the most of it. */
#define STACK_SIZE (512 << 10)

int cc_thread_start(void *(*fn)(void *), void *arg, bool detached, pthread_t *ret_thread)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	r = pthread_attr_init(&attr);
	if (r)
		return -r;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (detached)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	if (!detached)
		*ret_thread = thread;
	return 0;
}

void cc_sigpipe_block(sigset_t *ret_old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, ret_old);
}

void cc_sigpipe_restore(const sigset_t *old)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	/* One that came is taken away, or it would be delivered by the restoring. */
	if (!sigismember(old, SIGPIPE))
		while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, old, NULL);
}
