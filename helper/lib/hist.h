/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Histograms of durations, log-linear: 32 steps for each factor of two, so within 3 % from 1 us to
 * 67 s.  Pure; the owner's lock covers them.
 */
#ifndef CC_HIST_H
#define CC_HIST_H

#include <stdint.h>

#define CC_HIST_SUB	32		/* steps for each factor of two */
#define CC_HIST_SIZE	704		/* the last one holds all that is longer, too */

struct cc_hist {
	uint64_t count, sum_us, max_us;
	uint32_t n[CC_HIST_SIZE];
};

/*
 * The recent past of a duration that is sometimes not seen to its end: counts are halved when
 * there are too many of them.
 */
struct cc_hist_window {
	unsigned int count;		/* of both */
	uint16_t seen[CC_HIST_SIZE];
	uint16_t censored[CC_HIST_SIZE]; /* it was longer than this, and then nobody looked */
};

unsigned int cc_hist_index(uint64_t us);
/* The largest duration that index stands for. */
uint64_t cc_hist_upper(unsigned int index);

void cc_hist_add(struct cc_hist *h, uint64_t us);
/* What permille of all are at most as long as; 0 if there are none. */
uint64_t cc_hist_quantile(const struct cc_hist *h, unsigned int permille);

void cc_hist_window_add(struct cc_hist_window *w, uint64_t us, int censored);
/*
 * The same by the estimate of Kaplan and Meier, which takes the censored ones for what they are.
 * Were they left out, the estimate would sink with each one, and more and more would be cut off.
 */
uint64_t cc_hist_window_quantile(const struct cc_hist_window *w, unsigned int permille);

#endif
