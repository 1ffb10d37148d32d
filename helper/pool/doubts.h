/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots whose write failed with an error that says nothing (CC_IO_DOUBT), though the device could
 * be read at that time: is it the slot, or a device that takes no writes?  A slot that fails again
 * while most writes since were good is bad.  Pure.
 */
#ifndef CC_DOUBTS_H
#define CC_DOUBTS_H

#include <stdbool.h>
#include <stdint.h>

#define CC_DOUBTS_MAX	64

struct cc_doubts {
	struct cc_doubt {
		uint32_t slot;
		uint64_t good, failed;	/* writes up to its failure */
	} last[CC_DOUBTS_MAX];		/* a ring */
	unsigned int nr, next;
	uint64_t good, failed;		/* writes so far */
};

/* A struct of zeros is a good start. */
void cc_doubts_good(struct cc_doubts *d);
/* A write of the slot failed; true if the slot is to blame. */
bool cc_doubts_failed(struct cc_doubts *d, uint32_t slot);

#endif
