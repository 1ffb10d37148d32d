// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Colours, bars and short numbers; see ui.h.
 */
#include "ui.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void ctl_ui_resize(struct ctl_ui *ui)
{
	struct winsize w;

	ui->columns = 80;
	ui->rows = 24;
	if (ui->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col && w.ws_row) {
		ui->columns = w.ws_col;
		ui->rows = w.ws_row;
	}
}

void ctl_ui_init(struct ctl_ui *ui)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	/* Only how characters are encoded: numbers stay as scripts expect them. */
	setlocale(LC_CTYPE, "");
	ui->terminal = isatty(STDOUT_FILENO);
	ui->color = ui->terminal && !(no_color && *no_color) && term && strcmp(term, "dumb");
	ui->unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	ctl_ui_resize(ui);
}

const char *ctl_color(const struct ctl_ui *ui, enum ctl_color color)
{
	static const char *const codes[] = {
		[CTL_PLAIN] = "\033[0m", [CTL_BOLD] = "\033[1m", [CTL_DIM] = "\033[90m",
		[CTL_RED] = "\033[31m", [CTL_GREEN] = "\033[32m", [CTL_YELLOW] = "\033[33m",
		[CTL_BLUE] = "\033[34m", [CTL_CYAN] = "\033[36m", [CTL_ORANGE] = "\033[38;5;208m",
		[CTL_REVERSE] = "\033[7m",
	};

	return ui->color ? codes[color] : "";
}

enum ctl_color ctl_hit_color(double share)
{
	if (share < 0)
		return CTL_DIM;
	return share >= 0.95 ? CTL_GREEN : share >= 0.7 ? CTL_YELLOW : CTL_RED;
}

const char *ctl_bar(const struct ctl_ui *ui, double fraction, unsigned int width,
		    char buf[CTL_BAR_TEXT])
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };
	unsigned int steps = ui->unicode ? 8 : 1, all, done, i;
	char *p = buf;

	if (width > CTL_BAR_MAX)
		width = CTL_BAR_MAX;
	all = width * steps;
	fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
	done = fraction * all + 0.5;
	if (fraction > 0 && !done)
		done = 1;
	if (fraction < 1 && done == all)
		done = all - 1;
	for (i = 0; i < width; i++, done -= done < steps ? done : steps) {
		if (!ui->unicode)
			p = stpcpy(p, done ? "#" : ".");
		else if (done)
			p = stpcpy(p, eighths[done < 8 ? done : 8]);
		else
			p = stpcpy(p, "·");
	}
	*p = 0;
	return buf;
}

const char *ctl_count_text(uint64_t n, char buf[CTL_CELL])
{
	static const char units[] = "kMGTPE";
	double value = n;
	unsigned int u = 0;

	if (n < 10000) {
		snprintf(buf, CTL_CELL, "%" PRIu64, n);
		return buf;
	}
	for (value /= 1000; value >= 999.5 && u < sizeof(units) - 2; u++)
		value /= 1000;
	snprintf(buf, CTL_CELL, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[u]);
	return buf;
}

const char *ctl_rate_text(double per_second, char buf[CTL_CELL])
{
	if (per_second < 0.05)
		snprintf(buf, CTL_CELL, "0");
	else if (per_second < 9.95)
		snprintf(buf, CTL_CELL, "%.1f", per_second);
	else
		ctl_count_text(per_second + 0.5, buf);
	return buf;
}

const char *ctl_time_text(double us, char buf[CTL_CELL])
{
	static const char *const units[] = { "us", "ms", "s" };
	unsigned int u = 0;

	for (; us >= 999.5 && u < 2; u++)
		us /= 1000;
	snprintf(buf, CTL_CELL, us < 9.95 && u ? "%.1f %s" : "%.0f %s", us, units[u]);
	return buf;
}

const char *ctl_span_text(uint64_t s, char buf[CTL_CELL])
{
	if (s < 120)
		snprintf(buf, CTL_CELL, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, CTL_CELL, "%" PRIu64 " min", s / 60);
	else if (s < 86400)
		snprintf(buf, CTL_CELL, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, CTL_CELL, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *ctl_cut(const struct ctl_ui *ui, const char *text, unsigned int width, char *buf,
		    size_t size)
{
	/* Names and URLs are ASCII; whatever is not is cut by bytes. */
	if (strlen(text) <= width)
		snprintf(buf, size, "%s", text);
	else
		snprintf(buf, size, "%.*s%s", (int)width - 1, text, ui->unicode ? "…" : "~");
	return buf;
}

void ctl_wrap(const char *text, unsigned int indent, unsigned int width)
{
	unsigned int at = indent, n;

	while (*text) {
		n = strcspn(text, " ");
		if (at > indent && at + 1 + n > width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)n, text);
		at += n;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}
