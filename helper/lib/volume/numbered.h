/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of a volume that have numbers and are created one after the other: which one is the last.  No LIST is
 * believed for that, numbers are asked for.
 */
#ifndef CC_NUMBERED_H
#define CC_NUMBERED_H

#include <stdbool.h>
#include <stdint.h>
#include "manifest.h"
#include "store/store.h"

struct cc_numbered {
	struct cc_store *store;
	const uint8_t *volume;
	void (*name)(const uint8_t volume[16], uint64_t number, char ret_name[CC_OBJECT_NAME_MAX]);
	unsigned int parallel;		/* requests at a time; 1..CC_PARALLEL_MAX */
};

/* What a store's answer is to who reads a log: -EIO, -ENOENT, -EEXIST, -EBADMSG. */
int cc_store_errno(enum cc_store_result r);

/* Here and below: 0, -EIO with a line in err, -ENOMEM. */
int cc_numbered_is_there(const struct cc_numbered *n, uint64_t number, bool *ret_there, char *err, size_t errlen);
/*
 * A number that is there, base or above, while none behind it was when it was asked for.  All from base + 1 up to the
 * last one are there; base itself is not asked for.
 */
int cc_numbered_last(const struct cc_numbered *n, uint64_t base, uint64_t *ret_number, char *err, size_t errlen);

#endif
