// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl top: who reads, who misses, who waits; live on a terminal, line by line elsewhere.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "clock.h"
#include "top-sample.h"
#include "ui.h"

#define STEP_MS 500
#define OLD_MS 10000			/* ten times the interval of commits */

static const char help[] =
	"Disks with most misses first, and how full their pools are.  HITS is the share\n"
	"of reads that did not wait; WAIT is how long misses typically waited, or, in\n"
	"red, for how long the oldest read that waits now has.\n"
	"\n"
	"Volumes have a table of their own: THROTTLE is the share of time that writes\n"
	"waited for room, STORE what goes to the store, DIRTY what is not there yet, and\n"
	"OLDEST how long some of that waits.\n"
	"\n"
	"  -b, --batch          print one table after the other; so it does without a\n"
	"                       terminal\n"
	"  -n, --iterations N   end after N tables\n"
	"  -d, --delay SECONDS  between two looks, 0.2 to 3600, default 2\n"
	"  -s, --sort KEY       misses, hits (worst first), reads, gets, wait or name\n"
	"  -a, --active         leave out disks that nobody reads or waits for\n"
	"\n"
	"Keys:\n"
	"  m h r g w n          sort by misses, hits, reads, GETs, wait, name\n"
	"  R                    the other way round\n"
	"  a                    active disks only, or all\n"
	"  + -                  look more often, less often\n"
	"  up down              scroll\n"
	"  space                look now\n"
	"  q                    quit\n";

static const char *const sort_names[] = { "misses", "hits", "reads", "gets", "wait", "name" };
enum sort { SORT_MISSES, SORT_HITS, SORT_READS, SORT_GETS, SORT_WAIT, SORT_NAME, NR_SORTS };
static const char sort_keys[] = "mhrgwn";

struct top {
	struct ctl_ui ui;
	struct ctl_top_sample now;
	unsigned int interval_ms, iterations;
	enum sort sort;
	bool reverse, active, batch, quit;
	size_t scroll;
};

/* ---- order ---- */

static const struct top *sorting;	/* qsort has no argument for it */

static double key(const struct ctl_top_disk *d)
{
	switch (sorting->sort) {
	case SORT_MISSES:
		return d->misses_rate;
	case SORT_HITS:
		return d->hit_share < 0 ? -2 : -d->hit_share;
	case SORT_READS:
		return d->reads_rate;
	case SORT_GETS:
		return d->gets_rate;
	case SORT_WAIT:
		return d->oldest_ms * 1000.0 > d->wait_us ? d->oldest_ms * 1000.0 : d->wait_us;
	default:
		return 0;
	}
}

static int by_column(const void *a, const void *b)
{
	const struct ctl_top_disk *x = *(struct ctl_top_disk *const *)a;
	const struct ctl_top_disk *y = *(struct ctl_top_disk *const *)b;
	int r = (key(x) < key(y)) - (key(x) > key(y));

	if (!r && sorting->sort != SORT_NAME)
		r = (x->oldest_ms < y->oldest_ms) - (x->oldest_ms > y->oldest_ms);
	if (!r && sorting->sort != SORT_NAME)
		r = (x->reads_rate < y->reads_rate) - (x->reads_rate > y->reads_rate);
	if (!r)
		r = strcmp(x->name, y->name);
	return sorting->reverse ? -r : r;
}

static bool is_active(const struct ctl_top_disk *d)
{
	return d->reads_rate > 0 || d->waiting || d->refused || d->suspended;
}

/* The disks to be shown, in order; how many. */
static size_t choose(const struct top *t, const struct ctl_top_disk **list)
{
	size_t i, n = 0;

	for (i = 0; i < t->now.nr_disks; i++)
		if (!t->active || is_active(&t->now.disks[i]))
			list[n++] = &t->now.disks[i];
	sorting = t;
	qsort(list, n, sizeof(*list), by_column);
	return n;
}

/* ---- lines; each ends with what wipes the rest of it ---- */

static void end_screen_line(const struct top *t, FILE *to)
{
	fputs(t->batch ? "\n" : "\033[K\r\n", to);
}

static void put(const struct top *t, FILE *to, enum ctl_color color, const char *text)
{
	fprintf(to, "%s%s%s", ctl_color(&t->ui, color), text, ctl_color(&t->ui, CTL_PLAIN));
}

static void head_line(const struct top *t, FILE *to)
{
	time_t now = time(NULL);
	char clock[16];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	put(t, to, CTL_BOLD, "chunkctl top");
	fprintf(to, "  %s  every %.1f s  %zu disks, by %s%s%s", clock, t->interval_ms / 1000.0,
		t->now.nr_disks, sort_names[t->sort], t->reverse ? ", reversed" : "",
		t->active ? ", active only" : "");
	end_screen_line(t, to);
}

static void pool_line(const struct top *t, FILE *to, const struct ctl_top_pool *p)
{
	char name[64], bar[CTL_BAR_TEXT], size[CTL_SIZE_TEXT], rate[CTL_SIZE_TEXT], gets[CTL_CELL];
	bool well = !strcmp(p->helper, "attached") && !p->suspended;
	double share = p->slots ? (double)p->valid / p->slots : 0;
	char text[64];

	fprintf(to, "%-15s ", ctl_cut(&t->ui, p->name, 15, name, sizeof(name)));
	put(t, to, CTL_BLUE, ctl_bar(&t->ui, share, 12, bar));
	snprintf(text, sizeof(text), "%3.0f%% of %s", share * 100,
		 ctl_size_text(p->slots * p->slot_bytes, size));
	fprintf(to, " %-16s ", text);
	snprintf(text, sizeof(text), "%s/s",
		 ctl_size_text(p->bytes_rate + 0.5, rate));
	fprintf(to, "%5s GET/s %12s ", ctl_rate_text(p->gets_rate, gets), text);
	if (p->down[0])
		snprintf(text, sizeof(text), "%.5s down", p->down);
	else if (p->suspended)
		snprintf(text, sizeof(text), "suspended");
	else
		snprintf(text, sizeof(text), "%s", strcmp(p->helper, "none") ? p->helper : "no helper");
	put(t, to, well && !p->down[0] ? CTL_GREEN : CTL_RED, text);
	end_screen_line(t, to);
}

static unsigned int name_width(const struct top *t)
{
	unsigned int more = t->ui.columns > 80 ? t->ui.columns - 80 : 0;

	return 16 + (more < 24 ? more : 24);
}

static void table_head(const struct top *t, FILE *to)
{
	fprintf(to, "%s%-*s %6s %6s  %-17s %6s %6s %7s %8s%s", ctl_color(&t->ui, CTL_REVERSE),
		(int)name_width(t), "DISK", "READ/s", "MiB/s", "HITS", "MISS/s", "GET/s",
		"WAITING", "WAIT", ctl_color(&t->ui, CTL_PLAIN));
	end_screen_line(t, to);
}

/* What is wrong with it, or how long misses wait. */
static void wait_cell(const struct top *t, FILE *to, const struct ctl_top_disk *d)
{
	char text[CTL_CELL], cell[CTL_CELL];
	bool old = d->oldest_ms >= 1000;

	if (d->suspended)
		snprintf(text, sizeof(text), "suspend");
	else if (d->refused)
		snprintf(text, sizeof(text), "refused");
	else if (old)
		ctl_time_text(d->oldest_ms * 1000.0, text);
	else if (d->wait_us > 0)
		ctl_time_text(d->wait_us, text);
	else
		snprintf(text, sizeof(text), "-");
	snprintf(cell, sizeof(cell), "%8.8s", text);
	put(t, to, old || d->suspended || d->refused ? CTL_RED : CTL_PLAIN, cell);
}

static void disk_line(const struct top *t, FILE *to, const struct ctl_top_disk *d)
{
	char name[128], bar[CTL_BAR_TEXT], percent[16] = "-", reads[CTL_CELL], mib[CTL_CELL];
	char misses[CTL_CELL], gets[CTL_CELL], waiting[CTL_CELL];
	unsigned int width = name_width(t);

	if (d->hit_share >= 0)
		snprintf(percent, sizeof(percent), d->hit_share == 1 ? "100%%" : "%.1f%%",
			 d->hit_share * 100);
	fprintf(to, "%-*s %6s %6s  ", (int)width,
		ctl_cut(&t->ui, d->name, width, name, sizeof(name)),
		ctl_rate_text(d->reads_rate, reads), ctl_rate_text(d->bytes_rate / (1 << 20), mib));
	put(t, to, ctl_hit_color(d->hit_share),
	    ctl_bar(&t->ui, d->hit_share < 0 ? 0 : d->hit_share, 10, bar));
	fprintf(to, " %6s %6s %6s %7s ", percent, ctl_rate_text(d->misses_rate, misses),
		ctl_rate_text(d->gets_rate, gets), ctl_count_text(d->waiting, waiting));
	wait_cell(t, to, d);
	end_screen_line(t, to);
}

static void total_line(const struct top *t, FILE *to)
{
	struct ctl_top_total all = ctl_top_sum(&t->now, NULL);

	disk_line(t, to, &all.disks);
}

static void hint_line(const struct top *t, FILE *to)
{
	put(t, to, CTL_DIM, "m misses  h hits  r reads  g GETs  w wait  n name  R reversed  a active  +- speed  q quit");
	end_screen_line(t, to);
}

static void volume_head(const struct top *t, FILE *to)
{
	fprintf(to, "%s%-*s %6s %7s %6s %7s %8s %6s %9s %6s%s", ctl_color(&t->ui, CTL_REVERSE), (int)name_width(t),
		"VOLUME", "READ/s", "WRITE/s", "MiB/s", "FLUSH/s", "THROTTLE", "STORE", "DIRTY", "OLDEST",
		ctl_color(&t->ui, CTL_PLAIN));
	end_screen_line(t, to);
}

static void volume_line(const struct top *t, FILE *to, const struct ctl_top_volume *v)
{
	char name[128], reads[CTL_CELL], writes[CTL_CELL], mib[CTL_CELL], flushes[CTL_CELL], store[CTL_CELL];
	char dirty[CTL_SIZE_TEXT] = "?", age[CTL_CELL] = "-", cell[CTL_CELL], throttled[16];
	unsigned int width = name_width(t);
	bool old = v->oldest_ms >= OLD_MS;

	if (v->dirty_known)
		ctl_size_text(v->dirty_bytes, dirty);
	if (v->oldest_ms)
		ctl_time_text((double)v->oldest_ms * 1000, age);
	snprintf(throttled, sizeof(throttled), "%.0f%%", v->throttled_share * 100);
	fprintf(to, "%-*s %6s %7s %6s %7s %8s %6s %9s ", (int)width, ctl_cut(&t->ui, v->name, width, name, sizeof(name)),
		ctl_rate_text(v->reads_rate, reads), ctl_rate_text(v->writes_rate, writes),
		ctl_rate_text(v->bytes_rate / (1 << 20), mib), ctl_rate_text(v->flushes_rate, flushes), throttled,
		ctl_rate_text(v->stored_rate / (1 << 20), store), dirty);
	snprintf(cell, sizeof(cell), "%6.6s", v->failed ? "failed" : age);
	put(t, to, old || v->failed ? CTL_RED : CTL_PLAIN, cell);
	end_screen_line(t, to);
}

/* As many as have room. */
static void draw_volumes(const struct top *t, FILE *to, size_t room)
{
	if (!t->now.nr_volumes)
		return;
	volume_head(t, to);
	for (size_t i = 0; i < t->now.nr_volumes && i < room; i++)
		volume_line(t, to, &t->now.volumes[i]);
}

static void draw(struct top *t, FILE *to)
{
	const struct ctl_top_disk **list = calloc(t->now.nr_disks + 1, sizeof(*list));
	size_t volumes = t->now.nr_volumes ? t->now.nr_volumes + 1 : 0;
	size_t all = t->now.nr_disks > 1, hints = !t->batch;
	size_t i, n, room = SIZE_MAX, used = 3 + t->now.nr_pools + volumes + all + hints;

	if (!list)
		return;
	n = choose(t, list);
	if (!t->batch)
		room = t->ui.rows > used ? t->ui.rows - used : 1;
	if (t->scroll + room > n)
		t->scroll = n > room ? n - room : 0;
	head_line(t, to);
	for (i = 0; i < t->now.nr_pools; i++)
		pool_line(t, to, &t->now.pools[i]);
	draw_volumes(t, to, t->batch || t->ui.rows > used ? SIZE_MAX : t->ui.rows / 3);
	table_head(t, to);
	for (i = t->scroll; i < n && i - t->scroll < room; i++)
		disk_line(t, to, list[i]);
	if (all)
		total_line(t, to);
	if (!n) {
		fputs(t->now.nr_disks ? "no disk is active" : "no disk is up", to);
		end_screen_line(t, to);
	}
	if (hints)
		hint_line(t, to);
	free(list);
}

/* ---- one table after the other ---- */

static int look(struct top *t)
{
	struct ctl_top_sample next;
	int r = ctl_top_look(t->now.at_ns ? &t->now : NULL, &next);

	if (r)
		return r;
	ctl_top_free(&t->now);
	t->now = next;
	return 0;
}

static int run_batch(struct top *t)
{
	struct timespec ts = { t->interval_ms / 1000, t->interval_ms % 1000 * 1000000L };
	unsigned int i;
	int r = look(t);

	for (i = 0; !r && (!t->iterations || i < t->iterations); i++) {
		nanosleep(&ts, NULL);
		r = look(t);
		if (r)
			break;
		if (i)
			putchar('\n');
		draw(t, stdout);
		if (fflush(stdout))
			break;
	}
	return ctl_finish(r);
}

/* ---- on a terminal ---- */

static volatile sig_atomic_t ended, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		ended = 1;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGHUP, SIGINT, SIGWINCH };
	struct sigaction sa = { .sa_handler = on_signal };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &sa, NULL);
}

static void draw_screen(struct top *t)
{
	size_t size = 0;
	char *text = NULL;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	fputs("\033[H", to);
	draw(t, to);
	fclose(to);
	/* The last line has no end: it would scroll the screen. */
	if (size >= 2 && text[size - 1] == '\n')
		size -= 2;
	fwrite(text, 1, size, stdout);
	fputs("\033[J", stdout);
	fflush(stdout);
	free(text);
}

static void step_interval(struct top *t, int by)
{
	int ms = (int)t->interval_ms + by;

	t->interval_ms = ms < CTL_INTERVAL_MIN_MS ? CTL_INTERVAL_MIN_MS :
			 ms > CTL_INTERVAL_MAX_MS ? CTL_INTERVAL_MAX_MS : (unsigned int)ms;
}

/* A key; true: look at once. */
static bool press(struct top *t, char key)
{
	const char *sort = strchr(sort_keys, key);

	if (key && sort) {
		t->sort = sort - sort_keys;
		return false;
	}
	switch (key) {
	case 'q':
	case 3:				/* ^C */
		t->quit = true;
		break;
	case 'R':
		t->reverse = !t->reverse;
		break;
	case 'a':
		t->active = !t->active;
		break;
	case '+':
		step_interval(t, -STEP_MS);
		break;
	case '-':
		step_interval(t, STEP_MS);
		break;
	}
	return key == ' ';
}

/* What was typed, several keys perhaps; true: look at once. */
static bool type(struct top *t, const char *keys, ssize_t n)
{
	bool at_once = false;

	for (; n > 0; keys++, n--) {
		if (n < 3 || keys[0] != '\033' || keys[1] != '[') {
			at_once |= press(t, keys[0]);
			continue;
		}
		if (keys[2] == 'B')
			t->scroll++;
		else if (keys[2] == 'A' && t->scroll)
			t->scroll--;
		keys += 2;
		n -= 2;
	}
	return at_once;
}

/* Until it is time for the next look, or a key asks for it. */
static void serve_keys(struct top *t, uint64_t due_ns)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now;
	char keys[16];
	ssize_t n;

	while (!t->quit && !ended && (now = cc_now_ns()) < due_ns) {
		if (poll(&in, 1, (due_ns - now) / CC_MS + 1) > 0) {
			n = read(STDIN_FILENO, keys, sizeof(keys));
			if (n <= 0) {
				t->quit = true;	/* the terminal is gone */
				return;
			}
			if (type(t, keys, n))
				return;
		} else if (!resized) {
			continue;
		}
		resized = 0;
		ctl_ui_resize(&t->ui);
		draw_screen(t);
	}
}

static int run_screen(struct top *t)
{
	struct termios before, raw;
	unsigned int i;
	int r = look(t);

	if (r)
		return r;
	if (tcgetattr(STDIN_FILENO, &before)) {
		ctl_err("standard input: %s; -b does without", strerror(errno));
		return CTL_FAILED;
	}
	catch_signals();
	raw = before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	/* On a narrow terminal lines are cut, not wrapped. */
	fputs("\033[?1049h\033[?25l\033[?7l\033[2J", stdout);
	for (i = 0; !r && !t->quit && !ended; i++) {
		if (t->iterations && i > t->iterations)
			break;
		draw_screen(t);
		serve_keys(t, cc_now_ns() + t->interval_ms * CC_MS);
		if (!t->quit && !ended)
			r = look(t);
	}
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	return r;
}

/* ---- the command ---- */

static int parse_sort(const char *s, enum sort *ret_sort)
{
	unsigned int i;

	for (i = 0; i < NR_SORTS; i++) {
		if (!strcmp(s, sort_names[i])) {
			*ret_sort = i;
			return 0;
		}
	}
	return ctl_usage("--sort: expected misses, hits, reads, gets, wait or name, got '%s'", s);
}

static int parse_top_option(struct top *t, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'b':
		t->batch = true;
		return 0;
	case 'a':
		t->active = true;
		return 0;
	case 'd':
		return ctl_parse_interval("--delay", optarg, &t->interval_ms);
	case 's':
		return parse_sort(optarg, &t->sort);
	case 'n':
		if (ctl_parse_number("--iterations", optarg, 1, UINT32_MAX, &n))
			return CTL_USAGE;
		t->iterations = n;
		return 0;
	}
	return ctl_bad_option(c, argv);
}

static int run_top(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "batch", no_argument, NULL, 'b' },
		{ "iterations", required_argument, NULL, 'n' },
		{ "delay", required_argument, NULL, 'd' },
		{ "sort", required_argument, NULL, 's' },
		{ "active", no_argument, NULL, 'a' },
		{ 0 }
	};
	struct top t = { .interval_ms = 2000 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":hbn:d:s:a", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_top_option(&t, c, argv);
		if (r)
			return r;
	}
	r = ctl_operands(argc, 0, "no argument");
	if (r)
		return r;
	ctl_ui_init(&t.ui);
	if (!t.ui.terminal || !isatty(STDIN_FILENO))
		t.batch = true;
	r = t.batch ? run_batch(&t) : run_screen(&t);
	ctl_top_free(&t.now);
	return r;
}

const struct ctl_command ctl_cmd_top = {
	.name = "top",
	.synopsis = "[-b] [-n N] [-d SECONDS] [-s KEY] [-a]",
	.summary = "Show live who reads, misses and waits",
	.help = help,
	.run = run_top,
};
