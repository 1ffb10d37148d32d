// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time of a warm random read, for the benchmark: nothing is checked, nothing but the reads is
 * in the timed window.  Under `qemu -icount shift=0,sleep=off` a nanosecond is an instruction.
 *
 *	cc-bench ENGINE DEPTH READS REPEATS DEVICE...
 *
 * ENGINE: pread, uring or aio.  Prints "DEVICE ns ns ...", a figure per repeat, mean over READS
 * reads of 4 KiB, O_DIRECT.  The devices take turns, so that a drift hits all alike.
 */
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BS		4096
#define MAX_DEPTH	256
#define MAX_REPEATS	64

struct target {
	const char *path;
	int fd;
	uint64_t blocks;
	double ns[MAX_REPEATS];
};

static unsigned int depth, reads, repeats;
static void *buffers[MAX_DEPTH];

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
	return *state % t->blocks * BS;
}

static uint64_t run_pread(const struct target *t, uint64_t state)
{
	uint64_t begin = now_ns();

	for (unsigned int i = 0; i < reads; i++)
		if (pread(t->fd, buffers[0], BS, next_offset(t, &state)) != BS)
			die(t->path);
	return now_ns() - begin;
}

static void uring_queue(struct io_uring *ring, const struct target *t, uint64_t *state, void *buf)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, t->fd, buf, BS, next_offset(t, state));
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
			if (cqe->res != BS)
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
		if (events[i].res != BS)
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
			.aio_buf = (uintptr_t)buffers[n], .aio_nbytes = BS,
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

static void open_target(struct target *t, const char *path)
{
	uint64_t bytes;

	t->path = path;
	t->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (t->fd < 0 || ioctl(t->fd, BLKGETSIZE64, &bytes))
		die(path);
	t->blocks = bytes / BS;
}

int main(int argc, char **argv)
{
	uint64_t (*run)(const struct target *t, uint64_t state);
	int n = argc - 5;

	if (n < 1) {
		fprintf(stderr, "usage: cc-bench pread|uring|aio DEPTH READS REPEATS DEVICE...\n");
		return 2;
	}
	run = !strcmp(argv[1], "uring") ? run_uring : !strcmp(argv[1], "aio") ? run_aio : run_pread;
	depth = atoi(argv[2]);
	reads = atoi(argv[3]);
	repeats = atoi(argv[4]);
	if (!depth || depth > MAX_DEPTH || !reads || !repeats || repeats > MAX_REPEATS) {
		fprintf(stderr, "cc-bench: DEPTH 1..%d, READS > 0, REPEATS 1..%d\n", MAX_DEPTH,
			MAX_REPEATS);
		return 2;
	}
	for (unsigned int i = 0; i < depth; i++)
		if (posix_memalign(&buffers[i], BS, BS))
			die("memory");
	struct target *t = calloc(n, sizeof(*t));

	if (!t)
		die("memory");
	for (int i = 0; i < n; i++) {
		open_target(&t[i], argv[5 + i]);
		run(&t[i], 1);		/* warm up */
	}
	for (unsigned int r = 0; r < repeats; r++) {
		for (int i = 0; i < n; i++)
			t[i].ns[r] = (double)run(&t[i], r + 2) / reads;
	}
	for (int i = 0; i < n; i++) {
		printf("%s", t[i].path);
		for (unsigned int r = 0; r < repeats; r++)
			printf(" %.1f", t[i].ns[r]);
		printf("\n");
	}
	free(t);
	return 0;
}
