/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images in a store: from a name or a digest to the checked manifest, and names to digests.
 */
#ifndef CC_IMAGE_H
#define CC_IMAGE_H

#include <stdbool.h>
#include "boot-trace.h"
#include "manifest.h"
#include "store.h"

/* What images/<name> says.  CC_STORE_CORRUPT if it is not "sha256:<64 hex>\n". */
enum cc_store_result cc_image_digest(struct cc_store *s, const char *name,
				      uint8_t ret_digest[CC_ID_SIZE], char *err, size_t errlen);
/* The manifest, checked against its digest. */
enum cc_store_result cc_image_manifest(struct cc_store *s, const uint8_t digest[CC_ID_SIZE],
				      struct cc_manifest *ret_manifest, char *err, size_t errlen);
enum cc_store_result cc_image_put_manifest(struct cc_store *s, const struct cc_manifest *m, char *err,
					   size_t errlen);
/* OK: the name means this image; NOTFOUND: none; EXISTS: another, or nobody knows what. */
enum cc_store_result cc_image_compare_name(struct cc_store *s, const char *name,
					   const uint8_t digest[CC_ID_SIZE], char *err,
					   size_t errlen);
/*
 * Let a name mean the image from now on.  Unless it may replace, CC_STORE_EXISTS if it means another,
 * whoever gave it that meaning and when.  That is for sure where the store knows conditional requests;
 * where it does not, only between those that hold the name's lease (lease.h).
 */
enum cc_store_result cc_image_put_name(struct cc_store *s, const char *name,
				       const uint8_t digest[CC_ID_SIZE], bool replace, char *err,
				       size_t errlen);
/* The boot trace of m's image, checked; CC_STORE_CORRUPT if it is none.  Release with cc_trace_free(). */
enum cc_store_result cc_image_trace(struct cc_store *s, const struct cc_manifest *m, struct cc_trace *ret_trace,
				   char *err, size_t errlen);
/* "sha256:<64 hex>" -> digest: 0 or -EINVAL. */
#define CC_DIGEST_PREFIX "sha256:"
int cc_parse_digest(const char *s, uint8_t ret_digest[CC_ID_SIZE]);

/* Names of images, sorted. */
struct cc_image_names {
	char **names;
	size_t nr, room;
	bool failed;			/* out of memory */
};

/* Release with cc_image_names_free() in any case. */
enum cc_store_result cc_image_list(struct cc_store *s, struct cc_image_names *names, char *err,
				   size_t errlen);
void cc_image_names_free(struct cc_image_names *names);

#endif
