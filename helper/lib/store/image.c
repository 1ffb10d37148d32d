// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding images in a store.  Every step is checked: the name's text, the manifest's digest, the
 * manifest's own rules.
 */
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define IMAGES "images/"
#define DIGEST_TEXT (sizeof(CC_DIGEST_PREFIX) - 1 + 2 * CC_ID_SIZE)
#define NAME_OBJECT_MAX 4096	/* far more than a line; whatever is larger is none of ours */

int cc_parse_digest(const char *s, uint8_t ret_digest[CC_ID_SIZE])
{
	if (strncmp(s, CC_DIGEST_PREFIX, sizeof(CC_DIGEST_PREFIX) - 1))
		return -EINVAL;
	return cc_id_from_hex(s + sizeof(CC_DIGEST_PREFIX) - 1, ret_digest);
}

enum cc_store_result cc_image_digest(struct cc_store *s, const char *name,
				      uint8_t ret_digest[CC_ID_SIZE], char *err, size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], text[DIGEST_TEXT + 1];
	enum cc_store_result r;
	void *data;
	size_t size;
	bool ok;

	if (cc_image_name(name, object)) {
		snprintf(err, errlen, "image name '%s': expected 1 to %d of [a-zA-Z0-9._-], not "
			 "starting with '.' or '-'", name, CC_IMAGE_NAME_MAX);
		return CC_STORE_ERROR;
	}
	r = cc_store_get(s, object, NAME_OBJECT_MAX, &data, &size, err, errlen);
	if (r)
		return r;
	ok = size == DIGEST_TEXT + 1 && ((char *)data)[DIGEST_TEXT] == '\n';
	if (ok) {
		memcpy(text, data, DIGEST_TEXT);
		text[DIGEST_TEXT] = 0;
		ok = !cc_parse_digest(text, ret_digest);
	}
	free(data);
	if (ok)
		return CC_STORE_OK;
	snprintf(err, errlen, "%s: expected one line \"sha256:<64 hex digits>\"", object);
	return CC_STORE_CORRUPT;
}

enum cc_store_result cc_image_manifest(struct cc_store *s, const uint8_t digest[CC_ID_SIZE],
				      struct cc_manifest *ret_manifest, char *err, size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], why[160] = "";
	enum cc_store_result r;
	void *data;
	size_t size;

	cc_manifest_name(digest, object);
	r = cc_store_get(s, object, CC_MANIFEST_SIZE_MAX, &data, &size, err, errlen);
	if (r)
		return r;
	if (!cc_manifest_parse(data, size, digest, ret_manifest, why, sizeof(why)))
		return CC_STORE_OK;
	free(data);
	snprintf(err, errlen, "%s: %s", object, why);
	return CC_STORE_CORRUPT;
}

enum cc_store_result cc_image_trace(struct cc_store *s, const struct cc_manifest *m, struct cc_trace *ret_trace,
				   char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	enum cc_store_result res;
	void *data;
	size_t size;

	cc_trace_name(m->digest, name);
	res = cc_store_get(s, name, CC_TRACE_SIZE_MAX, &data, &size, err, errlen);
	if (res)
		return res == CC_STORE_TOOBIG ? CC_STORE_CORRUPT : res;
	if (cc_trace_parse(data, size, m->digest, m->chunk_shift, m->nr_chunks, ret_trace, err, errlen))
		res = CC_STORE_CORRUPT;
	free(data);
	return res;
}

/* ---- making ---- */

enum cc_store_result cc_image_put_manifest(struct cc_store *s, const struct cc_manifest *m, char *err,
					   size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX];

	cc_manifest_name(m->digest, object);
	return cc_store_put(s, object, m->data, m->size, err, errlen);
}

enum cc_store_result cc_image_compare_name(struct cc_store *s, const char *name,
					   const uint8_t digest[CC_ID_SIZE], char *err,
					   size_t errlen)
{
	uint8_t old[CC_ID_SIZE] = { 0 };
	char hex[2 * CC_ID_SIZE + 1];
	enum cc_store_result r = cc_image_digest(s, name, old, err, errlen);

	if (r && r != CC_STORE_CORRUPT)
		return r;
	if (!r && !memcmp(old, digest, CC_ID_SIZE))
		return CC_STORE_OK;
	cc_id_to_hex(old, hex);
	snprintf(err, errlen, "%s: is another image already (" CC_DIGEST_PREFIX "%s)", name, hex);
	return CC_STORE_EXISTS;
}

enum cc_store_result cc_image_put_name(struct cc_store *s, const char *name,
				       const uint8_t digest[CC_ID_SIZE], bool replace, char *err,
				       size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], hex[2 * CC_ID_SIZE + 1], text[DIGEST_TEXT + 2];
	enum cc_store_result r = cc_image_compare_name(s, name, digest, err, errlen);

	if (r != CC_STORE_NOTFOUND && !(replace && r == CC_STORE_EXISTS))
		return r;
	cc_id_to_hex(digest, hex);
	snprintf(text, sizeof(text), CC_DIGEST_PREFIX "%s\n", hex);
	cc_image_name(name, object);
	r = replace ? CC_STORE_UNSUPPORTED :
		      cc_store_create(s, object, text, strlen(text), err, errlen);
	if (r == CC_STORE_UNSUPPORTED)
		return cc_store_put(s, object, text, strlen(text), err, errlen);
	/* It may be ours: the answer to the first attempt was lost. */
	return r == CC_STORE_EXISTS ? cc_image_compare_name(s, name, digest, err, errlen) : r;
}

/* ---- names ---- */

static int add_name(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct cc_image_names *n = arg;
	char object[CC_OBJECT_NAME_MAX], **grown, *copy;

	/* Whatever else lies there (an upload's temporary file, say) is no image. */
	if (strncmp(name, IMAGES, strlen(IMAGES)) || cc_image_name(name + strlen(IMAGES), object))
		return 0;
	if (n->nr == n->room) {
		grown = realloc(n->names, (n->room * 2 + 16) * sizeof(*grown));
		n->failed = !grown;
		if (!grown)
			return -ENOMEM;
		n->names = grown;
		n->room = n->room * 2 + 16;
	}
	copy = strdup(name + strlen(IMAGES));
	n->failed = !copy;
	if (!copy)
		return -ENOMEM;
	n->names[n->nr++] = copy;
	return 0;
}

static int by_image_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void cc_image_names_free(struct cc_image_names *n)
{
	while (n->nr)
		free(n->names[--n->nr]);
	free(n->names);
	n->names = NULL;
}

enum cc_store_result cc_image_list(struct cc_store *s, struct cc_image_names *n, char *err,
				   size_t errlen)
{
	enum cc_store_result res = cc_store_list(s, IMAGES, add_name, n, err, errlen);

	if (!res && n->failed) {
		snprintf(err, errlen, "out of memory");
		res = CC_STORE_ERROR;
	}
	if (!res && n->nr)
		qsort(n->names, n->nr, sizeof(*n->names), by_image_name);
	return res;
}
