/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that a store does not have, remembered for a while.  Forgets at will: a fixed table. Pure; the
 * owner's lock covers it.
 */
#ifndef CC_NEGATIVE_H
#define CC_NEGATIVE_H

#include <stdbool.h>
#include <stdint.h>

#define CC_NEGATIVE_SETS	512
#define CC_NEGATIVE_WAYS	4

struct cc_negative_key {
	const void *store;
	uint8_t id[32];
	uint32_t kind;			/* chunks of each encoding, manifests and traces are different objects */
};

struct cc_negative {
	struct {
		struct cc_negative_key key;
		uint64_t until_ns;	/* 0: empty */
	} entry[CC_NEGATIVE_SETS][CC_NEGATIVE_WAYS];
};

void cc_negative_add(struct cc_negative *n, const struct cc_negative_key *key, uint64_t until_ns);
bool cc_negative_has(const struct cc_negative *n, const struct cc_negative_key *key, uint64_t now_ns);

#endif
