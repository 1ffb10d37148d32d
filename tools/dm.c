// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libdevmapper, behind an interface of errnos.  What the library logs is kept for
 * ctl_dm_reason() instead of going to stderr line by line.
 */
#include "dm.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"
#include "uuid.h"

/* The first complaint of the last operation: later ones only follow from it. */
static char complaint[256];

static void __attribute__((format(printf, 5, 6)))
keep_log(int level, const char *file, int line, int dm_errno_or_class, const char *fmt, ...)
{
	va_list ap;

	if ((level & 7) > 3 || complaint[0])	/* _LOG_ERR and worse; libdm-common's macros */
		return;
	va_start(ap, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
}

/* A task for the named device (NULL: none), or NULL. */
static struct dm_task *new_task(int type, const char *name)
{
	static bool ready;
	struct dm_task *t;

	if (!ready) {
		dm_log_with_errno_init(keep_log);
		/* With no udevd nobody would ever answer the cookie, or make the nodes. */
		if (access("/run/udev/control", F_OK)) {
			dm_udev_set_sync_support(0);
			dm_udev_set_checking(0);
		}
		ready = true;
	}
	complaint[0] = 0;
	t = dm_task_create(type);
	if (t && name && !dm_task_set_name(t, name)) {
		dm_task_destroy(t);
		return NULL;
	}
	return t;
}

static int run(struct dm_task *t)
{
	int error;

	if (dm_task_run(t))
		return 0;
	error = dm_task_get_errno(t);
	return error ? -error : -EIO;
}

/*
 * Nobody but us shall read what is on a pool or a disk just because it appeared: on a disk without
 * a helper udev's probing would wait, and we for udev; and what is on it is a guest's.  Our rules
 * for udev say the same, for whoever makes such a device, and for later events.
 */
#define UDEV_FLAGS (DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | \
		    DM_UDEV_DISABLE_OTHER_RULES_FLAG)

/* Run a task that makes or removes a node, and wait until the node is there or gone. */
static int run_and_settle(struct dm_task *t)
{
	uint32_t cookie = 0;
	int r;

	if (!dm_task_set_cookie(t, &cookie, UDEV_FLAGS))
		return -EIO;
	r = run(t);
	if (!dm_udev_wait(cookie) && !r)
		r = -EIO;
	return r;
}

bool ctl_dm_name_ok(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t n = strlen(name);

	return n && n <= CTL_DM_NAME_MAX && strspn(name, allowed) == n && name[0] != '.' &&
	       name[0] != '-';
}

static int fill_target(struct dm_task *t, struct ctl_dm_device *d)
{
	uint64_t start, length;
	char *type = NULL, *params = NULL;
	void *next = dm_get_next_target(t, NULL, &start, &length, &type, &params);

	if (!type)
		return 0;
	d->sectors = length;
	snprintf(d->type, sizeof(d->type), "%s", next ? "several" : type);
	d->params = strdup(params ? params : "");
	return d->params ? 0 : -ENOMEM;
}

int ctl_dm_get(const char *name, enum ctl_dm_what what, struct ctl_dm_device *ret_device)
{
	int type = what == CTL_DM_TABLE ? DM_DEVICE_TABLE : DM_DEVICE_STATUS;
	struct dm_task *t = new_task(type, name);
	struct ctl_dm_device d = { 0 };
	struct dm_info info;
	int r;

	if (!t)
		return -ENOMEM;
	dm_task_no_flush(t);	/* status must not wait behind reads that wait for data */
	r = run(t);
	if (!r && (!dm_task_get_info(t, &info) || !info.exists))
		r = -ENXIO;
	if (!r)
		r = fill_target(t, &d);
	if (!r) {
		snprintf(d.name, sizeof(d.name), "%s", name);
		d.major = info.major;
		d.minor = info.minor;
		d.open_count = info.open_count;
		d.suspended = info.suspended;
		d.read_only = info.read_only;
		*ret_device = d;
	}
	dm_task_destroy(t);
	return r;
}

void ctl_dm_free(struct ctl_dm_device *d)
{
	free(d->params);
	d->params = NULL;
}

/* The kernel's own words are better than libdevmapper's "ioctl failed". */
static void keep_kernel_reason(int log, const char *device, const char *target, int r)
{
	char reason[sizeof(complaint)];
	int found = ctl_kmsg_reason(log, device, target, r, reason, sizeof(reason));

	if (!r || found == -ENODATA)
		return;
	if (found)
		snprintf(complaint, sizeof(complaint),
			 "%s; other tables failed at the same time: the kernel's log says why", strerror(-r));
	else if (!strncmp(reason, "unknown target type", 19))
		snprintf(complaint, sizeof(complaint),
			 "the kernel has no target %s; is the module dm-chunkcache installed for it?",
			 target);
	else
		snprintf(complaint, sizeof(complaint), "%s", reason);
}

/* "253:0", or "" of what is not there yet */
static void find_number(const char *name, char *ret, size_t size)
{
	struct dm_task *t = new_task(DM_DEVICE_INFO, name);
	struct dm_info info;

	ret[0] = 0;
	if (!t)
		return;
	if (!run(t) && dm_task_get_info(t, &info) && info.exists)
		snprintf(ret, size, "%u:%u", info.major, info.minor);
	dm_task_destroy(t);
}

/* DM_DEVICE_CREATE or DM_DEVICE_RELOAD with a table of one target */
static int load_table(int type, const char *name, const char *uuid, bool read_only,
		      uint64_t sectors, const char *target, const char *params)
{
	struct dm_task *t = new_task(type, name);
	char device[24] = "";
	int r, log;

	if (!t)
		return -ENOMEM;
	if (type == DM_DEVICE_RELOAD)
		find_number(name, device, sizeof(device));
	log = ctl_kmsg_start();
	if ((read_only && !dm_task_set_ro(t)) || (uuid && !dm_task_set_uuid(t, uuid)) ||
	    !dm_task_add_target(t, 0, sectors, target, params))
		r = -ENOMEM;
	else
		r = type == DM_DEVICE_CREATE ? run_and_settle(t) : run(t);
	keep_kernel_reason(log, device, target, r);
	dm_task_destroy(t);
	return r;
}

int ctl_dm_create(const char *name, const char *kind, const uint8_t id[16], bool read_only,
		  uint64_t sectors, const char *target, const char *params)
{
	char text[CC_UUID_TEXT], uuid[64];

	cc_uuid_text(id, text);
	snprintf(uuid, sizeof(uuid), "CHUNKCACHE-%s-%s", kind, text);
	return load_table(DM_DEVICE_CREATE, name, uuid, read_only, sectors, target, params);
}

int ctl_dm_remove(const char *name)
{
	struct dm_task *t = new_task(DM_DEVICE_REMOVE, name);
	int r;

	if (!t)
		return -ENOMEM;
	dm_task_retry_remove(t);	/* udev's own probing opens it for a moment */
	r = run_and_settle(t);
	dm_task_destroy(t);
	return r;
}

/* suspend or resume, without flushing and without freezing a file system on it */
static int simple(int type, const char *name)
{
	struct dm_task *t = new_task(type, name);
	int r;

	if (!t)
		return -ENOMEM;
	dm_task_no_flush(t);
	dm_task_skip_lockfs(t);
	r = type == DM_DEVICE_RESUME ? run_and_settle(t) : run(t);
	dm_task_destroy(t);
	return r;
}

int ctl_dm_replace(const char *name, bool read_only, uint64_t sectors, const char *target,
		   const char *params)
{
	int r = load_table(DM_DEVICE_RELOAD, name, NULL, read_only, sectors, target, params);

	if (!r)
		r = simple(DM_DEVICE_SUSPEND, name);
	if (!r)
		r = simple(DM_DEVICE_RESUME, name);
	return r;
}

int ctl_dm_wipe(const char *name)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r)
		return r;
	r = ctl_dm_replace(name, d.read_only, d.sectors, "error", "");
	ctl_dm_free(&d);
	return r;
}

int ctl_dm_message(const char *name, const char *message, char *ret_answer, size_t size)
{
	struct dm_task *t = new_task(DM_DEVICE_TARGET_MSG, name);
	const char *answer;
	int r;

	if (!t)
		return -ENOMEM;
	r = dm_task_set_sector(t, 0) && dm_task_set_message(t, message) ? run(t) : -ENOMEM;
	answer = r ? NULL : dm_task_get_message_response(t);
	if (!r)
		snprintf(ret_answer, size, "%s", answer ? answer : "");
	dm_task_destroy(t);
	return r;
}

int ctl_dm_list(int (*fn)(void *arg, const char *name), void *arg)
{
	struct dm_task *t = new_task(DM_DEVICE_LIST, NULL);
	struct dm_names *n;
	int r;

	if (!t)
		return -ENOMEM;
	r = run(t);
	n = r ? NULL : dm_task_get_names(t);
	while (n && n->dev) {
		r = fn(arg, n->name);
		if (r || !n->next)
			break;
		n = (struct dm_names *)((char *)n + n->next);
	}
	dm_task_destroy(t);
	return r;
}

const char *ctl_dm_reason(int r)
{
	return complaint[0] ? complaint : strerror(-r);
}
