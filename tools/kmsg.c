// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading /dev/kmsg from a point on.  A record is "PRIORITY,NUMBER,TIME,FLAGS;TEXT\n" and
 * perhaps more lines; one read gives one record.
 */
#include "kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

/* What a record says of a table of target's that was refused. */
struct refusal {
	char device[24];		/* "253:0" */
	char reason[300];
};

/* "...;device-mapper: table: 253:0: TARGET: REASON\n" */
static bool parse_refusal(char *record, const char *target, struct refusal *ret)
{
	char *text = strchr(record, ';'), *name, *reason;

	if (!text || strncmp(++text, TABLE_ERROR, strlen(TABLE_ERROR)))
		return false;
	text[strcspn(text, "\n")] = 0;
	text += strlen(TABLE_ERROR);
	name = strstr(text, ": ");
	if (!name || strncmp(name + 2, target, strlen(target)))
		return false;
	reason = name + 2 + strlen(target);
	if (strncmp(reason, ": ", 2))
		return false;
	snprintf(ret->device, sizeof(ret->device), "%.*s", (int)(name - text), text);
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason + 2);
	return true;
}

/* Newer kernels end with "(-EINVAL)": then it has to be the error that we got, if that is known. */
static bool fits(const char *reason, int error)
{
	const char *end = strrchr(reason, '('), *name = strerrorname_np(-error);
	char wanted[40];

	if (!end || strncmp(end, "(-E", 3) || !name || error == -EIO)
		return true;
	snprintf(wanted, sizeof(wanted), "(-%s)", name);
	return !strcmp(end, wanted);
}

/* Records until the end: 0, with the last refusal in *ret; -ENODATA: none; -ENOTUNIQ: of several devices. */
static int find_refusal(int fd, const char *device, const char *target, int error, struct refusal *ret)
{
	char record[RECORD_MAX + 1];
	struct refusal next;
	int r = -ENODATA;
	ssize_t n;

	/* EPIPE: records were overwritten before they were read; the next read goes on. */
	while ((n = read(fd, record, RECORD_MAX)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n > 0 ? n : 0] = 0;
		if (!parse_refusal(record, target, &next) || !fits(next.reason, error) ||
		    (device[0] && strcmp(next.device, device)))
			continue;
		if (!r && strcmp(next.device, ret->device))
			return -ENOTUNIQ;
		*ret = next;
		r = 0;
	}
	return r;
}

int ctl_kmsg_reason(int fd, const char *device, const char *target, int error, char *ret_reason, size_t size)
{
	struct refusal found;
	int r;

	if (fd < 0)
		return -ENODATA;
	r = find_refusal(fd, device, target, error, &found);
	close(fd);
	if (!r)
		snprintf(ret_reason, size, "%s", found.reason);
	return r;
}
