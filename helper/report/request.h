/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What requests of the control socket name, checked. */
#ifndef CC_REQUEST_H
#define CC_REQUEST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "session.h"

/* The disk that the request names, LOADED; NULL after a line in err. */
struct cc_disk *cc_request_disk(struct cc_session *s, const json_t *request, char *err, size_t errlen);
/* A whole number of the request; -1 after a line in err. */
int64_t cc_request_number(const json_t *request, const char *key, int64_t def, int64_t min, int64_t max, char *err,
			  size_t errlen);

#endif
