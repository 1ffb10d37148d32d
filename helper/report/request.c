// SPDX-License-Identifier: GPL-2.0-or-later
/* See request.h. */
#include "request.h"

#include <inttypes.h>
#include <stdio.h>

#include "session-impl.h"

int64_t cc_request_number(const json_t *request, const char *key, int64_t def, int64_t min, int64_t max, char *err,
			  size_t errlen)
{
	const json_t *v = json_object_get(request, key);
	int64_t n = v ? json_integer_value(v) : def;

	if ((!v || json_is_integer(v)) && n >= min && n <= max)
		return n;
	snprintf(err, errlen, "%s: expected a number from %" PRId64 " to %" PRId64, key, min, max);
	return -1;
}

struct cc_disk *cc_request_disk(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	const char *name = json_string_value(json_object_get(request, "disk"));
	struct cc_disk *disk = s->disks && name ? cc_disks_find_name(s->disks, name) : NULL;

	if (disk && disk->manifest)
		return disk;
	snprintf(err, errlen, disk ? "disk: its manifest is not loaded" :
		 "disk: expected the name of a disk of this pool");
	return NULL;
}
