/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The journal of a pool, version 1: what makes the writes of volumes durable at a flush.  An area
 * of the pool device (chunkcache/format.h), written by the kernel and read by the helper, at work
 * and after a crash by the same code.  All integers are little-endian.
 *
 * A ring of positions of 8192 bytes, each with two places of 4096: page number n lies at position
 * n % (journal_size / 8192), version v of it in place v % 2.  A page that is not full is written
 * again as the next version, into the other place, so that a torn write never harms what was
 * durable.  Pages are written one at a time, each with PREFLUSH and FUA.
 *
 * The pages that count are found from the newest: the one with the highest number of all places
 * that hold a valid page of this pool, of its two versions the higher.  From there prev leads back
 * to the page with the number tail of the newest one.  A page that could not be written is left
 * out of that chain, and so is what an earlier life of the pool wrote behind the last page that
 * counted then.  A position that can't be read may hold a page: the newest is only found if those
 * of the CC_JOURNAL_TRIES numbers behind it can be.
 */
#ifndef _CHUNKCACHE_JOURNAL_H
#define _CHUNKCACHE_JOURNAL_H

#include <linux/types.h>

#define CC_JOURNAL_MAGIC	"ccjourn\n"	/* 8 bytes, no NUL */
#define CC_JOURNAL_VERSION	1
#define CC_JOURNAL_PAGE		4096
#define CC_JOURNAL_POSITION	(2 * CC_JOURNAL_PAGE)
#define CC_JOURNAL_RECORDS	125		/* of a page */
#define CC_JOURNAL_TRIES	16		/* positions that one page is tried at */
#define CC_JOURNAL_SIZE_MIN	(256 * CC_JOURNAL_POSITION)	/* 2 MiB */
#define CC_JOURNAL_SIZE_MAX	(1ULL << 36)

#define CC_BLOCK_SHIFT		12		/* of a volume: 4096 bytes */
#define CC_BLOCK_SIZE		(1u << CC_BLOCK_SHIFT)

/*
 * A place: where the bytes of a block of a volume lie, and how that compares with others: the
 * higher one was taken later and wins.  0: the base has the block.
 *
 *	63	CC_PLACE_GUEST	of a guest's write; clear: of the cleaner, below all of these
 *	62..13	number of the log chunk: term (18 bits), count in it (32 bits)
 *	12..1	block in the log chunk
 *	0	CC_PLACE_DATA	clear: zeros, below the data that may follow at the same position
 */
#define CC_PLACE_GUEST		(1ULL << 63)
#define CC_PLACE_DATA		1ULL
#define CC_PLACE_BLOCK_SHIFT	1
#define CC_PLACE_BLOCK_MASK	0xfffULL
#define CC_PLACE_LOG_SHIFT	13
#define CC_PLACE_LOG_MASK	((1ULL << 50) - 1)
#define CC_LOG_COUNT_BITS	32
#define CC_LOG_TERM_MAX		((1u << 18) - 1)

enum cc_journal_type {
	CC_JOURNAL_VOLUME = 1,	/* volume: from here on the handle of block, place: the UUID,
				 * first half first, as bytes; count: the term */
	CC_JOURNAL_OPEN,	/* place: the first of a log chunk; block: its slot, count: the
				 * slot's generation in the instance of the page */
	CC_JOURNAL_WRITE,	/* count blocks from block on lie at place and behind it */
	CC_JOURNAL_ZERO,	/* count blocks from block on are zeros since place */
	CC_JOURNAL_RELOCATE,	/* WRITE by the cleaner, of blocks that lay at arg and behind it */
	CC_JOURNAL_CUT,		/* all writes with places below place have ended and are in the
				 * journal.  A log chunk with a lower number than place's takes no
				 * more */
	CC_JOURNAL_COMMITTED,	/* all below place is in the store */
	CC_JOURNAL_FORGET,	/* the volume has nothing here any more */
};

struct cc_journal_record {
	__u8	type;		/* enum cc_journal_type */
	__u8	reserved;	/* 0 */
	__le16	volume;		/* handle, from 1 */
	__le32	count;		/* blocks: 1.., if type does not say otherwise */
	__le64	block;
	__le64	place;
	__le64	arg;		/* 0 if type does not say otherwise */
};

struct cc_journal_page {
	__u8	magic[8];
	__le32	crc;		/* CRC-32C of all CC_JOURNAL_PAGE bytes, as in format.h */
	__le16	version_of_format;	/* CC_JOURNAL_VERSION */
	__le16	count;		/* records; the others are zeros */
	__u8	pool_uuid[16];
	__le64	instance;	/* of the pool, that wrote it */
	__le64	number;		/* of the page, from 1; never repeats in the life of a pool */
	__le64	prev;		/* number of the page before it that counts; 0: none */
	__le64	tail;		/* number of the oldest page that counts */
	__le32	version;	/* of the page, from 1 */
	__u8	reserved[28];	/* 0 */
	struct cc_journal_record record[CC_JOURNAL_RECORDS];
};

#endif
