/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was found out about a disk: a state of each part that its reads go through, sentences, and what to type
 * next; and how that is told.
 */
#ifndef CTL_EXPLANATION_H
#define CTL_EXPLANATION_H

#include <jansson.h>
#include "ui.h"

enum ctl_level { LEVEL_OK, LEVEL_UNKNOWN, LEVEL_ODD, LEVEL_BAD };
enum ctl_part { PART_DISK, PART_POOL, PART_HELPER, PART_STORE, NR_PARTS };

struct ctl_explanation {
	const char *name;
	json_t *disk, *pool;		/* borrowed */
	struct { enum ctl_level level; char line[400]; } parts[NR_PARTS];
	char text[4096];		/* sentences */
	char next[8][400];		/* commands */
	unsigned int nr_next;
};

/* Of all parts. */
enum ctl_level ctl_explanation_worst(const struct ctl_explanation *x);
void ctl_explanation_print(const struct ctl_explanation *x, const struct ctl_ui *ui);
/* As ctl_print_json(). */
int ctl_explanation_json(const struct ctl_explanation *x);

#endif
