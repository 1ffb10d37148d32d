/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The families of metrics that a helper shows, see Documentation/metrics.rst: the module's counters, the
 * session's, and those of the fetch engine.  Series are per disk, store and endpoint, never per chunk, image or
 * address.  No label has a URL or a key: everybody on the host may read them.
 */
#ifndef CC_METRICS_H
#define CC_METRICS_H

#include "metrics-text.h"
#include "session.h"

/* For cc_metrics_open(); arg is the session.  A few milliseconds for hundreds of disks. */
void cc_metrics_write(void *arg, struct cc_text *t);

/* Its parts, each a file; pool has the label that all samples have. */
void cc_metrics_module(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_session(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_disks(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_fetch(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);

/* For them: a family of one sample; and what a name with blanks is called in a label, of static storage. */
void cc_metrics_one(struct cc_text *t, const struct cc_labels *l, const struct cc_metric *m,
		    uint64_t value, unsigned int decimals);
const char *cc_metrics_label(const char *label, const char *name);

#endif
