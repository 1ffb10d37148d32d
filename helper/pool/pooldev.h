/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's dm device: the one open file through which the helper reads and writes it, and the
 * io_uring that does so without blocking the loop.  The kernel holds that file, too, to know
 * when no write of ours can land any more: it is never duplicated, registered or passed on.
 */
#ifndef CC_POOLDEV_H
#define CC_POOLDEV_H

#include <stdbool.h>
#include <stdint.h>
#include "list.h"
#include "superblock.h"

struct cc_pooldev;

/* One transfer.  Buffer, length and offset are multiples of 4096. */
struct cc_io {
	bool write;
	void *buf;
	uint32_t len;
	uint64_t offset;		/* bytes on the device */
	/* error: 0 if all was transferred, else -errno.  May submit again. */
	void (*done)(struct cc_io *io, int error);
	/* private */
	struct cc_list node;
	uint32_t pos;
	bool blocks;			/* it would have: a worker of the kernel's is to do it */
};

/* Open path, check its superblock.  -errno with a line in err. */
int cc_pooldev_open(const char *path, struct cc_pooldev **ret_pooldev, char *err, size_t errlen);
/* No transfer may be in flight. */
void cc_pooldev_close(struct cc_pooldev *pd);
int cc_pooldev_fd(const struct cc_pooldev *pd);
const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd);

/* Never blocks, never fails: trouble comes as a completion.  io and buffer belong to the device until then. */
void cc_pooldev_submit(struct cc_pooldev *pd, struct cc_io *io);
/* Start what was submitted.  False: the kernel took not all of it, call again soon. */
bool cc_pooldev_flush(struct cc_pooldev *pd);
/* Readable when there are completions. */
int cc_pooldev_event_fd(const struct cc_pooldev *pd);
void cc_pooldev_reap(struct cc_pooldev *pd);
unsigned int cc_pooldev_in_flight(const struct cc_pooldev *pd);
/* Blocking; for start-up and threads.  0 or -errno. */
int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset);

/* Byte offset of a slot. */
uint64_t cc_pooldev_slot_offset(const struct cc_pooldev *pd, uint32_t slot);

#endif
