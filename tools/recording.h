/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk read first, as the helper's command "record" tells it (Documentation/control-socket.rst): taken from
 * there, or from a file that somebody keeps it in.
 */
#ifndef CTL_RECORDING_H
#define CTL_RECORDING_H

#include <jansson.h>
#include "boot-trace.h"

struct ctl_recording {
	uint8_t digest[CC_ID_SIZE];	/* of the image */
	uint64_t lost;			/* touches that nobody could tell of */
	struct cc_touch *touches;	/* owned; in order, each of another chunk */
	uint32_t nr;
};

/*
 * Out of JSON of any origin; only touches before limit_ms count.  0, or CTL_FAILED after a message.  Release with
 * ctl_recording_free().
 */
int ctl_recording_take(const json_t *o, const char *what, uint64_t limit_ms, struct ctl_recording *ret_recording);
void ctl_recording_free(struct ctl_recording *r);

#endif
