// SPDX-License-Identifier: GPL-2.0-or-later
/* The proof of a store's conditional creation. */
#include "store-proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char first[] = "first\n", second[] = "second\n";

/* Whatever was answered: what is there? */
static enum cc_store_result check_content(struct cc_store *s, const char *name, char *err, size_t errlen)
{
	enum cc_store_result r;
	void *data;
	size_t size;
	bool kept;

	r = cc_store_get(s, name, sizeof(second), &data, &size, err, errlen);
	if (r)
		return r;
	kept = size == strlen(first) && !memcmp(data, first, size);
	free(data);
	if (kept)
		return CC_STORE_OK;
	snprintf(err, errlen, "the store has overwritten an object that was only to be created (%s): it ignores "
		 "If-None-Match, and two hosts could write to one volume; use one that knows conditional PUT", name);
	return CC_STORE_UNSUPPORTED;
}

enum cc_store_result cc_store_prove_create(struct cc_store *s, const char *name, char *err, size_t errlen)
{
	enum cc_store_result r = cc_store_create(s, name, first, strlen(first), err, errlen), removed;
	char ignored[256];

	/* EXISTS: its own, whose answer was lost. */
	if (r && r != CC_STORE_EXISTS)
		return r;
	r = cc_store_create(s, name, second, strlen(second), err, errlen);
	if (!r || r == CC_STORE_EXISTS)
		r = check_content(s, name, err, errlen);
	removed = cc_store_delete(s, name, r ? ignored : err, r ? sizeof(ignored) : errlen);
	return r ? r : removed == CC_STORE_NOTFOUND ? CC_STORE_OK : removed;
}
