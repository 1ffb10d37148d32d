/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of a volume's objects (chunkcache/volume.h), and of volumes: volume-names/<name> says which UUID.
 */
#ifndef CC_VOLUME_NAME_H
#define CC_VOLUME_NAME_H

#include <stdbool.h>
#include "chunkcache/format.h"
#include "manifest.h"
#include "store/store.h"

#define CC_SNAPSHOT_NAME_MAX 64

void cc_commit_name(const uint8_t volume[16], uint64_t number, char ret_name[CC_OBJECT_NAME_MAX]);
void cc_floor_name(const uint8_t volume[16], uint64_t index, char ret_name[CC_OBJECT_NAME_MAX]);
void cc_pack_name(const uint8_t volume[16], uint32_t term, const uint8_t sha256[CC_ID_SIZE],
		  char ret_name[CC_OBJECT_NAME_MAX]);
void cc_map_name(const uint8_t volume[16], uint32_t term, const uint8_t sha256[CC_ID_SIZE],
		 char ret_name[CC_OBJECT_NAME_MAX]);
/* What all of them begin with. */
void cc_volume_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX]);
/* What those of its snapshots begin with. */
void cc_snapshot_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX]);
/* The object of one: 0, or -EINVAL if its name breaks the rule for images, or is longer than a snapshot's may be. */
int cc_snapshot_name(const uint8_t volume[16], const char *name, char ret_name[CC_OBJECT_NAME_MAX]);
/* Of what tells that a volume has clones, the beginning and all. */
void cc_clone_prefix(const uint8_t volume[16], char ret_name[CC_OBJECT_NAME_MAX]);
void cc_clone_name(const uint8_t volume[16], const uint8_t clone[16], char ret_name[CC_OBJECT_NAME_MAX]);
/* The object of a volume's name: 0, or -EINVAL if it breaks the rule for names of images. */
int cc_volume_name(const char *name, char ret_name[CC_OBJECT_NAME_MAX]);

/* What a name says.  CC_STORE_CORRUPT if that is no UUID. */
enum cc_store_result cc_volume_uuid(struct cc_store *s, const char *name, uint8_t ret_uuid[16], char *err,
				    size_t errlen);
/* CC_STORE_EXISTS: the name is taken, by another volume than this. */
enum cc_store_result cc_volume_put_name(struct cc_store *s, const char *name, const uint8_t uuid[16], char *err,
					size_t errlen);

#endif
