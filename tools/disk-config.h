/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk is made of: from options of `chunkctl up', or from /etc/chunkcache/disks/NAME.conf,
 * an INI file with one section:
 *
 *	[disk]
 *	pool = cache0			the dm name of the pool
 *	store = main			a [store] of the pool's configuration
 *	image = debian-12		or: digest = sha256:<64 hex>
 *	size = 10G			with digest: do not ask the store for it
 *	features = miss_timeout_ms 5000	arguments for the table line
 *	min_slots = 1000		slots that no other disk can take; or: pin = yes, all it has chunks for
 *	record = auto			make a boot trace if the image has none; default no
 *
 * Or, with /etc/chunkcache/volumes/NAME.conf, what the volume of that name is made with:
 *
 *	[volume]
 *	pool, store, features		as above
 */
#ifndef CTL_DISK_CONFIG_H
#define CTL_DISK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config.h"

#define CTL_DISK_CONFIG_DIR CC_CONFIG_DIR "/disks"
#define CTL_VOLUME_CONFIG_DIR CC_CONFIG_DIR "/volumes"
#define CTL_MIN_SLOTS_MAX ((1u << 29) - 1)	/* as the target has it */

/* Strings are malloc()ed and owned; NULL or 0: not given. */
struct ctl_disk_config {
	char *pool, *store, *image, *digest, *features;
	uint64_t size;			/* bytes */
	uint64_t min_slots;		/* promised to it, 0: none */
	bool pin;			/* all of it */
	bool record_auto;
};

/* 0, or -errno with a line in err that names file, line and key.  Start from zeroed memory. */
int ctl_disk_config_load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen);
/* The same with a section [volume]. */
int ctl_volume_config_load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen);
void ctl_disk_config_free(struct ctl_disk_config *c);

#endif
