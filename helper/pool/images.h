/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images of disks: the manifest of each is read from the manifest area or fetched, checked, and kept with an
 * index of its chunks for as long as a disk has it.
 */
#ifndef CC_IMAGES_H
#define CC_IMAGES_H

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "fetch/fetch.h"
#include "list.h"
#include "manifest.h"
#include "manifest-area.h"
#include "places.h"
#include "pooldev.h"
#include "sources.h"
#include "worker.h"

struct cc_images;

/*
 * An image: one manifest as one source has it, for disks of one length.
 *
 *	QUEUED -> READING [in the area] -> CHECKING, FETCHING
 *	QUEUED -> FETCHING -> CHECKING, REFUSED, QUEUED [store can't be reached: try again]
 *	CHECKING -> READY, REFUSED, QUEUED [no memory], FETCHING [the area's is not the right one]
 *	REFUSED -> QUEUED [after a while, if the store may have it by then]
 */
enum cc_image_state {
	CC_IMAGE_QUEUED,	/* waits for its time and for its turn */
	CC_IMAGE_READING,	/* device owns buf */
	CC_IMAGE_FETCHING,	/* fetch engine owns buf */
	CC_IMAGE_CHECKING,	/* worker owns buf, makes manifest and places of it */
	CC_IMAGE_READY,		/* manifest and places are valid */
	CC_IMAGE_REFUSED,	/* reason says why */
};

struct cc_image {
	struct cc_list node;
	struct cc_images *images;
	struct cc_source *source;
	uint64_t sectors;
	uint8_t digest[CC_ID_SIZE];
	unsigned int refs;
	enum cc_image_state state;
	uint64_t due;			/* QUEUED: not before; REFUSED: then QUEUED */
	uint64_t backoff;
	char reason[CHUNKCACHE_REASON_MAX + 1];
	void *buf;
	size_t buf_size;
	struct cc_fetch_req req;
	struct cc_io io;
	struct cc_job job;
	/* what is checked, where it is from, and what comes of it: 0 or -errno with a line in error */
	size_t size;
	bool from_area;
	int result;
	char error[160];
	struct cc_manifest manifest;
	struct cc_places *places;
};

struct cc_images_config {
	struct cc_fetch *fetch;
	struct cc_manifest_area *area;
	struct cc_pooldev *pooldev;
	uint32_t slot_shift;
	/* image has become READY or REFUSED. */
	void (*changed)(void *arg, struct cc_image *image);
	/* req, for image's manifest, has ended: who pays? */
	void (*charge)(void *arg, const struct cc_image *image, const struct cc_fetch_req *req);
	void *arg;
};

int cc_images_open(const struct cc_images_config *c, struct cc_images **ret_images);
/* All have been put, and nothing may be in flight. */
void cc_images_close(struct cc_images *all);

/* The image of such a disk, with a reference; NULL: no memory. */
struct cc_image *cc_image_get(struct cc_images *all, const struct cc_disk_info *info,
			      struct cc_source *source);
/* Another reference. */
struct cc_image *cc_image_hold(struct cc_image *image);
/* NULL is fine. */
void cc_image_put(struct cc_image *image);

/*
 * READY, of a manifest that is checked and taken over, with a reference; of no source, and nobody's but the caller's
 * until cc_image_add().  Any thread.  -ENOMEM, or -EFBIG if there are too many chunks.
 */
int cc_image_of_manifest(struct cc_manifest *m, struct cc_image **ret_image);
/* The source's, from now on; or the one that it has already, then image is put.  Returns it, with the reference. */
struct cc_image *cc_image_add(struct cc_images *all, struct cc_image *image, struct cc_source *source);

/* Start what is due; returns when to be called again. */
uint64_t cc_images_step(struct cc_images *all, uint64_t now_ns);
/* Readable when manifests have been checked: then reap. */
int cc_images_fd(const struct cc_images *all);
void cc_images_reap(struct cc_images *all);
/* Give up all loading; completions still come. */
void cc_images_cancel(struct cc_images *all);
unsigned int cc_images_loading(const struct cc_images *all);

#endif
