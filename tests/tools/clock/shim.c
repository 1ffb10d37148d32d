// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a program: its monotonic clock, and the timeouts of its poll and epoll_wait, are those
 * of cc-clock ($CC_CLOCK, see clock.h).  Other waits (mutexes, conditions, sockets that block) are
 * left as they are: who sleeps in one is seen to sleep.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static struct clock_page *page;
static pthread_key_t slot_key;
static __thread struct clock_slot *slot;
static __thread sigset_t mask;		/* while it waits: as always, but for our signal */
static __thread volatile sig_atomic_t woken;

static void on_wake(int number)
{
	woken = 1;
}

static void now_running(int change)
{
	if (atomic_fetch_add(&page->running, change) + change)
		return;
	atomic_fetch_add(&page->kick, 1);
	syscall(SYS_futex, &page->kick, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void leave_slot(void *arg)
{
	struct clock_slot *s = arg;

	s->pid = 0;
	now_running(-1);
}

static __attribute__((constructor)) void start(void)
{
	const struct sigaction act = { .sa_handler = on_wake };
	const char *file = getenv("CC_CLOCK");
	sigset_t set;
	int fd;

	if (!file)
		return;
	fd = open(file, O_RDWR | O_CLOEXEC);
	page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		perror(file);
		_exit(126);
	}
	close(fd);
	pthread_key_create(&slot_key, leave_slot);
	sigaction(CLOCK_SIGNAL, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, CLOCK_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);	/* threads inherit it */
}

static void take_slot(void)
{
	int expected, pid = getpid();

	for (unsigned int i = 0; i < CLOCK_SLOTS && !slot; i++) {
		expected = 0;
		if (atomic_compare_exchange_strong(&page->slots[i].pid, &expected, pid))
			slot = &page->slots[i];
	}
	if (!slot) {
		fputs("cc-clock: too many threads\n", stderr);
		_exit(126);
	}
	slot->waiting = false;
	slot->tid = gettid();
	pthread_setspecific(slot_key, slot);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, CLOCK_SIGNAL);
	atomic_fetch_add(&page->running, 1);
}

/* ---- waiting ---- */

struct wait {
	struct pollfd *fds;		/* NULL: epoll */
	nfds_t nr;
	int epoll_fd, max;
	struct epoll_event *events;
};

static int look(const struct wait *w, const struct timespec *timeout, const sigset_t *m)
{
	if (w->fds || !w->max)
		return syscall(SYS_ppoll, w->fds, w->nr, timeout, m, _NSIG / 8);
	return syscall(SYS_epoll_pwait2, w->epoll_fd, w->events, w->max, timeout, m, _NSIG / 8);
}

static int wait_for(const struct wait *w, int64_t timeout_ns)
{
	static const struct timespec zero;
	uint64_t deadline = CLOCK_NEVER;
	int r = look(w, &zero, NULL);

	if (r || !timeout_ns)
		return r;
	if (timeout_ns > 0)
		deadline = (page->now_ns + timeout_ns + page->step_ns - 1) / page->step_ns * page->step_ns;
	if (!slot)
		take_slot();
	for (;;) {
		woken = 0;
		slot->deadline_ns = deadline;
		slot->waiting = true;
		now_running(-1);
		r = look(w, NULL, &mask);
		atomic_fetch_add(&page->running, 1);
		slot->waiting = false;
		atomic_fetch_add(&slot->turns, 1);
		if (r >= 0 || errno != EINTR || !woken)
			return r;
		if (page->now_ns >= deadline)
			return look(w, &zero, NULL);
	}
}

/* What the program would have called; without a clock only, so a look-up each time does no harm. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	const struct wait w = { .fds = fds, .nr = nr };

	if (!page)
		return REAL(poll)(fds, nr, timeout);
	return wait_for(&w, timeout < 0 ? -1 : timeout * 1000000LL);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	const struct wait w = { .epoll_fd = fd, .events = events, .max = max };

	if (!page)
		return REAL(epoll_wait)(fd, events, max, timeout);
	return wait_for(&w, timeout < 0 ? -1 : timeout * 1000000LL);
}

int epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *timeout,
		 const sigset_t *m)
{
	const struct wait w = { .epoll_fd = fd, .events = events, .max = max };

	if (!page || m)
		return REAL(epoll_pwait2)(fd, events, max, timeout, m);
	return wait_for(&w, timeout ? timeout->tv_sec * 1000000000LL + timeout->tv_nsec : -1);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t now;

	if (!page || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_RAW && id != CLOCK_MONOTONIC_COARSE &&
		      id != CLOCK_BOOTTIME))
		return syscall(SYS_clock_gettime, id, ts);
	now = page->now_ns;
	*ts = (struct timespec){ .tv_sec = now / 1000000000, .tv_nsec = now % 1000000000 };
	return 0;
}
