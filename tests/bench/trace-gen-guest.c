// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Weeks in the life of a guest, as block traces of desktops and servers show them: most of what is
 * read was never read before or was written lately; the guest's own memory keeps what comes back
 * soon from the disk; logs and journals grow by a block every few seconds, round and round or for
 * ever; a few blocks are written all the time; some jobs read the same much every night, or
 * everything every week; programs are replaced by new versions elsewhere on the disk.
 *
 * Habits are drawn by the seed around those of the kind, each up to twice as much or half.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trace-gen.h"

#define PAGE_KIB	4
#define BLOCK_PAGES	4		/* by which the guest's memory is counted */
#define READ_PAGES	16		/* of one request in order */
#define DISK_PAGES	(64ULL << 18)	/* 64 GiB */
#define MAX_FILES	60000
#define MAX_LOGS	8
#define NR_JOBS		3		/* at a time */
#define NEVER		0

struct habits {
	const char *kind;
	uint32_t memory_mib;	/* what of it caches the disk */
	uint32_t programs;	/* files that were there first */
	double exponent;	/* of their popularity */
	uint32_t jobs;		/* a day, of these kinds by weight: */
	uint32_t launch, reopen, create, lookup, loop;
	uint32_t log_pages;	/* written beside 16 requests of jobs, on the mean */
	uint32_t logs, ring_mib; /* half of the logs are rings of so much */
	uint32_t index_days;	/* every so many nights all directories are read */
	uint32_t scan_days;	/* ... all files */
	uint32_t update_days;	/* ... a tenth of the programs is replaced */
	uint32_t loop_mib;	/* what a job of kind loop reads, in order */
};

static const struct habits kinds[] = {
	/* a small server: logs, a database, nightly jobs */
	{ "weeks", 256, 4000, 0.8, 60, 20, 20, 20, 35, 0, 2, 6, 128, 1, 7, 10, 0 },
	/* somebody's own: programs, documents, mail, a browser's cache */
	{ "desktop", 512, 12000, 0.9, 150, 45, 25, 25, 5, 0, 1, 4, 64, 7, 14, 7, 0 },
	/* checks out, compiles, links, throws away */
	{ "build", 512, 8000, 0.9, 80, 15, 25, 35, 0, 25, 1, 3, 64, NEVER, NEVER, 7, 1500 },
	/* serves a hot set of files; backups pass by */
	{ "server", 256, 16000, 1.0, 400, 75, 5, 5, 15, 0, 1, 4, 64, 1, 3, 30, 0 },
	/* reads the same again and again, about as much as fits, beside other things */
	{ "batch", 128, 4000, 0.7, 60, 15, 10, 10, 10, 55, 1, 3, 64, NEVER, NEVER, 20, 800 },
};

struct file {
	uint64_t start, len;	/* pages */
};

struct job {
	enum { IDLE, READ, WRITE, LOOKUP, LOOP } what;
	struct file in;
	uint64_t at, left;	/* requests */
	uint64_t rank;		/* READ of a program: of this file */
	uint32_t more;		/* files after it */
};

struct guest {
	struct habits h;
	struct file files[MAX_FILES];
	uint32_t nr_files;
	uint64_t next_free;	/* page */
	uint32_t program[MAX_FILES];	/* rank to file */
	struct zipf program_rank, page_rank;
	struct file logs[MAX_LOGS], directories, database, loop;
	uint64_t log_at[MAX_LOGS];
	/* The guest's memory: when, in blocks that came in, was each block last there? */
	uint32_t *seen, came_in;
	uint64_t last_chunk;
	uint32_t in_a_row;
	struct job jobs[NR_JOBS];
};

/* ---- what reaches the disk ---- */

/* Four times the same one in a row say as much as a hundred times: no policy here counts further. */
static void touch(struct guest *g, uint64_t page)
{
	uint64_t chunk = page * PAGE_KIB / opt.chunk_kib;

	g->in_a_row = chunk == g->last_chunk ? g->in_a_row + 1 : 0;
	g->last_chunk = chunk;
	if (g->in_a_row < 4)
		emit(chunk);
}

/* True if the guest has it in memory; from now on it has. */
static bool remembers(struct guest *g, uint64_t page)
{
	uint32_t *seen = &g->seen[page / BLOCK_PAGES];
	uint32_t blocks = g->h.memory_mib * (1024 / PAGE_KIB) / BLOCK_PAGES;
	bool there = *seen && g->came_in - *seen < blocks;

	g->came_in += !there;
	*seen = g->came_in;
	return there;
}

static void request(struct guest *g, uint64_t page, uint64_t pages, bool is_write)
{
	for (uint64_t p = page; p < page + pages; p += BLOCK_PAGES) {
		bool there = remembers(g, p % DISK_PAGES);

		if (is_write || !there)
			touch(g, p % DISK_PAGES);
	}
}

/* ---- the disk ---- */

/* Files fill the disk from its start, with holes; a full disk is written over again. */
static struct file allocate(struct guest *g, uint64_t pages)
{
	struct file f = { g->next_free, pages };

	if (f.start + pages > DISK_PAGES)
		f.start = g->next_free = DISK_PAGES / 8;
	g->next_free = f.start + pages + (percent(10) ? random_below(4096) : 0);
	return f;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit());
}

/* log-normal, median in KiB, in whole blocks */
static uint64_t file_pages(double median_kib, double sigma)
{
	double kib = median_kib * exp(sigma * normal());
	uint64_t pages = (uint64_t)(kib < 65536 ? kib : 65536) / PAGE_KIB;

	return (pages | (BLOCK_PAGES - 1)) + 1;
}

static void add_file(struct guest *g, uint64_t pages)
{
	uint32_t n = g->nr_files < MAX_FILES ? g->nr_files++ : g->h.programs +
		     (uint32_t)random_below(MAX_FILES - g->h.programs);

	g->files[n] = allocate(g, pages);
}

static uint32_t varied(uint32_t n)
{
	double v = n * pow(2, 2 * random_unit() - 1);

	return n ? (uint32_t)v + (v < 1) : 0;
}

static void draw_habits(struct habits *h)
{
	h->memory_mib = varied(h->memory_mib);
	h->programs = varied(h->programs);
	h->exponent += 0.4 * random_unit() - 0.2;
	h->jobs = varied(h->jobs);
	h->launch = varied(h->launch);
	h->reopen = varied(h->reopen);
	h->create = varied(h->create);
	h->lookup = varied(h->lookup);
	h->loop = varied(h->loop);
	h->log_pages = varied(h->log_pages);
	h->ring_mib = varied(h->ring_mib);
	h->index_days = varied(h->index_days);
	h->scan_days = varied(h->scan_days);
	h->update_days = varied(h->update_days);
	h->loop_mib = varied(h->loop_mib);
}

static void install(struct guest *g)
{
	g->directories = allocate(g, 100 * 256);
	g->database = allocate(g, 1000 * 256);
	for (uint32_t i = 0; i < g->h.logs; i++)
		g->logs[i] = allocate(g, i % 2 ? (uint64_t)g->h.ring_mib * 256 : 1 << 20);
	for (uint32_t i = 0; i < g->h.programs; i++) {
		add_file(g, file_pages(64, 1.8));
		g->program[i] = i;
	}
	for (uint32_t i = g->h.programs; --i;) {
		uint32_t other = (uint32_t)random_below(i + 1), was = g->program[i];

		g->program[i] = g->program[other];
		g->program[other] = was;
	}
	g->loop = allocate(g, (uint64_t)g->h.loop_mib * 256);
	zipf_init(&g->program_rank, g->h.programs, g->h.exponent);
	zipf_init(&g->page_rank, g->database.len, 0.8);
}

/* ---- what it does ---- */

static void begin_file(struct job *j, int what, struct file in)
{
	j->what = what;
	j->in = in;
	j->at = 0;
	j->left = (in.len + READ_PAGES - 1) / READ_PAGES;
}

/* A program is a few files that are read together: neighbours in rank. */
static void begin_program(const struct guest *g, struct job *j, uint64_t rank)
{
	j->rank = rank % g->h.programs;
	begin_file(j, READ, g->files[g->program[j->rank]]);
}

static void begin_launch(struct guest *g, struct job *j)
{
	j->more = (uint32_t)random_below(6);
	begin_program(g, j, zipf_rank(&g->program_rank));
}

/* What was made lately is opened again sooner than what is old. */
static void begin_reopen(struct guest *g, struct job *j)
{
	uint32_t own = g->nr_files - g->h.programs;
	uint32_t ago = own ? (uint32_t)exp(random_unit() * log(own + 1)) : 0;

	begin_file(j, own && percent(30) ? WRITE : READ, g->files[g->nr_files - (ago ? ago : 1)]);
}

static void begin_create(struct guest *g, struct job *j)
{
	add_file(g, file_pages(128, 2));
	begin_file(j, WRITE, g->files[g->nr_files - 1]);
}

static void begin_lookup(struct guest *g, struct job *j)
{
	j->what = LOOKUP;
	j->in = g->database;
	j->left = 10 + random_below(400);
}

static void begin_job(struct guest *g, struct job *j)
{
	const struct habits *h = &g->h;
	uint64_t what = random_below(h->launch + h->reopen + h->create + h->lookup + h->loop);

	j->more = 0;
	if (what < h->launch)
		begin_launch(g, j);
	else if ((what -= h->launch) < h->reopen)
		begin_reopen(g, j);
	else if ((what -= h->reopen) < h->create)
		begin_create(g, j);
	else if ((what -= h->create) < h->lookup)
		begin_lookup(g, j);
	else
		begin_file(j, LOOP, g->loop);
}

static void step_lookup(struct guest *g, const struct job *j)
{
	uint64_t page = zipf_rank(&g->page_rank) * 2654435761ULL % j->in.len;

	request(g, j->in.start + page / BLOCK_PAGES * BLOCK_PAGES, 1, percent(15));
}

static void step_job(struct guest *g, struct job *j)
{
	if (j->what == LOOKUP)
		step_lookup(g, j);
	else
		request(g, j->in.start + j->at, READ_PAGES, j->what == WRITE);
	j->at += READ_PAGES;
	if (--j->left)
		return;
	if (j->more && j->what == READ) {
		j->more--;
		begin_program(g, j, j->rank + 1);
	} else {
		j->what = IDLE;
	}
}

/* A page of a log, and of the metadata that says so. */
static void step_log(struct guest *g)
{
	uint32_t i = (uint32_t)random_below(g->h.logs);

	request(g, g->logs[i].start + g->log_at[i], 1, true);
	g->log_at[i] = (g->log_at[i] + 1) % g->logs[i].len;
	if (percent(30))
		request(g, g->directories.start + random_below(4) * 512, 1, true);
}

/* ---- nights ---- */

static bool is_night(uint32_t day, uint32_t every)
{
	return every && day % every == every - 1;
}

static void read_index(struct guest *g)
{
	for (uint64_t at = 0; at < g->directories.len; at += READ_PAGES)
		if (at * 2654435761ULL % 100 < 70)
			request(g, g->directories.start + at, READ_PAGES, false);
}

static void read_everything(struct guest *g)
{
	for (uint32_t i = 0; i < g->nr_files && made < opt.requests; i++)
		request(g, g->files[i].start, g->files[i].len, false);
}

static void update_programs(struct guest *g)
{
	for (uint32_t i = 0; i < g->h.programs / 10; i++) {
		struct file *f = &g->files[random_below(g->h.programs)];

		*f = allocate(g, f->len);
		request(g, f->start, f->len, true);
	}
}

static void night(struct guest *g, uint32_t day)
{
	if (is_night(day, g->h.index_days))
		read_index(g);
	if (is_night(day, g->h.scan_days))
		read_everything(g);
	if (is_night(day, g->h.update_days))
		update_programs(g);
}

static void work_day(struct guest *g)
{
	for (uint32_t begun = 0; begun < g->h.jobs && made < opt.requests;) {
		struct job *j = &g->jobs[random_below(NR_JOBS)];

		if (j->what == IDLE) {
			begin_job(g, j);
			begun++;
		}
		for (uint64_t n = 1 + random_below(8); n && j->what != IDLE; n--)
			step_job(g, j);
		if (random_below(16) < g->h.log_pages * 4)
			step_log(g);
	}
}

bool guest_make(const char *kind)
{
	struct guest *g = xcalloc(1, sizeof(*g));

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			g->h = kinds[i];
	if (!g->h.kind) {
		free(g);
		return false;
	}
	g->seen = xcalloc(DISK_PAGES / BLOCK_PAGES + 1, sizeof(*g->seen));
	draw_habits(&g->h);
	install(g);
	for (uint32_t day = 0; made < opt.requests; day++) {
		work_day(g);
		night(g, day);
	}
	free(g->program_rank.sum);
	free(g->page_rank.sum);
	free(g->seen);
	free(g);
	return true;
}
