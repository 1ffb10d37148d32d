/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of a pool's helper, /etc/chunkcache/<pool>.conf: INI with the sections [pool]
 * and [store NAME].  Unknown sections and keys are errors; a mistake is reported with file, line, key
 * and what was expected.
 */
#ifndef CC_CONFIG_H
#define CC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "settings.h"

#define CC_CONFIG_DIR	"/etc/chunkcache"
#define CC_RUN_DIR	"/run/chunkcache"
#define CC_MAX_STORES	64

struct cc_config {
	char *pool;			/* dm name of the pool: basename of the file unless [pool] name= */
	char *device;			/* [pool] device=; default /dev/mapper/<pool> */
	char *control_socket;		/* default /run/chunkcache/<pool>.sock */
	char *metrics_socket;		/* default: control_socket's, with .metrics for .sock */
	char *metrics_listen;		/* address and port of the loopback; NULL: none */
	uint64_t buffer_bytes;		/* fill buffers, locked; default (0) 64 chunks, at least 4 */
	uint64_t ram_cache_bytes;	/* verified chunks kept in memory; default 64 MiB; 0: none */
	unsigned int slot_wait_ms;	/* 0..60000, default 200 */
	unsigned int scrub_interval_ms;	/* each slot is hashed again once in it; default 30 days; 0: never */
	bool verify_fill;		/* read each slot back before SLOT_DONE */
	bool lock_memory;		/* mlockall; default yes */
	bool prefetch;			/* for readers in order; default yes */
	unsigned int prefetch_window;	/* chunks ahead of one, 1..CC_PREFETCH_WINDOW_MAX, default 16 */
	bool replay;			/* boot traces of the stores; default yes */
	struct cc_fetch_config fetch;
	struct cc_store_config stores[CC_MAX_STORES];
	unsigned int nr_stores;
};

/* Returns 0, or -errno with one line in err ("FILE:LINE: key: expected ..."). */
int cc_config_load(const char *file, struct cc_config *ret_config, char *err, size_t errlen);
void cc_config_free(struct cc_config *c);
/* A configuration file of all keys with their defaults and what is expected of each. */
void cc_config_print_defaults(FILE *to);
/* The store called name, or NULL. */
const struct cc_store_config *cc_config_store(const struct cc_config *c, const char *name);

#endif
