/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The helper's attachment to its pool: from opening the device to DETACH, and over again when the pool
 * went away.  Puts the parts together; each of them lives as long as one attachment, but for
 * stores, fetch engine and counters.
 *
 *	NONE -> ATTACHED	[the kernel took us]
 *	ATTACHED -> DRAINING	[asked to stop, or the session is lost]
 *	DRAINING -> NONE	[nothing in flight any more, or at a stop not in time]
 */
#ifndef CC_SESSION_H
#define CC_SESSION_H

#include "config.h"
#include "fill/fill.h"
#include "loop.h"

enum cc_session_state {
	CC_SESSION_NONE,		/* tries to attach now and then */
	CC_SESSION_ATTACHED,
	CC_SESSION_DRAINING,		/* starts nothing; waits for what is in flight */
};

struct cc_session;

/* fetch and sources stay the caller's and must outlive the session. */
int cc_session_open(const struct cc_config *c, struct cc_loop *loop, struct cc_fetch *fetch,
		    struct cc_sources *sources, struct cc_session **ret_session);
/* Only after the loop has ended. */
void cc_session_close(struct cc_session *s);
/* For the loop's step. */
uint64_t cc_session_step(struct cc_session *s, uint64_t now_ns);
/* End the attachment in good order, then stop the loop; takes at most 10 s. */
void cc_session_stop(struct cc_session *s);
/* After the loop: was everything ended in good order?  Else buffers may still be written to. */
bool cc_session_clean(const struct cc_session *s);

#endif
