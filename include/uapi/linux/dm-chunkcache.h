/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Netlink protocol between dm-chunkcache.ko and its helper, version 2.
 *
 * Generic netlink family "chunkcache", in the initial network namespace only.
 * Every command needs CAP_NET_ADMIN and CAP_SYS_ADMIN.  All but ATTACH,
 * SLOT_GET and STATS_GET must come from the socket that ATTACHed; the pool is that of the
 * sender, and each message carries the session number that ATTACH returned.
 *
 * The kernel's tables are the truth and a message is only a hint: the helper
 * PULLS its work.  The kernel sends at most one DOORBELL that has not been
 * acknowledged, to a second socket of the helper that carries nothing else.
 *
 * Slots ("this place on the pool device holds checked bytes") and mappings
 * ("this chunk of this disk is there") are two independent, idempotent kinds
 * of fact.  A slot is named by its number AND its generation, so that a message
 * that is late or repeated can never touch the slot's next use.
 *
 * Batches are arrays of fixed-size records in one binary attribute.  Each
 * record is judged by itself.  The reply to a batch carries
 * CHUNKCACHE_A_REFUSED, an array of struct chunkcache_refused, one for each
 * record that was refused; it is left out if all were taken.  All integers are
 * in host byte order; records are 8-byte aligned and have no implicit padding.
 * A record's reserved fields must be zero.
 *
 * Common errors (errno of the netlink ack, with an extended-ack text):
 *   EPERM     no CAP_NET_ADMIN or CAP_SYS_ADMIN, or not the initial network namespace
 *   ENOTCONN  the sender has no session (or not any more)
 *   ESTALE    CHUNKCACHE_A_SESSION is not the sender's session
 *   EINVAL    attribute missing or of the wrong size
 *   ERANGE    attribute out of range or too long
 *   ENOMEM    no memory for the reply; nothing was changed
 *
 * ATTACH: become the helper of a pool.  Refused while a live helper is.
 *   in:  CHUNKCACHE_A_VERSION    u32   CHUNKCACHE_PROTOCOL_VERSION
 *        CHUNKCACHE_A_POOL_FD    u32   the sender's descriptor of the pool's
 *                                      dm device, O_RDWR | O_DIRECT; all slot
 *                                      writes must go through this open file.
 *                                      The kernel keeps a reference: slots in
 *                                      FILLING are taken back only when nobody
 *                                      else holds it, so never dup() or pass it
 *        CHUNKCACHE_A_POOL_UUID  16 bytes  uuid of the superblock
 *        CHUNKCACHE_A_BELL_PORT  u32   netlink port of the doorbell socket
 *   out: CHUNKCACHE_A_SESSION    u64   never 0, never repeats in an instance
 *        CHUNKCACHE_A_INSTANCE   u64   random number of this life of the pool
 *        CHUNKCACHE_A_SLOT_SIZE  u32   bytes, a power of two
 *        CHUNKCACHE_A_NR_SLOTS   u64   now; a pool can be resized, up to what its slot
 *                                      table has room for, and no word is said of it
 *        CHUNKCACHE_A_POOL_NAME  string  name of the dm device
 *   errno: EBUSY  another helper is attached
 *          EBADF  POOL_FD is no open file
 *          ENODEV POOL_FD is not a pool's dm device, or the pool has no table
 *          EINVAL POOL_FD lacks O_DIRECT or write permission
 *          ESTALE POOL_UUID is another one
 *          EPROTO VERSION is not supported; the text names the supported one
 *
 * DETACH: all writes of the sender have completed.  Its slots that are still
 *   FILLING become FREE; misses it was given are NEW again.
 *   in:  SESSION
 *
 * DOORBELL (kernel to helper): there is something to pull.
 *   CHUNKCACHE_A_SESSION  u64
 *   CHUNKCACHE_A_PENDING  u32   enum chunkcache_pending bits
 *
 * DISK_GET (dump): the disks of the pool that may be asked for.
 *   in:  SESSION
 *   out, one message each:
 *        CHUNKCACHE_A_DISK         u64   disk ID: one table instance, never re-used
 *        CHUNKCACHE_A_DISK_NAME    string  name of the dm device
 *        CHUNKCACHE_A_STORE        string  store name of the table line
 *        CHUNKCACHE_A_DIGEST       32 bytes  SHA-256 of the manifest
 *        CHUNKCACHE_A_DISK_SECTORS u64   length of the disk, 512-byte sectors
 *        CHUNKCACHE_A_DISK_STATE   u32   enum chunkcache_disk_state
 *      of a volume instead of DIGEST:
 *        CHUNKCACHE_A_VOLUME_UUID  16 bytes
 *        CHUNKCACHE_A_VOLUME_STATE u32   enum chunkcache_volume_state
 *        CHUNKCACHE_A_VOLUME       u32   handle in the journal; 0 before VOLUME_START
 *        CHUNKCACHE_A_TERM         u32   0 before VOLUME_START
 *        CHUNKCACHE_A_FIRST_LOG    u64   number of the chunk that stands for log chunk index 0:
 *                                        misses and mappings of log chunk index i have number
 *                                        FIRST_LOG + i
 *        CHUNKCACHE_A_NR_LOGS      u32   log chunks that VOLUME_LOAD brought; those that the kernel
 *                                        opens in TERM have the indexes from there on, in the
 *                                        order of their numbers, which count from 0
 *        CHUNKCACHE_A_DURABLE_STORE flag a flush, or a write with FUA, waits for COMMITTED: each
 *                                        makes a cut, and what is cut is to be committed at once
 *
 * DISK_STATE: the manifest of a disk is loaded, or refused and why.
 *   While REFUSED, reads of unmapped chunks fail at once with EIO; LOADED
 *   lets them wait for data again.
 *   in:  SESSION, DISK, DISK_STATE (LOADED or REFUSED)
 *        CHUNKCACHE_A_REASON  string, at most 127 bytes, printable ASCII:
 *                             with REFUSED; goes to the kernel log
 *   errno: ENOENT  no such disk (gone, or of an earlier instance)
 *
 * MISS_GET: pull misses.
 *   in:  SESSION
 *        CHUNKCACHE_A_COUNT  u32   at most so many, 1..CHUNKCACHE_MISS_BATCH_MAX
 *        CHUNKCACHE_A_ALL    flag  (optional) give SENT misses again, too:
 *                                  start the table anew; continue without it
 *   out: CHUNKCACHE_A_MISSES  array of struct chunkcache_miss, may be empty
 *        CHUNKCACHE_A_PENDING u32   enum chunkcache_pending bits.  If fewer than
 *             COUNT misses came back there were no more, and what else is
 *             pending is returned and cleared.  The bell is armed again only
 *             by an answer with no misses and PENDING == 0: pull until then.
 *
 * SLOT_ALLOC: FREE -> FILLING for the sender.  Answers at once.
 *   in:  SESSION
 *        either CHUNKCACHE_A_COUNT  u32, 1..CHUNKCACHE_SLOT_BATCH_MAX
 *               CHUNKCACHE_A_PREFETCH flag (optional): may hold at most a quarter
 *                                     of the slots, never the last two free
 *        or     CHUNKCACHE_A_SLOTS  array of struct chunkcache_slot, gen 0:
 *               these slots by name, to adopt what an earlier instance left;
 *               granted only if never handed out in this instance
 *   out: CHUNKCACHE_A_SLOTS  array of struct chunkcache_slot: what was granted, with
 *        the generation.  Fewer than asked (also none) if there are no more; for
 *        demand, CHUNKCACHE_PENDING_SLOT rings when there is one again.
 *
 * SLOT_DONE: the bytes are in the slot: FILLING -> VALID, then make mappings.
 *   in:  SESSION
 *        CHUNKCACHE_A_SLOTS  exactly one struct chunkcache_slot
 *        CHUNKCACHE_A_KEY    u64   first 8 bytes of the chunk ID (replacement policy's
 *                                  ghost list); no meaning besides
 *        CHUNKCACHE_A_PREFETCH flag (optional) nobody asked for it yet
 *        CHUNKCACHE_A_MAPS   (optional) array of struct chunkcache_map; slot and gen
 *                            fields must repeat the slot above
 *   out: REFUSED names refused mappings (index into MAPS)
 *   errno: ESTALE  the slot is not FILLING for this session at this generation
 *
 * SLOT_RELEASE: FILLING -> FREE, for slots that were not filled after all.
 *   in:  SESSION, CHUNKCACHE_A_SLOTS (1..CHUNKCACHE_SLOT_BATCH_MAX)
 *        CHUNKCACHE_A_BAD  flag (optional) the medium failed: quarantine them
 *   out: REFUSED (ESTALE each: not FILLING for this session at this generation)
 *
 * SLOT_KEEP: FREE slots whose content may be worth adopting: handed out last.
 *   in:  SESSION, CHUNKCACHE_A_SLOTS (gen 0)
 *   out: REFUSED (EBUSY each: handed out already in this instance)
 *
 * SLOT_GET (dump, from any privileged socket):
 *   in:  CHUNKCACHE_A_POOL_NAME, or without it SESSION
 *   out: messages with CHUNKCACHE_A_SLOT_INFO, array of struct chunkcache_slot_info,
 *        slots that are FREE and never handed out are left out
 *
 * MAP: chunks of disks -> slots, or holes.
 *   in:  SESSION, CHUNKCACHE_A_MAPS array of struct chunkcache_map,
 *        1..CHUNKCACHE_MAP_BATCH_MAX records.
 *   Releases whatever waits for these chunks.  A refused record means that the slot is
 *   gone: answer with MISS_DATA from the buffer, then.
 *   Of a refused range of holes the first ones may have been made (ENOMEM only).
 *   out: REFUSED: ENOENT no such disk; ERANGE chunk or count outside of the disk;
 *        ESTALE slot not VALID at that generation; EINVAL bad flags or fields;
 *        E2BIG more than CHUNKCACHE_MAP_CHUNKS_MAX chunks with the records before;
 *        EBUSY a log chunk whose slot is LOG, or a hole for any log chunk;
 *        ENOMEM no page for the entries
 *
 * MISS_DATA: bytes of a chunk for a miss; copied into the bios that wait.
 *   in:  SESSION
 *        CHUNKCACHE_A_DISK, CHUNKCACHE_A_CHUNK, CHUNKCACHE_A_COOKIE  u64: the miss
 *        CHUNKCACHE_A_OFFSET  u32   bytes from the start of the chunk, multiple of 512
 *        CHUNKCACHE_A_DATA    1..CHUNKCACHE_DATA_MAX bytes, multiple of 512
 *        CHUNKCACHE_A_LAST    flag  no more comes: bios that are covered have been
 *                                   answered, the others make the miss NEW again
 *   MISS_GET may give a miss again with the same cookie and other flags: demand joined what
 *   only readahead had asked for, or a reader that can take nothing but MISS_DATA.
 *   A bio takes data in ascending order only, from where the data before ended.
 *   errno: ENOENT no such disk or miss; ESTALE other cookie; ERANGE outside of the chunk
 *
 * MISS_FAIL: the miss can't be had: its bios end with an error.
 *   in:  SESSION, CHUNKCACHE_A_FAILS array of struct chunkcache_fail
 *   out: REFUSED: ENOENT no such disk or miss; ESTALE other cookie; EINVAL class
 *
 * JOURNAL_GET: how far the journal is (chunkcache/journal.h).
 *   in:  SESSION
 *   out: CHUNKCACHE_A_JOURNAL_STATE u32   enum chunkcache_journal_state
 *        CHUNKCACHE_A_JOURNAL_HEAD  u64   number of the last page that is durable; 0: none in
 *                                         this instance
 *        CHUNKCACHE_A_JOURNAL_TAIL  u64
 *        CHUNKCACHE_A_DIRTY_MAX     u64   slots that may be LOG
 *
 * JOURNAL_RESUME: recovery has read the journal and claimed its slots: RECOVERING -> RUNNING.  Only
 *   then slots are handed out and evicted.
 *   in:  SESSION
 *        CHUNKCACHE_A_JOURNAL_HEAD  u64   number of the next page to be written: above all
 *                                         that were seen, valid or not counted
 *        CHUNKCACHE_A_JOURNAL_PREV  u64   the last page that counts; 0: none
 *        CHUNKCACHE_A_JOURNAL_TAIL  u64   the oldest that counts, or HEAD
 *   errno: EBUSY it is not RECOVERING; ERANGE not TAIL <= PREV < HEAD, or more pages than positions
 *
 * JOURNAL_ADD: append records of the helper's and write them; what was added counts when it is read
 *   in the journal.
 *   in:  SESSION
 *        CHUNKCACHE_A_RECORDS  array of struct chunkcache_record, 1..CHUNKCACHE_RECORD_BATCH_MAX
 *   errno: EBUSY it is not RUNNING; ENOSPC no room now, in memory or in the ring; EINVAL type or
 *          reserved field
 *
 * JOURNAL_TRIM: pages below TAIL are needed no more.  Their positions are used again when a page
 *   that says so is durable.
 *   in:  SESSION, JOURNAL_TAIL
 *   errno: ERANGE below the present one or above the page that takes records
 *
 * SLOT_CLAIM: in recovery: these slots hold log chunks: FREE -> LOG.
 *   in:  SESSION, CHUNKCACHE_A_SLOTS array, gen 0
 *   out: CHUNKCACHE_A_SLOTS with generations, all of them, or an error
 *   errno: EBUSY it is not RECOVERING; ERANGE a number; ESTALE one was handed out before
 *
 * SLOT_CLEAN: the log chunk is in the store and COMMITTED is durable: LOG -> VALID.
 *   in:  SESSION, CHUNKCACHE_A_SLOTS exactly one, CHUNKCACHE_A_KEY
 *   errno: ESTALE not LOG at this generation; EBUSY it still takes writes
 *
 * SLOT_DROP: what these slots hold is not wanted any more, or is not what it should be: LOG, VALID
 *   -> DYING; with BAD they are not used again.
 *   in:  SESSION, CHUNKCACHE_A_SLOTS 1..CHUNKCACHE_SLOT_BATCH_MAX, BAD
 *   out: REFUSED: ESTALE neither LOG nor VALID at this generation; EBUSY it still takes writes
 *
 * VOLUME_LOAD: what the volume's blocks are, before VOLUME_START; any number of messages.
 *   in:  SESSION, DISK
 *        CHUNKCACHE_A_LOGS     (optional) array of struct chunkcache_log, at most
 *                              CHUNKCACHE_EXTENT_BATCH_MAX: the log chunks with the next indexes,
 *                              in ascending order of their numbers, guest's behind the cleaner's
 *        CHUNKCACHE_A_EXTENTS  (optional) array of struct chunkcache_extent, likewise
 *   errno: ENOENT no such volume; EBUSY it was started; ERANGE block, place or slot; ESTALE a
 *          slot's generation; EINVAL order, reserved fields.  What came before the bad record
 *          stays
 *
 * VOLUME_START: the volume is owned and loaded: NEW -> RUNNING; appends its VOLUME record.  Held
 *   I/O goes on.
 *   in:  SESSION, DISK, CHUNKCACHE_A_VOLUME 1..65535, not used by another, CHUNKCACHE_A_TERM 1..
 *        CC_LOG_TERM_MAX, above that of each log chunk loaded
 *   errno: ENOENT; EBUSY it was started, or the journal is not RUNNING; EEXIST the handle; ERANGE;
 *          ENOSPC DIRTY_MAX is less than 2 slots for each volume
 *
 * VOLUME_CUT: put a cut into the journal, unless nothing was written since the last.  Answers at
 *   once; CHUNKCACHE_PENDING_JOURNAL rings when it is durable.  A log chunk with 16 cuts in it is
 *   closed.
 *   in:  SESSION, DISK
 *        CHUNKCACHE_A_SEAL  flag (optional) also close the open log chunk
 *   errno: ENOENT; EBUSY it is not RUNNING
 *
 * VOLUME_FAIL: the volume is somebody else's now, or can't be had: all I/O fails from here on with
 *   EIO.  Its slots stay LOG.
 *   in:  SESSION, DISK, REASON as in DISK_STATE
 *   errno: ENOENT
 *
 * STATS_GET (dump, from any privileged socket): one message for each pool and disk.
 *   in:  nothing
 *   out: CHUNKCACHE_A_POOL_NAME; for a disk also CHUNKCACHE_A_DISK_NAME
 *        CHUNKCACHE_A_STATS  array of u64, in the order of enum chunkcache_stat
 *                            (later versions append)
 *        CHUNKCACHE_A_UNDRAINED u32 (pool) sessions that ended but whose file
 *                            somebody still holds
 */
#ifndef _UAPI_LINUX_DM_CHUNKCACHE_H
#define _UAPI_LINUX_DM_CHUNKCACHE_H

#include <linux/types.h>

#define CHUNKCACHE_GENL_NAME		"chunkcache"
#define CHUNKCACHE_GENL_VERSION		2
#define CHUNKCACHE_PROTOCOL_VERSION	2

#define CHUNKCACHE_STORE_NAME_MAX	63	/* bytes, without the NUL: [a-zA-Z0-9._-] */
#define CHUNKCACHE_REASON_MAX		127	/* bytes, without the NUL */
#define CHUNKCACHE_DIGEST_SIZE		32
#define CHUNKCACHE_MISS_BATCH_MAX	256
#define CHUNKCACHE_SLOT_BATCH_MAX	1024
#define CHUNKCACHE_MAP_BATCH_MAX	1024
#define CHUNKCACHE_MAP_CHUNKS_MAX	(1u << 24)	/* of all records of a MAP */
#define CHUNKCACHE_RECORD_BATCH_MAX	100
#define CHUNKCACHE_EXTENT_BATCH_MAX	2048
#define CHUNKCACHE_DATA_MAX		61440	/* 60 KiB: an attribute's length has 16 bits */

enum chunkcache_cmd {
	CHUNKCACHE_CMD_UNSPEC,
	CHUNKCACHE_CMD_ATTACH,
	CHUNKCACHE_CMD_DETACH,
	CHUNKCACHE_CMD_DOORBELL,
	CHUNKCACHE_CMD_DISK_GET,
	CHUNKCACHE_CMD_DISK_STATE,
	CHUNKCACHE_CMD_MISS_GET,
	CHUNKCACHE_CMD_SLOT_ALLOC,
	CHUNKCACHE_CMD_SLOT_DONE,
	CHUNKCACHE_CMD_SLOT_RELEASE,
	CHUNKCACHE_CMD_SLOT_KEEP,
	CHUNKCACHE_CMD_SLOT_GET,
	CHUNKCACHE_CMD_MAP,
	CHUNKCACHE_CMD_MISS_DATA,
	CHUNKCACHE_CMD_MISS_FAIL,
	CHUNKCACHE_CMD_STATS_GET,
	CHUNKCACHE_CMD_JOURNAL_GET,
	CHUNKCACHE_CMD_JOURNAL_RESUME,
	CHUNKCACHE_CMD_JOURNAL_ADD,
	CHUNKCACHE_CMD_JOURNAL_TRIM,
	CHUNKCACHE_CMD_SLOT_CLAIM,
	CHUNKCACHE_CMD_SLOT_CLEAN,
	CHUNKCACHE_CMD_SLOT_DROP,
	CHUNKCACHE_CMD_VOLUME_LOAD,
	CHUNKCACHE_CMD_VOLUME_START,
	CHUNKCACHE_CMD_VOLUME_CUT,
	CHUNKCACHE_CMD_VOLUME_FAIL,
	__CHUNKCACHE_CMD_AFTER_LAST
};
#define CHUNKCACHE_CMD_MAX (__CHUNKCACHE_CMD_AFTER_LAST - 1)

enum chunkcache_attr {
	CHUNKCACHE_A_UNSPEC,
	CHUNKCACHE_A_PAD,
	CHUNKCACHE_A_VERSION,		/* u32 */
	CHUNKCACHE_A_POOL_FD,		/* u32 */
	CHUNKCACHE_A_POOL_UUID,		/* 16 bytes */
	CHUNKCACHE_A_POOL_NAME,		/* string */
	CHUNKCACHE_A_BELL_PORT,		/* u32 */
	CHUNKCACHE_A_SESSION,		/* u64 */
	CHUNKCACHE_A_INSTANCE,		/* u64 */
	CHUNKCACHE_A_SLOT_SIZE,		/* u32, bytes */
	CHUNKCACHE_A_NR_SLOTS,		/* u64 */
	CHUNKCACHE_A_PENDING,		/* u32, enum chunkcache_pending */
	CHUNKCACHE_A_DISK,		/* u64 */
	CHUNKCACHE_A_DISK_NAME,		/* string */
	CHUNKCACHE_A_DISK_SECTORS,	/* u64 */
	CHUNKCACHE_A_DISK_STATE,	/* u32, enum chunkcache_disk_state */
	CHUNKCACHE_A_STORE,		/* string */
	CHUNKCACHE_A_DIGEST,		/* 32 bytes */
	CHUNKCACHE_A_REASON,		/* string */
	CHUNKCACHE_A_COUNT,		/* u32 */
	CHUNKCACHE_A_ALL,		/* flag */
	CHUNKCACHE_A_PREFETCH,		/* flag */
	CHUNKCACHE_A_BAD,		/* flag */
	CHUNKCACHE_A_LAST,		/* flag */
	CHUNKCACHE_A_CHUNK,		/* u64 */
	CHUNKCACHE_A_COOKIE,		/* u64 */
	CHUNKCACHE_A_OFFSET,		/* u32, bytes */
	CHUNKCACHE_A_KEY,		/* u64 */
	CHUNKCACHE_A_DATA,		/* bytes */
	CHUNKCACHE_A_MISSES,		/* struct chunkcache_miss[] */
	CHUNKCACHE_A_SLOTS,		/* struct chunkcache_slot[] */
	CHUNKCACHE_A_MAPS,		/* struct chunkcache_map[] */
	CHUNKCACHE_A_FAILS,		/* struct chunkcache_fail[] */
	CHUNKCACHE_A_REFUSED,		/* struct chunkcache_refused[] */
	CHUNKCACHE_A_SLOT_INFO,		/* struct chunkcache_slot_info[] */
	CHUNKCACHE_A_STATS,		/* u64[], enum chunkcache_stat */
	CHUNKCACHE_A_UNDRAINED,		/* u32 */
	CHUNKCACHE_A_VOLUME_UUID,	/* 16 bytes */
	CHUNKCACHE_A_VOLUME_STATE,	/* u32, enum chunkcache_volume_state */
	CHUNKCACHE_A_VOLUME,		/* u32, handle in the journal */
	CHUNKCACHE_A_TERM,		/* u32 */
	CHUNKCACHE_A_FIRST_LOG,		/* u64, chunk */
	CHUNKCACHE_A_NR_LOGS,		/* u32 */
	CHUNKCACHE_A_DURABLE_STORE,	/* flag */
	CHUNKCACHE_A_JOURNAL_STATE,	/* u32, enum chunkcache_journal_state */
	CHUNKCACHE_A_JOURNAL_HEAD,	/* u64, number of a page */
	CHUNKCACHE_A_JOURNAL_PREV,	/* u64, the same */
	CHUNKCACHE_A_JOURNAL_TAIL,	/* u64, the same */
	CHUNKCACHE_A_DIRTY_MAX,		/* u64, slots */
	CHUNKCACHE_A_RECORDS,		/* struct chunkcache_record[] */
	CHUNKCACHE_A_LOGS,		/* struct chunkcache_log[] */
	CHUNKCACHE_A_EXTENTS,		/* struct chunkcache_extent[] */
	CHUNKCACHE_A_SEAL,		/* flag */
	__CHUNKCACHE_A_AFTER_LAST
};
#define CHUNKCACHE_A_MAX (__CHUNKCACHE_A_AFTER_LAST - 1)

/* What there is to pull. */
enum chunkcache_pending {
	CHUNKCACHE_PENDING_MISS	= 1 << 0,	/* MISS_GET */
	CHUNKCACHE_PENDING_DISK	= 1 << 1,	/* a disk came or went: DISK_GET */
	CHUNKCACHE_PENDING_SLOT	= 1 << 2,	/* a demand SLOT_ALLOC can be served again */
	CHUNKCACHE_PENDING_HINT	= 1 << 3,	/* a marked chunk was read: MISS_GET has it */
	CHUNKCACHE_PENDING_JOURNAL = 1 << 4,	/* a cut or what JOURNAL_ADD brought is durable,
						 * or writes wait for room: read the journal */
};

enum chunkcache_disk_state {
	CHUNKCACHE_DISK_NEW,		/* nothing heard of the manifest yet */
	CHUNKCACHE_DISK_LOADED,
	CHUNKCACHE_DISK_REFUSED,
};

enum chunkcache_slot_state {
	CHUNKCACHE_SLOT_FREE,
	CHUNKCACHE_SLOT_FILLING,
	CHUNKCACHE_SLOT_VALID,
	CHUNKCACHE_SLOT_DYING,
	CHUNKCACHE_SLOT_BAD,
	CHUNKCACHE_SLOT_LOG,		/* holds what a volume wrote and no store has yet */
};

enum chunkcache_volume_state {
	CHUNKCACHE_VOLUME_NEW,		/* I/O is held */
	CHUNKCACHE_VOLUME_RUNNING,
	CHUNKCACHE_VOLUME_FAILED,
};

enum chunkcache_journal_state {
	CHUNKCACHE_JOURNAL_NONE,	/* the pool has no area for one */
	CHUNKCACHE_JOURNAL_RECOVERING,	/* not read yet in this instance: no slot is handed out */
	CHUNKCACHE_JOURNAL_RUNNING,
	CHUNKCACHE_JOURNAL_FAILED,	/* can't be written: writes of volumes fail */
};

/* struct chunkcache_miss.flags */
#define CHUNKCACHE_MISS_DATA	(1u << 0)	/* must be answered with MISS_DATA */
#define CHUNKCACHE_MISS_AHEAD	(1u << 1)	/* only readahead asks for it */
#define CHUNKCACHE_MISS_HINT	(1u << 2)	/* nobody waits: first hit of a marked chunk;
						 * cookie is 0, no answer is expected; len:
						 * how many hints of the disk were lost, as
						 * too many came at once, since the last */

struct chunkcache_miss {
	__u64	disk;
	__u64	chunk;
	__u64	cookie;
	__u32	offset;		/* first byte wanted, from the start of the chunk */
	__u32	len;		/* bytes up to the end of the last one wanted */
	__u32	flags;
	__u32	age_ms;		/* since the oldest waiting bio came */
};

struct chunkcache_slot {
	__u32	slot;
	__u32	gen;
};

/* struct chunkcache_map.flags */
#define CHUNKCACHE_MAP_HOLE	(1u << 0)	/* chunks chunk..chunk+count-1 are zeros;
						 * slot and gen are 0 */
#define CHUNKCACHE_MAP_MARK	(1u << 1)	/* readahead mark: the first hit raises a hint */

struct chunkcache_map {
	__u64	disk;
	__u64	chunk;
	__u64	count;		/* chunks; 1 unless MAP_HOLE */
	__u32	slot;
	__u32	gen;
	__u32	flags;
	__u32	reserved;
};

/* Why a miss can't be had, and the error that its readers see. */
enum chunkcache_fail_class {
	CHUNKCACHE_FAIL_NOTFOUND = 1,	/* not in the store: ENODATA */
	CHUNKCACHE_FAIL_CORRUPT,	/* wrong hash everywhere: EILSEQ */
	CHUNKCACHE_FAIL_TIMEOUT,	/* ETIMEDOUT */
	CHUNKCACHE_FAIL_OTHER,		/* EIO */
};

struct chunkcache_fail {
	__u64	disk;
	__u64	chunk;
	__u64	cookie;
	__u32	class;		/* enum chunkcache_fail_class */
	__u32	reserved;
};

struct chunkcache_refused {
	__u32	index;		/* of the record in the batch */
	__u32	error;		/* positive errno */
};

/* struct chunkcache_slot_info.flags */
#define CHUNKCACHE_SLOT_HIT	(1u << 0)	/* read since replacement last looked at it */

struct chunkcache_slot_info {
	__u64	session;	/* the present one if it owns the slot (FILLING), else 0 */
	__u32	slot;
	__u32	gen;
	__u32	state;		/* enum chunkcache_slot_state */
	__u32	flags;
};

/* As struct cc_journal_record of chunkcache/journal.h, in host byte order. */
struct chunkcache_record {
	__u8	type;
	__u8	reserved;
	__u16	volume;
	__u32	count;
	__u64	block;
	__u64	place;
	__u64	arg;
};

/* A log chunk: number with CC_PLACE_GUEST and shifted as in a place; slot if gen is not 0. */
struct chunkcache_log {
	__u64	log;
	__u32	slot;
	__u32	gen;
};

/*
 * Blocks of a volume.  place: as in chunkcache/journal.h, with the log chunk's index for its
 * number.
 */
struct chunkcache_extent {
	__u64	block;
	__u64	place;
	__u32	count;
	__u32	reserved;
};

/* Counters, u64 each, since the device came or clear_stats. */
enum chunkcache_stat {
	/* reads of a disk by how they were served; a pool shows the sum of its disks */
	CHUNKCACHE_STAT_HITS,		/* from a slot, without waiting */
	CHUNKCACHE_STAT_MISSES,		/* first to ask for a chunk that was not mapped */
	CHUNKCACHE_STAT_COALESCED,	/* waited for a chunk somebody had asked for */
	CHUNKCACHE_STAT_HOLES,		/* zeros, without waiting */
	CHUNKCACHE_STAT_READ_SECTORS,	/* 512-byte sectors of all reads that succeeded */
	CHUNKCACHE_STAT_ERRORS_NOTFOUND,
	CHUNKCACHE_STAT_ERRORS_CORRUPT,
	CHUNKCACHE_STAT_ERRORS_TIMEOUT,
	CHUNKCACHE_STAT_ERRORS_OTHER,
	CHUNKCACHE_STAT_RETRIED,	/* hits that failed on the cache device, served anew */
	CHUNKCACHE_STAT_REQUEUED,	/* given back at a suspend --noflush */
	/* gauges of a disk, summed for a pool; clear_stats leaves them */
	CHUNKCACHE_STAT_WAITING,	/* bios held now */
	CHUNKCACHE_STAT_OLDEST_MS,	/* age of the oldest of them; the largest for a pool */
	CHUNKCACHE_STAT_MAPPED,		/* chunks with an entry that is not a hole */
	/* of the pool; 0 for a disk */
	CHUNKCACHE_STAT_SLOTS_FREE,
	CHUNKCACHE_STAT_SLOTS_FILLING,
	CHUNKCACHE_STAT_SLOTS_VALID,
	CHUNKCACHE_STAT_SLOTS_DYING,
	CHUNKCACHE_STAT_SLOTS_BAD,
	CHUNKCACHE_STAT_FILLS,		/* FILLING -> VALID */
	CHUNKCACHE_STAT_EVICTIONS,	/* VALID -> DYING by the replacement policy */
	CHUNKCACHE_STAT_EPOCHS,		/* epoch switches */
	CHUNKCACHE_STAT_DOORBELLS,
	CHUNKCACHE_STAT_MESSAGES,	/* netlink messages from the helper */
	CHUNKCACHE_STAT_REFUSED,	/* messages and records refused */
	/* 32 buckets of how long misses waited: bucket n counts [2^n, 2^(n+1)) us */
	CHUNKCACHE_STAT_WAIT_HISTOGRAM,
	CHUNKCACHE_STAT_WAITED_US = CHUNKCACHE_STAT_WAIT_HISTOGRAM + 32, /* all of them together */
	/* of the pool; 0 for a disk */
	CHUNKCACHE_STAT_SWITCHING_US,	/* that epoch switches waited for readers to end */
	CHUNKCACHE_STAT_SLOTS_LOG,
	CHUNKCACHE_STAT_JOURNAL_PAGES,	/* written */
	CHUNKCACHE_STAT_JOURNAL_USED,	/* gauge: positions between tail and head */
	CHUNKCACHE_STAT_JOURNAL_SIZE,	/* gauge: positions in all */
	/* of a volume, and summed for a pool */
	CHUNKCACHE_STAT_WRITES,
	CHUNKCACHE_STAT_WRITTEN_SECTORS,
	CHUNKCACHE_STAT_FLUSHES,
	CHUNKCACHE_STAT_DISCARDED_SECTORS, /* discards and write-zeroes */
	CHUNKCACHE_STAT_WRITE_ERRORS,
	CHUNKCACHE_STAT_HELD_WRITES,	/* gauge: writes and zeros that wait, for whatever */
	CHUNKCACHE_STAT_THROTTLED_US,	/* in which any write waited for room */
	CHUNKCACHE_STAT_HELD,		/* writes that waited, for whatever */
	CHUNKCACHE_STAT_FUAS,		/* writes with FUA */
	CHUNKCACHE_STAT_ZEROS,		/* discards and write-zeroes */
	CHUNKCACHE_STAT_PARTS,		/* writes and write-zeroes of less than a block */
	/* gauges: from the last COMMITTED to the last place, unused blocks too; since when */
	CHUNKCACHE_STAT_DIRTY_SECTORS,
	CHUNKCACHE_STAT_DIRTY_MS,	/* the largest for a pool */
	/* of the pool; 0 for a disk */
	CHUNKCACHE_STAT_JOURNAL_RECORDS, /* added */
	__CHUNKCACHE_STAT_AFTER_LAST
};
#define CHUNKCACHE_STAT_MAX (__CHUNKCACHE_STAT_AFTER_LAST - 1)

#endif
