// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UUIDs: text, and new ones.
 */
#include "uuid.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool dash_before(unsigned int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void ctl_uuid_text(const uint8_t uuid[16], char ret_text[CTL_UUID_TEXT])
{
	unsigned int i;
	char *p = ret_text;

	for (i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", dash_before(i) ? "-" : "", uuid[i]);
}

int ctl_uuid_parse(const char *s, uint8_t ret_uuid[16])
{
	static const uint8_t nil[16];
	uint8_t uuid[16];
	unsigned int i, value;

	for (i = 0; i < 16; i++) {
		if (dash_before(i) && *s++ != '-')
			return -EINVAL;
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
		    sscanf(s, "%2x", &value) != 1)
			return -EINVAL;
		uuid[i] = value;
		s += 2;
	}
	if (*s || !memcmp(uuid, nil, sizeof(nil)))
		return -EINVAL;
	memcpy(ret_uuid, uuid, sizeof(uuid));
	return 0;
}

int ctl_uuid_random(uint8_t ret_uuid[16])
{
	if (getrandom(ret_uuid, 16, 0) != 16)
		return -EIO;
	ret_uuid[6] = (ret_uuid[6] & 0x0f) | 0x40;
	ret_uuid[8] = (ret_uuid[8] & 0x3f) | 0x80;
	return 0;
}
