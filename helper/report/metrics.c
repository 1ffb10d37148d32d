// SPDX-License-Identifier: GPL-2.0-or-later
/* All metrics, in their order; see metrics.h. */
#include <stdio.h>

#include "metrics-impl.h"

void cc_metrics_one(struct cc_text *t, const struct cc_labels *l, const struct cc_metric *m,
		    uint64_t value, unsigned int decimals)
{
	cc_text_family(t, m);
	cc_text_sample(t, l, NULL, value, decimals);
}

const char *cc_metrics_label(const char *label, const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s=\"%s\"", label, name);
	for (char *p = text; *p; p++)
		if (*p == ' ' || *p == '-')
			*p = '_';
	return text;
}

void cc_metrics_write(void *arg, struct cc_text *t)
{
	struct cc_session *s = arg;
	struct cc_labels pool;

	cc_labels_init(&pool);
	cc_labels_add(&pool, "pool", s->config->pool);
	cc_metrics_module(s, &pool, t);
	cc_metrics_session(s, &pool, t);
	cc_metrics_disks(s, &pool, t);
	cc_metrics_fetch(s, &pool, t);
}
