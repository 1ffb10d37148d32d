// SPDX-License-Identifier: GPL-2.0-or-later
/* Tells what was found out about a disk; see explanation.h. */
#include "explanation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "say.h"

static const char *const part_names[NR_PARTS] = { "disk", "pool", "helper", "store" };
static const char *const level_names[] = { "ok", "?", "odd", "BAD" };

void ctl_explain_mark(struct ctl_explanation *x, enum ctl_part part, enum ctl_level level, const char *fmt, ...)
{
	va_list ap;

	x->level = level;
	if (x->parts[part].line[0] && level <= x->parts[part].level)
		return;
	x->parts[part].level = level;
	va_start(ap, fmt);
	vsnprintf(x->parts[part].line, sizeof(x->parts[part].line), fmt, ap);
	va_end(ap);
}

void ctl_explain_say(struct ctl_explanation *x, const char *fmt, ...)
{
	char *text = x->text[x->level];
	size_t size = sizeof(x->text[0]), used = strlen(text);
	va_list ap;

	if (used)
		used += snprintf(text + used, size - used, " ");
	va_start(ap, fmt);
	vsnprintf(text + used, size - used, fmt, ap);
	va_end(ap);
}

void ctl_explain_next(struct ctl_explanation *x, const char *fmt, ...)
{
	va_list ap;

	if (x->nr_next == sizeof(x->next) / sizeof(x->next[0]))
		return;
	x->next[x->nr_next].level = x->level;
	va_start(ap, fmt);
	vsnprintf(x->next[x->nr_next++].line, sizeof(x->next[0].line), fmt, ap);
	va_end(ap);
}

bool ctl_explanation_is_empty(const struct ctl_explanation *x)
{
	for (int i = 0; i < NR_LEVELS; i++)
		if (x->text[i][0])
			return false;
	return true;
}

enum ctl_level ctl_explanation_worst(const struct ctl_explanation *x)
{
	enum ctl_level level = LEVEL_OK;

	for (int i = 0; i < NR_PARTS; i++)
		if (x->parts[i].level > level)
			level = x->parts[i].level;
	return level;
}

int ctl_explanation_status(const struct ctl_explanation *x)
{
	enum ctl_level worst = ctl_explanation_worst(x);

	return worst == LEVEL_OK ? CTL_OK : worst == LEVEL_BAD ? CTL_DAMAGE : CTL_ODD;
}

static void print_steps(const struct ctl_explanation *x, const struct ctl_ui *ui)
{
	const char *head = "\nNext: ";

	for (int level = NR_LEVELS - 1; level >= 0; level--)
		for (unsigned int i = 0; i < x->nr_next; i++) {
			if ((int)x->next[i].level != level)
				continue;
			printf("%s%s%s%s\n", head, ctl_color(ui, CTL_BOLD), x->next[i].line, ctl_color(ui, CTL_PLAIN));
			head = "      ";
		}
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
	for (int i = NR_LEVELS - 1; i >= 0; i--)
		if (x->text[i][0])
			ctl_wrap(x->text[i], 0, ui->columns < 80 ? ui->columns : 80);
	print_steps(x, ui);
}

int ctl_explanation_json(const struct ctl_explanation *x)
{
	json_t *parts = json_object(), *steps = json_array();
	char text[sizeof(x->text)] = "";

	for (int i = 0; i < NR_PARTS; i++)
		json_object_set_new(parts, part_names[i],
				    json_pack("{s:s, s:s}", "state", level_names[x->parts[i].level],
					      "text", x->parts[i].line));
	for (int level = NR_LEVELS - 1; level >= 0; level--) {
		if (x->text[level][0])
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
				 x->text[level]);
		for (unsigned int i = 0; i < x->nr_next; i++)
			if ((int)x->next[i].level == level)
				json_array_append_new(steps, json_string(x->next[i].line));
	}
	return ctl_print_json(json_pack("{s:i, s:s, s:b, s:o, s:s, s:o}", "v", 1, "disk", x->name,
					"well", ctl_explanation_worst(x) == LEVEL_OK, "parts", parts,
					"text", text, "next", steps));
}
