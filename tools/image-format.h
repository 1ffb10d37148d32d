/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is that a raw image?  What packed files, archives and images of other formats start or end with.  Pure.
 */
#ifndef CTL_IMAGE_FORMAT_H
#define CTL_IMAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define CTL_FORMAT_TAIL 512

struct ctl_format {
	const char *name;
	const char *unpack;	/* the command that does, or NULL: a format of qemu-img's */
	const char *magic;
	size_t offset, size;	/* of magic */
};

/* By the first bytes, 64 KiB are more than enough; NULL: none that is known. */
const struct ctl_format *ctl_format_of_head(const uint8_t *head, size_t size);
/* By the last CTL_FORMAT_TAIL bytes. */
const struct ctl_format *ctl_format_of_tail(const uint8_t tail[CTL_FORMAT_TAIL]);
/* "looks like gzip; ...", with what to do about it; returns buf. */
const char *ctl_format_advice(const struct ctl_format *f, char *buf, size_t size);

#endif
