/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks into slots and back: a whole slot is written, and with verify_fill read again and compared; or
 * read, to adopt what an earlier instance left there.
 */
#ifndef CC_WRITER_H
#define CC_WRITER_H

#include "pooldev.h"

struct cc_writer;

/* One slot's transfer; embedded in who asks for it. */
struct cc_slot_io {
	/* error: 0, -errno of the device, or -EBADMSG if the slot did not hold what was written */
	void (*done)(struct cc_slot_io *s, int error);
	bool bad;			/* with an error: the slot is, not only the way there */
	/* private */
	struct cc_writer *writer;
	uint32_t slot;
	int error;			/* of a write, while the device is looked at */
	struct cc_io io;
	struct cc_list node;
};

int cc_writer_open(struct cc_pooldev *pd, bool verify, struct cc_writer **ret_writer);
/* Nothing may be in flight. */
void cc_writer_close(struct cc_writer *w);
/* data: slot size bytes, not to be changed until done.  The slot is FILLING and ours. */
void cc_writer_write(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data);
void cc_writer_read(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data);

#endif
