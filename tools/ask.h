/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a pool's helper, by its control socket (Documentation/control-socket.rst).
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>

enum ctl_ask {
	CTL_ASK_OK,
	CTL_ASK_ABSENT,		/* nobody listens */
	CTL_ASK_SILENT,		/* somebody listens, but does not answer in time */
	CTL_ASK_REFUSED,	/* the helper answered with an error */
	CTL_ASK_TROUBLE,	/* all else */
};

struct ctl_asked {
	enum ctl_ask result;
	pid_t pid;		/* who listens, 0: not known */
	char why[256];		/* a line, unless OK */
};

/*
 * The answer to a command, or NULL.  args: an object with more members of the request, or NULL;
 * its reference is taken.  Waits at most seconds.
 */
json_t *ctl_ask(const char *pool, const char *command, json_t *args, unsigned int seconds,
		struct ctl_asked *ret_asked);

/* Members of an object: 0 or "-" if there is none. */
uint64_t ctl_number(const json_t *o, const char *key);
const char *ctl_string(const json_t *o, const char *key);

#endif
