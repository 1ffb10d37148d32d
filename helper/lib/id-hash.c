// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keyed hash of chunk IDs; see id-hash.h.
 */
#include "id-hash.h"

#include <string.h>
#include <sys/random.h>

static uint64_t key[4];

/* Both halves of a product depend on all bits of both factors. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)(a | 1) * (b | 1);

	return (uint64_t)p ^ (uint64_t)(p >> 64) ^ a ^ (b << 1);
}

/* Before main(), so that no thread can see half of it.  An early boot without entropy only loses the protection. */
static void __attribute__((constructor)) make_key(void)
{
	if (getrandom(key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
		key[0] = 1;
}

uint64_t cc_id_hash(uint64_t domain, const uint8_t id[CC_ID_SIZE])
{
	uint64_t w[4];

	memcpy(w, id, sizeof(w));
	return mix(mix(w[0] ^ key[0], w[1] ^ key[1]) ^ domain, mix(w[2] ^ key[2], w[3] ^ key[3]));
}
