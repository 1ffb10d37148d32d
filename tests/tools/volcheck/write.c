// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes, from several threads that get into each other's way: half of what they do falls into the first
 * sixteenth of the device.  An operation's line is in the log before it is submitted, its acknowledgement's
 * when it has returned.
 */
#include "volcheck.h"
#include "../crash/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		8u		/* sectors */
#define MAX_BLOCKS	16u		/* of one write */
#define MAX_ZEROED	512u		/* of one discard */

struct writer {
	const struct write_options *o;
	int fd, log;
	bool is_device;
	uint64_t sectors;
	struct timespec start;
	pthread_mutex_t log_lock;
	uint64_t log_size;
	atomic_uint_fast64_t next;	/* operation */
	atomic_bool stop;
	atomic_uint_fast64_t errors;
};

struct thread {
	struct writer *w;
	pthread_t id;
	uint64_t rng;
	char *buf;
};

static uint64_t now_ms(const struct writer *w)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - w->start.tv_sec) * 1000 + (t.tv_nsec - w->start.tv_nsec) / 1000000;
}

static uint32_t rnd(struct thread *t, uint32_t n)
{
	t->rng = (t->rng ^ t->rng >> 29) * 0x9e3779b97f4a7c15ULL + 1;
	return (t->rng >> 32) % n;
}

/* One write(2) a line: a reader at the other end of a pipe never sees half of two. */
static void log_line(struct writer *w, const char *line)
{
	size_t n = strlen(line);

	if (write(w->log, line, n) != (ssize_t)n)
		vc_die("%s: cannot be written", w->o->log);
	w->log_size += n;
}

/* All that is in the log by now happened before what the device records next. */
static void mark_device(const struct writer *w)
{
	char text[32];

	if (!w->o->mark)
		return;
	snprintf(text, sizeof(text), "v:%" PRIu64, w->log_size);
	if (!cc_mark(w->o->mark, text))
		vc_die("%s: takes no mark", w->o->mark);
}

static void log_issue(struct writer *w, uint64_t n, const struct op *op)
{
	char line[128];

	pthread_mutex_lock(&w->log_lock);
	snprintf(line, sizeof(line), "i %" PRIu64 " %c %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, op->kind, op->sector,
		 op->count, now_ms(w));
	log_line(w, line);
	pthread_mutex_unlock(&w->log_lock);
}

static void log_ack(struct writer *w, uint64_t n, int error)
{
	char line[128];

	pthread_mutex_lock(&w->log_lock);
	snprintf(line, sizeof(line), "a %" PRIu64 " %d %" PRIu64 "\n", n, error, now_ms(w));
	log_line(w, line);
	mark_device(w);
	pthread_mutex_unlock(&w->log_lock);
}

/* ---- choosing ---- */

static enum kind choose_kind(struct thread *t)
{
	const struct write_options *o = t->w->o;

	if (o->flush_every && !rnd(t, o->flush_every))
		return KIND_FLUSH;
	if (o->fua && !rnd(t, 16))
		return KIND_FUA;
	if (o->discard && !rnd(t, 16))
		return rnd(t, 2) ? KIND_DISCARD : KIND_ZEROES;
	return KIND_WRITE;
}

static void choose_range(struct thread *t, struct op *op, uint32_t max_blocks)
{
	uint32_t blocks = t->w->sectors / BLOCK;
	uint32_t span = rnd(t, 2) && blocks >= 16 ? blocks / 16 : blocks;
	uint32_t first = rnd(t, span);
	uint32_t count = 1 + (rnd(t, 2) ? 0 : rnd(t, max_blocks));

	if (count > blocks - first)
		count = blocks - first;
	op->sector = (uint64_t)first * BLOCK;
	op->count = count * BLOCK;
}

/* Begins or ends, or both, within a block. */
static void choose_part(struct thread *t, struct op *op)
{
	uint32_t first = rnd(t, BLOCK);

	op->sector += first;
	op->count -= first;
	op->count -= rnd(t, op->count < BLOCK ? op->count : BLOCK);
}

static struct op choose(struct thread *t)
{
	struct op op = { .kind = choose_kind(t) };

	if (op.kind == KIND_FLUSH)
		return op;
	if (op.kind == KIND_DISCARD || op.kind == KIND_ZEROES)
		choose_range(t, &op, MAX_ZEROED);
	else
		choose_range(t, &op, MAX_BLOCKS);
	/* What a discard does with parts of blocks is the disk's affair. */
	if (op.kind != KIND_DISCARD && t->w->o->parts && !rnd(t, 3))
		choose_part(t, &op);
	return op;
}

/* ---- doing ---- */

static int write_sectors(struct thread *t, uint64_t n, const struct op *op)
{
	struct iovec iov = { .iov_base = t->buf, .iov_len = op->count * SECTOR };
	uint64_t i;
	ssize_t done;

	for (i = 0; i < op->count; i++)
		vc_stamp((struct stamp *)(t->buf + i * SECTOR), t->w->o->run, n, op->sector + i);
	done = pwritev2(t->w->fd, &iov, 1, op->sector * SECTOR, op->kind == KIND_FUA ? RWF_DSYNC : 0);
	if (done < 0)
		return errno;
	return done == (ssize_t)iov.iov_len ? 0 : EIO;
}

static int zero_sectors(struct thread *t, const struct op *op)
{
	uint64_t range[2] = { op->sector * SECTOR, op->count * SECTOR };
	bool discard = op->kind == KIND_DISCARD;
	int error;

	if (t->w->is_device)
		error = ioctl(t->w->fd, discard ? BLKDISCARD : BLKZEROOUT, range);
	else
		error = fallocate(t->w->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, range[0], range[1]);
	return error ? errno : 0;
}

static int do_op(struct thread *t, uint64_t n, const struct op *op)
{
	switch (op->kind) {
	case KIND_FLUSH:
		return fdatasync(t->w->fd) ? errno : 0;
	case KIND_DISCARD:
	case KIND_ZEROES:
		return zero_sectors(t, op);
	default:
		return write_sectors(t, n, op);
	}
}

static void *run_thread(void *arg)
{
	struct thread *t = arg;
	struct writer *w = t->w;

	while (!w->stop) {
		uint64_t n = atomic_fetch_add(&w->next, 1);
		struct op op = choose(t);
		int error;

		if ((w->o->ops && n > w->o->ops) || (w->o->seconds > 0 && now_ms(w) >= w->o->seconds * 1000))
			break;
		log_issue(w, n, &op);
		error = do_op(t, n, &op);
		log_ack(w, n, error);
		if (error) {
			fprintf(stderr, "cc-volcheck: operation %" PRIu64 " (%c): %s\n", n, op.kind, strerror(error));
			w->errors++;
			w->stop = true;
		}
	}
	return NULL;
}

/* ---- all ---- */

static void open_device(struct writer *w)
{
	struct stat st;
	uint64_t bytes;

	w->fd = open(w->o->device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (w->fd < 0)
		w->fd = open(w->o->device, O_RDWR | O_CLOEXEC);
	if (w->fd < 0 || fstat(w->fd, &st))
		vc_die("%s: %s", w->o->device, strerror(errno));
	w->is_device = S_ISBLK(st.st_mode);
	bytes = st.st_size;
	if (w->is_device && ioctl(w->fd, BLKGETSIZE64, &bytes))
		vc_die("%s: %s", w->o->device, strerror(errno));
	w->sectors = bytes / SECTOR;
	if (w->o->sectors && w->o->sectors < w->sectors)
		w->sectors = w->o->sectors;
	w->sectors -= w->sectors % BLOCK;
	if (!w->sectors || w->sectors / BLOCK > UINT32_MAX)
		vc_die("%s: %" PRIu64 " sectors: must be 8 to 2^35", w->o->device, w->sectors);
}

static void open_log(struct writer *w)
{
	char line[64];

	w->log = open(w->o->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
	if (w->log < 0)
		vc_die("%s: %s", w->o->log, strerror(errno));
	snprintf(line, sizeof(line), "run %" PRIu32 " %" PRIu64 "\n", w->o->run, w->sectors);
	log_line(w, line);
}

static void start_thread(struct thread *t, struct writer *w, unsigned int i)
{
	t->w = w;
	t->rng = ((uint64_t)w->o->seed << 32 | w->o->run) * 0x9e3779b97f4a7c15ULL + i;
	if (posix_memalign((void **)&t->buf, 4096, MAX_BLOCKS * BLOCK * SECTOR))
		vc_die("no memory");
	if (pthread_create(&t->id, NULL, run_thread, t))
		vc_die("no thread");
}

int vc_write(const struct write_options *o)
{
	struct writer w = { .o = o, .log_lock = PTHREAD_MUTEX_INITIALIZER, .next = 1 };
	struct thread *threads = calloc(o->threads, sizeof(*threads));
	unsigned int i;

	if (!threads)
		vc_die("no memory");
	open_device(&w);
	open_log(&w);
	clock_gettime(CLOCK_MONOTONIC, &w.start);
	for (i = 0; i < o->threads; i++)
		start_thread(&threads[i], &w, i);
	for (i = 0; i < o->threads; i++) {
		pthread_join(threads[i].id, NULL);
		free(threads[i].buf);
	}
	free(threads);
	close(w.log);
	close(w.fd);
	return w.errors ? 1 : 0;
}
