/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UUIDs of pools and volumes: text, and new ones. */
#ifndef CC_UUID_H
#define CC_UUID_H

#include <stdint.h>

#define CC_UUID_TEXT 37

void cc_uuid_text(const uint8_t uuid[16], char ret_text[CC_UUID_TEXT]);
/* As it is written in a store: 8-4-4-4-12 lower-case hex digits, not all zero.  0 or -EINVAL. */
int cc_uuid_parse(const char *text, uint8_t ret_uuid[16]);
/* A random one (version 4).  0 or -EIO. */
int cc_uuid_random(uint8_t ret_uuid[16]);

#endif
