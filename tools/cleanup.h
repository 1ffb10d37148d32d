/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to be put in order before SIGINT, SIGTERM or SIGHUP end a subcommand: leases are given back,
 * children end.  A thread waits for these signals, cleans up, and lets the signal do what it does; a
 * second one does so at once.
 */
#ifndef CTL_CLEANUP_H
#define CTL_CLEANUP_H

#include "list.h"

struct ctl_cleanup {
	void (*fn)(void *arg);
	void *arg;
	struct cc_list node;
};

/* Before there are other threads and children.  Signals that are ignored stay so. */
void ctl_cleanup_start(void);
/* From any thread; the last one is done first.  Nothing happens without ctl_cleanup_start(). */
void ctl_cleanup_add(struct ctl_cleanup *c, void (*fn)(void *arg), void *arg);
/* Does not return if the end has come.  Harmless if it was not added. */
void ctl_cleanup_remove(struct ctl_cleanup *c);

#endif
