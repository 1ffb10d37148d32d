/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Manifests: the ordered list of an image's chunk IDs.  Building, checking, looking up.
 * A manifest object is only ever made from bytes whose SHA-256 was compared with its digest.
 */
#ifndef CC_MANIFEST_H
#define CC_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"

struct cc_manifest {
	uint8_t digest[CC_ID_SIZE];
	uint32_t chunk_shift;
	uint32_t encoding;
	uint64_t image_size;		/* bytes */
	uint64_t nr_chunks;
	const uint8_t *ids;		/* nr_chunks * CC_ID_SIZE, points into data */
	void *data;			/* the whole object, malloc()ed, owned */
	size_t size;
};

/*
 * Check data (malloc()ed; owned by the manifest on success, untouched otherwise) against digest and against every
 * rule of format.h.  Returns 0 or -EILSEQ (digest), -EINVAL (malformed), with a line in err.
 */
int cc_manifest_parse(void *data, size_t size, const uint8_t digest[CC_ID_SIZE],
		      struct cc_manifest *ret_manifest, char *err, size_t errlen);
/* Build one from ids (copied) and compute its digest.  -ENOMEM, -EINVAL. */
int cc_manifest_build(uint32_t chunk_shift, uint64_t image_size, uint32_t encoding,
		      const uint8_t *ids, struct cc_manifest *ret_manifest);
void cc_manifest_free(struct cc_manifest *m);

static inline const uint8_t *cc_manifest_id(const struct cc_manifest *m, uint64_t chunk)
{
	return m->ids + chunk * CC_ID_SIZE;
}
bool cc_id_is_hole(const uint8_t id[CC_ID_SIZE]);

/* ---- names ---- */
void cc_id_to_hex(const uint8_t id[CC_ID_SIZE], char ret_hex[2 * CC_ID_SIZE + 1]);
/* Exactly 64 lower-case hex digits.  0 or -EINVAL. */
int cc_id_from_hex(const char *hex, uint8_t ret_id[CC_ID_SIZE]);
#define CC_OBJECT_NAME_MAX 160
void cc_chunk_name(const uint8_t id[CC_ID_SIZE], uint32_t encoding, char ret_name[CC_OBJECT_NAME_MAX]);
void cc_manifest_name(const uint8_t digest[CC_ID_SIZE], char ret_name[CC_OBJECT_NAME_MAX]);
/* 0, or -EINVAL if name breaks the rule of format.h. */
int cc_image_name(const char *name, char ret_name[CC_OBJECT_NAME_MAX]);

/* SHA-256 of data; the one place that hashes. */
void cc_sha256(const void *data, size_t size, uint8_t ret_digest[CC_ID_SIZE]);

#endif
