/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that works for a subcommand; it ends when the subcommand does, whatever ends that.
 */
#ifndef CTL_CHILD_H
#define CTL_CHILD_H

#include <sys/types.h>

/*
 * Runs argv[0], found by PATH, in a session of its own, with these as its standard files (-1: nothing to read,
 * or ours).  Other files that are not closed on exec stay open.  0 or -errno.  One at a time.
 */
int ctl_child_start(char *const argv[], int in, int out, int err, pid_t *ret_pid);
/* Waits for it; the status as of waitpid(), or -errno. */
int ctl_child_wait(pid_t pid);
/* Ends it, and what it has started. */
void ctl_child_end(pid_t pid);
/* "exit status 1", "signal 9 (Killed)"; returns buf. */
#define CTL_CHILD_TEXT 80
const char *ctl_child_text(int status, char buf[CTL_CHILD_TEXT]);

#endif
