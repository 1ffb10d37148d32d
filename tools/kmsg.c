// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading /dev/kmsg from a point on.  A record is "PRIORITY,NUMBER,TIME,FLAGS;TEXT\n" and
 * perhaps more lines; one read gives one record.
 */
#include "kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX 8192
#define TABLE_ERROR "device-mapper: table: "

int ctl_kmsg_start(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* "device-mapper: table: 253:0: TARGET: REASON" -> REASON, or NULL. */
static const char *reason_in(char *record, const char *target)
{
	char *text = strchr(record, ';'), *end, *p;

	if (!text || strncmp(text + 1, TABLE_ERROR, strlen(TABLE_ERROR)))
		return NULL;
	end = strchr(text, '\n');
	if (end)
		*end = 0;
	p = strstr(text, target);
	if (!p || strncmp(p + strlen(target), ": ", 2))
		return NULL;
	return p + strlen(target) + 2;
}

int ctl_kmsg_reason(int fd, const char *target, char *ret_reason, size_t size)
{
	char record[RECORD_MAX + 1];
	const char *reason = NULL;
	ssize_t n;

	if (fd < 0)
		return -ENODATA;
	/* EPIPE: records were overwritten before they were read; the next read goes on. */
	while (!reason && ((n = read(fd, record, RECORD_MAX)) > 0 || (n < 0 && errno == EPIPE))) {
		record[n > 0 ? n : 0] = 0;
		reason = reason_in(record, target);
	}
	if (reason)
		snprintf(ret_reason, size, "%s", reason);
	close(fd);
	return reason ? 0 : -ENODATA;
}
