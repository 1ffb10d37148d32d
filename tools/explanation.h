/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was found out about a disk or volume: a state of each part that its I/O goes through, sentences, and what to
 * type next; and how that is told.
 */
#ifndef CTL_EXPLANATION_H
#define CTL_EXPLANATION_H

#include <jansson.h>
#include "ui.h"

enum ctl_level { LEVEL_OK, LEVEL_UNKNOWN, LEVEL_ODD, LEVEL_BAD, NR_LEVELS };
enum ctl_part { PART_DISK, PART_POOL, PART_HELPER, PART_STORE, NR_PARTS };

struct ctl_explanation {
	const char *name;
	json_t *disk, *pool;		/* borrowed */
	bool is_volume;			/* disk is one of scan.h's volumes */
	struct { enum ctl_level level; char line[400]; } parts[NR_PARTS];
	enum ctl_level level;		/* of what is said next */
	char text[NR_LEVELS][2048];	/* sentences */
	struct { enum ctl_level level; char line[400]; } next[8]; /* commands */
	unsigned int nr_next;
};

/* The state of a part, of which the first of the worst stays; what is said next is as bad as that. */
void ctl_explain_mark(struct ctl_explanation *x, enum ctl_part part, enum ctl_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* One more sentence; one more command to type. */
void ctl_explain_say(struct ctl_explanation *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_explain_next(struct ctl_explanation *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool ctl_explanation_is_empty(const struct ctl_explanation *x);
/* Of all parts. */
enum ctl_level ctl_explanation_worst(const struct ctl_explanation *x);
/* Sentences and commands: those on what is worst first. */
/* Of the program: CTL_OK, CTL_ODD or CTL_DAMAGE. */
int ctl_explanation_status(const struct ctl_explanation *x);
void ctl_explanation_print(const struct ctl_explanation *x, const struct ctl_ui *ui);
/* As ctl_print_json(). */
int ctl_explanation_json(const struct ctl_explanation *x);

#endif
