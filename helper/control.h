/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: a Unix stream socket that only root can reach; one JSON request and
 * one JSON reply a line, see Documentation/control-socket.rst.  Never blocks the loop.
 */
#ifndef CC_CONTROL_H
#define CC_CONTROL_H

#include <jansson.h>
#include "loop.h"

#define CC_CONTROL_VERSION	1
#define CC_CONTROL_LINE_MAX	65536	/* bytes of a request, with its newline */
#define CC_CONTROL_CLIENTS_MAX	16

struct cc_control;

/* The reply to cmd as a new object, or NULL and a line in err.  "v" is added. */
typedef json_t *cc_control_fn(void *arg, const char *cmd, const json_t *request, char *err, size_t errlen);

/*
 * Listen at path; its directory is made if it is missing.  What may change, a full disk, say, is logged, and
 * tried again.  -EADDRINUSE: somebody answers there; -ENOTSOCK, -ENAMETOOLONG.  On error a line is in err.
 */
int cc_control_open(struct cc_loop *loop, const char *path, cc_control_fn *fn, void *arg,
		    struct cc_control **ret_control, char *err, size_t errlen);
/* To be called at the time that it returns, or earlier. */
uint64_t cc_control_step(struct cc_control *c, uint64_t now_ns);
void cc_control_close(struct cc_control *c);

#endif
