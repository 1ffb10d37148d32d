// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the command line's word for an image to its manifest; see image-arg.h.
 */
#include "image-arg.h"

#include <stdbool.h>
#include <string.h>

#include "say.h"

static int digest_of_name(struct cc_store *s, const char *name, uint8_t ret_digest[CC_ID_SIZE])
{
	char err[256] = "";
	enum cc_store_result r = cc_image_digest(s, name, ret_digest, err, sizeof(err));

	if (!r)
		return 0;
	if (r == CC_STORE_NOTFOUND)
		ctl_err("%s: no such image in the store %s", name, cc_store_config(s)->url);
	else
		ctl_err("%s: %s", name, err);
	return r == CC_STORE_CORRUPT ? CTL_DAMAGE : CTL_FAILED;
}

int ctl_image_resolve(struct cc_store *s, const char *what, struct cc_manifest *ret_manifest)
{
	bool by_name = strncmp(what, CC_DIGEST_PREFIX, strlen(CC_DIGEST_PREFIX));
	uint8_t digest[CC_ID_SIZE];
	enum cc_store_result res;
	char err[256] = "";
	int r = 0;

	if (by_name)
		r = digest_of_name(s, what, digest);
	else if (cc_parse_digest(what, digest))
		r = ctl_usage("'%s': expected sha256: and 64 lower-case hex digits", what);
	if (r)
		return r;
	res = cc_image_manifest(s, digest, ret_manifest, err, sizeof(err));
	if (!res)
		return 0;
	ctl_err("%s: %s", what, err);
	return res == CC_STORE_CORRUPT || (by_name && res == CC_STORE_NOTFOUND) ? CTL_DAMAGE : CTL_FAILED;
}
