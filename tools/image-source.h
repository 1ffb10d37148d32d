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
#include <sys/types.h>

struct ctl_source {
	const char *path;
	int fd;
	bool stream;
	uint64_t size;		/* bytes; of a stream: what was read so far */
	uint64_t data_end;	/* there is data from the offset asked for last up to here */
};

/*
 * format: NULL or "raw", or what qemu-img calls it.  Without a format, a file that looks like one of another
 * is refused: whoever wrote into a raw image could make it look so, and name files of this host in
 * it.  For the same reason files that refer to others are refused.  0, or CTL_FAILED or
 * CTL_USAGE after a message.  fd is -1 if it was not opened.
 */
int ctl_source_open(struct ctl_source *s, const char *path, const char *format,
		    const char *tmp_dir);
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
