// SPDX-License-Identifier: GPL-2.0-or-later
/* Tells what was found out about a disk; see explanation.h. */
#include "explanation.h"

#include <stdio.h>

#include "say.h"

static const char *const part_names[NR_PARTS] = { "disk", "pool", "helper", "store" };
static const char *const level_names[] = { "ok", "?", "odd", "BAD" };

enum ctl_level ctl_explanation_worst(const struct ctl_explanation *x)
{
	enum ctl_level level = LEVEL_OK;

	for (int i = 0; i < NR_PARTS; i++)
		if (x->parts[i].level > level)
			level = x->parts[i].level;
	return level;
}

void ctl_explanation_print(const struct ctl_explanation *x, const struct ctl_ui *ui)
{
	static const enum ctl_color colors[] = { CTL_GREEN, CTL_DIM, CTL_YELLOW, CTL_RED };

	for (int i = 0; i < NR_PARTS; i++) {
		printf("  %-7s %s%-4s%s ", part_names[i], ctl_color(ui, colors[x->parts[i].level]),
		       level_names[x->parts[i].level], ctl_color(ui, CTL_PLAIN));
		ctl_wrap(x->parts[i].line, 15, ui->columns);
	}
	putchar('\n');
	ctl_wrap(x->text, 0, ui->columns < 80 ? ui->columns : 80);
	for (unsigned int i = 0; i < x->nr_next; i++)
		printf("%s%s%s%s%s\n", i ? "" : "\n", i ? "      " : "Next: ",
		       ctl_color(ui, CTL_BOLD), x->next[i], ctl_color(ui, CTL_PLAIN));
}

int ctl_explanation_json(const struct ctl_explanation *x)
{
	json_t *parts = json_object(), *steps = json_array();

	for (int i = 0; i < NR_PARTS; i++)
		json_object_set_new(parts, part_names[i],
				    json_pack("{s:s, s:s}", "state", level_names[x->parts[i].level],
					      "text", x->parts[i].line));
	for (unsigned int i = 0; i < x->nr_next; i++)
		json_array_append_new(steps, json_string(x->next[i]));
	return ctl_print_json(json_pack("{s:i, s:s, s:b, s:o, s:s, s:o}", "v", 1, "disk", x->name,
					"well", ctl_explanation_worst(x) == LEVEL_OK, "parts", parts,
					"text", x->text, "next", steps));
}
