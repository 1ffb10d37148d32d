/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many requests a store takes at a time: one more for each round of them that goes well, fewer by a third
 * when it says that it is too busy.  Pure: time is given, and the caller's lock covers it.
 */
#ifndef CC_PACE_H
#define CC_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct cc_pace {
	unsigned int active;		/* under way */
	unsigned int max;
	double limit;			/* 1 .. max */
	uint64_t cut_ns;		/* when it was cut last; 0: never */
};

void cc_pace_init(struct cc_pace *p, unsigned int max);
/* May there be one more at the same time? */
bool cc_pace_has_room(const struct cc_pace *p);
/* One of those under way went well. */
void cc_pace_speed_up(struct cc_pace *p);
/* One that is not under way any more was told to slow down. */
void cc_pace_slow_down(struct cc_pace *p, uint64_t now_ns);

#endif
