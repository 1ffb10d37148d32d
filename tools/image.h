/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images in a store: from a name or a digest to the checked manifest, and names to digests.
 */
#ifndef CTL_IMAGE_H
#define CTL_IMAGE_H

#include "boot-trace.h"
#include "manifest.h"
#include "store/store.h"

/*
 * Largest manifest object that is read or made: a pool's manifest directory counts its size in
 * 32 bits.
 */
#define CTL_MANIFEST_MAX 0xfffff000UL

/* What images/<name> says.  CC_STORE_CORRUPT if it is not "sha256:<64 hex>\n". */
enum cc_store_result ctl_image_digest(struct cc_store *s, const char *name,
				      uint8_t ret_digest[CC_ID_SIZE], char *err, size_t errlen);
/* The manifest, checked against its digest. */
enum cc_store_result ctl_manifest_get(struct cc_store *s, const uint8_t digest[CC_ID_SIZE],
				      struct cc_manifest *ret_manifest, char *err, size_t errlen);
/* The boot trace of m's image, checked; CC_STORE_CORRUPT if it is none.  Release with cc_trace_free(). */
enum cc_store_result ctl_trace_get(struct cc_store *s, const struct cc_manifest *m, struct cc_trace *ret_trace,
				   char *err, size_t errlen);
/* "sha256:<64 hex>" -> digest: 0 or -EINVAL. */
int ctl_parse_digest(const char *s, uint8_t ret_digest[CC_ID_SIZE]);
/*
 * NAME or sha256:DIGEST, from the command line, to its manifest.  0, or an enum ctl_exit after a
 * message: CTL_DAMAGE if the store has the name but not what it leads to.
 */
int ctl_image_resolve(struct cc_store *s, const char *what, struct cc_manifest *ret_manifest);

/* Names of images, sorted. */
struct ctl_names {
	char **names;
	size_t nr, room;
	bool failed;
};

/* 0, or CTL_FAILED after a message; release with ctl_names_free() in any case. */
int ctl_image_names(struct cc_store *s, struct ctl_names *names);
void ctl_names_free(struct ctl_names *names);

#endif
