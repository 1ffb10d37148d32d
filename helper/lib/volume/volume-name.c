// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of volumes and of their objects. */
#include "volume-name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uuid.h"

#define NAMES		"volume-names/"
#define VOLUMES		"volumes/"
#define NAME_TEXT_MAX	4096	/* far more than a line */

void cc_volume_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT];

	cc_uuid_text(volume, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/", text);
}

static void numbered_name(const uint8_t volume[16], const char *kind, uint64_t number,
			  char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT];

	cc_uuid_text(volume, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/%s/%016" PRIx64, text, kind, number);
}

void cc_commit_name(const uint8_t volume[16], uint64_t number, char ret_name[CC_OBJECT_NAME_MAX])
{
	numbered_name(volume, "log", number, ret_name);
}

void cc_floor_name(const uint8_t volume[16], uint64_t index, char ret_name[CC_OBJECT_NAME_MAX])
{
	numbered_name(volume, "floors", index, ret_name);
}

static void hashed_name(const uint8_t volume[16], const char *kind, uint32_t term, const uint8_t sha256[CC_ID_SIZE],
			char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT], hex[2 * CC_ID_SIZE + 1];

	cc_uuid_text(volume, text);
	cc_id_to_hex(sha256, hex);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/%s/%u-%s", text, kind, term, hex);
}

void cc_pack_name(const uint8_t volume[16], uint32_t term, const uint8_t sha256[CC_ID_SIZE],
		  char ret_name[CC_OBJECT_NAME_MAX])
{
	hashed_name(volume, "packs", term, sha256, ret_name);
}

void cc_map_name(const uint8_t volume[16], uint32_t term, const uint8_t sha256[CC_ID_SIZE],
		 char ret_name[CC_OBJECT_NAME_MAX])
{
	hashed_name(volume, "map", term, sha256, ret_name);
}

void cc_snapshot_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT];

	cc_uuid_text(volume, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/snapshots/", text);
}

int cc_snapshot_name(const uint8_t volume[16], const char *name, char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT];

	if (cc_image_name(name, ret_name) || strlen(name) > CC_SNAPSHOT_NAME_MAX)
		return -EINVAL;
	cc_uuid_text(volume, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/snapshots/%s", text, name);
	return 0;
}

void cc_clone_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT];

	cc_uuid_text(volume, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/clones/", text);
}

void cc_clone_name(const uint8_t volume[16], const uint8_t clone[16], char ret_name[CC_OBJECT_NAME_MAX])
{
	char text[CC_UUID_TEXT], of[CC_UUID_TEXT];

	cc_uuid_text(volume, of);
	cc_uuid_text(clone, text);
	snprintf(ret_name, CC_OBJECT_NAME_MAX, VOLUMES "%s/clones/%s", of, text);
}

int cc_volume_name(const char *name, char ret_name[CC_OBJECT_NAME_MAX])
{
	char image[CC_OBJECT_NAME_MAX];

	if (cc_image_name(name, image))
		return -EINVAL;
	snprintf(ret_name, CC_OBJECT_NAME_MAX, NAMES "%s", name);
	return 0;
}

static enum cc_store_result object_of(const char *name, char ret_name[CC_OBJECT_NAME_MAX], char *err, size_t errlen)
{
	if (!cc_volume_name(name, ret_name))
		return CC_STORE_OK;
	snprintf(err, errlen, "volume name '%s': expected 1 to %d of [a-zA-Z0-9._-], not starting with '.' or '-'",
		 name, CC_IMAGE_NAME_MAX);
	return CC_STORE_ERROR;
}

enum cc_store_result cc_volume_uuid(struct cc_store *s, const char *name, uint8_t ret_uuid[16], char *err,
				    size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], text[CC_UUID_TEXT];
	enum cc_store_result r = object_of(name, object, err, errlen);
	void *data;
	size_t size;
	bool good;

	if (!r)
		r = cc_store_get(s, object, NAME_TEXT_MAX, &data, &size, err, errlen);
	if (r)
		return r;
	good = size == CC_UUID_TEXT && ((char *)data)[CC_UUID_TEXT - 1] == '\n';
	if (good) {
		memcpy(text, data, CC_UUID_TEXT - 1);
		text[CC_UUID_TEXT - 1] = '\0';
		good = !cc_uuid_parse(text, ret_uuid);
	}
	free(data);
	if (good)
		return CC_STORE_OK;
	snprintf(err, errlen, "%s: expected one line with a UUID", object);
	return CC_STORE_CORRUPT;
}

enum cc_store_result cc_volume_put_name(struct cc_store *s, const char *name, const uint8_t uuid[16], char *err,
					size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], text[CC_UUID_TEXT + 1];
	uint8_t other[16];
	enum cc_store_result r = object_of(name, object, err, errlen);

	if (r)
		return r;
	cc_uuid_text(uuid, text);
	strcat(text, "\n");
	r = cc_store_create(s, object, text, strlen(text), err, errlen);
	if (r != CC_STORE_EXISTS)
		return r;
	/* It may be ours, if the answer to a first attempt was lost. */
	r = cc_volume_uuid(s, name, other, err, errlen);
	if (r)
		return r;
	if (!memcmp(other, uuid, sizeof(other)))
		return CC_STORE_OK;
	snprintf(err, errlen, "%s: there is a volume of that name", name);
	return CC_STORE_EXISTS;
}
