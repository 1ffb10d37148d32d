/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines for people, to standard error.  When that is not a terminal each line starts with
 * the priority in sd-daemon's "<N>" notation, which the journal understands.  Any thread.
 */
#ifndef CC_LOG_H
#define CC_LOG_H

#include <syslog.h>

/* Lines of a lower priority (a larger number) are dropped; default LOG_INFO. */
void cc_log_level(int level);
/* level: LOG_ERR ... LOG_DEBUG.  One line without its newline; longer than 1 KiB is cut. */
void cc_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
