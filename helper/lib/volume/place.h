/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places, in which order decides what a block of a volume is: chunkcache/journal.h says what their bits mean.
 * Those of a run of blocks that was written at once follow each other; those of zeros are all the same.
 */
#ifndef CC_PLACE_H
#define CC_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include "chunkcache/journal.h"

/* What is left of a place is the log chunk's: its number and whose it is, as a place of its first block. */
#define CC_PLACE_LOG_KEY	(CC_PLACE_GUEST | CC_PLACE_LOG_MASK << CC_PLACE_LOG_SHIFT)

static inline uint64_t cc_log_number(uint32_t term, uint32_t count)
{
	return (uint64_t)term << CC_LOG_COUNT_BITS | count;
}

static inline uint32_t cc_log_term(uint64_t number)
{
	return (uint32_t)(number >> CC_LOG_COUNT_BITS);
}

static inline uint32_t cc_log_count(uint64_t number)
{
	return (uint32_t)number;
}

/* The place of the guest's data at block of the log chunk of that number. */
static inline uint64_t cc_place(uint64_t number, uint32_t block)
{
	return CC_PLACE_GUEST | number << CC_PLACE_LOG_SHIFT | (uint64_t)block << CC_PLACE_BLOCK_SHIFT | CC_PLACE_DATA;
}

static inline bool cc_place_is_guest(uint64_t place)
{
	return place & CC_PLACE_GUEST;
}

static inline bool cc_place_is_data(uint64_t place)
{
	return place & CC_PLACE_DATA;
}

static inline uint64_t cc_place_number(uint64_t place)
{
	return place >> CC_PLACE_LOG_SHIFT & CC_PLACE_LOG_MASK;
}

static inline uint32_t cc_place_block(uint64_t place)
{
	return place >> CC_PLACE_BLOCK_SHIFT & CC_PLACE_BLOCK_MASK;
}

/* Equal for all places of a log chunk, and ordered as they are. */
static inline uint64_t cc_place_log_key(uint64_t place)
{
	return place & CC_PLACE_LOG_KEY;
}

/* In blocks, counted over all log chunks: behind a run is cc_place_position() + count, which can't overflow. */
static inline uint64_t cc_place_position(uint64_t place)
{
	return place >> CC_PLACE_BLOCK_SHIFT;
}

/* Of the nth block of a run that begins at place. */
static inline uint64_t cc_place_nth(uint64_t place, uint64_t n)
{
	return cc_place_is_data(place) ? place + (n << CC_PLACE_BLOCK_SHIFT) : place;
}

/* Below it are all places of the guest in this term and before it. */
static inline uint64_t cc_place_term_end(uint32_t term)
{
	return CC_PLACE_GUEST | cc_log_number(term + 1, 0) << CC_PLACE_LOG_SHIFT;
}

#endif
