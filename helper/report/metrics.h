/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The families of metrics that a helper shows, see Documentation/metrics.rst: the module's counters, the
 * session's, and those of the fetch engine.  Series are per disk, store and endpoint, never per chunk, image or
 * address.  No label has a URL or a key: everybody on the host may read them.
 */
#ifndef CC_METRICS_H
#define CC_METRICS_H

#include "metrics-text.h"

/* For cc_metrics_open(); arg is the session.  A few milliseconds for hundreds of disks. */
void cc_metrics_write(void *arg, struct cc_text *t);

#endif
