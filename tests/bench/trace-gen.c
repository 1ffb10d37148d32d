// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes traces for policy-sim: one chunk number a line, the same ones for the same options.
 *
 *   zipf        independent requests, popularity of rank r as r^-exponent
 *   zipf-scan   the same, and a scan that never comes back: of all requests --scan percent, in
 *               runs of --run chunks.  Its chunks are numbered from SCAN_BASE.
 *   loop        --chunks chunks one after the other, again and again
 *   boot-storm  every so often eight clones of one image boot: each reads --chunks chunks in
 *               the image's order, --stagger chunks behind the one before, and one in 20 of
 *               its own; between storms, and beside them, zipf.  Images take turns.
 *   phases      zipf over a set of --chunks chunks; every --period requests another set, half
 *               of which are chunks of the one before
 *   echo        what is read was read before, some --period +- half of it requests ago, or not
 *   vm          the reads of one virtual machine, see vm()
 *   weeks, desktop, build, server, batch   weeks of a guest, see trace-gen-guest.c
 *
 * Parameters are fixed here, with the requirements of the policy (compare-policies), and were so
 * before it was tuned.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace-gen.h"

#define SCAN_BASE	1000000000ULL
#define NR_CLONES	8

struct options opt = {
	.seed = 1, .requests = 1000000, .chunks = 50000, .run = 1, .stagger = 200,
	.period = 200000, .chunk_kib = 256, .exponent = 0.9, .scan = 20,
};

uint64_t made;

void emit(uint64_t chunk)
{
	printf("%llu\n", (unsigned long long)chunk);
	made++;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		perror("trace-gen");
		exit(1);
	}
	return p;
}

/* ---- chance ---- */

static uint64_t random_state;

/* SplitMix64 */
uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

double random_unit(void)
{
	return (double)(random_u64() >> 11) / (1ULL << 53);
}

bool percent(double p)
{
	return random_unit() * 100 < p;
}

void zipf_init(struct zipf *z, uint64_t n, double exponent)
{
	double sum = 0;

	z->n = n;
	z->sum = xcalloc(n, sizeof(*z->sum));
	for (uint64_t i = 0; i < n; i++)
		z->sum[i] = sum += pow((double)(i + 1), -exponent);
}

uint64_t zipf_rank(const struct zipf *z)
{
	double at = random_unit() * z->sum[z->n - 1];
	uint64_t low = 0, high = z->n - 1;

	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (z->sum[mid] > at)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* ---- the simple ones ---- */

static void zipf(void)
{
	struct zipf z;

	zipf_init(&z, opt.chunks, opt.exponent);
	while (made < opt.requests)
		emit(zipf_rank(&z));
	free(z.sum);
}

static void zipf_scan(void)
{
	uint64_t at = SCAN_BASE;
	struct zipf z;

	zipf_init(&z, opt.chunks, opt.exponent);
	while (made < opt.requests) {
		if (percent(opt.scan))
			for (uint64_t i = 0; i < opt.run; i++)
				emit(at++);
		else
			for (uint64_t i = 0; i < opt.run; i++)
				emit(zipf_rank(&z));
	}
	free(z.sum);
}

static void loop(void)
{
	while (made < opt.requests)
		emit(made % opt.chunks);
}

static void phases(void)
{
	uint64_t first = 0;
	struct zipf z;

	zipf_init(&z, opt.chunks, opt.exponent);
	while (made < opt.requests) {
		/* Ranks are dealt anew, so that what stays is neither hot nor cold. */
		uint64_t step = random_u64() | 1;

		for (uint64_t i = 0; i < opt.period && made < opt.requests; i++)
			emit(first + (zipf_rank(&z) * step & 0xffffffff) % opt.chunks);
		first += opt.chunks / 2;
	}
	free(z.sum);
}

/*
 * Most is new and never comes back; what does comes back after about the same time, again and
 * again; and a little is read all the time.
 */
static void echo(void)
{
	uint64_t *was = xcalloc(opt.requests, sizeof(*was)), fresh = 0;

	while (made < opt.requests) {
		uint64_t ago = opt.period / 2 + random_below(opt.period);
		uint64_t next = percent(opt.scan) && ago <= made ? was[made - ago] : SCAN_BASE + fresh++;

		if (percent(10))
			next = random_below(100);
		for (uint64_t n = 1 + random_below(3); n && made < opt.requests; n--) {
			was[made] = next;
			emit(next);
		}
	}
	free(was);
}

/* ---- boot storm ---- */

/* An image's chunks in the order of a boot: runs of a file's chunks, files all over it. */
static void boot_order(uint64_t *order, uint64_t n, uint64_t base)
{
	for (uint64_t i = 0; i < n;) {
		uint64_t len = 1 + random_below(32), from = random_below(4 * n);

		while (len-- && i < n)
			order[i++] = base + from++;
	}
}

/* Eight clones boot while others go on. */
static void storm(const uint64_t *order, uint64_t n, uint64_t own_base, const struct zipf *others)
{
	uint64_t at[NR_CLONES] = { 0 }, steps = 0, running = NR_CLONES;

	while (running) {
		uint64_t c = random_below(NR_CLONES);

		if (percent(10))
			emit(zipf_rank(others));
		steps++;
		if (steps < c * opt.stagger * NR_CLONES || at[c] == n)
			continue;
		emit(percent(5) ? own_base + c * n + at[c] : order[at[c]]);
		running -= ++at[c] == n;
	}
}

static void boot_storm(void)
{
	uint64_t *order = xcalloc(opt.chunks, sizeof(*order));
	uint64_t base = SCAN_BASE;
	struct zipf others;

	zipf_init(&others, 4 * opt.chunks, opt.exponent);
	while (made < opt.requests) {
		for (uint64_t i = 0; i < 10 * opt.chunks && made < opt.requests; i++)
			emit(zipf_rank(&others));
		boot_order(order, opt.chunks, base);
		storm(order, opt.chunks, base + 8 * opt.chunks, &others);
		base += 32 * opt.chunks;
	}
	free(others.sum);
	free(order);
}

/* ---- a virtual machine ---- */

#define VM_BYTES	(24ULL << 30)
#define VM_FILES	20000
#define VM_REGIONS	400
#define VM_STREAMS	4

struct extent {
	uint64_t start, len;	/* bytes */
};

/* Something the guest does: so many reads of so many bytes in an extent. */
struct stream {
	struct extent in;
	uint64_t left, size, at;
	bool sequential;
};

struct vm {
	struct extent files[VM_FILES];
	struct zipf file_rank, region_rank, db_rank;
	uint64_t drift;		/* what is popular changes slowly */
};

static void vm_lay_out(struct vm *vm)
{
	uint64_t at = 0;

	for (unsigned int i = 0; i < VM_FILES; i++) {
		/* log-normal, median 96 KiB; the mean is near 1 MiB */
		double normal = sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit());
		uint64_t len = (uint64_t)(96 * 1024 * exp(2.2 * normal)) & ~4095ULL;

		len = len < 4096 ? 4096 : len > 256 << 20 ? 256 << 20 : len;
		vm->files[i] = (struct extent){ at % VM_BYTES, len };
		at += len;
	}
	zipf_init(&vm->file_rank, VM_FILES, 0.9);
	zipf_init(&vm->region_rank, VM_REGIONS, 1.0);
	zipf_init(&vm->db_rank, 65536, 0.9);
}

/* Ranks to places, so that neighbours in popularity are no neighbours on the disk. */
static uint64_t scatter(uint64_t rank, uint64_t n)
{
	return rank * 2654435761ULL % n;
}

static void vm_next(struct vm *vm, struct stream *s)
{
	uint64_t what = random_below(1000);

	vm->drift += !random_below(20);
	if (what < 700) {
		/* a file, from its start, by readahead */
		s->in = vm->files[scatter(zipf_rank(&vm->file_rank) + vm->drift, VM_FILES)];
		s->size = 32768;
		s->left = (s->in.len + s->size - 1) / s->size;
		s->sequential = true;
	} else if (what < 850) {
		/* small reads all over a region: a directory tree, a table of the file system */
		uint64_t region = scatter(zipf_rank(&vm->region_rank) + vm->drift / 16, VM_REGIONS);

		s->in = (struct extent){ region * (VM_BYTES / VM_REGIONS), 16 << 20 };
		s->left = 20 + random_below(1500);
		s->size = 4096;
		s->sequential = false;
	} else if (what < 997) {
		/* a database: a few reads here and there */
		s->in = (struct extent){ scatter(zipf_rank(&vm->db_rank), 65536) * 16384, 65536 };
		s->left = 1 + random_below(8);
		s->size = 8192;
		s->sequential = false;
	} else {
		/* a backup, a virus scanner */
		s->in = (struct extent){ random_below(VM_BYTES / 2), (128ULL + random_below(896)) << 20 };
		s->size = 65536;
		s->left = s->in.len / s->size;
		s->sequential = true;
	}
	s->at = 0;
}

static void vm_read(struct stream *s)
{
	uint64_t at = s->sequential ? s->at : random_below(s->in.len / 4096) * 4096;
	uint64_t first = (s->in.start + at) / (opt.chunk_kib * 1024);
	uint64_t last = (s->in.start + at + s->size - 1) / (opt.chunk_kib * 1024);

	while (first <= last)
		emit(first++);
	s->at += s->size;
	s->left--;
}

/*
 * What block traces of guests show: a few streams at a time; files read through in small
 * pieces, so that a chunk is read many times at once and then not for long; bursts of small
 * reads in a region; a hot database; backups; and popularity that drifts.
 */
static void vm(void)
{
	struct stream streams[VM_STREAMS] = { 0 };
	struct vm *vm = xcalloc(1, sizeof(*vm));

	vm_lay_out(vm);
	while (made < opt.requests) {
		struct stream *s = &streams[random_below(VM_STREAMS)];

		if (!s->left)
			vm_next(vm, s);
		/* Requests of one stream come in groups. */
		for (uint64_t n = 1 + random_below(8); n && s->left; n--)
			vm_read(s);
	}
	free(vm->file_rank.sum);
	free(vm->region_rank.sum);
	free(vm->db_rank.sum);
	free(vm);
}

/* ---- command line ---- */

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = {
	{ "zipf", zipf }, { "zipf-scan", zipf_scan }, { "loop", loop },
	{ "boot-storm", boot_storm }, { "phases", phases },
	{ "echo", echo }, { "vm", vm },
};

static void usage(void)
{
	fprintf(stderr, "usage: trace-gen zipf|zipf-scan|loop|boot-storm|phases|echo|vm|\n"
		"       weeks|desktop|build|server|batch [--seed N] [--requests N] [--chunks N]\n"
		"       [--exponent X] [--scan PERCENT] [--run N] [--stagger N] [--period N] "
		"[--chunk-kib N]\n");
	exit(2);
}

/* A number above 0, or the usage. */
static double number(const char *s)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || *end || !(n > 0) || n > 1e15)
		usage();
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", 1, NULL, 's' }, { "requests", 1, NULL, 'r' }, { "chunks", 1, NULL, 'c' },
		{ "exponent", 1, NULL, 'e' }, { "scan", 1, NULL, 'S' }, { "run", 1, NULL, 'R' },
		{ "stagger", 1, NULL, 'g' }, { "period", 1, NULL, 'p' },
		{ "chunk-kib", 1, NULL, 'k' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's': opt.seed = (uint64_t)number(optarg); break;
		case 'r': opt.requests = (uint64_t)number(optarg); break;
		case 'c': opt.chunks = (uint64_t)number(optarg); break;
		case 'e': opt.exponent = number(optarg); break;
		case 'S': opt.scan = number(optarg); break;
		case 'R': opt.run = (uint64_t)number(optarg); break;
		case 'g': opt.stagger = (uint64_t)number(optarg); break;
		case 'p': opt.period = (uint64_t)number(optarg); break;
		case 'k': opt.chunk_kib = (uint64_t)number(optarg); break;
		default: usage();
		}
	}
}

static bool make_trace(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(kind, kinds[i].name)) {
			kinds[i].make();
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (optind != argc - 1)
		usage();
	random_state = opt.seed * 0x2545f4914f6cdd1dULL;
	if (!make_trace(argv[optind]) && !guest_make(argv[optind]))
		usage();
	return ferror(stdout) || fflush(stdout);
}
