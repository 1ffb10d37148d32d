/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host knows of a volume that the store does not: its device, by dm, and what is in no commit yet, by the
 * helper of its pool ("volumes" in Documentation/control-socket.rst).
 */
#ifndef CTL_VOLUME_HERE_H
#define CTL_VOLUME_HERE_H

#include <stdbool.h>
#include "ask.h"
#include "dm.h"
#include "say.h"
#include "table.h"

struct ctl_volume_device {
	char pool[CTL_DM_NAME_MAX + 1];	/* its dm name; "": it was removed by force */
	struct ctl_volume_table table;
	struct ctl_volume_status status;
	int open_count;
};

/* 0, -ENXIO if there is no device of that name, or -errno; -ENOTBLK: it is no volume. */
int ctl_volume_device_get(const char *name, struct ctl_volume_device *ret_device);
/* The same, with a message, and an enum ctl_exit. */
int ctl_volume_device(const char *name, struct ctl_volume_device *ret_device);

/*
 * What the helper of a pool says of a volume, to be released; NULL: it knows none of that UUID, or ret_asked says why
 * it could not be asked.
 */
json_t *ctl_volume_ask(const char *pool, const char *uuid, struct ctl_asked *ret_asked);
/* The same of whichever pool of this host has it, with the member "pool".  NULL: none. */
json_t *ctl_volume_ask_all(const char *uuid);

/* "12 MiB, the oldest for 3 s"; "12 MiB" if that is not known; "nothing". */
#define CTL_DIRTY_TEXT 96
const char *ctl_volume_dirty_text(const json_t *figures, char buf[CTL_DIRTY_TEXT]);
/* Something is in no commit. */
bool ctl_volume_is_dirty(const json_t *figures);

#endif
