/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The superblock of a pool device: layout of a new pool, encoding, and the checks that
 * decide whether a device is a pool at all (chunkcache/format.h).
 */
#ifndef CC_SUPERBLOCK_H
#define CC_SUPERBLOCK_H

#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"

/* A superblock in host byte order.  Offsets and sizes are bytes. */
struct cc_pool_geometry {
	uint8_t uuid[16];
	uint32_t slot_shift;
	uint64_t nr_slots;		/* 1..CC_NR_SLOTS_MAX */
	uint64_t manifest_offset;
	uint64_t manifest_size;
	uint64_t table_offset;
	uint64_t table_size;
	uint64_t slots_offset;
	uint64_t created;		/* seconds since 1970 */
	uint64_t sequence;
	uint64_t journal_offset;
	uint64_t journal_size;		/* 0: there is none, and the two beside it are 0, too */
	uint64_t dirty_max;		/* slots that may hold what no store has */
};

/*
 * Where things go on a device of device_bytes, with a slot table for one of up to max_bytes, so that the
 * pool can grow.  manifest_bytes, max_bytes 0 mean the default for the size.
 * uuid and created are left zero for the caller, sequence is 1.  -EINVAL with a line in err
 * if the values are out of range or not even one slot fits.
 */
int cc_superblock_layout(uint64_t device_bytes, uint32_t slot_shift, uint64_t manifest_bytes,
			 uint64_t max_bytes, struct cc_pool_geometry *ret, char *err, size_t errlen);
/*
 * Gives a pool that has none a journal, in front of its slots: of them the first *ret_taken go, and the others
 * keep what they have under lower numbers.  dirty_bytes: how much of the slots may hold what no store has;
 * 0: an eighth, and then a journal takes at most an eighth of the slots, too.  -EINVAL with a line in err: out of
 * range, or the pool is too small for it.
 */
int cc_superblock_add_journal(struct cc_pool_geometry *pool, uint64_t dirty_bytes, uint64_t *ret_taken,
			      char *err, size_t errlen);
/* A pool that grows or shrinks.  At most half of its slots may hold what no store has. */
void cc_superblock_set_slots(struct cc_pool_geometry *g, uint64_t nr_slots);
/* As many slots as the slot table has room for: numbers of slots are below it for the life of a pool. */
uint64_t cc_superblock_max_slots(const struct cc_pool_geometry *g);
/* How many slots fit a device of device_bytes, in front of its tail, and the slot table. */
uint64_t cc_superblock_slots_on(const struct cc_pool_geometry *g, uint64_t device_bytes);
/* Fills all CC_SB_SIZE bytes of buf. */
void cc_superblock_encode(const struct cc_pool_geometry *g, void *buf);
/*
 * Check one copy.  -ENODATA: no magic, so not a pool; -EILSEQ: checksum; -EPROTO: version or
 * feature not known; -EINVAL: values that cannot be, or not on a device of device_bytes.
 */
int cc_superblock_check(const void *buf, uint64_t device_bytes,
			struct cc_pool_geometry *ret, char *err, size_t errlen);
/*
 * Read both copies of fd (a block device or a file, may be O_DIRECT) and return the valid one with the
 * larger sequence.  -errno of the read, or what cc_superblock_check() said of copy A.
 */
int cc_superblock_read(int fd, struct cc_pool_geometry *ret, char *err, size_t errlen);
/* Write both copies, one after the other, so that there is always a whole one.  0 or -errno. */
int cc_superblock_write(int fd, const struct cc_pool_geometry *g);
/* Bytes of the block device or file fd. */
int cc_device_bytes(int fd, uint64_t *ret_bytes);

#endif
