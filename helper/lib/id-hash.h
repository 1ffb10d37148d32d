/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash of chunk IDs for tables in memory.  IDs come out of manifests that others wrote and need not
 * be real digests, so it is keyed: nobody outside can make them collide.
 */
#ifndef CC_ID_HASH_H
#define CC_ID_HASH_H

#include <stdint.h>
#include "chunkcache/format.h"

/* Differs from process to process.  Any thread. */
uint64_t cc_id_hash(uint64_t domain, const uint8_t id[CC_ID_SIZE]);

#endif
