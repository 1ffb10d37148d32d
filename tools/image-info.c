// SPDX-License-Identifier: GPL-2.0-or-later
/* What qemu-img says of an image; see image-info.h. */
#include "image-info.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "say.h"

#define INFO_MAX (1 << 20)

/* What a vmdk is made of.  One extent, which is the image itself, refers to nothing else. */
static const char *other_extent(const json_t *info, const json_t *extents)
{
	const char *self = ctl_string(info, "filename");
	json_t *extent;
	size_t i;

	json_array_foreach(extents, i, extent)
		if (strcmp(ctl_string(extent, "filename"), self))
			return ctl_string(extent, "filename");
	return NULL;
}

/* What the image names besides itself, as JSON says it. */
static const char *refers_to(const json_t *info)
{
	const json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");

	if (json_object_get(info, "backing-filename"))
		return ctl_string(info, "backing-filename");
	if (json_object_get(data, "data-file"))
		return ctl_string(data, "data-file");
	return other_extent(info, json_object_get(data, "extents"));
}

static json_t *load_info(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size < 0 || size > INFO_MAX || lseek(fd, 0, SEEK_SET) ? NULL : json_loadfd(fd, 0, NULL);
}

int ctl_image_info_check(const char *path, int fd)
{
	json_t *info = load_info(fd);
	const char *other;
	int r = 0;

	if (!json_is_object(info)) {
		ctl_err("%s: qemu-img info: expected a JSON object of at most %d bytes", path, INFO_MAX);
		r = CTL_FAILED;
	} else if ((other = refers_to(info))) {
		ctl_err("%s: refers to another file (%s); flatten it first: qemu-img convert -O raw",
			path, other);
		r = CTL_FAILED;
	}
	json_decref(info);
	return r;
}
