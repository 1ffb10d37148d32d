/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device-mapper devices, by libdevmapper.  Works with and without udev: without, libdevmapper
 * makes the nodes in /dev/mapper itself.  With udev, it makes the node but does not look at the
 * content: there are no links in /dev/disk.
 */
#ifndef CTL_DM_H
#define CTL_DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_DM_NAME_MAX 127
#define CTL_TARGET_POOL "chunkcache-pool"
#define CTL_TARGET_DISK "chunkcache"
#define CTL_TARGET_VOLUME "chunkcache-vol"

struct ctl_dm_device {
	char name[CTL_DM_NAME_MAX + 1];
	char type[32];		/* of its only target; "" without a table, "several" with more */
	char *params;		/* the target's table or status text; malloc()ed, owned */
	uint64_t sectors;
	uint32_t major, minor;
	int open_count;
	bool suspended, read_only;
};

enum ctl_dm_what { CTL_DM_TABLE, CTL_DM_STATUS };

/* 1 to CTL_DM_NAME_MAX of [a-zA-Z0-9._-], not starting with '.' or '-'. */
bool ctl_dm_name_ok(const char *name);

/*
 * Each returns 0 or -errno; -ENXIO: no such device.  ctl_dm_reason() then is what the kernel or
 * libdevmapper said of it, or the text of the errno.
 */
int ctl_dm_get(const char *name, enum ctl_dm_what what, struct ctl_dm_device *ret_device);
void ctl_dm_free(struct ctl_dm_device *d);
/* kind, id: of the device's UUID, CHUNKCACHE-<kind>-<id>, by which udev's rules know it. */
int ctl_dm_create(const char *name, const char *kind, const uint8_t id[16], bool read_only,
		  uint64_t sectors, const char *target, const char *params);
/* The same for a device that exists: suspends without flushing, then resumes with the new table. */
int ctl_dm_replace(const char *name, bool read_only, uint64_t sectors, const char *target,
		   const char *params);
/* -EBUSY while somebody has it open. */
int ctl_dm_remove(const char *name);
/*
 * Suspend without flushing and put an error table in: whoever waits for it gets an error, now.
 * What dmsetup remove --force does before it removes.
 */
int ctl_dm_wipe(const char *name);
/* Send the target a message; what it answers, if anything, goes to ret_answer. */
int ctl_dm_message(const char *name, const char *message, char *ret_answer, size_t size);
/* Calls fn with the name of every dm device; a non-zero return ends it and is returned. */
int ctl_dm_list(int (*fn)(void *arg, const char *name), void *arg);
const char *ctl_dm_reason(int r);

#endif
