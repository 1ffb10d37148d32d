/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person sees: colours, bars and short numbers, as good as the terminal can.  Colours only
 * on a terminal and without NO_COLOR; blocks of Unicode only in a UTF-8 locale, else ASCII.
 */
#ifndef CTL_UI_H
#define CTL_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ctl_color {
	CTL_PLAIN, CTL_BOLD, CTL_DIM, CTL_RED, CTL_GREEN, CTL_YELLOW, CTL_BLUE, CTL_CYAN,
	CTL_ORANGE, CTL_REVERSE,
};

struct ctl_ui {
	bool terminal;			/* stdout is one */
	bool color, unicode;
	unsigned int columns, rows;	/* of the terminal, else 80 and 24 */
};

/* Looks at stdout and the environment. */
void ctl_ui_init(struct ctl_ui *ui);
/* The terminal's size may have changed. */
void ctl_ui_resize(struct ctl_ui *ui);
/* The escape sequence, or "". */
const char *ctl_color(const struct ctl_ui *ui, enum ctl_color color);

/* How good a share of hits (0 to 1) is; below 0: there were no reads. */
enum ctl_color ctl_hit_color(double share);

#define CTL_CELL 32			/* bytes of a short text */
#define CTL_BAR_MAX 60			/* columns of a bar */
#define CTL_BAR_TEXT (3 * CTL_BAR_MAX + 1)

/* fraction (0 to 1) of width columns; more than nothing and less than all are seen as that. */
const char *ctl_bar(const struct ctl_ui *ui, double fraction, unsigned int width,
		    char buf[CTL_BAR_TEXT]);
/* At most five columns: "0", "999", "12.3k", "4.5M". */
const char *ctl_count_text(uint64_t n, char buf[CTL_CELL]);
/* A rate in six columns at most: "0", "0.3", "42", "1.2k". */
const char *ctl_rate_text(double per_second, char buf[CTL_CELL]);
/* Microseconds as "85 us", "4.1 ms", "12 s". */
const char *ctl_time_text(double us, char buf[CTL_CELL]);
/* Seconds as "12 s", "3 min", "2 h 5 min", "4 d 2 h". */
const char *ctl_span_text(uint64_t seconds, char buf[CTL_CELL]);
/* text cut to width columns, with a sign that it was cut. */
const char *ctl_cut(const struct ctl_ui *ui, const char *text, unsigned int width, char *buf,
		    size_t size);
/*
 * Prints text in lines of at most width columns, each with the indent; indent columns of the first
 * line are taken already.
 */
void ctl_wrap(const char *text, unsigned int indent, unsigned int width);

#endif
