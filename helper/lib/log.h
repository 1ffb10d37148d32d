/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines for people, to standard error.  When that is not a terminal each line starts with
 * the priority in sd-daemon's "<N>" notation, which the journal understands.  Any thread.
 */
#ifndef CC_LOG_H
#define CC_LOG_H

#include <syslog.h>

#define CC_LOG_LINE	1024	/* bytes of a line, with all; a longer one is cut */
#define CC_LOG_QUEUE	256	/* lines that wait for whoever reads them */

/* Lines of a lower priority (a larger number) are dropped; default LOG_INFO. */
void cc_log_level(int level);
/* level: LOG_ERR ... LOG_DEBUG.  One line without its newline. */
void cc_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * From here on a thread writes the lines, and who logs never waits: the journal may be waiting for a disk that
 * is served from here.  What finds no place in the queue is counted, and the count is logged.  0 or -errno.
 */
int cc_log_start(void);
/* Waits for what is queued, but not longer than a second.  Harmless without a start. */
void cc_log_stop(void);

#endif
