// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a disk as a guest did: replays a trace (tests/bench/boot/, replay/trace.h) against the stub of
 * a kernel and a real helper, and says in JSON how long the reads waited.
 *
 * A read begins when those before it that it waited for have ended and its think time is over, so
 * that a slow store delays all that follows, as it does in a guest.  Polls count in milliseconds, thinking
 * in less: times are planned, and what is planned for within the next millisecond is done
 * at once.  A hit takes no time.  When it has said what there is to say it goes on as kernel, so that the
 * helper can be asked, until it is killed.
 */
#include <inttypes.h>

#include "kernel/front.h"
#include "replay/trace.h"

#define MS	1000000ULL

static const char usage[] =
"Usage: cc-replay " FRONT_USAGE
"  --trace FILE        required\n"
"  --think-divisor X   think so many times faster than in the trace (1); 0: no time at all\n"
"  --settle MS         go on so long when all is read, before what was fetched is counted (2000)\n"
CONTENT_HELP;

/* A read of the trace that has begun: one part for each chunk that it touches. */
struct under_way {
	uint32_t read;
	uint32_t nr_waiting;		/* parts */
	uint32_t nr_parts;
	uint64_t start_ns;
	struct stub_read parts[];
};

struct options {
	const char *trace;
	double divisor;
	uint64_t settle_ms;
};

static struct options o = { .divisor = 1, .settle_ms = 2000 };
static struct front front;
static struct trace trace;
static uint64_t *end_ns;		/* of each read; 0: not yet */
static uint64_t all_before_ns;		/* the latest end of reads before first_open */
static uint32_t first_open;		/* reads before it have ended */
static uint32_t next_read;		/* reads before it have begun */
static uint64_t last_start_ns;		/* of the one before next_read */
static uint8_t *touched;		/* by chunk */
static uint64_t nr_touched, nr_waits, waited_ns, longest_ns, failed;

/* ---- one read ---- */

static void touch(uint64_t chunk)
{
	nr_touched += !touched[chunk];
	touched[chunk] = 1;
}

static void check_part(const struct stub_read *r)
{
	front_check(&front, r, 0);
	front_check(&front, r, r->chunk * 2654435761u % (r->len / SECTOR));
}

static void read_ended(struct under_way *u, uint64_t now_ns)
{
	uint64_t waited = now_ns - u->start_ns;

	end_ns[u->read] = now_ns;
	nr_waits++;
	waited_ns += waited;
	if (waited > longest_ns)
		longest_ns = waited;
	free(u);
}

static void part_ended(struct stub_read *r, int error)
{
	struct under_way *u = r->arg;

	if (error)
		failed++;
	else
		check_part(r);
	if (!--u->nr_waiting)
		read_ended(u, r->end_ns);
}

static struct under_way *new_under_way(uint32_t read, uint64_t pos, uint64_t end)
{
	uint32_t nr = (end - 1) / front.c.chunk - pos / front.c.chunk + 1;
	struct under_way *u = calloc(1, sizeof(*u) + nr * sizeof(u->parts[0]));

	if (!u)
		front_die("memory", ENOMEM);
	u->read = read;
	u->nr_parts = nr;
	u->start_ns = front_now_ns();
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t chunk = pos / front.c.chunk + i;
		uint64_t from = i ? chunk * front.c.chunk : pos;
		uint64_t to = i == nr - 1 ? end : (chunk + 1) * front.c.chunk;

		u->parts[i] = (struct stub_read) {
			.disk = 1, .chunk = chunk, .offset = from % front.c.chunk, .len = to - from,
			.done = part_ended, .arg = u,
		};
	}
	return u;
}

/* planned_ns: when the trace wants it, which is also when it ends if it need not wait. */
static void begin(uint32_t read, uint64_t planned_ns)
{
	const struct trace_read *t = &trace.reads[read];
	struct under_way *u = new_under_way(read, t->first * TRACE_UNIT, (t->first + t->count) * TRACE_UNIT);

	for (uint32_t i = 0; i < u->nr_parts; i++) {
		touch(u->parts[i].chunk);
		if (stub_read(front.stub, &u->parts[i]))
			check_part(&u->parts[i]);
		else
			u->nr_waiting++;
	}
	if (u->nr_waiting)
		return;
	end_ns[read] = planned_ns;
	free(u);
}

/* ---- all of them, in order ---- */

static void pass_ended(void)
{
	for (; first_open < next_read && end_ns[first_open]; first_open++)
		if (end_ns[first_open] > all_before_ns)
			all_before_ns = end_ns[first_open];
}

/*
 * When the next read is to begin; false if one that it waits for has not ended.
 * Those from first_open on are few: the trace bounds how far back a read may look.
 */
static bool plan(uint64_t *ret_ns)
{
	const struct trace_read *t = &trace.reads[next_read];
	uint64_t latest = all_before_ns;

	for (uint32_t i = first_open; i < next_read; i++) {
		if (trace_overlaps(&trace, next_read, i))
			continue;
		if (!end_ns[i])
			return false;
		if (end_ns[i] > latest)
			latest = end_ns[i];
	}
	latest += o.divisor > 0 ? (uint64_t)(t->think * (double)TRACE_THINK_NS / o.divisor) : 0;
	*ret_ns = latest > last_start_ns ? latest : last_start_ns;
	return true;
}

/* Begins what is due; returns how many ms to wait for more to do. */
static int step(void)
{
	uint64_t planned, now;

	while (next_read < trace.nr && plan(&planned)) {
		now = front_now_ns();
		if (planned >= now + MS)
			return (planned - now) / MS;
		begin(next_read++, planned);
		last_start_ns = planned;
		pass_ended();
	}
	return 1000;
}

static void replay(uint64_t *ret_took_ns)
{
	uint64_t start = front_now_ns();

	all_before_ns = last_start_ns = start;
	while (first_open < trace.nr) {
		int ms = step();

		if (first_open < trace.nr)
			front_serve(&front, ms);
		pass_ended();
	}
	*ret_took_ns = all_before_ns - start;
}

static void settle(void)
{
	uint64_t now, due = front_now_ns() + o.settle_ms * MS;

	while ((now = front_now_ns()) < due)
		front_serve(&front, (due - now + MS - 1) / MS);
}

/* ---- program ---- */

static void report(uint64_t took_ns)
{
	const struct stub_stats *t = stub_stats(front.stub);

	printf("{\"reads\":%" PRIu32 ",\"waits\":%" PRIu64 ",\"waited_ms\":%.3f,\"longest_ms\":%.3f"
	       ",\"seconds\":%.6f,\"chunks\":%" PRIu64 ",\"touched\":%" PRIu64 ",\"fills\":%" PRIu64
	       ",\"unread\":%" PRIu32 ",\"hints\":%" PRIu64 ",\"by_data\":%" PRIu64 ",\"evictions\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"wrong\":%" PRIu64 "}\n",
	       trace.nr, nr_waits, waited_ns / 1e6, longest_ns / 1e6, took_ns / 1e9,
	       content_nr_chunks(&front.c), nr_touched, t->fills, stub_unread(front.stub), t->hints,
	       t->by_data, t->evictions, failed, front.wrong);
}

enum { OPT_TRACE = OPT_FRONT_END, OPT_THINK_DIVISOR, OPT_SETTLE };

static const struct option options[] = {
	FRONT_OPTIONS,
	{ "trace", 1, NULL, OPT_TRACE }, { "think-divisor", 1, NULL, OPT_THINK_DIVISOR },
	{ "settle", 1, NULL, OPT_SETTLE },
	{ NULL, 0, NULL, 0 },
};

static double parse_divisor(const char *s)
{
	char tail;
	double v;

	if (sscanf(s, "%lf%c", &v, &tail) != 1 || !(v >= 0))
		die("--think-divisor", "expected a number, 0 or more");
	return v;
}

static void take_option(int opt, const char *arg)
{
	switch (opt) {
	case OPT_TRACE:		o.trace = arg; break;
	case OPT_THINK_DIVISOR:	o.divisor = parse_divisor(arg); break;
	case OPT_SETTLE:	o.settle_ms = parse_size("--settle", arg); break;
	default:
		if (!front_option(&front, opt, arg)) {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t took_ns;
	char err[200];
	int opt;

	front_init(&front);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0)
		take_option(opt, optarg);
	if (!o.trace)
		die("--trace", "is required");
	if (!trace_load(&trace, o.trace, err, sizeof(err)))
		die(o.trace, err);
	if (trace.size != front.c.size)
		die(o.trace, "is of a disk of another size than the image's");
	front_open(&front);
	end_ns = calloc(trace.nr, sizeof(*end_ns));
	touched = calloc(content_nr_chunks(&front.c), 1);
	if (!end_ns || !touched)
		front_die("memory", ENOMEM);
	front_wait_loaded(&front);
	replay(&took_ns);
	settle();
	report(took_ns);
	fflush(stdout);
	for (;;)
		front_serve(&front, 1000);
}
