/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of a transfer (http.h).
 *
 *	http.c			life, options, timers, end
 *	http-request.c		what is sent
 *	http-receive.c		what libcurl calls
 *	http-answer.c		what an answer means
 *	http-target.c		what a store's configuration means
 */
#ifndef CC_HTTP_IMPL_H
#define CC_HTTP_IMPL_H

#include "http.h"

/* ---- http-answer.c ---- */

/* Sets all of it, retry_after_ms to 0. */
void cc_http_conclude(struct cc_http_outcome *o, enum cc_store_result result,
		      enum cc_retry_class class, const char *reason);

/* ---- http-request.c ---- */

/* x->url and x->headers of x->req.  On failure returns -errno, and *o says why. */
int cc_http_make_request(struct cc_http_xfer *x, struct cc_http_outcome *o);

/* ---- http-receive.c ---- */

CURLcode cc_http_set_callbacks(struct cc_http_xfer *x);
/* Is the status of the answer one that the request asks for? */
bool cc_http_is_success(const struct cc_http_xfer *x);

#endif
