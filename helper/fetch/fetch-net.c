// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine's network threads.  Each has a curl multi handle and an epoll descriptor with curl's
 * sockets, takes requests from the common queue while it has slots free, and sleeps otherwise.  The
 * first one keeps time for all.
 */
#include "fetch-leg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "curl.h"
#include "thread.h"

_Static_assert(offsetof(struct cc_fetch_leg, xfer) == 0, "curl keeps a pointer to either");

#define MAX_EVENTS	64
#define MAX_SLEEP_NS	(60 * CC_SECOND)

/* ---- what curl calls ---- */

/* Nothing would be heard of easy's transfer.  An error for curl would end all others of the thread with it. */
static void give_up_transfer(struct cc_fetch_net *n, CURL *easy)
{
	char *private = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	if (private)
		((struct cc_fetch_leg *)private)->deaf = true;
	n->look_due_ns = 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct cc_fetch_net *n = arg;
	struct epoll_event e = {
		.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0),
		.data.fd = fd,
	};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(n->epoll, EPOLL_CTL_DEL, fd, NULL);
		curl_multi_assign(n->multi, fd, NULL);
	} else if (epoll_ctl(n->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e)) {
		give_up_transfer(n, easy);
	} else {
		curl_multi_assign(n->multi, fd, n);
	}
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct cc_fetch_net *n = arg;

	n->curl_due_ns = ms < 0 ? UINT64_MAX : cc_now_ns() + ms * CC_MS;
	return 0;
}

/* ---- requests ---- */

/* Takes the next request; false: there is none for this thread. */
static bool take_next(struct cc_fetch_net *n)
{
	struct cc_fetch *f = n->fetch;
	struct cc_fetch_priv *p = NULL;

	pthread_mutex_lock(&f->lock);
	if (!f->stop && !cc_list_empty(&f->stores))
		p = cc_fetch_next(f, CC_STORE_KIND_HTTP, n->nr_slots - n->waker->nr_used, n->nr_slots);
	if (p) {
		cc_fetch_take(f, p);
		p->net = n->index;
		n->waker->nr_used++;
	}
	pthread_mutex_unlock(&f->lock);
	if (p)
		cc_leg_start(n, p);
	return p;
}

/* Returns whether legs ended. */
static bool end_finished(struct cc_fetch_net *n)
{
	bool any = false;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(n->multi, &left))) {
		CURLcode code = msg->data.result;
		char *private = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		cc_leg_end(n, (struct cc_fetch_leg *)private, code);
		any = true;
	}
	return any;
}

/* ---- time ---- */

static void look_at_all(struct cc_fetch_net *n, uint64_t now)
{
	struct cc_list *node = n->busy.next;

	n->look_due_ns = UINT64_MAX;
	while (node != &n->busy) {
		struct cc_fetch_leg *l = cc_list_entry(node, struct cc_fetch_leg, node);
		unsigned int ended = n->nr_ended;
		uint64_t due = cc_leg_look(n, l, now);

		if (due < n->look_due_ns)
			n->look_due_ns = due;
		/* Which of them are gone is hard to tell: begin again. */
		node = ended == n->nr_ended ? node->next : n->busy.next;
	}
}

static uint64_t keep_time_of_all(struct cc_fetch_net *n, uint64_t now)
{
	struct cc_fetch *f = n->fetch;
	uint64_t next = f->next_event_ns;

	if (n->index)
		return UINT64_MAX;
	if (now < next)
		return next;
	pthread_mutex_lock(&f->lock);
	next = cc_fetch_keep_time(f, now);
	pthread_mutex_unlock(&f->lock);
	return next;
}

/* ---- the loop ---- */

static int sleep_ms(uint64_t until, uint64_t now)
{
	return until <= now ? 0 : (cc_earlier(until - now, MAX_SLEEP_NS) + CC_MS - 1) / CC_MS;
}

static void on_event(struct cc_fetch_net *n, const struct epoll_event *e)
{
	uint64_t count;
	int running, what;

	if (e->data.fd == n->waker->eventfd) {
		if (read(n->waker->eventfd, &count, sizeof(count)) < 0)
			count = 0; /* it cannot be: it was written to */
		return;
	}
	what = (e->events & EPOLLIN ? CURL_CSELECT_IN : 0) | (e->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (e->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	curl_multi_socket_action(n->multi, e->data.fd, what, &running);
}

static void sleep_until(struct cc_fetch_net *n, uint64_t until)
{
	struct epoll_event events[MAX_EVENTS];
	int count;

	/*
	 * cc_fetch_alarm() writes the time, then reads this; here it is the other way round.  So one of
	 * the two sees what the other wrote.
	 */
	n->waker->sleeps_until_ns = until;
	if (!n->index && n->fetch->next_event_ns < until)
		until = n->fetch->next_event_ns;
	count = epoll_wait(n->epoll, events, MAX_EVENTS, sleep_ms(until, cc_now_ns()));
	n->waker->sleeps_until_ns = 0;
	for (int i = 0; i < count; i++)
		on_event(n, &events[i]);
	/*
	 * After wake was read: who wakes the thread from now on writes again.  Who did before has queued
	 * or cancelled something that the thread is going to see.
	 */
	if (atomic_exchange(&n->waker->woken, false))
		n->look_due_ns = 0;
}

static void *run_network(void *arg)
{
	struct cc_fetch_net *n = arg;

	while (!n->fetch->stop) {
		uint64_t now, next;
		int running;

		while (take_next(n))
			;
		if (cc_now_ns() >= n->curl_due_ns) {
			n->curl_due_ns = UINT64_MAX;
			curl_multi_socket_action(n->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		if (end_finished(n))
			continue;
		now = cc_now_ns();
		if (now >= n->look_due_ns)
			look_at_all(n, now);
		next = keep_time_of_all(n, now);
		sleep_until(n, cc_earlier(next, cc_earlier(n->look_due_ns, n->curl_due_ns)));
		end_finished(n);
	}
	while (!cc_list_empty(&n->busy))
		cc_leg_abandon(n, cc_list_entry(n->busy.next, struct cc_fetch_leg, node));
	return NULL;
}

/* ---- life ---- */

static void close_net(struct cc_fetch_net *n)
{
	for (unsigned int i = 0; i < n->nr_legs; i++)
		cc_http_xfer_destroy(&n->legs[i].xfer);
	curl_multi_cleanup(n->multi);
	free(n->legs);
	if (n->waker->eventfd >= 0)
		close(n->waker->eventfd);
	if (n->epoll >= 0)
		close(n->epoll);
}

static int open_descriptors(struct cc_fetch_net *n)
{
	struct epoll_event e = { .events = EPOLLIN };

	n->waker->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	e.data.fd = n->waker->eventfd;
	if (e.data.fd < 0 || n->epoll < 0 || epoll_ctl(n->epoll, EPOLL_CTL_ADD, e.data.fd, &e))
		return -errno;
	return 0;
}

static void make_legs(struct cc_fetch_net *n)
{
	cc_list_init(&n->free);
	cc_list_init(&n->busy);
	for (unsigned int i = 0; i < n->nr_legs; i++)
		cc_list_add_tail(&n->free, &n->legs[i].node);
	n->nr_free = n->nr_legs;
}

static void set_multi(struct cc_fetch_net *n)
{
	curl_multi_setopt(n->multi, CURLMOPT_MAXCONNECTS, (long)n->nr_legs);
	curl_multi_setopt(n->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(n->multi, CURLMOPT_SOCKETDATA, n);
	curl_multi_setopt(n->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(n->multi, CURLMOPT_TIMERDATA, n);
}

static int open_net(struct cc_fetch *f, struct cc_fetch_net *n, unsigned int index,
		    unsigned int slots)
{
	int r = -ENOMEM;

	n->fetch = f;
	n->index = index;
	n->curl_due_ns = UINT64_MAX;
	n->nr_slots = slots;
	n->waker = &f->wakers[index];
	n->waker->eventfd = n->epoll = -1;
	cc_curl_init();
	n->multi = curl_multi_init();
	n->legs = calloc(slots + slots / 4 + 4, sizeof(*n->legs));
	if (!n->multi || !n->legs)
		goto close;
	n->nr_legs = slots + slots / 4 + 4;
	make_legs(n);
	r = open_descriptors(n);
	if (r)
		goto close;
	set_multi(n);
	return 0;

close:
	close_net(n);
	return r;
}

int cc_fetch_net_open(struct cc_fetch *f, unsigned int threads, unsigned int slots)
{
	unsigned int opened, started;
	int r = 0;

	f->net = calloc(threads, sizeof(*f->net));
	f->wakers = calloc(threads, sizeof(*f->wakers));
	if (!f->net || !f->wakers) {
		r = -ENOMEM;
		goto free_nets;
	}
	for (opened = 0; opened < threads; opened++) {
		r = open_net(f, &f->net[opened], opened, (slots + opened) / threads);
		if (r)
			goto close_nets;
	}
	f->nr_net = threads;
	for (started = 0; started < threads; started++) {
		r = cc_thread_start(run_network, &f->net[started], false, &f->net[started].thread);
		if (r)
			goto join_threads;
	}
	return 0;

join_threads:
	f->stop = true;
	while (started--) {
		cc_fetch_wake(f, started);
		pthread_join(f->net[started].thread, NULL);
	}
close_nets:
	while (opened--)
		close_net(&f->net[opened]);
free_nets:
	free(f->wakers);
	free(f->net);
	return r;
}

void cc_fetch_net_close(struct cc_fetch *f)
{
	for (unsigned int i = 0; i < f->nr_net; i++)
		pthread_join(f->net[i].thread, NULL);
	for (unsigned int i = 0; i < f->nr_net; i++)
		close_net(&f->net[i]);
	f->nr_net = 0;
	free(f->wakers);
	free(f->net);
}
