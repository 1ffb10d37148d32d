// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pool's device and its io_uring; see pooldev.h.  Knows nothing of what is transferred.
 */
#include "pooldev.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_ENTRIES 128

struct cc_pooldev {
	int fd;
	struct cc_pool_geometry g;
	struct io_uring ring;
	unsigned int in_ring;		/* handed to the ring, not completed */
	unsigned int in_flight;		/* with the backlog */
	struct cc_list backlog;		/* submitted while the ring was full */
};

int cc_pooldev_open(const char *path, struct cc_pooldev **ret_pooldev, char *err, size_t errlen)
{
	struct cc_pooldev *pd = calloc(1, sizeof(*pd));
	char why[200];
	int r;

	if (!pd) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	pd->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (pd->fd < 0) {
		r = -errno;
		snprintf(err, errlen, "%s: %s", path, strerror(-r));
		goto err_free;
	}
	r = cc_superblock_read(pd->fd, &pd->g, why, sizeof(why));
	if (r) {
		snprintf(err, errlen, "%s: %s", path, why);
		goto err_close;
	}
	r = io_uring_queue_init(RING_ENTRIES, &pd->ring, 0);
	if (r) {
		snprintf(err, errlen, "io_uring: %s", strerror(-r));
		goto err_close;
	}
	cc_list_init(&pd->backlog);
	*ret_pooldev = pd;
	return 0;
err_close:
	close(pd->fd);
err_free:
	free(pd);
	return r;
}

void cc_pooldev_close(struct cc_pooldev *pd)
{
	if (!pd)
		return;
	io_uring_queue_exit(&pd->ring);
	close(pd->fd);
	free(pd);
}

int cc_pooldev_fd(const struct cc_pooldev *pd)
{
	return pd->fd;
}

const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd)
{
	return &pd->g;
}

uint64_t cc_pooldev_slot_offset(const struct cc_pooldev *pd, uint32_t slot)
{
	return pd->g.slots_offset + ((uint64_t)slot << pd->g.slot_shift);
}

static bool to_ring(struct cc_pooldev *pd, struct cc_io *io)
{
	struct io_uring_sqe *sqe;

	if (pd->in_ring >= RING_ENTRIES)
		return false;
	sqe = io_uring_get_sqe(&pd->ring);
	if (!sqe)
		return false;
	if (io->write)
		io_uring_prep_write(sqe, pd->fd, (char *)io->buf + io->pos, io->len - io->pos,
				    io->offset + io->pos);
	else
		io_uring_prep_read(sqe, pd->fd, (char *)io->buf + io->pos, io->len - io->pos,
				   io->offset + io->pos);
	if (io->blocks)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, io);
	pd->in_ring++;
	return true;
}

static void enqueue(struct cc_pooldev *pd, struct cc_io *io)
{
	if (!to_ring(pd, io))
		cc_list_add_tail(&pd->backlog, &io->node);
}

void cc_pooldev_submit(struct cc_pooldev *pd, struct cc_io *io)
{
	cc_list_init(&io->node);
	io->pos = 0;
	io->blocks = false;
	pd->in_flight++;
	enqueue(pd, io);
}

bool cc_pooldev_flush(struct cc_pooldev *pd)
{
	while (!cc_list_empty(&pd->backlog)) {
		struct cc_io *io = cc_list_entry(pd->backlog.next, struct cc_io, node);

		if (!to_ring(pd, io))
			break;
		cc_list_del(&io->node);
	}
	if (io_uring_sq_ready(&pd->ring))
		io_uring_submit(&pd->ring);
	return !io_uring_sq_ready(&pd->ring);
}

int cc_pooldev_event_fd(const struct cc_pooldev *pd)
{
	return pd->ring.ring_fd;
}

/*
 * EAGAIN: a part of the transfer could not be done at once, because the device takes no so large or so
 * scattered one, say.  Mostly io_uring tries again by itself; but not if another part's interrupt ended
 * the whole.  In the same way it would fail again, and for ever.
 */
static void complete(struct cc_pooldev *pd, struct cc_io *io, int res)
{
	if (res == -EINTR || res == -EAGAIN) {
		io->blocks = res == -EAGAIN;
		enqueue(pd, io);
		return;
	}
	if (res > 0)
		io->pos += (uint32_t)res;
	if (res > 0 && io->pos < io->len) {
		enqueue(pd, io);
		return;
	}
	pd->in_flight--;
	io->done(io, res > 0 ? 0 : res < 0 ? res : -EIO);
}

void cc_pooldev_reap(struct cc_pooldev *pd)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&pd->ring, &cqe)) {
		struct cc_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&pd->ring, cqe);
		pd->in_ring--;
		complete(pd, io, res);
	}
}

unsigned int cc_pooldev_in_flight(const struct cc_pooldev *pd)
{
	return pd->in_flight;
}

int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset)
{
	size_t pos = 0;

	while (pos < len) {
		ssize_t n = pread(pd->fd, (char *)buf + pos, len - pos, (off_t)(offset + pos));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		pos += (size_t)n;
	}
	return 0;
}
