/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads of ours: a small stack, as the helper locks all of its memory, and no signals, which
 * are the business of the thread that runs main().
 */
#ifndef CC_THREAD_H
#define CC_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* Returns 0 or -errno.  A detached thread has no *ret_thread. */
int cc_thread_start(void *(*fn)(void *), void *arg, bool detached, pthread_t *ret_thread);

/*
 * Between these two, writing to a connection that is gone raises no SIGPIPE in this thread, whatever
 * the program has made of that signal.  Libraries' sockets are not always written with MSG_NOSIGNAL.
 */
void cc_sigpipe_block(sigset_t *ret_old);
void cc_sigpipe_restore(const sigset_t *old);

#endif
