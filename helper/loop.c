// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control loop over epoll; see loop.h.  Knows nothing of what it waits for.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

#define MAX_EVENTS 32

struct cc_loop {
	int fd;
	bool stop;
	struct epoll_event events[MAX_EVENTS];	/* of the wait under way */
	int nr_events;
};

int cc_loop_open(struct cc_loop **ret_loop)
{
	struct cc_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->fd < 0) {
		free(l);
		return -errno;
	}
	*ret_loop = l;
	return 0;
}

void cc_loop_close(struct cc_loop *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l);
}

static int control(struct cc_loop *l, int op, struct cc_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(l->fd, op, w->fd, &ev) ? -errno : 0;
}

int cc_loop_add(struct cc_loop *l, struct cc_watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, w, events);
}

int cc_loop_modify(struct cc_loop *l, struct cc_watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, w, events);
}

void cc_loop_remove(struct cc_loop *l, struct cc_watch *w)
{
	control(l, EPOLL_CTL_DEL, w, 0);
	for (int i = 0; i < l->nr_events; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

/* Milliseconds to wait, rounded up: a timer that is early would spin. */
static int wait_ms(uint64_t due_ns)
{
	uint64_t now, ms;

	if (due_ns == UINT64_MAX)
		return -1;
	now = cc_now_ns();
	if (due_ns <= now)
		return 0;
	ms = (due_ns - now + CC_MS - 1) / CC_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void dispatch(struct cc_loop *l)
{
	for (int i = 0; i < l->nr_events; i++) {
		struct cc_watch *w = l->events[i].data.ptr;

		if (w)
			w->fn(w, l->events[i].events);
	}
	l->nr_events = 0;
}

int cc_loop_run(struct cc_loop *l, cc_loop_step_fn *step, void *arg)
{
	while (!l->stop) {
		uint64_t due = step(arg, cc_now_ns());
		int n;

		if (l->stop)
			break;
		n = epoll_wait(l->fd, l->events, MAX_EVENTS, wait_ms(due));
		if (n < 0 && errno != EINTR)
			return -errno;
		l->nr_events = n < 0 ? 0 : n;
		dispatch(l);
	}
	return 0;
}

void cc_loop_stop(struct cc_loop *l)
{
	l->stop = true;
}
