// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readers without a kernel: a pool in a file, disks that are clones of one image, and a helper
 * that takes this program for the module (kernel/stub.h, kernel/shim.c).  Says in JSON how long the
 * misses took; each byte range is checked against the image's content (content.h).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>
#include "content.h"
#include "manifest.h"
#include "superblock.h"
#include "kernel/stub.h"

#define SECOND	1000000000ULL

static const char usage[] =
"Usage: cc-kernel --socket PATH --pool FILE --digest sha256:HEX [OPTIONS]\n"
"FILE was made by chunkctl format.  Start the helper with LD_PRELOAD=cc-shim.so CC_KERNEL=PATH.\n"
"  --disks N           clones of the image (1)\n"
"  --store NAME        of their table lines (main)\n"
"  --readers N         each reads the next when it has the last (1)\n"
"  --pattern NAME      walk: each takes the next chunk of one walk over the disk, round and round,\n"
"                      so that a pool smaller than the image gives misses only (default)\n"
"                      own: each reads a disk once, in an order of its own\n"
"                      seq: each reads a disk once, in order\n"
"                      one: all read the same chunk, --from\n"
"  --from N            first chunk (0)\n"
"  --reads N           in all, then end (walk, one: as many as the disk has chunks)\n"
"  --warm-up N         so many reads are not counted\n"
"  --seconds S         end after S, too\n"
"  --read-size BYTES   from the start of the chunk (all of it)\n"
"  --latencies FILE    a 32-bit number for each miss: microseconds, in the order of reads\n"
"  --log               tell what the helper says of disks\n"
CONTENT_HELP;

enum pattern { PATTERN_WALK, PATTERN_OWN, PATTERN_SEQ, PATTERN_ONE };

struct options {
	struct content c;
	const char *socket, *pool, *digest, *store, *latencies;
	enum pattern pattern;
	uint64_t disks, readers, from, reads, warm_up, seconds, read_size;
	bool log;
};

struct reader {
	struct stub_read r;
	struct cc_list node;		/* in ready */
	uint64_t number;
	uint64_t done;			/* reads of its own */
	uint64_t sequence;		/* of the read under way, over all */
	uint64_t step, offset;		/* of its order */
};

static struct options o = {
	.store = "main", .disks = 1, .readers = 1,
};
static struct stub *stub;
static struct cc_pool_geometry geometry;
static int pool_fd;
static struct reader *readers;
static struct cc_list ready;
static uint64_t nr_chunks, issued, ended, counted, active, failed, wrong, bytes;
static uint64_t by_errno[4];		/* ENODATA, EILSEQ, ETIMEDOUT, others */
static uint64_t start_ns, end_ns;
static uint32_t *latency_us;		/* by sequence; UINT32_MAX: a hit, or not read */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static void die_errno(const char *what, int error)
{
	fprintf(stderr, "cc-kernel: %s: %s\n", what, strerror(error));
	exit(1);
}

/* ---- content ---- */

static void check_sector(const struct stub_read *r, uint32_t sector, const void *got)
{
	uint64_t words[SECTOR / 8];
	char text[80];

	content_fill(&o.c, r->chunk * o.c.chunk + sector * SECTOR, words, SECTOR);
	if (!memcmp(words, got, SECTOR))
		return;
	content_describe(got, text, sizeof(text));
	if (!wrong++)
		fprintf(stderr, "cc-kernel: chunk %" PRIu64 " sector %u: %s\n", r->chunk, sector, text);
}

/* The first sector, and one that changes from read to read. */
static void check(const struct reader *w)
{
	const struct stub_read *r = &w->r;
	uint32_t sectors[2] = { 0, w->sequence * 2654435761u % (r->len / SECTOR) };
	char buf[SECTOR];

	for (int i = 0; i < 2; i++) {
		off_t pos = geometry.slots_offset + ((uint64_t)r->slot << geometry.slot_shift) +
			    sectors[i] * SECTOR;

		if (r->data && i)
			return;
		if (r->data)
			memcpy(buf, r->data, SECTOR);
		else if (r->slot == STUB_NO_SLOT)
			memset(buf, 0, SECTOR);
		else if (pread(pool_fd, buf, SECTOR, pos) != SECTOR)
			die_errno(o.pool, errno);
		check_sector(r, sectors[i], buf);
	}
}

/* ---- readers ---- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
	return b ? gcd(b, a % b) : a;
}

/* An order of its own for each reader: steps that meet each chunk once. */
static void choose_order(struct reader *w)
{
	uint64_t z = content_mix(w->number + 1);

	w->step = 1;
	w->offset = 0;
	if (o.pattern != PATTERN_OWN)
		return;
	w->step = z % nr_chunks | 1;
	while (gcd(w->step, nr_chunks) != 1)
		w->step += 2;
	w->offset = (z >> 20) % nr_chunks;
}

/* The next of the walk; not one that still waits since the last time round. */
static uint64_t next_of_walk(uint64_t disk)
{
	static uint64_t next;

	for (uint64_t i = 0; i < nr_chunks; i++)
		if (!stub_busy(stub, disk, (o.from + next++) % nr_chunks))
			break;
	return (o.from + next - 1) % nr_chunks;
}

static uint64_t choose_chunk(const struct reader *w)
{
	switch (o.pattern) {
	case PATTERN_ONE:
		return o.from;
	case PATTERN_WALK:
		return next_of_walk(w->r.disk);
	default:
		return (w->offset + w->done * w->step) % nr_chunks;
	}
}

static bool has_more(const struct reader *w)
{
	if (o.pattern == PATTERN_OWN || o.pattern == PATTERN_SEQ)
		return w->done < nr_chunks && (!o.reads || issued < o.reads);
	return issued < o.warm_up + o.reads;
}

static void read_ended(struct reader *w, int error, bool hit)
{
	static const int errors[] = { ENODATA, EILSEQ, ETIMEDOUT };
	unsigned int i = 0;

	ended++;
	if (error) {
		while (i < 3 && errors[i] != error)
			i++;
		by_errno[i]++;
		failed++;
	} else {
		check(w);
	}
	if (w->sequence < o.warm_up)
		return;
	counted++;
	bytes += w->r.len;
	if (!hit && latency_us)
		latency_us[w->sequence - o.warm_up] = (w->r.end_ns - w->r.start_ns) / 1000;
}

static void on_done(struct stub_read *r, int error)
{
	struct reader *w = r->arg;

	read_ended(w, error, false);
	active--;
	cc_list_add_tail(&ready, &w->node);
}

/* Reads until it has to wait; a long row of hits leaves room for the others. */
static void go_on(struct reader *w)
{
	for (int i = 0; i < 64 && has_more(w); i++) {
		w->sequence = issued++;
		if (w->sequence == o.warm_up)
			start_ns = now_ns();
		w->r.disk = w->number % o.disks + 1;
		w->r.chunk = choose_chunk(w);
		w->r.len = o.read_size;
		w->r.done = on_done;
		w->r.arg = w;
		w->done++;
		if (!stub_read(stub, &w->r)) {
			active++;
			return;
		}
		read_ended(w, 0, true);
	}
	if (has_more(w))
		cc_list_add_tail(&ready, &w->node);
}

static void turn(void)
{
	struct cc_list *last = ready.prev;

	while (!cc_list_empty(&ready)) {
		struct cc_list *node = ready.next;

		cc_list_del(node);
		go_on(cc_list_entry(node, struct reader, node));
		if (node == last)
			return;
	}
}

static void wait_for_stub(int ms)
{
	struct pollfd p = { .fd = stub_fd(stub), .events = POLLIN };

	if (poll(&p, 1, ms) > 0)
		stub_serve(stub);
}

/* All disks are LOADED; one that is REFUSED ends the program. */
static bool loaded(void)
{
	const char *reason;

	for (uint64_t i = 1; i <= o.disks; i++) {
		uint32_t state = stub_disk_state(stub, i, &reason);

		if (state == CHUNKCACHE_DISK_REFUSED)
			die("refused", reason);
		if (state != CHUNKCACHE_DISK_LOADED)
			return false;
	}
	return true;
}

static void run(void)
{
	uint64_t due = now_ns() + 60 * SECOND;

	while (!loaded()) {
		if (now_ns() > due)
			die("helper", "did not load the disks within 60 s");
		wait_for_stub(100);
	}
	if (o.log)
		fprintf(stderr, "cc-kernel: %" PRIu64 " disks loaded\n", o.disks);
	due = o.seconds ? now_ns() + o.seconds * SECOND : UINT64_MAX;
	for (uint64_t i = 0; i < o.readers; i++)
		cc_list_add_tail(&ready, &readers[i].node);
	start_ns = now_ns();
	while ((!cc_list_empty(&ready) || active) && now_ns() < due) {
		turn();
		if (active || !cc_list_empty(&ready))
			wait_for_stub(!cc_list_empty(&ready) ? 0 : 100);
	}
	end_ns = now_ns();
}

/* ---- the report ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint64_t squeeze_latencies(uint64_t room)
{
	uint64_t n = 0;

	for (uint64_t i = 0; latency_us && i < room; i++)
		if (latency_us[i] != UINT32_MAX)
			latency_us[n++] = latency_us[i];
	return n;
}

static void write_latencies(uint64_t n)
{
	FILE *f = fopen(o.latencies, "we");

	if (!f || fwrite(latency_us, sizeof(latency_us[0]), n, f) != n || fclose(f))
		die_errno(o.latencies, errno);
}

static double quantile_ms(uint64_t n, double q)
{
	uint64_t i = n * q;

	return n ? latency_us[i < n ? i : n - 1] / 1e3 : 0;
}

static void report(uint64_t room)
{
	const struct stub_stats *t = stub_stats(stub);
	uint64_t n = squeeze_latencies(room);

	if (o.latencies)
		write_latencies(n);
	qsort(latency_us, n, sizeof(latency_us[0]), compare);
	printf("{\"reads\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"wrong\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"not_found\":%" PRIu64 ",\"corrupt\":%" PRIu64
	       ",\"timed_out\":%" PRIu64 ",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
	       ",\"joined\":%" PRIu64 ",\"fills\":%" PRIu64 ",\"evictions\":%" PRIu64
	       ",\"by_map\":%" PRIu64 ",\"by_done\":%" PRIu64 ",\"by_data\":%" PRIu64
	       ",\"messages\":%" PRIu64 ",\"doorbells\":%" PRIu64,
	       counted, bytes, (end_ns - start_ns) / 1e9, wrong, failed, by_errno[0], by_errno[1],
	       by_errno[2], t->hits, t->misses, t->joined, t->fills, t->evictions, t->by_map,
	       t->by_done, t->by_data, t->messages, t->doorbells);
	printf(",\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"p9999_ms\":%.3f}\n",
	       quantile_ms(n, .5), quantile_ms(n, .9), quantile_ms(n, .99), quantile_ms(n, .999),
	       quantile_ms(n, .9999));
}

/* ---- start ---- */

enum { OPT_SOCKET = OPT_CONTENT_END, OPT_POOL, OPT_DIGEST, OPT_DISKS, OPT_STORE, OPT_READERS, OPT_PATTERN,
       OPT_FROM, OPT_READS, OPT_WARM_UP, OPT_SECONDS, OPT_READ_SIZE, OPT_LATENCIES, OPT_LOG };

static const struct option options[] = {
	CONTENT_OPTIONS,
	{ "socket", 1, NULL, OPT_SOCKET }, { "pool", 1, NULL, OPT_POOL },
	{ "digest", 1, NULL, OPT_DIGEST }, { "disks", 1, NULL, OPT_DISKS },
	{ "store", 1, NULL, OPT_STORE }, { "readers", 1, NULL, OPT_READERS },
	{ "pattern", 1, NULL, OPT_PATTERN }, { "from", 1, NULL, OPT_FROM },
	{ "reads", 1, NULL, OPT_READS }, { "warm-up", 1, NULL, OPT_WARM_UP },
	{ "seconds", 1, NULL, OPT_SECONDS }, { "read-size", 1, NULL, OPT_READ_SIZE },
	{ "latencies", 1, NULL, OPT_LATENCIES }, { "log", 0, NULL, OPT_LOG },
	{ NULL, 0, NULL, 0 },
};

static enum pattern parse_pattern(const char *s)
{
	static const char *const names[] = { "walk", "own", "seq", "one" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(s, names[i]))
			return i;
	die("--pattern", "expected walk, own, seq or one");
	return 0;
}

static void take_option(int opt, const char *arg)
{
	switch (opt) {
	case OPT_SOCKET:	o.socket = arg; break;
	case OPT_POOL:		o.pool = arg; break;
	case OPT_DIGEST:	o.digest = arg; break;
	case OPT_STORE:		o.store = arg; break;
	case OPT_LATENCIES:	o.latencies = arg; break;
	case OPT_LOG:		o.log = true; break;
	case OPT_PATTERN:	o.pattern = parse_pattern(arg); break;
	case OPT_DISKS:		o.disks = parse_size("--disks", arg); break;
	case OPT_READERS:	o.readers = parse_size("--readers", arg); break;
	case OPT_FROM:		o.from = parse_size("--from", arg); break;
	case OPT_READS:		o.reads = parse_size("--reads", arg); break;
	case OPT_WARM_UP:	o.warm_up = parse_size("--warm-up", arg); break;
	case OPT_SECONDS:	o.seconds = parse_size("--seconds", arg); break;
	case OPT_READ_SIZE:	o.read_size = parse_size("--read-size", arg); break;
	default:
		if (!content_option(&o.c, opt, arg)) {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static void check_options(void)
{
	content_check(&o.c);
	nr_chunks = content_nr_chunks(&o.c);
	if (!o.socket || !o.pool || !o.digest) {
		fputs(usage, stderr);
		exit(2);
	}
	if (!o.disks || !o.readers)
		die("--disks, --readers", "expected at least 1");
	if (!o.read_size)
		o.read_size = o.c.chunk;
	if (o.read_size % SECTOR || o.read_size > o.c.chunk || o.c.size % o.c.chunk)
		die("--read-size", "expected a multiple of 512, not more than a chunk; no odd image");
	if (o.from >= nr_chunks)
		die("--from", "expected a chunk of the image");
	if (!o.reads && (o.pattern == PATTERN_WALK || o.pattern == PATTERN_ONE))
		o.reads = nr_chunks;
}

static void open_pool(void)
{
	struct stub_config c = { .socket = o.socket, .pool_name = "cache0" };
	char err[200];
	int r;

	pool_fd = open(o.pool, O_RDONLY | O_CLOEXEC);
	if (pool_fd < 0)
		die_errno(o.pool, errno);
	if (cc_superblock_read(pool_fd, &geometry, err, sizeof(err)))
		die(o.pool, err);
	if (1ULL << geometry.slot_shift != o.c.chunk)
		die(o.pool, "its slots are of another size than the image's chunks");
	c.slot_size = o.c.chunk;
	c.nr_slots = geometry.nr_slots;
	c.uuid = geometry.uuid;
	r = stub_open(&c, &stub);
	if (r)
		die_errno(o.socket, -r);
}

static void parse_digest(uint8_t digest[32])
{
	const char *hex = o.digest + 7;

	if (strncmp(o.digest, "sha256:", 7) || strlen(hex) != 64)
		die("--digest", "expected sha256: and 64 hex digits");
	for (int i = 0; i < 32; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &digest[i]) != 1)
			die("--digest", "expected sha256: and 64 hex digits");
}

int main(int argc, char **argv)
{
	uint8_t digest[32];
	uint64_t room;
	char name[16];
	int opt;

	o.c = content_default;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(opt, optarg);
	check_options();
	parse_digest(digest);
	open_pool();
	for (uint64_t i = 1; i <= o.disks; i++) {
		snprintf(name, sizeof(name), "vm%" PRIu64, i);
		stub_disk_add(stub, name, o.store, digest, o.c.size);
	}
	room = o.reads ? o.reads : nr_chunks * o.readers;
	readers = calloc(o.readers, sizeof(*readers));
	latency_us = o.pattern == PATTERN_ONE ? NULL : malloc(room * sizeof(latency_us[0]));
	if (!readers || (!latency_us && o.pattern != PATTERN_ONE))
		die_errno("memory", ENOMEM);
	for (uint64_t i = 0; latency_us && i < room; i++)
		latency_us[i] = UINT32_MAX;
	cc_list_init(&ready);
	for (uint64_t i = 0; i < o.readers; i++) {
		readers[i].number = i;
		choose_order(&readers[i]);
	}
	run();
	report(room);
	stub_close(stub);
	return wrong ? 1 : 0;
}
