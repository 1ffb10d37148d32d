/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netlink channel to the kernel: one function for each command of linux/dm-chunkcache.h.
 *
 * Each is one request, answered by the kernel within the system call, so none waits for anybody.  All
 * return 0 or -errno: the kernel's own, or -ENOBUFS if an answer was lost or cut (what it asked for
 * may have been done, or not), or -EPROTO if one could not be understood.
 * cc_channel_error() has the kernel's text for the last failure.
 */
#ifndef CC_CHANNEL_H
#define CC_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/dm-chunkcache.h>

struct cc_channel;

struct cc_attachment {
	uint64_t session;
	uint64_t instance;
	uint32_t slot_size;
	uint64_t nr_slots;
	char pool_name[128];
};

struct cc_disk_info {
	uint64_t id;
	uint64_t sectors;
	uint32_t state;			/* enum chunkcache_disk_state */
	uint8_t digest[CHUNKCACHE_DIGEST_SIZE];	/* zeros: a volume's */
	char name[128];
	char store[CHUNKCACHE_STORE_NAME_MAX + 1];
	/* of a volume */
	bool is_volume;
	bool durable_store;
	uint8_t volume_uuid[16];
	uint32_t volume_state;		/* enum chunkcache_volume_state */
	uint32_t handle, term;		/* 0: it was not started yet */
	uint64_t first_log;		/* number of the chunk that stands for log chunk 0 */
	uint32_t nr_logs;		/* that were loaded */
};

/* The refused records of a batch; error is a positive errno. */
struct cc_refusals {
	uint32_t nr;
	struct chunkcache_refused r[CHUNKCACHE_MAP_BATCH_MAX];
};

/* -ENOENT: the kernel does not know the family, the module is not loaded. */
int cc_channel_open(struct cc_channel **ret_channel);
void cc_channel_close(struct cc_channel *c);
/* CHUNKCACHE_GENL_VERSION of the module that is loaded. */
uint32_t cc_channel_protocol(const struct cc_channel *c);
const char *cc_channel_error(const struct cc_channel *c);
/* Requests sent since open. */
uint64_t cc_channel_messages(const struct cc_channel *c);

/* The doorbell's socket: readable when the kernel rang (or rings were lost). */
int cc_channel_bell_fd(const struct cc_channel *c);
/* Takes all rings; true if there was one. */
bool cc_channel_bell_drain(struct cc_channel *c);

int cc_channel_attach(struct cc_channel *c, int pool_fd, const uint8_t uuid[16],
		      struct cc_attachment *ret_attachment);
int cc_channel_detach(struct cc_channel *c);

typedef void cc_channel_disk_fn(void *arg, const struct cc_disk_info *d);
int cc_channel_disk_get(struct cc_channel *c, cc_channel_disk_fn *fn, void *arg);
/* reason: with REFUSED, else NULL; made printable and cut to length. */
int cc_channel_disk_state(struct cc_channel *c, uint64_t disk, uint32_t state, const char *reason);

/* misses has room for count, at most CHUNKCACHE_MISS_BATCH_MAX. */
int cc_channel_miss_get(struct cc_channel *c, bool all, uint32_t count, struct chunkcache_miss *misses,
			uint32_t *ret_nr, uint32_t *ret_pending);
int cc_channel_miss_data(struct cc_channel *c, const struct chunkcache_miss *m, uint32_t offset,
			 const void *data, uint32_t len, bool last);
int cc_channel_miss_fail(struct cc_channel *c, const struct chunkcache_fail *fails, uint32_t nr,
			 struct cc_refusals *ret_refusals);

/* Any free slots; slots has room for count, at most CHUNKCACHE_SLOT_BATCH_MAX. */
int cc_channel_slot_alloc(struct cc_channel *c, uint32_t count, bool prefetch,
			  struct chunkcache_slot *slots, uint32_t *ret_nr);
/* This very slot, for its content; -EBUSY if it was not granted. */
int cc_channel_slot_adopt(struct cc_channel *c, uint32_t slot, uint32_t *ret_gen);
/* maps may be NULL if nr is 0. */
int cc_channel_slot_done(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key, bool prefetch,
			 const struct chunkcache_map *maps, uint32_t nr,
			 struct cc_refusals *ret_refusals);
int cc_channel_slot_release(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr,
			    bool bad);
int cc_channel_slot_keep(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr,
			 struct cc_refusals *ret_refusals);

typedef void cc_channel_slot_fn(void *arg, const struct chunkcache_slot_info *s);
int cc_channel_slot_get(struct cc_channel *c, cc_channel_slot_fn *fn, void *arg);
/* The same of any pool, without a session. */
int cc_channel_slot_get_of(struct cc_channel *c, const char *pool, cc_channel_slot_fn *fn, void *arg);

/* Counters of a pool, or of one of its disks. */
struct cc_channel_stats {
	char pool[128];
	char disk[128];			/* "": the pool's */
	uint32_t undrained;		/* of a pool: sessions that are gone, but not their files */
	uint64_t n[CHUNKCACHE_STAT_MAX + 1]; /* 0: what an older module does not count */
};

/* Of all pools; without a session, too. */
typedef void cc_channel_stats_fn(void *arg, const struct cc_channel_stats *s);
int cc_channel_stats_get(struct cc_channel *c, cc_channel_stats_fn *fn, void *arg);

/* ---- channel-volume.c: journal and volumes ---- */

struct cc_journal_info {
	uint32_t state;			/* enum chunkcache_journal_state */
	uint64_t head;			/* number of the newest page that is durable; 0: none yet */
	uint64_t tail;
	uint64_t dirty_max;		/* slots */
};

int cc_channel_journal_get(struct cc_channel *c, struct cc_journal_info *ret_info);
/* The next page is number next, behind prev (0: none); those from tail on count. */
int cc_channel_journal_resume(struct cc_channel *c, uint64_t next, uint64_t prev, uint64_t tail);
/* At most CHUNKCACHE_RECORD_BATCH_MAX. */
int cc_channel_journal_add(struct cc_channel *c, const struct chunkcache_record *records, uint32_t nr);
int cc_channel_journal_trim(struct cc_channel *c, uint64_t tail);

/* At most CHUNKCACHE_SLOT_BATCH_MAX; sets their generations.  All or none. */
int cc_channel_slot_claim(struct cc_channel *c, struct chunkcache_slot *slots, uint32_t nr);
int cc_channel_slot_clean(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key);
/* At most CHUNKCACHE_SLOT_BATCH_MAX; bad: never to be used again. */
int cc_channel_slot_drop(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr, bool bad,
			 struct cc_refusals *ret_refusals);

/* Of each at most CHUNKCACHE_EXTENT_BATCH_MAX a call. */
int cc_channel_volume_load_logs(struct cc_channel *c, uint64_t disk, const struct chunkcache_log *logs, uint32_t nr);
int cc_channel_volume_load_extents(struct cc_channel *c, uint64_t disk, const struct chunkcache_extent *extents,
				   uint32_t nr);
int cc_channel_volume_start(struct cc_channel *c, uint64_t disk, uint32_t handle, uint32_t term);
int cc_channel_volume_cut(struct cc_channel *c, uint64_t disk, bool seal);
int cc_channel_volume_fail(struct cc_channel *c, uint64_t disk, const char *reason);

int cc_channel_map(struct cc_channel *c, const struct chunkcache_map *maps, uint32_t nr,
		   struct cc_refusals *ret_refusals);

#endif
