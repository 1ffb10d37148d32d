// SPDX-License-Identifier: GPL-2.0-or-later
/* UUIDs; see uuid.h. */
#include "uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool dash_at(unsigned int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void cc_uuid_text(const uint8_t uuid[16], char ret_text[CC_UUID_TEXT])
{
	char *p = ret_text;

	for (unsigned int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", dash_at(i) ? "-" : "", uuid[i]);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cc_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
	static const uint8_t nil[16];
	uint8_t uuid[16];

	for (unsigned int i = 0; i < 16; i++) {
		if (dash_at(i) && *text++ != '-')
			return -EINVAL;
		if (digit_value(text[0]) < 0 || digit_value(text[1]) < 0)
			return -EINVAL;
		uuid[i] = digit_value(text[0]) << 4 | digit_value(text[1]);
		text += 2;
	}
	if (*text || !memcmp(uuid, nil, sizeof(nil)))
		return -EINVAL;
	memcpy(ret_uuid, uuid, sizeof(uuid));
	return 0;
}

int cc_uuid_random(uint8_t ret_uuid[16])
{
	if (getrandom(ret_uuid, 16, 0) != 16)
		return -EIO;
	ret_uuid[6] = (ret_uuid[6] & 0x0f) | 0x40;
	ret_uuid[8] = (ret_uuid[8] & 0x3f) | 0x80;
	return 0;
}
