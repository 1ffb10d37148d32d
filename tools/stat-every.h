/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `chunkctl stat --every': a line an interval of what happened in it, as iostat and its like print. */
#ifndef CTL_STAT_EVERY_H
#define CTL_STAT_EVERY_H

#include <stdbool.h>
#include "ui.h"

struct ctl_stat_every {
	const char *name;		/* of a disk, volume or pool; NULL: all together */
	unsigned int interval_ms, lines; /* lines: 0: until the end of standard output */
	bool json;
};

/* An exit status, after a message. */
int ctl_stat_every(const struct ctl_stat_every *s, const struct ctl_ui *ui);

#endif
