// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl map: which chunks of a disk are cached, hot, being fetched, holes: as a grid of cells in the
 * terminal, or as a picture.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "chunk-states.h"
#include "command.h"
#include "dm.h"
#include "scan.h"
#include "ui.h"

#define SCREEN_CELLS 64			/* in a row, so that offsets at its start are round */
#define SCREEN_ROWS 16
#define SVG_CELLS 128
#define SVG_ROWS 128
#define SVG_CELL 7			/* pixels */

static const char help[] =
	"Each cell of the grid stands for one chunk or for as many as it says.  A cell\n"
	"for several shows what matters most: a chunk that can't be had, one that is\n"
	"being fetched, else how much is cached.  Hot is what was read since the\n"
	"replacement policy last looked at it.\n"
	"\n"
	"  --svg FILE           write a picture instead, - for standard output\n"
	"  --json               print counts and the state of each chunk: . hole, - not\n"
	"                       cached, c cached, C hot, ? unchecked, m in the helper's\n"
	"                       RAM, f being fetched, x not to be had\n";

/* How a cell looks: the states of chunks, and one more for several of them. */
#define CELL_PARTLY CTL_NR_CHUNK
#define NR_CELLS (CTL_NR_CHUNK + 1)

static const struct look {
	const char *unicode;
	char ascii, letter;
	enum ctl_color color;
	const char *fill;		/* in the picture */
} looks[NR_CELLS] = {
	[CTL_CHUNK_HOLE] = { "·", '.', '.', CTL_DIM, "#eceff1" },
	[CTL_CHUNK_NONE] = { "░", '-', '-', CTL_DIM, "#b0bec5" },
	[CTL_CHUNK_CACHED] = { "▓", '#', 'c', CTL_GREEN, "#43a047" },
	[CTL_CHUNK_HOT] = { "█", '@', 'C', CTL_ORANGE, "#fb8c00" },
	[CTL_CHUNK_UNCHECKED] = { "?", '?', '?', CTL_CYAN, "#80cbc4" },
	[CTL_CHUNK_MEMORY] = { "◇", 'm', 'm', CTL_CYAN, "#5c6bc0" },
	[CTL_CHUNK_FETCHING] = { "◆", '*', 'f', CTL_YELLOW, "#fdd835" },
	[CTL_CHUNK_MISSING] = { "✗", '!', 'x', CTL_RED, "#e53935" },
	[CELL_PARTLY] = { "▒", '+', '+', CTL_GREEN, "#a5d6a7" },
};

struct map {
	const char *disk, *pool;
	struct ctl_chunks chunks;
	uint64_t per_cell;		/* chunks, a power of two */
	uint64_t nr_cells;
};

/* ---- cells ---- */

static void lay_out_map(struct map *m, uint64_t max)
{
	for (m->per_cell = 1; (m->chunks.nr + m->per_cell - 1) / m->per_cell > max;)
		m->per_cell *= 2;
	m->nr_cells = (m->chunks.nr + m->per_cell - 1) / m->per_cell;
}

static unsigned int cell(const struct map *m, uint64_t n)
{
	uint64_t i, end = (n + 1) * m->per_cell, count[CTL_NR_CHUNK] = { 0 }, cached;

	if (end > m->chunks.nr)
		end = m->chunks.nr;
	for (i = n * m->per_cell; i < end; i++)
		count[m->chunks.states[i]]++;
	for (i = CTL_CHUNK_MISSING; i >= CTL_CHUNK_UNCHECKED; i--)
		if (count[i])
			return i;
	cached = count[CTL_CHUNK_CACHED] + count[CTL_CHUNK_HOT];
	if (!cached)
		return count[CTL_CHUNK_NONE] ? CTL_CHUNK_NONE : CTL_CHUNK_HOLE;
	if (count[CTL_CHUNK_NONE])
		return CELL_PARTLY;
	return count[CTL_CHUNK_HOT] * 2 >= cached ? CTL_CHUNK_HOT : CTL_CHUNK_CACHED;
}

static const char *cell_name(unsigned int k)
{
	return k == CELL_PARTLY ? "partly cached" : ctl_chunk_names[k];
}

static bool in_legend(const struct map *m, unsigned int k)
{
	if (k == CELL_PARTLY)
		return m->per_cell > 1;
	return m->chunks.count[k] || k == CTL_CHUNK_CACHED || k == CTL_CHUNK_NONE;
}

/* ---- in the terminal ---- */

static void print_glyph(const struct ctl_ui *ui, unsigned int k)
{
	if (ui->unicode)
		fputs(looks[k].unicode, stdout);
	else
		putchar(looks[k].ascii);
}

static void print_row(const struct map *m, const struct ctl_ui *ui, uint64_t first)
{
	char offset[CTL_SIZE_TEXT];
	unsigned int k, last = NR_CELLS;
	uint64_t n;

	printf("%10s  ", ctl_size_text(first * m->per_cell * m->chunks.chunk_bytes, offset));
	for (n = first; n < first + SCREEN_CELLS && n < m->nr_cells; n++) {
		k = cell(m, n);
		if (k != last)
			printf("%s%s", ctl_color(ui, CTL_PLAIN), ctl_color(ui, looks[k].color));
		print_glyph(ui, k);
		last = k;
	}
	printf("%s\n", ctl_color(ui, CTL_PLAIN));
}

static void print_legend(const struct map *m, const struct ctl_ui *ui)
{
	char text[64], count[CTL_CELL];
	unsigned int k, at = 12;

	printf("%12s", "");
	for (k = 0; k < NR_CELLS; k++) {
		if (!in_legend(m, k))
			continue;
		if (k == CELL_PARTLY)
			snprintf(text, sizeof(text), " %s", cell_name(k));
		else
			snprintf(text, sizeof(text), " %s %s", ctl_count_text(m->chunks.count[k], count),
				 cell_name(k));
		if (at + 1 + strlen(text) > 78) {
			printf("\n%12s", "");
			at = 12;
		}
		fputs(ctl_color(ui, looks[k].color), stdout);
		print_glyph(ui, k);
		printf("%s%s   ", ctl_color(ui, CTL_PLAIN), text);
		at += 4 + strlen(text);
	}
	putchar('\n');
}

static void print_map(struct map *m)
{
	char size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT], of_cell[CTL_SIZE_TEXT];
	struct ctl_ui ui;
	uint64_t n;

	ctl_ui_init(&ui);
	lay_out_map(m, SCREEN_CELLS * SCREEN_ROWS);
	printf("%s%s%s  %s: %" PRIu64 " chunks of %s on pool %s; a cell is %s\n\n",
	       ctl_color(&ui, CTL_BOLD), m->disk, ctl_color(&ui, CTL_PLAIN),
	       ctl_size_text(m->chunks.nr * m->chunks.chunk_bytes, size), m->chunks.nr,
	       ctl_size_text(m->chunks.chunk_bytes, chunk), m->pool,
	       m->per_cell == 1 ? "a chunk" :
				  ctl_size_text(m->per_cell * m->chunks.chunk_bytes, of_cell));
	for (n = 0; n < m->nr_cells; n += SCREEN_CELLS)
		print_row(m, &ui, n);
	putchar('\n');
	print_legend(m, &ui);
}

/* ---- as a picture ---- */

#define SVG_LEFT 70
#define SVG_TOP 58

/* Cells of one kind that stand side by side are one rectangle. */
static void svg_row(const struct map *m, FILE *to, uint64_t first, unsigned int y)
{
	uint64_t n = first, start, end = first + SVG_CELLS;
	unsigned int k;

	if (end > m->nr_cells)
		end = m->nr_cells;
	while (n < end) {
		k = cell(m, n);
		for (start = n; n < end && cell(m, n) == k; n++)
			;
		fprintf(to, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\">"
			"<title>chunks %" PRIu64 " to %" PRIu64 ": %s</title></rect>\n",
			(unsigned int)(SVG_LEFT + (start - first) * SVG_CELL), y,
			(unsigned int)((n - start) * SVG_CELL), SVG_CELL - 1, looks[k].fill,
			start * m->per_cell,
			(n * m->per_cell < m->chunks.nr ? n * m->per_cell : m->chunks.nr) - 1,
			cell_name(k));
	}
}

static void svg_legend(const struct map *m, FILE *to, unsigned int y)
{
	unsigned int k, x = SVG_LEFT;
	char count[CTL_CELL];

	for (k = 0; k < NR_CELLS; k++) {
		if (!in_legend(m, k))
			continue;
		if (x > SVG_LEFT + SVG_CELLS * SVG_CELL - 140) {
			x = SVG_LEFT;
			y += 22;
		}
		fprintf(to, "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\"/>"
			"<text x=\"%u\" y=\"%u\">%s%s%s</text>\n", x, y, looks[k].fill, x + 18, y + 11,
			k == CELL_PARTLY ? "" : ctl_count_text(m->chunks.count[k], count),
			k == CELL_PARTLY ? "" : " ", cell_name(k));
		x += 150;
	}
}

static void svg_labels(const struct map *m, FILE *to, unsigned int rows)
{
	unsigned int row, step = rows > 32 ? 8 : rows > 8 ? 4 : 2;	/* a label is higher than a row */
	char offset[CTL_SIZE_TEXT];

	for (row = 0; row < rows; row += step)
		fprintf(to, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\" class=\"l\">%s</text>\n",
			SVG_LEFT - 8, SVG_TOP + row * SVG_CELL + 7,
			ctl_size_text((uint64_t)row * SVG_CELLS * m->per_cell * m->chunks.chunk_bytes,
				      offset));
}

static void write_svg(struct map *m, FILE *to)
{
	char size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT], of_cell[CTL_SIZE_TEXT];
	unsigned int rows, row, width = SVG_LEFT + SVG_CELLS * SVG_CELL + 20, height;

	lay_out_map(m, SVG_CELLS * SVG_ROWS);
	rows = (m->nr_cells + SVG_CELLS - 1) / SVG_CELLS;
	height = SVG_TOP + rows * SVG_CELL + 80;
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" shape-rendering=\"crispEdges\">\n"
		"<style>text{font:13px sans-serif;fill:#263238}.l{font-size:10px;fill:#78909c}"
		".t{font-size:18px;font-weight:bold}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"%u\" y=\"24\" class=\"t\">%s</text>\n"
		"<text x=\"%u\" y=\"44\">%s: %" PRIu64 " chunks of %s on pool %s; a cell is %s</text>\n",
		width, height, width, height, SVG_LEFT, m->disk, SVG_LEFT,
		ctl_size_text(m->chunks.nr * m->chunks.chunk_bytes, size), m->chunks.nr,
		ctl_size_text(m->chunks.chunk_bytes, chunk), m->pool,
		ctl_size_text(m->per_cell * m->chunks.chunk_bytes, of_cell));
	svg_labels(m, to, rows);
	for (row = 0; row < rows; row++)
		svg_row(m, to, (uint64_t)row * SVG_CELLS, SVG_TOP + row * SVG_CELL);
	svg_legend(m, to, SVG_TOP + rows * SVG_CELL + 20);
	fputs("</svg>\n", to);
}

static int svg_to_file(struct map *m, const char *path)
{
	FILE *to = strcmp(path, "-") ? fopen(path, "we") : stdout;
	int bad;

	if (to)
		write_svg(m, to);
	bad = !to || fflush(to) || ferror(to);
	if (bad)
		ctl_err("%s: %s", path, strerror(errno));
	if (to && to != stdout && fclose(to) && !bad) {
		ctl_err("%s: %s", path, strerror(errno));
		bad = 1;
	}
	return bad ? CTL_FAILED : CTL_OK;
}

/* ---- for scripts ---- */

static int print_map_json(const struct map *m)
{
	char *letters = malloc(m->chunks.nr + 1);
	json_t *count = json_object(), *out;
	uint64_t i;

	if (!letters) {
		ctl_err("out of memory");
		json_decref(count);
		return CTL_FAILED;
	}
	for (i = 0; i < m->chunks.nr; i++)
		letters[i] = looks[m->chunks.states[i]].letter;
	letters[i] = 0;
	for (i = 0; i < CTL_NR_CHUNK; i++)
		json_object_set_new(count, ctl_chunk_names[i], json_integer(m->chunks.count[i]));
	out = json_pack("{s:i, s:s, s:s, s:I, s:I, s:o, s:s}", "v", 1, "disk", m->disk, "pool",
			m->pool, "chunks", (json_int_t)m->chunks.nr, "chunk_bytes",
			(json_int_t)m->chunks.chunk_bytes, "count", count, "states", letters);
	free(letters);
	return ctl_print_json(out);
}

static int find_pool_of(const char *disk, json_t **ret_pools, const char **ret_name)
{
	bool unreadable = false;
	json_t *pool = NULL;
	int r = ctl_scan(ret_pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (!ctl_scan_disk(*ret_pools, disk, &pool))
		ctl_err("%s: no such disk; `chunkctl stat' lists those that are up", disk);
	else if (!json_is_string(json_object_get(pool, "name")))
		ctl_err("%s: its pool was removed by force; see chunkctl explain %s", disk, disk);
	else
		*ret_name = ctl_string(pool, "name");
	return *ret_name ? 0 : CTL_FAILED;
}

static int map_disk(const char *disk, const char *svg, bool json)
{
	struct map m = { .disk = disk };
	json_t *pools = NULL;
	int r = find_pool_of(disk, &pools, &m.pool);

	if (!r)
		r = ctl_chunks_get(m.pool, disk, &m.chunks);
	if (!r && svg)
		r = svg_to_file(&m, svg);
	else if (!r && json)
		r = print_map_json(&m);
	else if (!r)
		print_map(&m);
	ctl_chunks_free(&m.chunks);
	json_decref(pools);
	return r;
}

static int run_map(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		{ "svg", required_argument, NULL, 's' },
		{ 0 }
	};
	const char *svg = NULL;
	bool json = false;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == CTL_OPT_JSON)
			json = true;
		else if (c == 's')
			svg = optarg;
		else
			return ctl_bad_option(c, argv);
	}
	r = ctl_name_operand(argc, argv, 1, "one DISK");
	if (r)
		return r;
	if (json && svg)
		return ctl_usage("--json and --svg exclude each other");
	return ctl_finish(map_disk(argv[optind], svg, json));
}

const struct ctl_command ctl_cmd_map = {
	.name = "map",
	.synopsis = "DISK [--svg FILE|--json]",
	.summary = "Show which chunks of a disk are cached",
	.help = help,
	.run = run_map,
};
