/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service manager's notification socket (sd_notify(3)'s protocol) and its watchdog.
 */
#ifndef CC_NOTIFY_H
#define CC_NOTIFY_H

#include <stdint.h>

/* Send e.g. "READY=1".  Does nothing without a service manager; trouble is ignored, nothing depends on it. */
void cc_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* How often to send WATCHDOG=1, half of what the manager asks for; 0: not asked for. */
uint64_t cc_notify_watchdog_ns(void);

#endif
