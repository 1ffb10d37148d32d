/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A progress bar on stderr, if that is a terminal; else nothing at all.
 */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "ui.h"

struct ctl_progress {
	const char *what;
	uint64_t total;			/* bytes; 0: not known */
	bool on;
	struct ctl_ui ui;
	/* under lock */
	pthread_mutex_t lock;
	uint64_t done;
	uint64_t start_ns, drawn_ns;
};

void ctl_progress_start(struct ctl_progress *p, const char *what, uint64_t total);
/* From any thread. */
void ctl_progress_add(struct ctl_progress *p, uint64_t bytes);
/* Wipes the bar, so that what is printed next starts on a clean line. */
void ctl_progress_end(struct ctl_progress *p);

#endif
