// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readers without a kernel: a pool in a file, disks that are clones of one image, and a helper
 * that takes this program for the module (kernel/stub.h, kernel/shim.c).  Says in JSON how long the
 * misses took; each byte range is checked against the image's content (content.h).
 */
#include <inttypes.h>
#include "kernel/front.h"

#define SECOND	1000000000ULL

static const char usage[] =
"Usage: cc-kernel " FRONT_USAGE
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
"  --streams N         besides, so many read the disk's second half in order, chunk after chunk, round\n"
"                      and round, and the readers the first half; their reads are not counted\n"
"  --read-size BYTES   from the start of the chunk (all of it)\n"
"  --latencies FILE    a 32-bit number for each miss: microseconds, in the order of reads\n"
"  --stay              when the readers have ended and that was told, serve the helper until killed\n"
"  --log               tell what the helper says of disks\n"
CONTENT_HELP;

enum pattern { PATTERN_WALK, PATTERN_OWN, PATTERN_SEQ, PATTERN_ONE };

struct options {
	const char *latencies;
	enum pattern pattern;
	uint64_t readers, streams, from, reads, warm_up, seconds, read_size;
	bool stay, log;
};

struct reader {
	struct stub_read r;
	struct cc_list node;		/* in ready */
	uint64_t number;
	bool stream;
	uint64_t done;			/* reads of its own */
	uint64_t sequence;		/* of the read under way, over all */
	uint64_t step, offset;		/* of its order */
};

static struct options o = { .readers = 1 };
static struct front front;
static struct reader *readers;
static struct cc_list ready;
static uint64_t nr_all;		/* chunks of the disk */
static uint64_t nr_chunks;	/* of them the readers' */
static uint64_t issued, ended, counted, active, failed, bytes;
static uint64_t by_errno[4];		/* ENODATA, EILSEQ, ETIMEDOUT, others */
static uint64_t start_ns, end_ns;
static uint32_t *latency_us;		/* by sequence; UINT32_MAX: a hit, or not read */

/* The first sector, and one that changes from read to read. */
static void check(const struct reader *w)
{
	front_check(&front, &w->r, 0);
	front_check(&front, &w->r, w->sequence * 2654435761u % (w->r.len / SECTOR));
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
		if (!stub_busy(front.stub, disk, (o.from + next++) % nr_chunks))
			break;
	return (o.from + next - 1) % nr_chunks;
}

static uint64_t next_of_stream(const struct reader *w)
{
	uint64_t room = nr_all - nr_chunks, start = (w->number - o.readers) * room / o.streams;

	return nr_chunks + (start + w->done) % room;
}

static uint64_t choose_chunk(const struct reader *w)
{
	if (w->stream)
		return next_of_stream(w);
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

	if (w->stream)
		return;
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

static void number_read(struct reader *w)
{
	if (w->stream)
		return;
	w->sequence = issued++;
	if (w->sequence == o.warm_up)
		start_ns = front_now_ns();
}

/* Reads until it has to wait; a long row of hits leaves room for the others. */
static void go_on(struct reader *w)
{
	for (int i = 0; i < 64 && has_more(w); i++) {
		number_read(w);
		w->r.disk = w->number % front.disks + 1;
		w->r.chunk = choose_chunk(w);
		w->r.len = o.read_size;
		w->r.done = on_done;
		w->r.arg = w;
		w->done++;
		if (!stub_read(front.stub, &w->r)) {
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

static void run(void)
{
	uint64_t due;

	front_wait_loaded(&front);
	if (o.log)
		fprintf(stderr, "cc-kernel: %" PRIu64 " disks loaded\n", front.disks);
	due = o.seconds ? front_now_ns() + o.seconds * SECOND : UINT64_MAX;
	for (uint64_t i = 0; i < o.readers + o.streams; i++)
		cc_list_add_tail(&ready, &readers[i].node);
	start_ns = front_now_ns();
	while ((!cc_list_empty(&ready) || active) && front_now_ns() < due) {
		turn();
		if (active || !cc_list_empty(&ready))
			front_serve(&front, !cc_list_empty(&ready) ? 0 : 100);
	}
	end_ns = front_now_ns();
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
		front_die(o.latencies, errno);
}

static double quantile_ms(uint64_t n, double q)
{
	uint64_t i = n * q;

	return n ? latency_us[i < n ? i : n - 1] / 1e3 : 0;
}

static void report(uint64_t room)
{
	const struct stub_stats *t = stub_stats(front.stub);
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
	       counted, bytes, (end_ns - start_ns) / 1e9, front.wrong, failed, by_errno[0], by_errno[1],
	       by_errno[2], t->hits, t->misses, t->joined, t->fills, t->evictions, t->by_map,
	       t->by_done, t->by_data, t->messages, t->doorbells);
	printf(",\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"p9999_ms\":%.3f}\n",
	       quantile_ms(n, .5), quantile_ms(n, .9), quantile_ms(n, .99), quantile_ms(n, .999),
	       quantile_ms(n, .9999));
}

/* ---- start ---- */

enum { OPT_READERS = OPT_FRONT_END, OPT_STREAMS, OPT_PATTERN, OPT_FROM, OPT_READS, OPT_WARM_UP, OPT_SECONDS,
       OPT_READ_SIZE, OPT_LATENCIES, OPT_STAY, OPT_LOG };

static const struct option options[] = {
	FRONT_OPTIONS,
	{ "readers", 1, NULL, OPT_READERS }, { "streams", 1, NULL, OPT_STREAMS },
	{ "pattern", 1, NULL, OPT_PATTERN },
	{ "from", 1, NULL, OPT_FROM }, { "reads", 1, NULL, OPT_READS },
	{ "warm-up", 1, NULL, OPT_WARM_UP }, { "seconds", 1, NULL, OPT_SECONDS },
	{ "read-size", 1, NULL, OPT_READ_SIZE }, { "latencies", 1, NULL, OPT_LATENCIES },
	{ "stay", 0, NULL, OPT_STAY },
	{ "log", 0, NULL, OPT_LOG },
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
	case OPT_LATENCIES:	o.latencies = arg; break;
	case OPT_LOG:		o.log = true; break;
	case OPT_STAY:		o.stay = true; break;
	case OPT_PATTERN:	o.pattern = parse_pattern(arg); break;
	case OPT_STREAMS:	o.streams = parse_size("--streams", arg); break;
	case OPT_READERS:	o.readers = parse_size("--readers", arg); break;
	case OPT_FROM:		o.from = parse_size("--from", arg); break;
	case OPT_READS:		o.reads = parse_size("--reads", arg); break;
	case OPT_WARM_UP:	o.warm_up = parse_size("--warm-up", arg); break;
	case OPT_SECONDS:	o.seconds = parse_size("--seconds", arg); break;
	case OPT_READ_SIZE:	o.read_size = parse_size("--read-size", arg); break;
	default:
		if (!front_option(&front, opt, arg)) {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static void check_options(void)
{
	nr_all = nr_chunks = content_nr_chunks(&front.c);
	if (o.streams)
		nr_chunks /= 2;
	if (!o.readers)
		die("--readers", "expected at least 1");
	if (!o.read_size)
		o.read_size = front.c.chunk;
	if (o.read_size % SECTOR || o.read_size > front.c.chunk || front.c.size % front.c.chunk)
		die("--read-size", "expected a multiple of 512, not more than a chunk; no odd image");
	if (o.from >= nr_chunks)
		die("--from", "expected a chunk of the image");
	if (o.streams && o.pattern != PATTERN_WALK)
		die("--streams", "expected with --pattern walk");
	if (!o.reads && (o.pattern == PATTERN_WALK || o.pattern == PATTERN_ONE))
		o.reads = nr_chunks;
}

static void make_readers(void)
{
	readers = calloc(o.readers + o.streams, sizeof(*readers));
	if (!readers)
		front_die("memory", ENOMEM);
	cc_list_init(&ready);
	for (uint64_t i = 0; i < o.readers + o.streams; i++) {
		readers[i].number = i;
		readers[i].stream = i >= o.readers;
		choose_order(&readers[i]);
	}
}

static void make_latencies(uint64_t room)
{
	if (o.pattern == PATTERN_ONE)
		return;
	latency_us = malloc(room * sizeof(latency_us[0]));
	if (!latency_us)
		front_die("memory", ENOMEM);
	for (uint64_t i = 0; i < room; i++)
		latency_us[i] = UINT32_MAX;
}

int main(int argc, char **argv)
{
	uint64_t room;
	int opt;

	front_init(&front);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(opt, optarg);
	front_open(&front);
	check_options();
	room = o.reads ? o.reads : nr_chunks * o.readers;
	make_readers();
	make_latencies(room);
	run();
	report(room);
	fflush(stdout);
	while (o.stay)
		front_serve(&front, 1000);
	stub_close(front.stub);
	return front.wrong ? 1 : 0;
}
