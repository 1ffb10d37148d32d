/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grammar of the table lines, in both directions.
 *
 *   chunkcache-pool <cache device> [<#features> <feature>...]
 *   chunkcache <pool device> <store name> sha256:<64 hex> [<#features> <feature>...]
 *   chunkcache-vol <pool device> <store name> <UUID> [<#features> <feature>...]
 *
 * Features of a disk: miss_timeout_ms <1..86400000>, suspend_timeout_ms <1..3600000>,
 * max_misses <1..1048576>, min_slots <1..536870911> or pin.  Of a volume besides:
 * logical_block_size <512|4096>, durability <local|store>.  Of a pool: discard.  #features counts
 * words.
 */
#ifndef CC_TABLE_H
#define CC_TABLE_H

#include <linux/uuid.h>
#include "types.h"

struct dm_target;

struct cc_disk_args {
	char store[CHUNKCACHE_STORE_NAME_MAX + 1];
	u8 digest[CHUNKCACHE_DIGEST_SIZE];
	u32 miss_timeout_ms;		/* 0: hard, hold for ever */
	u32 suspend_timeout_ms;
	u32 max_misses;
	u32 min_slots;			/* 0: none */
	u32 pin;			/* 1: yes */
	u32 durable_store;		/* of a volume; 1: yes */
	u32 logical_block_size;		/* of a volume, SECTOR_SIZE if not given; a disk has 0 */
};

struct cc_pool_args {
	bool discard;			/* evicted slots are discarded */
};

#define CC_SUSPEND_TIMEOUT_MS	30000
#define CC_MAX_MISSES		4096

/* 0 or -EINVAL with ti->error set. */
int cc_table_parse_disk(struct dm_target *ti, unsigned int argc, char **argv,
			struct cc_disk_args *ret);
/* The digest is left zero. */
int cc_table_parse_volume(struct dm_target *ti, unsigned int argc, char **argv,
			  struct cc_disk_args *ret, uuid_t *ret_uuid);
int cc_table_parse_pool(struct dm_target *ti, unsigned int argc, char **argv,
			struct cc_pool_args *ret);

/* " <#features> <feature>..." into result; returns bytes written. */
unsigned int cc_table_emit_features(const struct cc_disk_args *a, char *result,
				    unsigned int maxlen);
unsigned int cc_table_emit_pool_features(const struct cc_pool_args *a, char *result,
					 unsigned int maxlen);
/* " <store> sha256:<hex>" and the features. */
unsigned int cc_table_emit_disk(const struct cc_disk_args *a, char *result,
				unsigned int maxlen);
/* " <store> <UUID>" and the features. */
unsigned int cc_table_emit_volume(const struct cc_disk_args *a, const uuid_t *uuid, char *result,
				  unsigned int maxlen);

#endif
