/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What a volume is in a store, version 1.  All integers are little-endian.  Object names below the
 * prefix:
 *
 *	volumes/<uuid>/log/<16 hex>		commit of that number, from 1; created, never
 *						overwritten
 *	volumes/<uuid>/floors/<16 hex>		text, from 1; created, never overwritten
 *	volumes/<uuid>/packs/<term>-<64 hex>	pieces of log chunks, then 8 bytes with the
 *						number of the commit that they were put for,
 *						so that no two commits have a pack in
 *						common; named by the object's SHA-256
 *	volumes/<uuid>/map/<term>-<64 hex>	root or page of a checkpoint's map, named by
 *						its SHA-256
 *	volumes/<uuid>/snapshots/<name>		text, one line: "<term> <64 hex> <time>\n", the
 *						root map/<term>-<64 hex>, and when, in seconds
 *						since 1970; created, never overwritten
 *	volumes/<uuid>/clones/<uuid>		text, one line: "<uuid>\n" of a volume that was
 *						made from a snapshot of this one; never deleted
 *						before all of this one is
 *	volume-names/<name>			text, one line: "<uuid>\n"
 *
 * <uuid> as people write it, in lower case; <term> decimal.  Names of volumes: as
 * those of images; of snapshots too, of at most 64 bytes.
 *
 * Who creates number n owns the volume until somebody else creates an OPEN behind it.  An object
 * counts if its term is that of the last OPEN that counts (for an OPEN: higher) and before is the
 * digest of the object before it that counts; others are stepped over.  Number 1 is an OPEN that
 * volume create makes, with term 1, or one above that of the root that the volume begins with.
 *
 * The last of the floors says where the log begins: a line "<number>\n" of a CHECKPOINT, decimal;
 * from there on nothing is missing.  Without one: number 1.  Then a line "<term> <number>\n" for
 * each owner that was taken over and may come back for a rescue, by term: what there was at the
 * end of that term can be read from that CHECKPOINT, or number 1, on.  Below a floor an OPEN, and
 * what it was built on, stay for ever: they are what an owner of long ago would create next.
 */
#ifndef _CHUNKCACHE_VOLUME_H
#define _CHUNKCACHE_VOLUME_H

#include <linux/types.h>
#include <chunkcache/journal.h>

#define CC_COMMIT_MAGIC		"cccommi\n"	/* 8 bytes, no NUL */
#define CC_COMMIT_VERSION	1
#define CC_COMMIT_HEAD_MAX	(64u << 20)	/* bytes of all but the data */
#define CC_COMMIT_DATA_MAX	(8u << 20)	/* bytes of pieces in the commit itself */
#define CC_PACK_SIZE		(8u << 20)	/* a pack has that at least, where it can */
#define CC_PACK_SIZE_MAX	(CC_PACK_SIZE + (16u << 20))
#define CC_PIECES_MAX		16		/* of one log chunk */
#define CC_VOLUME_HOST_MAX	63		/* bytes of a host's name, without the NUL */

enum cc_commit_type {
	CC_COMMIT_OPEN = 1,	/* owner takes the volume */
	CC_COMMIT_DATA,		/* pieces and records */
	CC_COMMIT_CLOSE,	/* owner has given the volume up; all of it is in the store */
	CC_COMMIT_RESIZE,
	CC_COMMIT_CHECKPOINT,	/* map, a root, says what all objects before it add up to */
};

/*
 * Of each object of the log.  Followed by nr_pieces of struct cc_commit_piece, nr_records of struct
 * cc_commit_record, both in ascending order of their places, and from data_offset on by the bytes
 * of those pieces that have no pack.  digest: SHA-256 of the data_offset bytes from the start with
 * crc and digest zero; it is what the next object has as before.
 */
struct cc_commit_header {
	__u8	magic[8];
	__le32	version;		/* CC_COMMIT_VERSION */
	__le32	crc;			/* CRC-32C of the data_offset bytes from the start */
	__u8	digest[32];
	__u8	before[32];		/* of the object before that counts; zeros in number 1 */
	__u8	volume[16];		/* UUID */
	__u8	owner[16];		/* UUID of the pool; zeros in number 1 */
	__le64	number;
	__le64	size;			/* of the volume, bytes, a multiple of CC_BLOCK_SIZE */
	__le64	time;			/* seconds since 1970, for people */
	__le64	cut;			/* a cut: all the guest's places below are in
					 * the store */
	__le64	data_offset;		/* multiple of 8 */
	__le32	type;			/* enum cc_commit_type */
	__le32	term;			/* 1..CC_LOG_TERM_MAX */
	__le32	chunk_shift;		/* log2 of the bytes of a log chunk; never changes */
	__le32	nr_pieces;
	__le32	nr_records;
	__u8	reserved[4];
	__u8	base[32];		/* manifest of the image below; zeros: none */
	__u8	map[32];		/* CHECKPOINT: names map/<map_term>-<map>; else
					 * the one of the last that counts, zeros if
					 * there is none */
	__le64	map_number;		/* of that CHECKPOINT; what is behind it is not
					 * in the map; 0: none.  A CHECKPOINT has its
					 * own number */
	__le32	map_term;
	__u8	reserved2[4];
	__le64	nonce;			/* OPEN: random, so that no two owners with one
					 * UUID (a pool that was copied) take the same
					 * object for their own; else 0 */
	__u8	reserved3[8];
	char	host[64];		/* of the owner, for people: printable ASCII, NUL */
};

/* Part of a log chunk that one commit put. */
struct cc_commit_piece {
	__le64	place;			/* its first block's, with CC_PLACE_DATA */
	__le32	count;			/* blocks */
	__le32	pack_term;		/* 0: in this object */
	__u8	sha256[32];		/* of its bytes; zeros where no record names a block */
	__u8	pack[32];		/* names packs/<pack_term>-<pack>; zeros with pack_term 0 */
	__le64	offset;			/* of its bytes in the pack, or in this object */
};

/* As struct cc_journal_record. */
struct cc_commit_record {
	__u8	type;			/* CC_JOURNAL_WRITE, _ZERO, _RELOCATE */
	__u8	reserved[3];
	__le32	count;
	__le64	block;
	__le64	place;
	__le64	arg;
};

#define CC_ROOT_MAGIC		"ccroot1\n"	/* 8 bytes, no NUL */
#define CC_PAGE_MAGIC		"ccpage1\n"
#define CC_PAGE_BLOCKS_SHIFT	14		/* log2 of the blocks of a page of extents */
#define CC_PAGE_LOGS_SHIFT	8		/* and of the log chunks of one of pieces */

enum cc_map_kind {
	CC_MAP_PIECES = 1,	/* of (1 << CC_PAGE_LOGS_SHIFT) log chunks, GUEST being the highest
				 * bit of their numbers; index counts so many */
	CC_MAP_EXTENTS,		/* of (1 << CC_PAGE_BLOCKS_SHIFT) blocks, index counts so many */
};

/*
 * A checkpoint's map is a tree: a root, which names pages.  Both are in map/.  What did not change
 * since the root before is named again.  The root is followed by nr_origins of struct
 * cc_map_origin, in ascending order of their terms, and by nr_refs of struct cc_map_ref, by kind,
 * then by index.  The root's SHA-256 is the identity of what the volume was.
 *
 * A volume that was made from another one's root goes on with that one's terms.  So the term tells
 * whose directory an object is in: a pack, a page and a commit with the bytes of log chunks of that
 * term are of the first origin whose term is not lower; else of the volume itself.
 */
struct cc_root_header {
	__u8	magic[8];
	__le32	version;		/* 1 */
	__le32	chunk_shift;
	__u8	volume[16];
	__le64	number;			/* of the last object of the log that it has; 0: all of
					 * it is of origins */
	__le64	cut;
	__le64	size;			/* of the volume, bytes */
	__u8	base[32];
	__le32	term;			/* in which it was made; no other object has a higher one */
	__le32	nr_origins;
	__le64	nr_refs;
};

struct cc_map_origin {
	__u8	volume[16];
	__le32	term;			/* the last one that is of this volume */
	__u8	reserved[4];
};

/* Names map/<term>-<sha256>.  term 0: zeros all over, at the place in the first 8 bytes. */
struct cc_map_ref {
	__le64	index;
	__le32	kind;			/* enum cc_map_kind */
	__le32	term;
	__u8	sha256[32];
};

/*
 * A page can be read without any other.  Followed by one zstd frame, which has nr of struct
 * cc_commit_piece (pack_term 0: in the commit whose number is in the first 8 bytes of pack, zeros
 * behind; one of which all but place is 0, at the first block of a log chunk: nothing of that is
 * needed any more) or of struct cc_page_extent, in ascending order, none on another.
 */
struct cc_page_header {
	__u8	magic[8];
	__le32	version;		/* 1 */
	__le32	kind;
	__u8	volume[16];		/* that made it */
	__le64	index;
	__le64	number;			/* as in the root that it was made for: so that no two of
					 * them have a page in common that each would put */
	__le32	chunk_shift;
	__le32	nr;
};

struct cc_page_extent {
	__le64	place;
	__le16	first;			/* block, in the page */
	__le16	count;
	__u8	reserved[4];
};

#endif
