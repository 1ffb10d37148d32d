/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before 6.15 crc32c() was the crypto API's, in a module of its own, with crc32c_le as its other
 * name; the library's had another name.
 */
#include_next <linux/crc32c.h>

#ifndef _CC_COMPAT_LINUX_CRC32C_H
#define _CC_COMPAT_LINUX_CRC32C_H

#ifdef crc32c_le
#include <linux/crc32.h>

#define crc32c(crc, data, size)	__crc32c_le(crc, (const u8 *)(data), size)
#endif

#endif
