// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose table the kernel's log is about.  As there, one read gives one record. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../tools/kmsg.h"
#include "tap.h"

#define RECORD(text) "3,1234,5678901,-;" text "\n SUBSYSTEM=x\n"
#define OURS RECORD("device-mapper: table: 253:4: chunkcache: Unknown feature (-EINVAL)")
#define THEIRS RECORD("device-mapper: table: 253:9: chunkcache: Device lookup failed (-ENODEV)")
#define THEIRS_TOO RECORD("device-mapper: table: 253:9: chunkcache: Bad number (-EINVAL)")

/* What is found in these records, up to NULL. */
static int reason(const char *device, int error, char *ret, size_t size, ...)
{
	const char *record;
	va_list records;
	int fds[2];

	*ret = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds))
		return -errno;
	va_start(records, size);
	while ((record = va_arg(records, const char *)))
		(void)!write(fds[1], record, strlen(record));
	va_end(records);
	close(fds[1]);
	return ctl_kmsg_reason(fds[0], device, "chunkcache", error, ret, size);
}

int main(void)
{
	char text[200];
	int r;

	r = reason("253:4", -EINVAL, text, sizeof(text), RECORD("eth0: link up"), OURS, NULL);
	ok(!r && !strcmp(text, "Unknown feature (-EINVAL)"), "of a device that is there: %s", text);
	r = reason("253:4", -EINVAL, text, sizeof(text), THEIRS_TOO, OURS, THEIRS_TOO, NULL);
	ok(!r && !strcmp(text, "Unknown feature (-EINVAL)"), "among those of others: %s", text);
	ok(reason("253:4", -EINVAL, text, sizeof(text), THEIRS, NULL) == -ENODATA && !*text, "others' only");
	r = reason("", -EINVAL, text, sizeof(text), THEIRS, OURS, NULL);
	ok(!r && !strcmp(text, "Unknown feature (-EINVAL)"), "of one that went, by its error: %s", text);
	ok(reason("", -EBUSY, text, sizeof(text), OURS, THEIRS, NULL) == -ENODATA, "none has the error");
	ok(reason("", -EINVAL, text, sizeof(text), OURS, THEIRS_TOO, NULL) == -ENOTUNIQ && !*text, "two have it");
	r = reason("", -EINVAL, text, sizeof(text), OURS, OURS, NULL);
	ok(!r && *text, "the same device twice");
	r = reason("", -EINVAL, text, sizeof(text),
		   RECORD("device-mapper: table: 253:4: chunkcache: Device lookup failed"), NULL);
	ok(!r && !strcmp(text, "Device lookup failed"), "of a kernel that names no error: %s", text);
	ok(reason("", -EINVAL, text, sizeof(text),
		  RECORD("device-mapper: table: 253:4: chunkcache-pool: Not a pool (-EINVAL)"), NULL) == -ENODATA,
	   "of another target");
	ok(reason("", -EINVAL, text, sizeof(text),
		  RECORD("device-mapper: table: 253:4: linear: chunkcache: no (-EINVAL)"), NULL) == -ENODATA,
	   "that has our target's name in its reason");
	ok(reason("", -EINVAL, text, sizeof(text), RECORD("device-mapper: table: "), "", "x", ";", NULL) == -ENODATA,
	   "less than a record");
	return tap_done();
}
