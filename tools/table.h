/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text that dm carries for our targets: table parameters and status lines, as numbers.
 * Pure: no I/O.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdint.h>

/* chunkcache-pool, INFO */
struct ctl_pool_status {
	uint64_t slot_sectors;
	uint64_t free, filling, valid, dying, bad, total;	/* slots */
	uint64_t fills, evictions;
	char helper[16];		/* none, attached, draining */
	uint64_t session;
	char mode[16];			/* normal, suspended */
	/* what an older module does not tell is "none", 0 */
	char journal[16];		/* none, recovering, running, failed */
	uint64_t journal_used, journal_size;	/* pages */
	uint64_t log, dirty_max;	/* slots that hold what no store has, and how many may */
};

/* chunkcache, INFO */
struct ctl_disk_status {
	uint64_t id;
	uint64_t chunk_sectors;
	uint64_t mapped, chunks;
	uint64_t hits, misses, coalesced, holes, errors;	/* bios */
	uint64_t waiting, oldest_ms;
	char manifest[16];		/* new, loaded, refused */
	char mode[16];			/* hard, soft */
};

/* chunkcache, TABLE */
struct ctl_disk_table {
	char pool[128];			/* device as dm prints it: MAJOR:MINOR */
	char store[128];
	char digest[80];		/* sha256:<hex> */
};

/* chunkcache-vol, INFO */
struct ctl_volume_status {
	struct ctl_disk_status disk;
	char state[16];			/* new, running, failed */
	uint64_t handle, term;
	uint64_t writes, flushes, discarded_sectors, write_errors;
	uint64_t held;			/* writes that wait for room now */
	uint64_t throttled_us;
};

/* chunkcache-vol, TABLE */
struct ctl_volume_table {
	char pool[128];			/* MAJOR:MINOR */
	char store[128];
	char uuid[40];
};

/* 0, or -EINVAL if the text is not of this form. */
int ctl_pool_status_parse(const char *text, struct ctl_pool_status *ret_status);
int ctl_disk_status_parse(const char *text, struct ctl_disk_status *ret_status);
int ctl_volume_status_parse(const char *text, struct ctl_volume_status *ret_status);
int ctl_volume_table_parse(const char *text, struct ctl_volume_table *ret_table);
int ctl_disk_table_parse(const char *text, struct ctl_disk_table *ret_table);

#endif
