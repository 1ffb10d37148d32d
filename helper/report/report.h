/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket's answers, see Documentation/control-socket.rst. */
#ifndef CC_REPORT_H
#define CC_REPORT_H

#include <jansson.h>
#include "session.h"

/* NULL: no memory. */
json_t *cc_report_stat(struct cc_session *s);
json_t *cc_report_fetch(struct cc_session *s);
json_t *cc_report_disks(struct cc_session *s);
json_t *cc_report_costs(struct cc_session *s);
/* NULL with a line in err if the request can't be served. */
json_t *cc_report_volumes(struct cc_session *s, char *err, size_t errlen);
json_t *cc_report_prefetch(struct cc_session *s, const json_t *request, char *err, size_t errlen);
json_t *cc_report_record(struct cc_session *s, const json_t *request, char *err, size_t errlen);
/* Begins to look at all slots, or with stop ends that. */
json_t *cc_report_scrub(struct cc_session *s, const json_t *request, char *err, size_t errlen);
json_t *cc_report_rescue(struct cc_session *s, const json_t *request, char *err, size_t errlen);
json_t *cc_report_snapshot(struct cc_session *s, const json_t *request, char *err, size_t errlen);
json_t *cc_report_discard(struct cc_session *s, const json_t *request, char *err, size_t errlen);
json_t *cc_report_map(struct cc_session *s, const json_t *request, char *err, size_t errlen);

#endif
