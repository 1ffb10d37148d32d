// SPDX-License-Identifier: GPL-2.0-or-later
/* Histograms of durations and their quantiles. */
#include "hist.h"

#define WINDOW_MAX	8192		/* counts are halved beyond */

unsigned int cc_hist_index(uint64_t us)
{
	unsigned int shift, index;

	if (us < 2 * CC_HIST_SUB)
		return us;
	shift = 63 - __builtin_clzll(us) - 5;
	index = shift * CC_HIST_SUB + (us >> shift);
	return index < CC_HIST_SIZE ? index : CC_HIST_SIZE - 1;
}

uint64_t cc_hist_upper(unsigned int index)
{
	unsigned int shift;

	if (index < 2 * CC_HIST_SUB)
		return index;
	shift = index / CC_HIST_SUB - 1;
	return ((uint64_t)(index - shift * CC_HIST_SUB + 1) << shift) - 1;
}

void cc_hist_add(struct cc_hist *h, uint64_t us)
{
	h->count++;
	h->sum_us += us;
	if (us > h->max_us)
		h->max_us = us;
	h->n[cc_hist_index(us)]++;
}

uint64_t cc_hist_quantile(const struct cc_hist *h, unsigned int permille)
{
	uint64_t want = (h->count * permille + 999) / 1000, seen = 0;

	for (unsigned int i = 0; i < CC_HIST_SIZE && h->count; i++) {
		seen += h->n[i];
		if (seen >= want)
			return cc_hist_upper(i) < h->max_us ? cc_hist_upper(i) : h->max_us;
	}
	return h->max_us;
}

static void halve(struct cc_hist_window *w)
{
	w->count = 0;
	for (unsigned int i = 0; i < CC_HIST_SIZE; i++) {
		w->seen[i] /= 2;
		w->censored[i] /= 2;
		w->count += w->seen[i] + w->censored[i];
	}
}

void cc_hist_window_add(struct cc_hist_window *w, uint64_t us, int censored)
{
	unsigned int i = cc_hist_index(us);

	if (censored)
		w->censored[i]++;
	else
		w->seen[i]++;
	if (++w->count > WINDOW_MAX)
		halve(w);
}

uint64_t cc_hist_window_quantile(const struct cc_hist_window *w, unsigned int permille)
{
	double longer = 1, limit = 1 - permille / 1000.0;
	unsigned int left = w->count, last = 0;

	for (unsigned int i = 0; i < CC_HIST_SIZE && left; i++) {
		if (!w->seen[i] && !w->censored[i])
			continue;
		last = i;
		longer *= 1 - (double)w->seen[i] / left;
		if (longer <= limit)
			break;
		left -= w->seen[i] + w->censored[i];
	}
	return w->count ? cc_hist_upper(last) : 0;
}
