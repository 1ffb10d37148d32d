/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of policy-sim share: the trace, and what a policy is to the simulator. */
#ifndef POLICY_SIM_H
#define POLICY_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chunks are numbered anew, 0 to nr_chunks - 1, in the order they are first asked for. */
struct trace {
	size_t nr;			/* requests */
	uint32_t *chunk;		/* of each */
	uint32_t nr_chunks;
	uint64_t *number;		/* of each chunk, as the trace has it */
};

struct sim_ops {
	const char *name;
	/* Ends the program if there is no memory. */
	void *(*open)(const struct trace *t, uint32_t slots);
	/* The next request of the trace, in order: was it a hit?  Now the chunk is cached. */
	bool (*request)(void *sim, uint32_t chunk);
	void (*close)(void *sim);
};

extern const struct sim_ops sim_fifo, sim_lru, sim_clock, sim_s3fifo, sim_2q, sim_arc, sim_belady,
	sim_default;

/* Zeroed memory, or the end of the program. */
void *sim_alloc(size_t n, size_t size);

#endif
