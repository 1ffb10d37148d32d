/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of trace-gen share: the options, the trace that is written, and chance. */
#ifndef TRACE_GEN_H
#define TRACE_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
	uint64_t seed, requests, chunks, run, stagger, period, chunk_kib;
	double exponent, scan;
};

extern struct options opt;
extern uint64_t made;		/* requests so far */

void emit(uint64_t chunk);
/* Zeroed memory, or the end of the program. */
void *xcalloc(size_t n, size_t size);

uint64_t random_u64(void);
uint64_t random_below(uint64_t n);
double random_unit(void);
bool percent(double p);

struct zipf {
	uint64_t n;
	double *sum;		/* of the weights of ranks 0..i */
};

void zipf_init(struct zipf *z, uint64_t n, double exponent);
uint64_t zipf_rank(const struct zipf *z);

/* trace-gen-guest.c: weeks in the life of a guest.  False: no guest is called so. */
bool guest_make(const char *kind);

#endif
