// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a block device or file without the page cache, through io_uring or preadv2, and compares
 * what it gets with the generator of content.h.  Reports errors by errno, latencies, EAGAINs of
 * RWF_NOWAIT and io-wq workers; one line of result.  The device may go away meanwhile: that is an
 * errno as any other.  Never writes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "content.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

#define MAX_ERRNO	256
#define MAX_IOVECS	16
#define ALIGN		4096
#define MAX_SAMPLES	(1u << 20)	/* latencies kept, over all threads */

static const char usage[] =
"Usage: cc-io [OPTIONS] DEVICE\n"
"  --verify            compare with the content options below\n"
"  --engine uring|pread (uring)\n"
"  --depth N           reads in flight per thread (1; pread: always 1)\n"
"  --threads N         (1)\n"
"  --bs MIN[-MAX]      read sizes, random multiples of 512 (4K)\n"
"  --offset B --length B   part of the device to read (all)\n"
"  --seq               ascending, once through unless --count or --seconds says more\n"
"  --step BYTES        distance of sequential reads (the read's own size)\n"
"  --shuffle           --seq --step, but in random order, each place once\n"
"  --align BYTES       random offsets are multiples of this (512)\n"
"  --count N           reads of each thread (1000 if random, else once through)\n"
"  --seconds S         stop after that time\n"
"  --random-seed N     of offsets and sizes (1)\n"
"  --vec N             up to N iovecs of odd multiples of 512 per read (1)\n"
"  --nowait            RWF_NOWAIT; EAGAIN is counted and is no error\n"
"  --nowait-retry      the same, but tries again until the read is done\n"
"  --expect-errno E    each read must fail with errno E (number or name)\n"
"  --allow-errors      errors are counted and are no failure\n"
"  --timeout S         exit 3 if reads are still in flight after S seconds\n"
"  --hipri             polled reads\n"
"  --wait-file FILE    open the device, then start when FILE exists\n"
"  --json              result as one JSON object\n"
CONTENT_HELP
"Exit: 0 all as expected; 1 a wrong byte or an unexpected error; 2 usage; 3 timeout\n";

struct options {
	struct content content;
	const char *device, *wait_file;
	bool verify, pread, seq, shuffle, nowait, retry, allow_errors, json, hipri;
	unsigned int depth, threads, vecs;
	uint64_t bs_min, bs_max, offset, length, step, align, count, random_seed;
	double seconds, timeout;
	int expect_errno;
};

/* One read, from being chosen to being judged. */
struct slot {
	char *buf;
	struct iovec iov[MAX_IOVECS];
	unsigned int nr_iov;
	uint64_t pos, len;
	uint64_t start_ns;
};

struct thread {
	pthread_t id;
	int fd;
	uint64_t rng, next, issued;
	struct slot *slots;
	/* results */
	uint64_t reads, bytes, mismatches, short_reads, eagain, errors[MAX_ERRNO];
	uint64_t nr_samples, max_ns;
	uint32_t *samples;		/* us; of max_samples */
	unsigned int in_flight;
};

static struct options opts = {
	.content = content_default,
	.depth = 1, .threads = 1, .vecs = 1,
	.bs_min = 4096, .bs_max = 4096, .align = SECTOR, .random_seed = 1,
};
static struct thread *threads;
static uint64_t begin_ns;
static uint64_t max_samples;		/* per thread */
static unsigned int max_workers;	/* io-wq threads seen; only main writes it */
static volatile sig_atomic_t stop;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *xalloc(size_t n)
{
	void *p = NULL;

	if (posix_memalign(&p, ALIGN, n ? n : 1)) {
		fprintf(stderr, "cc-io: no memory for %zu bytes\n", n);
		exit(2);
	}
	memset(p, 0, n);
	return p;
}

static uint64_t rnd(struct thread *t)
{
	t->rng += 0x9e3779b97f4a7c15ULL;
	return content_mix(t->rng);
}

static bool time_is_up(void)
{
	return stop || (opts.seconds && now_ns() - begin_ns > opts.seconds * 1e9);
}

/* ---- choosing reads ---- */

static uint64_t choose_len(struct thread *t)
{
	uint64_t n = (opts.bs_max - opts.bs_min) / SECTOR + 1;

	return opts.bs_min + rnd(t) % n * SECTOR;
}

/* A permutation of 0..n-1 without a table: an odd multiplier on the next power of two. */
static uint64_t shuffle(uint64_t i, uint64_t n, uint64_t seed)
{
	uint64_t mask = 1;

	while (mask < n)
		mask <<= 1;
	mask--;
	do
		i = (i * 0x9e3779b97f4a7c15ULL + (content_mix(seed) | 1)) & mask;
	while (i >= n);
	return i;
}

static bool choose_sequential(struct thread *t, struct slot *s)
{
	uint64_t step = opts.step ? opts.step : s->len;
	uint64_t end = opts.offset + opts.length, n = (opts.length + step - 1) / step;

	if (opts.shuffle) {
		if (t->next >= n)
			return false;
		s->pos = opts.offset + shuffle(t->next++, n, opts.random_seed) * step;
	} else {
		if (opts.offset + t->next >= end) {
			if (!opts.count && !opts.seconds)
				return false;
			t->next = 0;
		}
		s->pos = opts.offset + t->next;
		t->next += step;
	}
	if (s->len > end - s->pos)
		s->len = end - s->pos;
	return true;
}

static bool choose(struct thread *t, struct slot *s)
{
	uint64_t places;

	if (opts.count && t->issued >= opts.count)
		return false;
	s->len = choose_len(t);
	if (opts.seq) {
		if (!choose_sequential(t, s))
			return false;
	} else {
		if (s->len > opts.length)
			s->len = opts.length;
		places = (opts.length - s->len) / opts.align + 1;
		s->pos = opts.offset + rnd(t) % places * opts.align;
	}
	t->issued++;
	return true;
}

/* Cut the buffer into up to --vec pieces of odd lengths. */
static void prepare_iovecs(struct thread *t, struct slot *s)
{
	uint64_t left = s->len, n, max;
	char *p = s->buf;

	s->nr_iov = 0;
	while (left) {
		n = left;
		if (s->nr_iov + 1 < opts.vecs && left > SECTOR) {
			max = left / SECTOR;
			n = (rnd(t) % max + 1) * SECTOR;
		}
		s->iov[s->nr_iov].iov_base = p;
		s->iov[s->nr_iov++].iov_len = n;
		p += n;
		left -= n;
	}
	memset(s->buf, 0xa5, s->len);
	s->start_ns = now_ns();
}

/* ---- judging them ---- */

static void report_mismatch(const struct slot *s, uint64_t at, const uint64_t *want)
{
	char holds[128], wants[128];

	content_describe(s->buf + (at - s->pos), holds, sizeof(holds));
	content_describe(want, wants, sizeof(wants));
	pthread_mutex_lock(&report_lock);
	fprintf(stderr, "cc-io: %s: byte %" PRIu64 " (chunk %" PRIu64 " sector %" PRIu64
		"), read of %" PRIu64 "+%" PRIu64 ": holds %s, should be %s\n", opts.device, at,
		at / opts.content.chunk, at % opts.content.chunk / SECTOR, s->pos, s->len, holds,
		wants);
	pthread_mutex_unlock(&report_lock);
}

static void verify(struct thread *t, const struct slot *s, uint64_t len)
{
	uint64_t want[SECTOR / 8], done;

	for (done = 0; done + SECTOR <= len; done += SECTOR) {
		content_fill(&opts.content, s->pos + done, want, SECTOR);
		if (memcmp(want, s->buf + done, SECTOR)) {
			if (!t->mismatches++)
				report_mismatch(s, s->pos + done, want);
			return;
		}
	}
}

static void sample(struct thread *t, uint64_t ns)
{
	uint64_t us = ns / 1000, i = t->nr_samples++;

	if (ns > t->max_ns)
		t->max_ns = ns;
	if (i >= max_samples)
		i = rnd(t) % max_samples;
	t->samples[i] = us > UINT32_MAX ? UINT32_MAX : us;
}

static void report_error(const struct slot *s, int err)
{
	pthread_mutex_lock(&report_lock);
	fprintf(stderr, "cc-io: %s: read of %" PRIu64 "+%" PRIu64 ": %s\n", opts.device, s->pos,
		s->len, err ? strerror(err) : "short");
	pthread_mutex_unlock(&report_lock);
}

/* res as of a read. Returns true if the same read has to be made again. */
static bool complete(struct thread *t, struct slot *s, int64_t res)
{
	int err = res < 0 ? -res : 0;

	if (err == EAGAIN && opts.nowait) {
		t->eagain++;
		if (opts.retry && !time_is_up())
			return true;
		sample(t, now_ns() - s->start_ns);
		return false;
	}
	sample(t, now_ns() - s->start_ns);
	if (err) {
		if (!t->errors[err < MAX_ERRNO ? err : 0]++ && !opts.allow_errors &&
		    err != opts.expect_errno)
			report_error(s, err);
		return false;
	}
	t->reads++;
	t->bytes += res;
	if ((uint64_t)res < s->len && !t->short_reads++)
		report_error(s, 0);
	if (opts.verify)
		verify(t, s, res);
	return false;
}

/* ---- engines ---- */

static void run_pread(struct thread *t)
{
	struct slot *s = &t->slots[0];
	int flags = (opts.nowait ? RWF_NOWAIT : 0) | (opts.hipri ? RWF_HIPRI : 0);
	ssize_t n;

	while (!time_is_up() && choose(t, s)) {
		prepare_iovecs(t, s);
		do {
			__atomic_store_n(&t->in_flight, 1, __ATOMIC_RELAXED);
			n = preadv2(t->fd, s->iov, s->nr_iov, s->pos, flags);
			if (n < 0)
				n = -errno;
			__atomic_store_n(&t->in_flight, 0, __ATOMIC_RELAXED);
		} while (complete(t, s, n));
	}
}

static void queue(struct thread *t, struct io_uring *ring, struct slot *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_readv2(sqe, t->fd, s->iov, s->nr_iov, s->pos,
			     opts.nowait ? RWF_NOWAIT : 0);
	io_uring_sqe_set_data(sqe, s);
	__atomic_add_fetch(&t->in_flight, 1, __ATOMIC_RELAXED);
}

static void reap(struct thread *t, struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;
	struct slot *s;

	io_uring_for_each_cqe(ring, head, cqe) {
		s = io_uring_cqe_get_data(cqe);
		n++;
		__atomic_sub_fetch(&t->in_flight, 1, __ATOMIC_RELAXED);
		if (complete(t, s, cqe->res)) {
			queue(t, ring, s);
		} else if (!time_is_up() && choose(t, s)) {
			prepare_iovecs(t, s);
			queue(t, ring, s);
		}
	}
	io_uring_cq_advance(ring, n);
}

static void run_uring(struct thread *t)
{
	struct io_uring ring;
	unsigned int i;
	int err;

	err = io_uring_queue_init(opts.depth, &ring, opts.hipri ? IORING_SETUP_IOPOLL : 0);
	if (err) {
		fprintf(stderr, "cc-io: io_uring: %s\n", strerror(-err));
		exit(2);
	}
	for (i = 0; i < opts.depth && choose(t, &t->slots[i]); i++) {
		prepare_iovecs(t, &t->slots[i]);
		queue(t, &ring, &t->slots[i]);
	}
	while (t->in_flight) {
		err = io_uring_submit_and_wait(&ring, 1);
		if (err < 0 && err != -EINTR && err != -EAGAIN && err != -EBUSY) {
			fprintf(stderr, "cc-io: io_uring_enter: %s\n", strerror(-err));
			exit(2);
		}
		reap(t, &ring);
	}
	io_uring_queue_exit(&ring);
}

static void *run_thread(void *arg)
{
	struct thread *t = arg;

	if (opts.pread)
		run_pread(t);
	else
		run_uring(t);
	return NULL;
}

/* ---- result ---- */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct result {
	uint64_t reads, bytes, mismatches, short_reads, eagain, nr_errors, max_ns, in_flight;
	uint64_t errors[MAX_ERRNO];
	uint32_t p50, p99;
};

static uint64_t nr_kept(const struct thread *t)
{
	return t->nr_samples < max_samples ? t->nr_samples : max_samples;
}

static void sum_latencies(struct result *r)
{
	uint64_t n = 0, k;
	uint32_t *all;
	unsigned int i;

	for (i = 0; i < opts.threads; i++)
		n += nr_kept(&threads[i]);
	if (!n)
		return;
	all = xalloc(n * sizeof(*all));
	for (i = 0, n = 0; i < opts.threads; i++, n += k) {
		k = nr_kept(&threads[i]);
		memcpy(all + n, threads[i].samples, k * sizeof(*all));
	}
	qsort(all, n, sizeof(*all), compare_u32);
	r->p50 = all[n / 2];
	r->p99 = all[n * 99 / 100];
	free(all);
}

static void sum(struct result *r)
{
	unsigned int i, e;

	for (i = 0; i < opts.threads; i++) {
		struct thread *t = &threads[i];

		r->reads += t->reads;
		r->bytes += t->bytes;
		r->mismatches += t->mismatches;
		r->short_reads += t->short_reads;
		r->eagain += t->eagain;
		r->in_flight += __atomic_load_n(&t->in_flight, __ATOMIC_RELAXED);
		if (t->max_ns > r->max_ns)
			r->max_ns = t->max_ns;
		for (e = 0; e < MAX_ERRNO; e++) {
			r->errors[e] += t->errors[e];
			r->nr_errors += t->errors[e];
		}
	}
	sum_latencies(r);
}

/* Does what happened agree with what was expected? */
static bool as_expected(const struct result *r)
{
	if (r->mismatches)
		return false;
	if (opts.expect_errno)
		return !r->reads && r->nr_errors && r->errors[opts.expect_errno] == r->nr_errors;
	if (opts.allow_errors)
		return true;
	return !r->nr_errors && !r->short_reads && (r->reads || opts.nowait);
}

static void print_result(const struct result *r, const char *verdict)
{
	const char *q = opts.json ? "\"" : "", *colon = opts.json ? "\":" : " ";
	const char *sep = opts.json ? ", " : " ";
	double s = (now_ns() - begin_ns) / 1e9;
	const struct { const char *name; uint64_t v; } fields[] = {
		{ "reads", r->reads }, { "bytes", r->bytes }, { "mismatches", r->mismatches },
		{ "errors", r->nr_errors }, { "eagain", r->eagain }, { "short", r->short_reads },
		{ "in_flight", r->in_flight }, { "p50_us", r->p50 }, { "p99_us", r->p99 },
		{ "max_us", r->max_ns / 1000 }, { "iowq", max_workers },
	};
	const char *first = "";
	unsigned int i, e;

	printf("%s%sresult%s%s%s%s", opts.json ? "{" : "", q, colon, q, verdict, q);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		printf("%s%s%s%s%" PRIu64, sep, q, fields[i].name, colon, fields[i].v);
	printf("%s%sseconds%s%.3f%s%sby_errno%s%s", sep, q, colon, s, sep, q, colon,
	       opts.json ? "{" : "");
	for (e = 0; e < MAX_ERRNO; e++) {
		if (!r->errors[e])
			continue;
		printf("%s%s%s%s%" PRIu64, first, q, strerrorname_np(e) ? strerrorname_np(e) : "?",
		       opts.json ? "\":" : "=", r->errors[e]);
		first = ",";
	}
	puts(opts.json ? "}}" : "");
	fflush(stdout);
}

/* ---- set-up ---- */

static int parse_errno(const char *s)
{
	int e;

	for (e = 1; e < MAX_ERRNO; e++)
		if (strerrorname_np(e) && !strcmp(strerrorname_np(e), s))
			return e;
	e = atoi(s);
	if (e <= 0 || e >= MAX_ERRNO)
		die("--expect-errno", "expected a name such as EIO, or a number");
	return e;
}

static void parse_bs(const char *arg)
{
	char *s = strdup(arg), *dash = strchr(s, '-');

	if (dash)
		*dash = 0;
	opts.bs_min = parse_size("--bs", s);
	opts.bs_max = dash ? parse_size("--bs", dash + 1) : opts.bs_min;
	free(s);
	if (!opts.bs_min || opts.bs_max < opts.bs_min)
		die("--bs", "expected MIN-MAX, 0 < MIN <= MAX");
}

static double parse_seconds(const char *name, const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || v <= 0)
		die(name, "expected seconds, more than 0");
	return v;
}

static void parse_option(int opt)
{
	switch (opt) {
	case 'V': opts.verify = true; break;
	case 'e':
		if (strcmp(optarg, "uring") && strcmp(optarg, "pread"))
			die("--engine", "expected uring or pread");
		opts.pread = !strcmp(optarg, "pread");
		break;
	case 'd': opts.depth = parse_size("--depth", optarg); break;
	case 't': opts.threads = parse_size("--threads", optarg); break;
	case 'b': parse_bs(optarg); break;
	case 'o': opts.offset = parse_size("--offset", optarg); break;
	case 'l': opts.length = parse_size("--length", optarg); break;
	case 's': opts.seq = true; break;
	case 'S': opts.seq = true; opts.step = parse_size("--step", optarg); break;
	case 'r': opts.seq = opts.shuffle = true; break;
	case 'a': opts.align = parse_size("--align", optarg); break;
	case 'c': opts.count = parse_size("--count", optarg); break;
	case 'T': opts.seconds = parse_seconds("--seconds", optarg); break;
	case 'R': opts.random_seed = parse_size("--random-seed", optarg); break;
	case 'v': opts.vecs = parse_size("--vec", optarg); break;
	case 'n': opts.nowait = true; break;
	case 'N': opts.nowait = opts.retry = true; break;
	case 'E': opts.expect_errno = parse_errno(optarg); break;
	case 'A': opts.allow_errors = true; break;
	case 'w': opts.timeout = parse_seconds("--timeout", optarg); break;
	case 'H': opts.hipri = true; break;
	case 'W': opts.wait_file = optarg; break;
	case 'j': opts.json = true; break;
	case 'h': fputs(usage, stdout); exit(0);
	default: fputs(usage, stderr); exit(2);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option longopts[] = {
		CONTENT_OPTIONS,
		{ "verify", 0, NULL, 'V' }, { "engine", 1, NULL, 'e' }, { "depth", 1, NULL, 'd' },
		{ "threads", 1, NULL, 't' }, { "bs", 1, NULL, 'b' }, { "offset", 1, NULL, 'o' },
		{ "length", 1, NULL, 'l' }, { "seq", 0, NULL, 's' }, { "step", 1, NULL, 'S' },
		{ "shuffle", 0, NULL, 'r' }, { "align", 1, NULL, 'a' }, { "count", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 'T' }, { "random-seed", 1, NULL, 'R' },
		{ "vec", 1, NULL, 'v' }, { "nowait", 0, NULL, 'n' },
		{ "nowait-retry", 0, NULL, 'N' }, { "expect-errno", 1, NULL, 'E' },
		{ "allow-errors", 0, NULL, 'A' }, { "timeout", 1, NULL, 'w' },
		{ "hipri", 0, NULL, 'H' }, { "wait-file", 1, NULL, 'W' },
		{ "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		if (!content_option(&opts.content, opt, optarg))
			parse_option(opt);
	if (argc - optind != 1)
		die("cc-io", "expected one DEVICE; --help tells more");
	opts.device = argv[optind];
	if (opts.verify)
		content_check(&opts.content);
	if (!opts.threads || !opts.depth || opts.depth > 32768)
		die("--threads, --depth", "expected 1..32768");
	if (!opts.vecs || opts.vecs > MAX_IOVECS)
		die("--vec", "expected 1..16");
	if (!opts.align)
		die("--align", "expected more than 0");
	if (opts.shuffle && !opts.step)
		opts.step = opts.bs_max;
	if (opts.pread)
		opts.depth = 1;
	if (!opts.seq && !opts.count && !opts.seconds)
		opts.count = 1000;
}

static uint64_t device_size(int fd)
{
	struct stat st;
	uint64_t n;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &n)) {
		fprintf(stderr, "cc-io: %s: size: %s\n", opts.device, strerror(errno));
		exit(1);
	}
	return n;
}

static int open_device(void)
{
	int fd = open(opts.device, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "cc-io: %s: open: %s\n", opts.device, strerror(errno));
		exit(1);
	}
	if (!opts.length) {
		opts.length = device_size(fd);
		if (opts.length <= opts.offset)
			die("--offset", "past the end of the device");
		opts.length -= opts.offset;
	}
	return fd;
}

static void prepare_threads(int fd)
{
	unsigned int i, k;
	char *memory;

	threads = xalloc(opts.threads * sizeof(*threads));
	max_samples = MAX_SAMPLES / opts.threads;
	for (i = 0; i < opts.threads; i++) {
		struct thread *t = &threads[i];

		t->fd = fd;
		t->rng = opts.random_seed * 1000003 + i;
		t->samples = xalloc(max_samples * sizeof(*t->samples));
		t->slots = xalloc(opts.depth * sizeof(*t->slots));
		memory = xalloc(opts.depth * opts.bs_max);
		for (k = 0; k < opts.depth; k++)
			t->slots[k].buf = memory + k * opts.bs_max;
	}
}

/* io-wq workers are threads of this process. */
static void count_workers(void)
{
	char path[300], comm[32];
	struct dirent *e;
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/task");
	FILE *f;

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "iou-wrk", 7))
			n++;
		fclose(f);
	}
	if (d)
		closedir(d);
	if (n > max_workers)
		max_workers = n;
}

static void finish(const char *verdict, int status)
{
	struct result r = { 0 };

	sum(&r);
	if (!verdict)
		verdict = as_expected(&r) ? "ok" : "FAILED";
	if (status < 0)
		status = as_expected(&r) ? 0 : 1;
	print_result(&r, verdict);
	_exit(status);
}

/* Join with an eye on the clock: reads that never end must not hold up the report. */
static void join_threads(void)
{
	struct timespec tick;
	unsigned int i;

	for (i = 0; i < opts.threads; i++) {
		for (;;) {
			clock_gettime(CLOCK_REALTIME, &tick);
			tick.tv_nsec += 100000000;
			if (tick.tv_nsec >= 1000000000) {
				tick.tv_sec++;
				tick.tv_nsec -= 1000000000;
			}
			if (!pthread_timedjoin_np(threads[i].id, NULL, &tick))
				break;
			count_workers();
			if (opts.timeout && now_ns() - begin_ns > opts.timeout * 1e9)
				finish("timeout", 3);
		}
	}
}

static void on_signal(int sig)
{
	stop = 1;
}

int main(int argc, char **argv)
{
	unsigned int i;
	int fd;

	parse_options(argc, argv);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	fd = open_device();
	prepare_threads(fd);
	while (opts.wait_file && access(opts.wait_file, F_OK))
		usleep(1000);
	begin_ns = now_ns();
	for (i = 0; i < opts.threads; i++)
		if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]))
			die("--threads", "can't start so many");
	join_threads();
	count_workers();
	finish(NULL, -1);
	return 0;
}
