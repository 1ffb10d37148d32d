// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Zeros at the end of a cache device; see tail.h.
 */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int write_zeros(int fd, uint64_t offset, uint64_t size)
{
	static const uint8_t zeros[1 << 20];
	ssize_t n;

	while (size) {
		n = pwrite(fd, zeros, size < sizeof(zeros) ? size : sizeof(zeros), offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		offset += n;
		size -= n;
	}
	return 0;
}

/* A sparse file stays sparse.  BLKZEROOUT fails on a file. */
int ctl_zero_range(int fd, uint64_t from, uint64_t size)
{
	uint64_t range[2] = { from, size };

	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, size))
		return 0;
	if (!ioctl(fd, BLKZEROOUT, range))
		return 0;
	return write_zeros(fd, from, size);
}

int ctl_tail_zero(int fd, uint64_t bytes)
{
	return ctl_zero_range(fd, bytes - CC_TAIL_SIZE, CC_TAIL_SIZE);
}

int ctl_tail_reclaim(const char *path, const struct cc_pool_geometry *g, uint64_t bytes)
{
	struct cc_pool_geometry clipped = *g;
	int fd, r;

	cc_superblock_set_slots(&clipped, cc_superblock_slots_on(g, bytes));
	clipped.sequence++;
	if (g->nr_slots <= clipped.nr_slots || !clipped.nr_slots)
		return 0;
	fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return errno == EBUSY ? 0 : -errno;
	/* In this order: what is interrupted is done again by the next one. */
	r = ctl_tail_zero(fd, bytes);
	if (!r && fsync(fd))
		r = -errno;
	if (!r)
		r = cc_superblock_write(fd, &clipped);
	close(fd);
	return r;
}
