// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends marks to a dm-log-writes device. */
#include "mark.h"

#include <libdevmapper.h>
#include <stdio.h>

bool cc_mark(const char *device, const char *text)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_TARGET_MSG);
	char message[400];
	bool done;

	if (!task)
		return false;
	snprintf(message, sizeof(message), "mark %s", text);
	done = dm_task_set_name(task, device) && dm_task_set_sector(task, 0) && dm_task_set_message(task, message) &&
	       dm_task_run(task);
	dm_task_destroy(task);
	return done;
}
