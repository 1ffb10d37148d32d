/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an import reads from: a raw file or block device, at any offset; a stream (standard input, a
 * pipe), from its start to its end; or a file of another format, by way of a raw copy that qemu-img
 * makes.
 */
#ifndef CTL_IMAGE_SOURCE_H
#define CTL_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "image-format.h"

struct ctl_source {
	const char *path;	/* or the command */
	int fd;
	bool stream;
	bool any;		/* whatever it looks like, it is raw */
	pid_t producer;		/* of the stream, 0: none that we started */
	uint64_t expected;	/* bytes, by --size; 0: not told */
	uint64_t size;		/* bytes; of a stream: what was read so far */
	uint64_t data_end;	/* there is data from the offset asked for last up to here */
	struct stat state;	/* of a file, when it was opened */
};

#define CTL_SOURCE_WHY 320

/*
 * format: NULL or "raw", or what qemu-img calls it.  Without a format, a file that looks packed or like one
 * of another format is refused: whoever wrote into a raw image could make it look so, and name files of this
 * host in it.  For the same reason files that refer to others are refused.  0, or CTL_FAILED or
 * CTL_USAGE after a message.  s is zeroed but for fd, -1, which it stays if nothing was opened.
 */
int ctl_source_open(struct ctl_source *s, const char *path, const char *format,
		    const char *tmp_dir);
/* What a command of the shell writes.  any: it is raw, whatever it looks like. */
int ctl_source_run(struct ctl_source *s, const char *command, bool any);
/* For image-open.c: puts a raw copy in place of the file.  0, or CTL_FAILED after a message. */
int ctl_convert(struct ctl_source *s, const char *format, const char *tmp_dir);
/*
 * When all was read: is it still what it was, as long as it should be, and has its producer ended well?
 * 0, or -EIO with a line in why.
 */
int ctl_source_check(struct ctl_source *s, char *why, size_t size);
/* What a stream's first or last bytes look like, if not raw. */
const struct ctl_format *ctl_source_format(const struct ctl_source *s, const uint8_t *buf, size_t size,
					   bool first, bool last);
void ctl_source_close(struct ctl_source *s);
/* The offset of the first byte at or behind offset that may be other than zero, or size. */
uint64_t ctl_source_data(struct ctl_source *s, uint64_t offset);
/* 0, or -errno (-ENODATA: the file shrank). */
int ctl_source_read(struct ctl_source *s, uint64_t offset, void *buf, size_t size);
/*
 * The next bytes of a stream, at most size; 0 at its end, or -errno (-EAGAIN, -EINTR: nothing came for
 * half a second; ask again).
 */
ssize_t ctl_source_next(struct ctl_source *s, void *buf, size_t size);

#endif
