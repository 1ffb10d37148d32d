/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UUIDs of pools as text.
 */
#ifndef CTL_UUID_H
#define CTL_UUID_H

#include <stdint.h>

#define CTL_UUID_TEXT 37

void ctl_uuid_text(const uint8_t uuid[16], char ret_text[CTL_UUID_TEXT]);
/* 8-4-4-4-12 hex digits, not all zero.  0 or -EINVAL. */
int ctl_uuid_parse(const char *s, uint8_t ret_uuid[16]);
/* A random one (version 4).  0 or -errno. */
int ctl_uuid_random(uint8_t ret_uuid[16]);

#endif
