// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time of reads or writes, for the benchmark: nothing is checked but that they succeed, nothing
 * else is in the timed window.  Under `qemu -icount shift=0,sleep=off` a nanosecond is an
 * instruction.  Prints a line for each device; the usage says what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
"Usage: cc-bench [OPTIONS] ENGINE DEVICE...\n"
"  ENGINE    pread    4 KiB, random places\n"
"            uring    the same through io_uring\n"
"            aio      the same through io_submit()\n"
"            seq      128 KiB by pread(), ascending\n"
"            latency  as pread, with a real-time priority; each read is timed\n"
"            pwrite   4 KiB, random places\n"
"            uwrite   the same through io_uring\n"
"            fsync    pwrite, and fdatasync() after each\n"
"            seqwrite 128 KiB by pwrite(), ascending\n"
"  -d DEPTH    in flight (1); uring, uwrite and aio only\n"
"  -n READS    of a repeat (4000); or writes\n"
"  -r REPEATS  (5)\n"
"  -s MIB      only the first ones of a device (all)\n"
"  -m          tell a plugin of the emulator where the timed part begins and ends\n"
"All is O_DIRECT.  Devices take turns, so that a drift hits all alike.\n"
"Prints `DEVICE ns ns ...`, the mean time of a read or write in each repeat; of latency, three lines,\n"
"`DEVICE p50 ns ns ...`, and so p99 and max.\n";

#define MAX_DEPTH	256
#define MAX_REPEATS	64

enum { P50, P99, MAX, NR_QUANTILES };

struct target {
	const char *path;
	int fd;
	uint64_t blocks;
	double ns[MAX_REPEATS];			/* a read's mean time */
	uint64_t quantile[NR_QUANTILES][MAX_REPEATS];
};

static unsigned int depth = 1, reads = 4000, repeats = 5, bs = 4096;
static uint64_t span = UINT64_MAX;
static bool marks, writes;
static void *buffers[MAX_DEPTH];
static uint64_t *times;				/* of each read of a repeat */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The same places for each engine and device of a size (xorshift64). */
static uint64_t next_offset(const struct target *t, uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % t->blocks * bs;
}

static uint64_t run_pread(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pread(t->fd, buffers[0], bs, next_offset(t, &state)) != (int)bs)
			die(t->path);
	return now_ns() - begin;
}

static uint64_t run_seq(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pread(t->fd, buffers[0], bs, i % t->blocks * bs) != (int)bs)
			die(t->path);
	return now_ns() - begin;
}

static uint64_t run_pwrite(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pwrite(t->fd, buffers[0], bs, next_offset(t, &state)) != (int)bs)
			die(t->path);
	return now_ns() - begin;
}

static uint64_t run_fsync(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pwrite(t->fd, buffers[0], bs, next_offset(t, &state)) != (int)bs ||
		    fdatasync(t->fd))
			die(t->path);
	return now_ns() - begin;
}

static uint64_t run_seqwrite(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pwrite(t->fd, buffers[0], bs, i % t->blocks * bs) != (int)bs)
			die(t->path);
	return now_ns() - begin;
}

static uint64_t run_latency(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns(), start = begin, end = begin;

	for (unsigned int i = 0; i < reads; i++, start = end) {
		if (pread(t->fd, buffers[0], bs, next_offset(t, &state)) != (int)bs)
			die(t->path);
		end = now_ns();
		times[i] = end - start;
	}
	return end - begin;
}

static void uring_queue(struct io_uring *ring, const struct target *t, uint64_t *state, void *buf)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (writes)
		io_uring_prep_write(sqe, t->fd, buf, bs, next_offset(t, state));
	else
		io_uring_prep_read(sqe, t->fd, buf, bs, next_offset(t, state));
	io_uring_sqe_set_data(sqe, buf);
}

static uint64_t run_uring(const struct target *t, uint64_t state)
{
	unsigned int sent = 0, done = 0;
	struct io_uring ring;
	uint64_t begin, end;

	if (io_uring_queue_init(depth, &ring, 0))
		die("io_uring_queue_init");
	begin = now_ns();
	for (; sent < depth && sent < reads; sent++)
		uring_queue(&ring, t, &state, buffers[sent]);
	while (done < reads) {
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;

		if (io_uring_submit_and_wait(&ring, 1) < 0)
			die("io_uring_submit_and_wait");
		io_uring_for_each_cqe(&ring, head, cqe) {
			if (cqe->res != (int)bs)
				die(t->path);
			if (sent < reads) {
				uring_queue(&ring, t, &state, io_uring_cqe_get_data(cqe));
				sent++;
			}
			n++;
		}
		io_uring_cq_advance(&ring, n);
		done += n;
	}
	end = now_ns();
	io_uring_queue_exit(&ring);
	return end - begin;
}

static unsigned int aio_wait(aio_context_t ctx, const struct target *t, struct io_event *events)
{
	long got = syscall(SYS_io_getevents, ctx, 1l, (long)depth, events, NULL);

	if (got < 1)
		die("io_getevents");
	for (long i = 0; i < got; i++)
		if (events[i].res != bs)
			die(t->path);
	return got;
}

static uint64_t run_aio(const struct target *t, uint64_t state)
{
	struct iocb cbs[MAX_DEPTH], *p[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	unsigned int sent = 0, done = 0, n;
	aio_context_t ctx = 0;
	uint64_t begin, end;

	if (syscall(SYS_io_setup, depth, &ctx))
		die("io_setup");
	begin = now_ns();
	for (n = 0; n < depth && n < reads; n++) {
		cbs[n] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = t->fd,
			.aio_buf = (uintptr_t)buffers[n], .aio_nbytes = bs,
		};
		p[n] = &cbs[n];
	}
	while (done < reads) {
		for (unsigned int i = 0; i < n; i++)
			p[i]->aio_offset = next_offset(t, &state);
		if (n && syscall(SYS_io_submit, ctx, (long)n, p) != (long)n)
			die("io_submit");
		sent += n;
		unsigned int got = aio_wait(ctx, t, events);

		done += got;
		for (n = 0; n < got && sent + n < reads; n++)
			p[n] = (struct iocb *)(uintptr_t)events[n].obj;
	}
	end = now_ns();
	/* Waits for grace periods, hence outside of the window. */
	syscall(SYS_io_destroy, ctx);
	return end - begin;
}

struct engine {
	const char *name;
	uint64_t (*run)(const struct target *t, uint64_t state);
	unsigned int bs;
	bool writes;
};

static const struct engine engines[] = {
	{ "pread", run_pread, 4096, false },
	{ "uring", run_uring, 4096, false },
	{ "aio", run_aio, 4096, false },
	{ "seq", run_seq, 128 << 10, false },
	{ "latency", run_latency, 4096, false },
	{ "pwrite", run_pwrite, 4096, true },
	{ "uwrite", run_uring, 4096, true },
	{ "fsync", run_fsync, 4096, true },
	{ "seqwrite", run_seqwrite, 128 << 10, true },
};

static void open_target(struct target *t, const char *path)
{
	uint64_t bytes;

	t->path = path;
	t->fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (t->fd < 0 || ioctl(t->fd, BLKGETSIZE64, &bytes))
		die(path);
	t->blocks = (bytes < span ? bytes : span) / bs;
	if (!t->blocks) {
		errno = ENOSPC;
		die(path);
	}
}

static void get_buffers(bool timed)
{
	for (unsigned int i = 0; i < depth; i++)
		if (posix_memalign(&buffers[i], 4096, bs))
			die("memory");
	if (!timed)
		return;
	times = calloc(reads, sizeof(*times));
	if (!times)
		die("memory");
}

/* Ahead of what else wants the CPU, as the reader that a tail is measured for. */
static void real_time(void)
{
	struct sched_param p = { .sched_priority = 50 };

	if (sched_setscheduler(0, SCHED_FIFO, &p))
		die("SCHED_FIFO");
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void take_quantiles(struct target *t, unsigned int repeat)
{
	qsort(times, reads, sizeof(*times), by_time);
	t->quantile[P50][repeat] = times[reads / 2];
	t->quantile[P99][repeat] = times[(uint64_t)reads * 99 / 100];
	t->quantile[MAX][repeat] = times[reads - 1];
}

/* Instructions that do nothing, and that a plugin knows by their displacement. */
static void mark_begin(void)
{
	if (marks)
		__asm__ volatile("nopl 0x0ccb0001(%%rax)" ::: "memory");
}

static void mark_end(void)
{
	if (marks)
		__asm__ volatile("nopl 0x0ccb0002(%%rax)" ::: "memory");
}

/* What was left to do by the run before, such as the end of a ring, is done by then. */
static void settle(void)
{
	struct timespec t = { .tv_nsec = 50000000 };

	nanosleep(&t, NULL);
}

static void measure(const struct engine *e, struct target *t, int n)
{
	for (int i = 0; i < n; i++)
		e->run(&t[i], 1);		/* warm up */
	settle();
	mark_begin();
	for (unsigned int r = 0; r < repeats; r++) {
		for (int i = 0; i < n; i++) {
			settle();
			t[i].ns[r] = (double)e->run(&t[i], r + 2) / reads;
			if (times)
				take_quantiles(&t[i], r);
		}
	}
	mark_end();
}

static void print(const struct target *t)
{
	static const char *const names[] = { "p50", "p99", "max" };

	for (unsigned int q = 0; times && q < NR_QUANTILES; q++) {
		printf("%s %s", t->path, names[q]);
		for (unsigned int r = 0; r < repeats; r++)
			printf(" %llu", (unsigned long long)t->quantile[q][r]);
		printf("\n");
	}
	if (times)
		return;
	printf("%s", t->path);
	for (unsigned int r = 0; r < repeats; r++)
		printf(" %.1f", t->ns[r]);
	printf("\n");
}

static unsigned int number(const char *s, unsigned int max)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (!v || v > max || *end) {
		fprintf(stderr, "cc-bench: %s: expected a number from 1 to %u\n", s, max);
		exit(2);
	}
	return v;
}

static const struct engine *find_engine(const char *name)
{
	for (size_t i = 0; name && i < sizeof(engines) / sizeof(engines[0]); i++)
		if (!strcmp(engines[i].name, name))
			return &engines[i];
	fputs(usage, stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const struct engine *e;
	struct target *t;
	int opt, n;

	while ((opt = getopt(argc, argv, "d:n:r:s:m")) != -1) {
		switch (opt) {
		case 'd': depth = number(optarg, MAX_DEPTH); break;
		case 'n': reads = number(optarg, UINT32_MAX); break;
		case 'r': repeats = number(optarg, MAX_REPEATS); break;
		case 's': span = (uint64_t)number(optarg, UINT32_MAX) << 20; break;
		case 'm': marks = true; break;
		default: fputs(usage, stderr); return 2;
		}
	}
	e = find_engine(argv[optind]);
	n = argc - optind - 1;
	t = n > 0 ? calloc(n, sizeof(*t)) : NULL;
	if (!t) {
		fputs(usage, stderr);
		return 2;
	}
	bs = e->bs;
	writes = e->writes;
	get_buffers(e->run == run_latency);
	if (times)
		real_time();
	for (int i = 0; i < n; i++)
		open_target(&t[i], argv[optind + 1 + i]);
	measure(e, t, n);
	for (int i = 0; i < n; i++)
		print(&t[i]);
	free(t);
	return 0;
}
