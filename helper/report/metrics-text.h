/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of metrics, as OpenMetrics 1.0 or in the older Prometheus text format 0.0.4: families, one after
 * the other, and their samples.  Pure; knows no metric.  The two differ in what a family is called, in UNIT and in the
 * last line, so that who makes the text need not care.
 *
 * A text that ran out of memory takes no more and says so at its end.
 */
#ifndef CC_METRICS_TEXT_H
#define CC_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cc_metrics_format { CC_METRICS_PROMETHEUS, CC_METRICS_OPENMETRICS, CC_METRICS_NR_FORMATS };

struct cc_text {
	enum cc_metrics_format format;
	char *data;
	size_t len, size;
	const char *name;		/* of the family under way, without a suffix */
	const char *suffix;		/* of its samples, but for histograms: "_total", "_info" or "" */
	bool failed;			/* no memory */
};

enum cc_metric_type { CC_COUNTER, CC_GAUGE, CC_HISTOGRAM, CC_INFO };

/* help: one line, no backslash.  A unit of OpenMetrics ("seconds", "bytes") is the name's last word, or there is none. */
struct cc_metric {
	const char *name;		/* without _total and _info */
	const char *help;
	enum cc_metric_type type;
};

void cc_text_begin(struct cc_text *t, enum cc_metrics_format format);
/* Returns 0 and the text, which is the caller's to free, or -ENOMEM. */
int cc_text_end(struct cc_text *t, char **ret_text, size_t *ret_len);

/* Samples that follow are of m, which must stay until the next one; each family comes once. */
void cc_text_family(struct cc_text *t, const struct cc_metric *m);

/* The labels of a sample, made once and used for many. */
struct cc_labels {
	size_t len;
	char text[1024];
};

/*
 * Any bytes are a good value: what is no text in UTF-8 is shown as \xNN, as dmsetup shows it.  What
 * does not fit is cut off.
 */
void cc_labels_init(struct cc_labels *l);
void cc_labels_add(struct cc_labels *l, const char *name, const char *value);

/*
 * value / 10^decimals, of the family under way; decimals is at most 18.  more: one more label as text, such as
 * state="free", or NULL.
 */
void cc_text_sample(struct cc_text *t, const struct cc_labels *l, const char *more, uint64_t value,
		    unsigned int decimals);

/* A distribution of durations; bounds ascend. */
struct cc_buckets {
	unsigned int nr;
	uint64_t bound_us[32];
	uint64_t count[33];		/* in each, not in those before; the last one: above all bounds */
	uint64_t sum_us;
};

void cc_text_histogram(struct cc_text *t, const struct cc_labels *l, const char *more,
		       const struct cc_buckets *b);

/* A family of one sample. */
void cc_text_one(struct cc_text *t, const struct cc_labels *l, const struct cc_metric *m,
		 uint64_t value, unsigned int decimals);
/* label="name", for cc_text_sample()'s more; blanks of the name become _.  Of static storage. */
const char *cc_text_label(const char *label, const char *name);

#endif
