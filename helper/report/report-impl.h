/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of report.h share. */
#ifndef CC_REPORT_IMPL_H
#define CC_REPORT_IMPL_H

#include "report.h"
#include "session-impl.h"

/* Numbers of ours are below 2^63. */
static inline json_t *cc_json_number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

json_t *cc_prefetch_counters(const struct cc_prefetch_stats *st);
json_t *cc_replay_counters(const struct cc_replay *r);

#endif
