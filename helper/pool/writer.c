// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slot transfers; see writer.h.  Reading back goes through one buffer of the writer's own, one slot
 * after the other: a buffer of the pool's taken for it could be the one that everybody waits for.
 *
 * When a write fails with an error that says nothing the superblock is read, before anybody hears of it: in
 * an outage that fails, too, and no slot is to blame.
 */
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chunkcache/io-error.h"
#include "doubts.h"

struct cc_writer {
	struct cc_pooldev *pd;
	uint32_t slot_size;
	void *scratch;			/* slot_size bytes; NULL without verify */
	struct cc_list verify;		/* written, to be read back; the first one is under way */
	struct cc_io verify_io;
	void *superblock;		/* read to see whether the device can be, never looked at */
	struct cc_doubts doubts;
};

static void verify_next(struct cc_writer *w);

static void verified(struct cc_io *io, int error)
{
	struct cc_writer *w = (struct cc_writer *)((char *)io - offsetof(struct cc_writer, verify_io));
	struct cc_slot_io *s = cc_list_entry(w->verify.next, struct cc_slot_io, node);

	if (!error && memcmp(w->scratch, s->io.buf, w->slot_size))
		error = -EBADMSG;
	s->bad = error && cc_io_error(-error) == CC_IO_MEDIUM;
	cc_list_del(&s->node);
	if (!cc_list_empty(&w->verify))
		verify_next(w);
	s->done(s, error);
}

static void verify_next(struct cc_writer *w)
{
	struct cc_slot_io *s = cc_list_entry(w->verify.next, struct cc_slot_io, node);

	w->verify_io = (struct cc_io) {
		.buf = w->scratch, .len = w->slot_size, .offset = s->io.offset, .done = verified,
	};
	cc_pooldev_submit(w->pd, &w->verify_io);
}

static void device_tried(struct cc_io *io, int error)
{
	struct cc_slot_io *s = cc_list_entry(io, struct cc_slot_io, io);

	s->bad = !error && cc_doubts_failed(&s->writer->doubts, s->slot);
	s->done(s, s->error);
}

static void write_failed(struct cc_writer *w, struct cc_slot_io *s, int error)
{
	s->bad = cc_io_error(-error) == CC_IO_MEDIUM;
	if (cc_io_error(-error) != CC_IO_DOUBT) {
		s->done(s, error);
		return;
	}
	s->error = error;
	s->io = (struct cc_io) {
		.buf = w->superblock, .len = CC_SB_SIZE, .offset = CC_SB_OFFSET_A, .done = device_tried,
	};
	cc_pooldev_submit(w->pd, &s->io);
}

static void slot_written(struct cc_io *io, int error)
{
	struct cc_slot_io *s = cc_list_entry(io, struct cc_slot_io, io);
	struct cc_writer *w = s->writer;
	bool first;

	if (error) {
		write_failed(w, s, error);
		return;
	}
	cc_doubts_good(&w->doubts);
	if (!w->scratch) {
		s->done(s, 0);
		return;
	}
	first = cc_list_empty(&w->verify);
	cc_list_add_tail(&w->verify, &s->node);
	if (first)
		verify_next(w);
}

static void was_read(struct cc_io *io, int error)
{
	struct cc_slot_io *s = cc_list_entry(io, struct cc_slot_io, io);

	s->bad = error && cc_io_error(-error) == CC_IO_MEDIUM;
	s->done(s, error);
}

static void start_transfer(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data, bool write)
{
	s->writer = w;
	s->slot = slot;
	s->bad = false;
	cc_list_init(&s->node);
	s->io = (struct cc_io) {
		.write = write, .buf = data, .len = w->slot_size,
		.offset = cc_pooldev_slot_offset(w->pd, slot), .done = write ? slot_written : was_read,
	};
	cc_pooldev_submit(w->pd, &s->io);
}

void cc_writer_write(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data)
{
	start_transfer(w, s, slot, data, true);
}

void cc_writer_read(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data)
{
	start_transfer(w, s, slot, data, false);
}

int cc_writer_open(struct cc_pooldev *pd, bool verify, struct cc_writer **ret_writer)
{
	struct cc_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->pd = pd;
	w->slot_size = 1u << cc_pooldev_geometry(pd)->slot_shift;
	cc_list_init(&w->verify);
	if (posix_memalign(&w->superblock, CC_SB_SIZE, CC_SB_SIZE) ||
	    (verify && posix_memalign(&w->scratch, 4096, w->slot_size))) {
		free(w->superblock);
		free(w);
		return -ENOMEM;
	}
	*ret_writer = w;
	return 0;
}

void cc_writer_close(struct cc_writer *w)
{
	if (!w)
		return;
	free(w->scratch);
	free(w->superblock);
	free(w);
}
