/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs commands for their output.  The helper itself must never fork: a child, even one on its way to
 * exec, would hold the pool's device, whose last holder ends the session.  So it starts a spawner
 * before it opens anything, a process of a few pages that runs commands on request.
 */
#ifndef CC_SPAWNER_H
#define CC_SPAWNER_H

#include <stddef.h>

/*
 * From now on commands run in a process made here, which ends when this one does.  To be called before
 * threads and devices, at most once.  Returns 0 or -errno.
 */
int cc_spawner_start(void);

/*
 * Run "/bin/sh -c command" with nothing to read, its standard error thrown away (it may print secrets),
 * one at a time.  Without cc_spawner_start() it is a child of this process.  Returns 0 and what it
 * printed, if its status was 0; else -errno with a line in err, in which nothing is that it printed.
 * It is killed, with its process group, after timeout_ms.
 */
int cc_spawn(const char *command, unsigned int timeout_ms, char *out, size_t out_max,
	     size_t *ret_size, char *err, size_t errlen);

#endif
