// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Log lines: formats a line and writes it in one write(), so that lines of threads do not mix.  Once started, a
 * thread does the latter, and may hang in it for as long as it likes.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "thread.h"
#include "utf8.h"

#define STOP_SECONDS 1

struct line {
	size_t len;
	char text[CC_LOG_LINE];
};

static atomic_int max_level = LOG_INFO;

static struct {
	pthread_mutex_t lock;		/* covers the rest; held for a copy, never for a write */
	pthread_cond_t changed;
	bool started, stop;
	unsigned int first, nr;
	unsigned int lost;		/* since the last line that found a place */
	struct line lines[CC_LOG_QUEUE];
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

void cc_log_level(int level)
{
	max_level = level;
}

/* ---- a line ---- */

/* Ends what is in the line with its newline.  What was cut in the middle of a character ends with a '?'. */
static void end_line(struct line *l)
{
	l->len = strlen(cc_utf8_clean(l->text));
	l->text[l->len++] = '\n';
}

__attribute__((format(printf, 3, 0)))
static void format_line(struct line *l, int level, const char *fmt, va_list args)
{
	size_t len = 0;

	if (!isatty(STDERR_FILENO))
		len = (size_t)snprintf(l->text, sizeof(l->text), "<%d>", level);
	l->text[len] = 0;
	vsnprintf(l->text + len, sizeof(l->text) - len - 1, fmt, args);
	end_line(l);
}

__attribute__((format(printf, 3, 4)))
static void make_line(struct line *l, int level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format_line(l, level, fmt, args);
	va_end(args);
}

/* Somebody else may have made the descriptor one that does not wait: the thread does. */
static void write_line(const struct line *l, bool wait)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };

	while (write(STDERR_FILENO, l->text, l->len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || !wait)
			return; /* nobody is left to be told */
		poll(&pfd, 1, -1);
	}
}

/* ---- the queue; the lock is held ---- */

static void push(const struct line *l)
{
	struct line *to = &queue.lines[(queue.first + queue.nr++) % CC_LOG_QUEUE];

	to->len = l->len;
	memcpy(to->text, l->text, l->len);
}

/* In the place of those that are missing. */
static void push_lost(void)
{
	struct line l;

	make_line(&l, LOG_WARNING, "%u messages lost: the log was not read", queue.lost);
	queue.lost = 0;
	push(&l);
}

static void enqueue_line(const struct line *l)
{
	if (queue.nr + (queue.lost ? 2 : 1) > CC_LOG_QUEUE) {
		queue.lost++;
		return;
	}
	if (queue.lost)
		push_lost();
	push(l);
	pthread_cond_broadcast(&queue.changed);
}

static void pop(struct line *ret)
{
	const struct line *from = &queue.lines[queue.first];

	ret->len = from->len;
	memcpy(ret->text, from->text, from->len);
	queue.first = (queue.first + 1) % CC_LOG_QUEUE;
	queue.nr--;
}

/* ---- the thread ---- */

static void *log_thread(void *arg)
{
	struct line l;

	(void)arg;
	pthread_mutex_lock(&queue.lock);
	while (!queue.stop || queue.nr || queue.lost) {
		if (!queue.nr && queue.lost)
			push_lost();
		if (!queue.nr) {
			pthread_cond_wait(&queue.changed, &queue.lock);
			continue;
		}
		pop(&l);
		pthread_mutex_unlock(&queue.lock);
		write_line(&l, true);
		pthread_mutex_lock(&queue.lock);
	}
	queue.started = false;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return NULL;
}

int cc_log_start(void)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue.changed, &attr);
	pthread_condattr_destroy(&attr);
	queue.stop = false;
	queue.started = true;
	r = cc_thread_start(log_thread, NULL, true, NULL);
	if (r)
		queue.started = false;
	return r;
}

void cc_log_stop(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
	pthread_mutex_lock(&queue.lock);
	if (queue.started) {
		queue.stop = true;
		pthread_cond_broadcast(&queue.changed);
	}
	while (queue.started && !pthread_cond_timedwait(&queue.changed, &queue.lock, &until))
		;
	pthread_mutex_unlock(&queue.lock);
}

void cc_log(int level, const char *fmt, ...)
{
	struct line l;
	va_list args;
	bool queued;

	if (level > max_level)
		return;
	va_start(args, fmt);
	format_line(&l, level, fmt, args);
	va_end(args);
	pthread_mutex_lock(&queue.lock);
	queued = queue.started;
	if (queued)
		enqueue_line(&l);
	pthread_mutex_unlock(&queue.lock);
	if (!queued)
		write_line(&l, false);
}
