/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images as people name them: NAME or sha256:DIGEST, with messages.
 */
#ifndef CTL_IMAGE_ARG_H
#define CTL_IMAGE_ARG_H

#include "store/image.h"

/*
 * To its manifest.  0, or an enum ctl_exit after a message: CTL_DAMAGE if the store has the name but
 * not what it leads to.
 */
int ctl_image_resolve(struct cc_store *s, const char *what, struct cc_manifest *ret_manifest);

#endif
