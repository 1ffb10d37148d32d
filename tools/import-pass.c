// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Workers take chunks off an image one by one, hash them and upload what the store lacks; see
 * import-pass.h.
 */
#include "import-pass.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "manifest.h"
#include "say.h"
#include "store/chunk-object.h"
#include "store/image.h"
#include "workers.h"

#define SECTOR 512
#define FIRST_IDS 1024
#define STOP_SECONDS 3

static void fail_pass(struct ctl_pass *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first one's reason is told; it stops the others. */
static void fail_pass(struct ctl_pass *p, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&p->lock);
	if (!p->failed) {
		va_start(ap, fmt);
		vsnprintf(p->error, sizeof(p->error), fmt, ap);
		va_end(ap);
		p->failed = true;
	}
	pthread_mutex_unlock(&p->lock);
}

/* Room for the ID of a chunk. */
static int __reserve_id(struct ctl_pass *p, uint64_t chunk)
{
	uint64_t nr = p->nr_ids ? p->nr_ids : FIRST_IDS;
	uint8_t *grown;

	while (nr <= chunk)
		nr *= 2;
	if (nr == p->nr_ids)
		return 0;
	grown = realloc(p->ids, nr * CC_ID_SIZE);
	if (!grown)
		return -ENOMEM;
	memset(grown + p->nr_ids * CC_ID_SIZE, 0, (nr - p->nr_ids) * CC_ID_SIZE);
	p->ids = grown;
	p->nr_ids = nr;
	return 0;
}

/* Move next forward over a hole that starts there. */
static void __skip_hole(struct ctl_pass *p)
{
	uint64_t data = ctl_source_data(&p->source, p->next << p->chunk_shift);
	uint64_t next = data < p->source.size ? data >> p->chunk_shift : p->nr_chunks;

	p->count.holes += next - p->next;
	ctl_progress_add(&p->progress, (next - p->next) << p->chunk_shift);
	p->next = next;
}

static bool has_failed(struct ctl_pass *p)
{
	bool failed;

	pthread_mutex_lock(&p->lock);
	failed = p->failed;
	pthread_mutex_unlock(&p->lock);
	return failed;
}

/* A chunk of the stream, less than that only at its end.  0 or -errno (-ECANCELED: another one failed). */
static int __read_stream(struct ctl_pass *p, uint8_t *buf, size_t size, size_t *ret_got)
{
	ssize_t n;

	for (*ret_got = 0; *ret_got < size && !p->ended; *ret_got += n) {
		if (has_failed(p))
			return -ECANCELED;
		n = ctl_source_next(&p->source, buf + *ret_got, size - *ret_got);
		if (n == -EAGAIN || n == -EINTR)
			n = 0;
		else if (n < 0)
			return n;
		else
			p->ended = !n;
	}
	return 0;
}

static bool refuse_packed(struct ctl_pass *p, const uint8_t *buf, size_t got)
{
	const struct ctl_format *f = ctl_source_format(&p->source, buf, got, !p->next, p->ended);
	char advice[200];

	if (f)
		fail_pass(p, "%s: %s", p->source.path, ctl_format_advice(f, advice, sizeof(advice)));
	return f;
}

static int next_of_stream(struct ctl_pass *p, uint64_t *ret_chunk, uint8_t *buf)
{
	size_t size = (size_t)1 << p->chunk_shift, got;
	int r;

	pthread_mutex_lock(&p->reading);
	r = __read_stream(p, buf, size, &got);
	if (!r && got && (p->next >= CC_MANIFEST_CHUNKS_MAX || p->source.size > CC_IMAGE_SIZE_MAX))
		r = -EFBIG;
	if (!r && got && refuse_packed(p, buf, got))
		r = -EINVAL;
	if (!r && got) {
		memset(buf + got, 0, size - got);
		*ret_chunk = p->next++;
		r = 1;
	}
	pthread_mutex_unlock(&p->reading);
	return r;
}

static int next_of_file(struct ctl_pass *p, uint64_t *ret_chunk, uint8_t *buf)
{
	size_t size = (size_t)1 << p->chunk_shift, want = size;
	uint64_t offset;
	bool more;
	int r;

	pthread_mutex_lock(&p->lock);
	if (p->next < p->nr_chunks)
		__skip_hole(p);
	more = p->next < p->nr_chunks && !p->failed;
	if (more)
		*ret_chunk = p->next++;
	pthread_mutex_unlock(&p->lock);
	if (!more)
		return 0;
	offset = *ret_chunk << p->chunk_shift;
	if (p->source.size - offset < size)
		want = p->source.size - offset;
	memset(buf + want, 0, size - want);
	r = ctl_source_read(&p->source, offset, buf, want);
	return r ? r : 1;
}

/*
 * The next chunk that may be other than a hole, all of it, padded with zeros behind the end of the
 * image.  1, 0 if there is none, or -errno.
 */
static int next_chunk(struct ctl_pass *p, uint64_t *ret_chunk, uint8_t *buf)
{
	int r = p->source.stream ? next_of_stream(p, ret_chunk, buf) : next_of_file(p, ret_chunk, buf);

	if (r < 0)
		fail_pass(p, "%s: near byte %" PRIu64 ": %s", p->source.path, p->next << p->chunk_shift,
		     r == -ENODATA ? "the file shrank meanwhile" : strerror(-r));
	return r;
}

static bool all_zero(const uint8_t *buf, size_t size)
{
	return !buf[0] && !memcmp(buf, buf + 1, size - 1);
}

static int upload(struct ctl_pass *p, const uint8_t *id, const uint8_t *buf, struct cc_encoder *e)
{
	char err[256] = "";
	size_t sent;

	if (!cc_lease_holds(p->lease)) {
		fail_pass(p, CTL_LEASE_LAPSED);
		return -ESTALE;
	}
	if (cc_chunk_put(p->store, e, id, buf, &sent, err, sizeof(err))) {
		fail_pass(p, "%s", err);
		return -EIO;
	}
	pthread_mutex_lock(&p->lock);
	if (sent)
		p->count.uploaded++;
	else
		p->count.present++;
	p->count.uploaded_bytes += sent;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* 1: first time in this image, so it is ours to upload; 0: nothing to do; or -errno. */
static int claim(struct ctl_pass *p, uint64_t chunk, const uint8_t *id)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = __reserve_id(p, chunk);
	if (!r)
		memcpy(p->ids + chunk * CC_ID_SIZE, id, CC_ID_SIZE);
	if (!r && cc_id_is_hole(id)) {
		p->count.holes++;
	} else if (!r) {
		r = cc_id_set_add(&p->seen, id);
		if (!r)
			p->count.duplicates++;
	}
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		fail_pass(p, "out of memory");
	return r;
}

static int import_chunk(struct ctl_pass *p, uint64_t chunk, const uint8_t *buf, struct cc_encoder *e)
{
	size_t size = (size_t)1 << p->chunk_shift;
	uint8_t id[CC_ID_SIZE] = { 0 };
	int r;

	if (!all_zero(buf, size))
		cc_sha256(buf, size, id);
	r = claim(p, chunk, id);
	if (r == 1 && p->upload)
		r = upload(p, id, buf, e);
	ctl_progress_add(&p->progress, size);
	return r < 0 ? r : 0;
}

static void *import_worker(void *arg)
{
	struct ctl_pass *p = arg;
	struct cc_encoder *e = NULL;
	uint8_t *buf = malloc((size_t)1 << p->chunk_shift);
	uint64_t chunk = 0;

	if (!buf || cc_encoder_new(p->encoding, p->level, (size_t)1 << p->chunk_shift, &e))
		fail_pass(p, "out of memory");
	else
		while (next_chunk(p, &chunk, buf) > 0)
			if (import_chunk(p, chunk, buf, e))
				break;
	cc_encoder_free(e);
	free(buf);
	return NULL;
}

static void set_size(struct ctl_pass *p)
{
	uint64_t chunk_size = 1ULL << p->chunk_shift;

	p->image_size = (p->source.size + SECTOR - 1) / SECTOR * SECTOR;
	p->nr_chunks = (p->image_size + chunk_size - 1) >> p->chunk_shift;
}

static void end_of_stream(struct ctl_pass *p)
{
	set_size(p);
	if (!p->nr_chunks)
		fail_pass(p, "%s: is empty", p->source.path);
}

/* Nobody claimed the holes that were skipped: they need room as well. */
static void finish_ids(struct ctl_pass *p)
{
	if (__reserve_id(p, p->nr_chunks - 1))
		fail_pass(p, "out of memory");
}

/* What they are writing to a directory gets its name, or goes; they are not waited for in vain. */
static void stop_workers(void *arg)
{
	struct ctl_pass *p = arg;
	struct timespec due;

	fail_pass(p, "interrupted");
	clock_gettime(CLOCK_REALTIME, &due);
	due.tv_sec += STOP_SECONDS;
	pthread_mutex_lock(&p->lock);
	while (p->running && !pthread_cond_timedwait(&p->stopped, &p->lock, &due))
		;
	pthread_mutex_unlock(&p->lock);
}

static void workers_ended(struct ctl_pass *p)
{
	pthread_mutex_lock(&p->lock);
	p->running = false;
	pthread_cond_signal(&p->stopped);
	pthread_mutex_unlock(&p->lock);
}

int ctl_pass_run(struct ctl_pass *p, bool do_upload)
{
	char why[CTL_SOURCE_WHY];
	int r;

	p->upload = do_upload;
	p->next = 0;
	p->source.data_end = 0;
	memset(&p->count, 0, sizeof(p->count));
	if (p->ids)
		memset(p->ids, 0, p->nr_ids * CC_ID_SIZE);
	cc_id_set_free(&p->seen);
	ctl_progress_start(&p->progress, do_upload ? "importing" : "hashing", p->image_size);
	p->running = true;
	ctl_cleanup_add(&p->cleanup, stop_workers, p);
	r = ctl_workers_run(p->jobs, import_worker, p);
	workers_ended(p);
	ctl_cleanup_remove(&p->cleanup);
	ctl_progress_end(&p->progress);
	if (r)
		fail_pass(p, "threads: %s", strerror(-r));
	if (!p->failed && ctl_source_check(&p->source, why, sizeof(why)))
		fail_pass(p, "%s", why);
	if (!p->failed && p->source.stream)
		end_of_stream(p);
	if (!p->failed)
		finish_ids(p);
	if (p->failed)
		ctl_err("%s", p->error);
	return p->failed ? CTL_FAILED : 0;
}

int ctl_pass_size(struct ctl_pass *p)
{
	if (p->source.stream)
		return 0;
	set_size(p);
	return p->nr_chunks <= CC_MANIFEST_CHUNKS_MAX ? 0 : -EFBIG;
}

void ctl_pass_free(struct ctl_pass *p)
{
	cc_id_set_free(&p->seen);
	free(p->ids);
	ctl_source_close(&p->source);
}
