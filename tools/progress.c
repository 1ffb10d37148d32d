// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The progress bar: drawn at most five times a second by whichever thread comes by.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "clock.h"

#define REDRAW_NS (200 * CC_MS)
#define BAR_WIDTH 20

void ctl_progress_start(struct ctl_progress *p, const char *what, uint64_t total)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->on = isatty(STDERR_FILENO);
	ctl_ui_init(&p->ui);
	p->start_ns = cc_now_ns();
	p->drawn_ns = p->start_ns;
	pthread_mutex_init(&p->lock, NULL);
}

static void draw_bar(const struct ctl_progress *p, uint64_t now)
{
	char bar[CTL_BAR_TEXT], done[CTL_SIZE_TEXT], total[CTL_SIZE_TEXT], rate[CTL_SIZE_TEXT];
	double per_second = p->done / ((now - p->start_ns) / 1e9);
	uint64_t left = per_second > 0 ? (p->total - p->done) / per_second : 0;
	double fraction;

	ctl_size_text(p->done, done);
	ctl_size_text(per_second, rate);
	if (p->total) {
		fraction = (double)p->done / p->total;
		fprintf(stderr, "\r%s %s %3.0f%%  %s of %s, %s/s, %" PRIu64 ":%02" PRIu64
			" left\033[K", p->what, ctl_bar(&p->ui, fraction, BAR_WIDTH, bar),
			fraction * 100, done, ctl_size_text(p->total, total), rate, left / 60,
			left % 60);
	} else {
		fprintf(stderr, "\r%s %s, %s/s\033[K", p->what, done, rate);
	}
	fflush(stderr);
}

void ctl_progress_add(struct ctl_progress *p, uint64_t bytes)
{
	uint64_t now;

	if (!p->on)
		return;
	pthread_mutex_lock(&p->lock);
	p->done += bytes;
	if (p->total && p->done > p->total)
		p->done = p->total;
	now = cc_now_ns();
	if (now - p->drawn_ns >= REDRAW_NS) {
		p->drawn_ns = now;
		draw_bar(p, now);
	}
	pthread_mutex_unlock(&p->lock);
}

void ctl_progress_end(struct ctl_progress *p)
{
	if (p->on)
		fprintf(stderr, "\r\033[K");
	pthread_mutex_destroy(&p->lock);
}
