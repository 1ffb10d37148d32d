/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C as chunkcache/format.h defines it: polynomial 0x1EDC6F41, reflected, initial value
 * and final xor ~0.  It finds torn and stale metadata; it is no proof against anybody.
 */
#ifndef CC_CRC32C_H
#define CC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t cc_crc32c(const void *data, size_t size);
/* Of what crc is of (0: of nothing), followed by data. */
uint32_t cc_crc32c_add(uint32_t crc, const void *data, size_t size);

#endif
