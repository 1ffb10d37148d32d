/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of metrics.h, each a file, and what they share. */
#ifndef CC_METRICS_IMPL_H
#define CC_METRICS_IMPL_H

#include "metrics.h"
#include "session-impl.h"

/* Initializers of struct cc_metric: name without the prefix that all have, help. */
#define NAME "dm_chunkcache_"
#define COUNTER(n, h) { NAME n, h, CC_COUNTER }
#define GAUGE(n, h) { NAME n, h, CC_GAUGE }
#define HISTOGRAM(n, h) { NAME n, h, CC_HISTOGRAM }
#define INFO(n, h) { NAME n, h, CC_INFO }
#define NR(a) (sizeof(a) / sizeof((a)[0]))

/* pool has the label that all samples have. */
void cc_metrics_module(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_session(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_disks(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_volumes(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);
void cc_metrics_fetch(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t);

#endif
