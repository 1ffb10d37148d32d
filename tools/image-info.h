/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `qemu-img info --output=json' says of an image.  Whoever made the image chose the names in it: one that
 * refers to another file would have that file's content imported.
 */
#ifndef CTL_IMAGE_INFO_H
#define CTL_IMAGE_INFO_H

/* fd has the answer for path: 0, or CTL_FAILED after a message if the image is not all there is. */
int ctl_image_info_check(const char *path, int fd);

#endif
