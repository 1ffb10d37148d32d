/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control loop: one thread that waits for file descriptors and for time.  Everything in the
 * helper but the fetch engine's own threads runs in it, so nothing in it needs a lock and
 * nothing in it may block for long.
 */
#ifndef CC_LOOP_H
#define CC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct cc_loop;

/* A descriptor that is waited for.  Owned by who embeds it; must be removed before it goes away. */
struct cc_watch {
	int fd;
	void (*fn)(struct cc_watch *w, uint32_t events);	/* EPOLL* bits */
};

/*
 * Called before each wait: does what is due and returns when (CLOCK_MONOTONIC, ns) it wants to be called
 * at the latest; 0: again at once, after a look at the descriptors; UINT64_MAX: no time of its own.
 */
typedef uint64_t cc_loop_step_fn(void *arg, uint64_t now_ns);

int cc_loop_open(struct cc_loop **ret_loop);
void cc_loop_close(struct cc_loop *l);
int cc_loop_add(struct cc_loop *l, struct cc_watch *w, uint32_t events);
int cc_loop_modify(struct cc_loop *l, struct cc_watch *w, uint32_t events);
/* Safe from within any watch's fn; w's own is not called any more. */
void cc_loop_remove(struct cc_loop *l, struct cc_watch *w);
/* Runs until cc_loop_stop().  Returns 0, or the -errno of a wait that failed. */
int cc_loop_run(struct cc_loop *l, cc_loop_step_fn *step, void *arg);
void cc_loop_stop(struct cc_loop *l);

#endif
