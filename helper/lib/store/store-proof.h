/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a store keep the word of cc_store_create()?  There are some that ignore the condition and say nothing. */
#ifndef CC_STORE_PROOF_H
#define CC_STORE_PROOF_H

#include "store.h"

/*
 * Creates an object of that name, which nobody else uses, twice, and removes it.  CC_STORE_UNSUPPORTED, with a line
 * in err: the store does not know the condition or ignores it.
 */
enum cc_store_result cc_store_prove_create(struct cc_store *s, const char *name, char *err, size_t errlen);

#endif
