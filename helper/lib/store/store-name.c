// SPDX-License-Identifier: GPL-2.0-or-later
/* Names that objects may have. */
#include "store-impl.h"

#include <string.h>

/* The length of a good first component, or 0. */
static size_t component_ok(const char *name)
{
	size_t len = strcspn(name, "/");

	if (len <= 2 && !strncmp(name, "..", len))
		return 0;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			return 0;
	return len;
}

bool cc_store_name_ok(const char *name)
{
	if (strnlen(name, CC_STORE_NAME_MAX + 1) > CC_STORE_NAME_MAX)
		return false;
	for (;;) {
		size_t len = component_ok(name);

		if (!len)
			return false;
		if (!name[len])
			return true;
		name += len + 1;
	}
}
