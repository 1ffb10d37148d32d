// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CRC-32C, eight bytes at a time by eight tables (Kounavis and Berry): recovery runs over each page of a journal
 * three times, tens of MiB.
 */
#include "crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78U	/* reflected */

/* table[n][b]: of the byte b and n bytes of zeros behind it. */
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
	for (unsigned int b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][b] = crc;
	}
	for (unsigned int n = 1; n < 8; n++)
		for (unsigned int b = 0; b < 256; b++)
			table[n][b] = table[n - 1][b] >> 8 ^ table[0][table[n - 1][b] & 255];
}

static uint32_t add_eight(uint32_t crc, const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	word = le64toh(word) ^ crc;
	return table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
	       table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
	       table[1][word >> 48 & 255] ^ table[0][word >> 56];
}

uint32_t cc_crc32c_add(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;

	pthread_once(&once, fill_tables);
	crc = ~crc;
	for (; size >= 8; size -= 8, p += 8)
		crc = add_eight(crc, p);
	for (; size; size--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
	return ~crc;
}

uint32_t cc_crc32c(const void *data, size_t size)
{
	return cc_crc32c_add(0, data, size);
}
