/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest read from its disk, as tests/bench/boot/record wrote it down: a text, its first lines
 *
 *	# SPDX-License-Identifier: GPL-2.0-or-later
 *	# chunkcache-trace 1 system=NAME run=N size=BYTES slowdown=X
 *
 * (BYTES of the disk; the guest's CPU was X times slower than the machine's), then a line for each read, in
 * the order in which they began:
 *
 *	FIRST COUNT THINK [BACK...]
 *
 * FIRST and COUNT are in units of 4 KiB.  A BACK names a read so many lines before that was
 * under way when this one began; it waited for all others before it, and began THINK times 0.1 ms after
 * the last of them had ended.
 */
#ifndef CC_REPLAY_TRACE_H
#define CC_REPLAY_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_UNIT	4096ULL
#define TRACE_THINK_NS	100000
#define TRACE_READS_MAX	200000
#define TRACE_BACKS_MAX	256	/* of a read */
#define TRACE_BACK_MAX	4096	/* the furthest */

struct trace_read {
	uint64_t first;
	uint32_t count;
	uint32_t think;		/* in TRACE_THINK_NS */
	uint32_t backs;		/* of trace->backs: the first of its own */
	uint32_t nr_backs;
};

struct trace {
	char system[32];
	uint64_t size;
	double slowdown;
	uint32_t nr;
	struct trace_read *reads;
	uint16_t *backs;
};

/* False with what is wrong, and in which line, in err; then there is nothing to free. */
bool trace_load(struct trace *t, const char *file, char *err, size_t errlen);
void trace_free(struct trace *t);
/* Was read other, an earlier one, under way when read began? */
bool trace_overlaps(const struct trace *t, uint32_t read, uint32_t other);

#endif
