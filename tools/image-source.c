// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files, devices and streams as sources of an import: what is in them, and whether that has changed; see
 * image-source.h.
 */
#include "image-source.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "superblock.h"

#define STREAM_WAIT_MS 500

void ctl_source_close(struct ctl_source *s)
{
	if (s->producer)
		ctl_child_end(s->producer);
	s->producer = 0;
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	s->fd = -1;
}

/* ---- is it what was read ---- */

static const char *what_changed(struct ctl_source *s)
{
	struct stat now;
	uint64_t size;

	if (fstat(s->fd, &now) || cc_device_bytes(s->fd, &size))
		return strerror(errno);
	if (size != s->size)
		return "its size has changed meanwhile";
	if (S_ISREG(now.st_mode) &&
	    (memcmp(&now.st_mtim, &s->state.st_mtim, sizeof(now.st_mtim)) ||
	     memcmp(&now.st_ctim, &s->state.st_ctim, sizeof(now.st_ctim))))
		return "was written to meanwhile";
	return NULL;
}

static int check_producer(struct ctl_source *s, char *why, size_t size)
{
	char text[CTL_CHILD_TEXT];
	int status = ctl_child_wait(s->producer);

	s->producer = 0;
	if (!status)
		return 0;
	snprintf(why, size, "--from-command '%.200s': failed: %s", s->path, ctl_child_text(status, text));
	return -EIO;
}

int ctl_source_check(struct ctl_source *s, char *why, size_t size)
{
	const char *changed = s->stream ? NULL : what_changed(s);

	if (s->producer && check_producer(s, why, size))
		return -EIO;
	if (changed)
		snprintf(why, size, "%s: %s", s->path, changed);
	else if (s->expected && s->size != s->expected)
		snprintf(why, size, "%s: has %" PRIu64 " bytes, --size says %" PRIu64, s->path, s->size,
			 s->expected);
	return changed || (s->expected && s->size != s->expected) ? -EIO : 0;
}

const struct ctl_format *ctl_source_format(const struct ctl_source *s, const uint8_t *buf, size_t size,
					   bool first, bool last)
{
	const struct ctl_format *f = NULL;

	if (first && !s->any)
		f = ctl_format_of_head(buf, size);
	if (!f && last && !s->any && size >= CTL_FORMAT_TAIL)
		f = ctl_format_of_tail(buf + size - CTL_FORMAT_TAIL);
	return f;
}

/* ---- reading ---- */

uint64_t ctl_source_data(struct ctl_source *s, uint64_t offset)
{
	off_t data, hole;

	if (offset < s->data_end)
		return offset;
	data = lseek(s->fd, offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return s->size;
	if (data < 0) {
		s->data_end = s->size;	/* holes can't be asked for: all is data */
		return offset;
	}
	hole = lseek(s->fd, data, SEEK_HOLE);
	s->data_end = hole > data ? (uint64_t)hole : s->size;
	return data;
}

int ctl_source_read(struct ctl_source *s, uint64_t offset, void *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = pread(s->fd, (char *)buf + got, size - got, offset + got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		got += n;
	}
	return 0;
}

ssize_t ctl_source_next(struct ctl_source *s, void *buf, size_t size)
{
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	ssize_t n = poll(&poll_fd, 1, STREAM_WAIT_MS);

	if (n <= 0)
		return n ? -errno : -EAGAIN;
	n = read(s->fd, buf, size);
	if (n < 0)
		return -errno;
	s->size += n;
	return n;
}
