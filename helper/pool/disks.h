/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks of the pool.  A disk is announced by the kernel; when its image has a manifest, the kernel is
 * told of its holes and of all its chunks that are cached already.
 */
#ifndef CC_DISKS_H
#define CC_DISKS_H

#include "channel.h"
#include "images.h"
#include "index.h"
#include "sources.h"

struct cc_disks;
struct cc_disk_reads;

struct cc_disk {
	struct cc_disk *next;		/* hash bucket */
	struct cc_disk_info info;	/* a volume's digest: of its base, once that is set */
	enum chunkcache_disk_state state;
	char reason[CHUNKCACHE_REASON_MAX + 1];
	struct cc_source *source;	/* NULL: the configuration has no such store */
	struct cc_image *image;		/* NULL: none */
	const struct cc_manifest *manifest; /* NULL unless LOADED; a volume's: of its base, NULL until it runs */
	uint64_t nr_chunks;		/* of manifest, those that the disk has; 0 without one */
	struct cc_account *account;	/* who pays for what it asks for; NULL: the rest, or a volume without base */
	struct cc_disk_reads *reads;	/* the fill engine's, see fill/disk-reads.h */
	uint64_t scanned;		/* the kernel was told about so many of them */
	bool seen;			/* in the dump under way */
	bool untold;			/* the dump says that the kernel does not know state */
};

struct cc_disks_config {
	struct cc_channel *channel;
	struct cc_fetch *fetch;
	struct cc_index *index;
	struct cc_sources *sources;
	struct cc_manifest_area *area;
	struct cc_pooldev *pooldev;
	uint32_t slot_shift;
	/* disk is new: what else is to be kept of it?  -ENOMEM: it is found again by the next dump. */
	int (*added)(struct cc_disk *disk);
	/* disk has become LOADED; fresh: nobody has served it before. */
	void (*loaded)(void *arg, struct cc_disk *disk, bool fresh);
	/* Is it to be heard of the first read of chunk?  Then a mapping of it has to be marked. */
	bool (*listens)(const struct cc_disk *disk, uint64_t chunk);
	void (*gone)(struct cc_disk *disk);
	void *arg;			/* of loaded */
};

int cc_disks_open(const struct cc_disks_config *c, struct cc_disks **ret_disks);
/* Nothing may be in flight. */
void cc_disks_close(struct cc_disks *d);

/* Ask the kernel which disks there are. */
int cc_disks_refresh(struct cc_disks *d);
/* The one of this name; of several, which a reload makes, the newest.  NULL: none. */
struct cc_disk *cc_disks_find_name(struct cc_disks *d, const char *name);
struct cc_disk *cc_disks_find(struct cc_disks *d, uint64_t id);
typedef void cc_disks_fn(void *arg, const struct cc_disk *disk);
void cc_disks_each(struct cc_disks *d, cc_disks_fn *fn, void *arg);

/*
 * A volume's base: its chunks are got, kept and shared as those of disks.  cc_disks_add_base() gives image, of
 * cc_image_of_manifest(), to the others with source and returns the one that they have, with the reference.
 * cc_disks_set_base() does nothing for a disk that has gone or has one.
 */
struct cc_image *cc_disks_add_base(struct cc_disks *d, struct cc_image *image, struct cc_source *source);
void cc_disks_set_base(struct cc_disks *d, uint64_t id, struct cc_image *base);

/*
 * Start what is due, do a piece of long work; returns when to be called again (0: at once).  *ret_loaded
 * is set if a disk was LOADED: misses that came before could not be resolved.
 */
uint64_t cc_disks_step(struct cc_disks *d, uint64_t now_ns, bool *ret_loaded, int *ret_error);
/* Readable when manifests have been checked: then reap. */
int cc_disks_fd(const struct cc_disks *d);
void cc_disks_reap(struct cc_disks *d);
/* Give up all loading; completions still come. */
void cc_disks_cancel(struct cc_disks *d);
unsigned int cc_disks_in_flight(const struct cc_disks *d);

/*
 * Mappings of chunk id to slot for the loaded disks of domain, at most max.  skip says which
 * (disk, chunk) to leave out.  Returns how many.
 */
typedef bool cc_disks_skip_fn(void *arg, uint64_t disk, uint64_t chunk);
uint32_t cc_disks_maps(struct cc_disks *d, uint64_t domain, const uint8_t id[CC_ID_SIZE],
		       struct chunkcache_slot slot, struct chunkcache_map *maps, uint32_t max,
		       cc_disks_skip_fn *skip, void *arg);

#endif
