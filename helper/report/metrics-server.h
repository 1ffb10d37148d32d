/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics over HTTP, on a unix socket that only root can reach and, if asked for, on a port of the loopback that
 * everybody on the host can.  GET /metrics and nothing else; one request a connection.
 *
 * Runs in the loop and never blocks it.  Nobody can make it do much: a text is made at most once a
 * second and shared by all who ask meanwhile, a request has 8 KiB, a connection 10 s, each socket 8 of
 * them, and when there is one more, that of the longest idle client is closed.  The two sockets
 * count by themselves, so that what happens on the port does not matter to the path.
 */
#ifndef CC_METRICS_SERVER_H
#define CC_METRICS_SERVER_H

#include "clock.h"
#include "loop.h"
#include "metrics-text.h"

#define CC_METRICS_REQUEST_MAX	8192	/* bytes, with the empty line */
#define CC_METRICS_CLIENTS_MAX	8	/* of each socket */
#define CC_METRICS_CLIENT_NS	(10 * CC_SECOND)
#define CC_METRICS_TEXT_NS	CC_SECOND

struct cc_metrics_server;

/* Writes all families. */
typedef void cc_metrics_fn(void *arg, struct cc_text *t);

struct cc_metrics_config {
	const char *path;
	const char *listen;		/* as cc_parse_loopback() takes it, or NULL */
	cc_metrics_fn *fn;
	void *arg;
};

/*
 * Metrics are a help, not a must: a socket that can't be had is logged and tried again every 10 s.
 * -ENOMEM.
 */
int cc_metrics_open(struct cc_loop *loop, const struct cc_metrics_config *c,
		    struct cc_metrics_server **ret_server);
void cc_metrics_close(struct cc_metrics_server *s);
/* For the loop's step: ends clients whose time is over; returns when to be called again. */
uint64_t cc_metrics_step(struct cc_metrics_server *s, uint64_t now_ns);

#endif
