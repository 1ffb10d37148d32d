// SPDX-License-Identifier: GPL-2.0-or-later
/* All metrics, in their order; see metrics.h. */
#include "metrics-impl.h"

void cc_metrics_write(void *arg, struct cc_text *t)
{
	struct cc_session *s = arg;
	struct cc_labels pool;

	cc_labels_init(&pool);
	cc_labels_add(&pool, "pool", s->config->pool);
	cc_metrics_module(s, &pool, t);
	cc_metrics_session(s, &pool, t);
	cc_metrics_disks(s, &pool, t);
	cc_metrics_volumes(s, &pool, t);
	cc_metrics_fetch(s, &pool, t);
}
