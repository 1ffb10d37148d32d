// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CRC-32C, four bits at a time: what it runs over is a few KiB at a time and rare, so a small
 * constant table that needs no set-up beats a fast one.
 */
#include "crc32c.h"

static const uint32_t nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t cc_crc32c_add(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;

	crc = ~crc;
	while (size--) {
		crc ^= *p++;
		crc = (crc >> 4) ^ nibble[crc & 15];
		crc = (crc >> 4) ^ nibble[crc & 15];
	}
	return ~crc;
}

uint32_t cc_crc32c(const void *data, size_t size)
{
	return cc_crc32c_add(0, data, size);
}
