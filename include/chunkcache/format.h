/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What dm-chunkcache puts on a pool device and into a store, version 1.
 *
 * All integers are little-endian.  CRC-32C (polynomial 0x1EDC6F41, reflected, initial
 * value and final xor ~0) is taken over the whole structure with its crc field zero.
 *
 * Pool device, in bytes from its start; no area overlaps another:
 *
 *	0		superblock A		4096
 *	65536		superblock B		4096, the same but for its position
 *	manifest_offset	manifest area		manifest_size
 *	table_offset	slot table		table_size, at least nr_slots * 64; the rest
 *						is room for the pool to grow
 *	journal_offset	journal			journal_size, chunkcache/journal.h; only
 *						with CC_SB_JOURNAL
 *	slots_offset	slots			nr_slots * slot_size
 *	CC_TAIL_SIZE from the end		zeros
 *
 * slots_offset is a multiple of 1 MiB and of the slot size.  Offsets and sizes are
 * multiples of 4096.  Nothing but the superblocks has to survive in a pool without a journal: the
 * rest is a cache of what is in the store and is checked by SHA-256 before it is believed.  A
 * journal and the slots that it names have what guests wrote and no store has yet.
 *
 * Areas and slots hold what tenants chose, and must not lie where anybody looks for the
 * signature of a file system, RAID or the like: see CC_HEAD_SIZE and CC_TAIL_SIZE.  Slots
 * that a superblock puts into the tail are not used.
 *
 * Store, object names below the prefix:
 *
 *	chunks/<2 hex>/<64 hex>		bytes of a chunk; the 2 digits are its first two
 *	chunks/<2 hex>/<64 hex>.zst	the same as one zstd frame
 *	manifests/<64 hex>		a manifest
 *	traces/<64 hex>			boot trace of the image of that manifest, if there is one
 *	images/<name>			text, one line: "sha256:<64 hex>\n", an image's manifest
 *	leases/import-<16 hex>		while an import runs; the content has no meaning
 *	leases/gc-<16 hex>		while a gc runs
 *	leases/name-<16 hex>-<16 hex>	while a name is given to an image; the first half is of
 *					the SHA-256 of the name
 *
 * Image names: 1 to 128 of [a-zA-Z0-9._-], not starting with '.' or '-'.
 */
#ifndef _CHUNKCACHE_FORMAT_H
#define _CHUNKCACHE_FORMAT_H

#include <linux/types.h>

#define CC_ID_SIZE		32		/* SHA-256 */
#define CC_CHUNK_SHIFT_MIN	16		/* 64 KiB */
#define CC_CHUNK_SHIFT_MAX	24		/* 16 MiB */
#define CC_CHUNK_SHIFT_DEFAULT	20		/* 1 MiB */
#define CC_IMAGE_SIZE_MAX	(1ULL << 50)	/* bytes */
#define CC_IMAGE_NAME_MAX	128

/* ---- pool device ---- */

#define CC_SB_MAGIC		"dmchunkc"	/* 8 bytes, no NUL */
#define CC_SB_VERSION		1
#define CC_SB_SIZE		4096
#define CC_SB_OFFSET_A		0
#define CC_SB_OFFSET_B		65536
#define CC_META_START		(1 << 20)	/* first byte an area may use */
/*
 * Where format has the first area begin: LUKS2 keeps second headers up to 4 MiB, bcachefs
 * one at 2 MiB, VMFS its own at 1 and 2 MiB.
 */
#define CC_HEAD_SIZE		(8 << 20)
/*
 * Never an area or a slot: Promise RAID is looked for up to 3087 sectors from the end,
 * bcachefs at 1 MiB, the labels of ZFS in the last 768 KiB, md, DDF, IMSM, GPT behind them.
 */
#define CC_TAIL_SIZE		(2 << 20)
#define CC_SB_JOURNAL		(1u << 0)	/* incompat: there is a journal */
#define CC_NR_SLOTS_MAX		((1u << 29) - 1)	/* numbers have 29 bits: 32 TiB of 64 KiB */
#define CC_TABLE_SIZE_MAX	(1ULL << 35)	/* an entry for each number of a slot */

struct cc_superblock {
	__u8	magic[8];
	__le32	version;		/* CC_SB_VERSION */
	__le32	crc;			/* CRC-32C of all CC_SB_SIZE bytes */
	__u8	uuid[16];
	__le32	incompat;		/* feature bits; an unknown one: refuse */
	__le32	slot_shift;		/* log2 of the slot size in bytes */
	__le64	nr_slots;
	__le64	manifest_offset;
	__le64	manifest_size;
	__le64	table_offset;
	__le64	table_size;
	__le64	slots_offset;
	__le64	created;		/* seconds since 1970, for people */
	__le64	sequence;		/* the valid copy with the larger one counts */
	__le64	journal_offset;		/* these three with CC_SB_JOURNAL, else 0 */
	__le64	journal_size;		/* a multiple of CC_JOURNAL_POSITION */
	__le64	dirty_max;		/* slots that may hold what no store has, at most */
	__u8	reserved[CC_SB_SIZE - 128];
};

/*
 * Slot table: entry n tells what slot n may hold.  A hint, written lazily after the
 * kernel took SLOT_DONE, never flushed.  An entry of the running instance whose
 * generation is the kernel's is believed; any other content is hashed first.
 */
struct cc_table_entry {
	__u8	id[CC_ID_SIZE];		/* chunk; all zero: nothing known */
	__u8	domain[8];		/* first 8 bytes of SHA-256 of the domain's name */
	__le64	instance;		/* pool instance that filled the slot */
	__le32	gen;			/* generation of that fill */
	__le32	flags;			/* 0 */
	__u8	reserved[4];
	__le32	crc;
};

/*
 * Manifest area: a directory of CC_MANIFEST_DIR_ENTRIES entries from its start, then
 * blocks of 4096 bytes.  An entry names a run of blocks that holds one manifest.
 */
#define CC_MANIFEST_DIR_ENTRIES	4096
#define CC_MANIFEST_DIR_SIZE	(CC_MANIFEST_DIR_ENTRIES * 64)
#define CC_MANIFEST_AREA_MAX	(CC_MANIFEST_DIR_SIZE + (1ULL << 44))	/* blocks have 32 bits */

struct cc_manifest_entry {
	__u8	digest[CC_ID_SIZE];	/* all zero: unused */
	__u8	domain[8];		/* as in struct cc_table_entry */
	__le32	block;			/* first block, from the end of the directory */
	__le32	size;			/* bytes of the manifest */
	__le64	used;			/* seconds since 1970 of the last use; for eviction */
	__u8	reserved[4];
	__le32	crc;
};

/* ---- store ---- */

#define CC_MANIFEST_MAGIC	"ccmanif\n"	/* 8 bytes, no NUL */
#define CC_MANIFEST_VERSION	1
#define CC_MANIFEST_SIZE_MAX	(1u << 30)	/* bytes of one: 32 Mi chunks */
#define CC_MANIFEST_CHUNKS_MAX	((CC_MANIFEST_SIZE_MAX - sizeof(struct cc_manifest_header)) / \
				 CC_ID_SIZE)
#define CC_ENCODING_RAW		0		/* chunks/xx/<id> */
#define CC_ENCODING_ZSTD	1		/* chunks/xx/<id>.zst */

/* Followed by one CC_ID_SIZE id per chunk; the all-zero id is a hole. */
struct cc_manifest_header {
	__u8	magic[8];
	__le32	version;		/* CC_MANIFEST_VERSION */
	__le32	chunk_shift;		/* CC_CHUNK_SHIFT_MIN..MAX */
	__le64	image_size;		/* bytes, 1..CC_IMAGE_SIZE_MAX, a multiple of 512; the last
					 * chunk is padded with zeros to full size */
	__le32	encoding;
	__u8	reserved[4];		/* 0 */
};

/*
 * Boot trace: which chunks the first reads of disks of an image go to, and when.  A hint,
 * rewritten with each run that is recorded: what is wrong with it is never an error of the disk.
 */
#define CC_TRACE_MAGIC		"cctrace\n"	/* 8 bytes, no NUL */
#define CC_TRACE_VERSION	1
#define CC_TRACE_CHUNKS_MAX	16384
#define CC_TRACE_RUNS_MAX	16		/* from there on all counts of runs are halved */
#define CC_TRACE_TIMES		3
#define CC_TRACE_NO_TIME	0xffffffffu
#define CC_TRACE_SIZE_MAX	(64 + CC_TRACE_CHUNKS_MAX * 24)

/* Followed by nr_chunks of struct cc_trace_entry, and nothing else. */
struct cc_trace_header {
	__u8	magic[8];
	__le32	version;		/* CC_TRACE_VERSION */
	__le32	crc;			/* CRC-32C of the whole object */
	__u8	digest[CC_ID_SIZE];	/* of the manifest */
	__le32	chunk_shift;		/* of the manifest */
	__le32	runs;			/* 1..CC_TRACE_RUNS_MAX */
	__le32	nr_chunks;		/* 0..CC_TRACE_CHUNKS_MAX */
	__u8	reserved[4];		/* 0 */
};

/* In the order of first touch: medians of the times never go back.  No chunk comes twice. */
struct cc_trace_entry {
	__le64	chunk;			/* inside of the image */
	__le32	ms[CC_TRACE_TIMES];	/* since the disk's start, in the last runs that touched
					 * it, the newest first; then CC_TRACE_NO_TIME, but not in
					 * ms[0] */
	__le32	runs;			/* that touched it, 1..runs of the header */
};

#endif
