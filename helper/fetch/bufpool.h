/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-aligned buffers that are used again: what the fetch engine needs beside its callers'
 * buffers, for compressed objects and second GETs.  Any thread.
 */
#ifndef CC_BUFPOOL_H
#define CC_BUFPOOL_H

#include <stddef.h>

struct cc_bufpool;

/* Keeps at most max idle buffers.  NULL: no memory. */
struct cc_bufpool *cc_bufpool_new(unsigned int max);
/* All buffers have been put back. */
void cc_bufpool_free(struct cc_bufpool *b);

/* At least size bytes, or NULL. */
void *cc_bufpool_get(struct cc_bufpool *b, size_t size);
/* NULL is fine. */
void cc_bufpool_put(struct cc_bufpool *b, void *buf);

#endif
