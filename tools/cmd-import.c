// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl import: a raw image into a store.  Workers take chunks off the image one by one, hash
 * them and upload what the store lacks; then the manifest goes up, then the name, so that a crash
 * at any moment leaves no half image, only chunks that the next attempt finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/chunk-object.h"
#include "command.h"
#include "id-set.h"
#include "image-source.h"
#include "store/image.h"
#include "store/lease.h"
#include "manifest.h"
#include "progress.h"
#include "store-opts.h"
#include "workers.h"

#define SECTOR 512
#define FIRST_IDS 1024

/* What happened to the chunks of one pass. */
struct import_count {
	uint64_t holes;
	uint64_t duplicates;		/* of another chunk of this image */
	uint64_t present;		/* in the store before */
	uint64_t uploaded;
	uint64_t uploaded_bytes;	/* as encoded */
};

struct import {
	/* options and what follows from them; constant while workers run */
	const char *path, *name, *format, *tmp_dir;
	struct ctl_store_opts store_opts;
	struct ctl_store store;
	uint32_t chunk_shift, encoding;
	int level;
	unsigned int jobs;
	bool replace, json;
	struct cc_lease lease;
	bool upload;			/* else only hash */
	struct ctl_progress progress;

	pthread_mutex_t reading;	/* a stream: who reads its next chunk, without lock */
	bool ended;			/* the stream; covered by reading, as source and next are then */

	pthread_mutex_t lock;		/* covers what follows */
	struct ctl_source source;
	uint64_t next;			/* chunk to be taken next */
	uint64_t image_size, nr_chunks;	/* of a stream: known at its end */
	uint8_t *ids;			/* of the chunks, nr_ids have room */
	uint64_t nr_ids;
	struct cc_id_set seen;
	struct import_count count;
	bool failed;
	char error[320];
};

static const char help[] =
	"IMAGE is a raw file, a block device, a pipe, - for standard input, or with\n"
	"--format a file of another format.  Holes and chunks of zeros are not stored;\n"
	"chunks that the store has already are not uploaded again: an import that was\n"
	"cut off goes on where it was when it is started again.  Prints the image's\n"
	"digest.\n"
	"\n"
	"  --name N             name of the image: 1 to 128 of [a-zA-Z0-9._-]\n"
	"  --chunk-size SIZE    power of two from 64K to 16M, default 1M; must equal the\n"
	"                       slot size of the pools that shall cache it\n"
	"  --compress[=LEVEL]   store chunks as zstd frames, LEVEL 1 to 19, default 3\n"
	"  --jobs N             chunks in work at once, default 16\n"
	"  --replace            let the name mean this image from now on, whatever it\n"
	"                       meant before\n"
	"  --format F           qcow2, vmdk, vhdx or what else qemu-img knows; makes a\n"
	"                       raw copy in a temporary directory first\n"
	"  --tmp DIR            that directory, default $TMPDIR, else /var/tmp\n"
	"  --json               print a summary as JSON instead of the digest\n"
	"\n"
	CTL_STORE_HELP;

/* ---- workers ---- */

static void fail(struct import *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first one's reason is told; it stops the others. */
static void fail(struct import *m, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&m->lock);
	if (!m->failed) {
		va_start(ap, fmt);
		vsnprintf(m->error, sizeof(m->error), fmt, ap);
		va_end(ap);
		m->failed = true;
	}
	pthread_mutex_unlock(&m->lock);
}

/* Room for the ID of a chunk. */
static int __reserve_id(struct import *m, uint64_t chunk)
{
	uint64_t nr = m->nr_ids ? m->nr_ids : FIRST_IDS;
	uint8_t *grown;

	while (nr <= chunk)
		nr *= 2;
	if (nr == m->nr_ids)
		return 0;
	grown = realloc(m->ids, nr * CC_ID_SIZE);
	if (!grown)
		return -ENOMEM;
	memset(grown + m->nr_ids * CC_ID_SIZE, 0, (nr - m->nr_ids) * CC_ID_SIZE);
	m->ids = grown;
	m->nr_ids = nr;
	return 0;
}

/* Move next forward over a hole that starts there. */
static void __skip_hole(struct import *m)
{
	uint64_t data = ctl_source_data(&m->source, m->next << m->chunk_shift);
	uint64_t next = data < m->source.size ? data >> m->chunk_shift : m->nr_chunks;

	m->count.holes += next - m->next;
	ctl_progress_add(&m->progress, (next - m->next) << m->chunk_shift);
	m->next = next;
}

static bool has_failed(struct import *m)
{
	bool failed;

	pthread_mutex_lock(&m->lock);
	failed = m->failed;
	pthread_mutex_unlock(&m->lock);
	return failed;
}

/* A chunk of the stream, less than that only at its end.  0 or -errno (-ECANCELED: another one failed). */
static int __read_stream(struct import *m, uint8_t *buf, size_t size, size_t *ret_got)
{
	ssize_t n;

	for (*ret_got = 0; *ret_got < size && !m->ended; *ret_got += n) {
		if (has_failed(m))
			return -ECANCELED;
		n = ctl_source_next(&m->source, buf + *ret_got, size - *ret_got);
		if (n == -EAGAIN || n == -EINTR)
			n = 0;
		else if (n < 0)
			return n;
		else
			m->ended = !n;
	}
	return 0;
}

static int next_of_stream(struct import *m, uint64_t *ret_chunk, uint8_t *buf)
{
	size_t size = (size_t)1 << m->chunk_shift, got;
	int r;

	pthread_mutex_lock(&m->reading);
	r = __read_stream(m, buf, size, &got);
	if (!r && got && (m->next >= CC_MANIFEST_CHUNKS_MAX || m->source.size > CC_IMAGE_SIZE_MAX))
		r = -EFBIG;
	if (!r && got) {
		memset(buf + got, 0, size - got);
		*ret_chunk = m->next++;
		r = 1;
	}
	pthread_mutex_unlock(&m->reading);
	return r;
}

static int next_of_file(struct import *m, uint64_t *ret_chunk, uint8_t *buf)
{
	size_t size = (size_t)1 << m->chunk_shift, want = size;
	uint64_t offset;
	bool more;
	int r;

	pthread_mutex_lock(&m->lock);
	if (m->next < m->nr_chunks)
		__skip_hole(m);
	more = m->next < m->nr_chunks && !m->failed;
	if (more)
		*ret_chunk = m->next++;
	pthread_mutex_unlock(&m->lock);
	if (!more)
		return 0;
	offset = *ret_chunk << m->chunk_shift;
	if (m->source.size - offset < size)
		want = m->source.size - offset;
	memset(buf + want, 0, size - want);
	r = ctl_source_read(&m->source, offset, buf, want);
	return r ? r : 1;
}

/*
 * The next chunk that may be other than a hole, all of it, padded with zeros behind the end of the
 * image.  1, 0 if there is none, or -errno.
 */
static int next_chunk(struct import *m, uint64_t *ret_chunk, uint8_t *buf)
{
	int r = m->source.stream ? next_of_stream(m, ret_chunk, buf) : next_of_file(m, ret_chunk, buf);

	if (r < 0)
		fail(m, "%s: near byte %" PRIu64 ": %s", m->source.path, m->next << m->chunk_shift,
		     r == -ENODATA ? "the file shrank meanwhile" : strerror(-r));
	return r;
}

static bool all_zero(const uint8_t *buf, size_t size)
{
	return !buf[0] && !memcmp(buf, buf + 1, size - 1);
}

/* Whether the store has the object already, as far as its size tells. */
static int is_present(struct import *m, const char *object, bool *ret_present)
{
	char err[256] = "";
	uint64_t size;
	enum cc_store_result r = cc_store_head(m->store.store, object, &size, err, sizeof(err));

	if (r && r != CC_STORE_NOTFOUND) {
		fail(m, "%s", err);
		return -EIO;
	}
	*ret_present = !r && (m->encoding == CC_ENCODING_RAW ? size == 1ULL << m->chunk_shift :
							       size > 0);
	return 0;
}

static int upload(struct import *m, const uint8_t *id, const uint8_t *buf, struct cc_encoder *e)
{
	char object[CC_OBJECT_NAME_MAX], err[256] = "";
	bool present;
	const void *data;
	size_t size = 0;

	cc_chunk_name(id, m->encoding, object);
	if (is_present(m, object, &present))
		return -EIO;
	if (!present) {
		if (cc_encode(e, buf, &data, &size)) {
			fail(m, "%s: compression failed", object);
			return -EIO;
		}
		if (cc_store_put(m->store.store, object, data, size, err, sizeof(err))) {
			fail(m, "%s", err);
			return -EIO;
		}
	}
	pthread_mutex_lock(&m->lock);
	if (present)
		m->count.present++;
	else
		m->count.uploaded++;
	m->count.uploaded_bytes += size;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

/* 1: first time in this image, so it is ours to upload; 0: nothing to do; or -errno. */
static int claim(struct import *m, uint64_t chunk, const uint8_t *id)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = __reserve_id(m, chunk);
	if (!r)
		memcpy(m->ids + chunk * CC_ID_SIZE, id, CC_ID_SIZE);
	if (!r && cc_id_is_hole(id)) {
		m->count.holes++;
	} else if (!r) {
		r = cc_id_set_add(&m->seen, id);
		if (!r)
			m->count.duplicates++;
	}
	pthread_mutex_unlock(&m->lock);
	if (r < 0)
		fail(m, "out of memory");
	return r;
}

static int import_chunk(struct import *m, uint64_t chunk, const uint8_t *buf, struct cc_encoder *e)
{
	size_t size = (size_t)1 << m->chunk_shift;
	uint8_t id[CC_ID_SIZE] = { 0 };
	int r;

	if (!all_zero(buf, size))
		cc_sha256(buf, size, id);
	r = claim(m, chunk, id);
	if (r == 1 && m->upload)
		r = upload(m, id, buf, e);
	ctl_progress_add(&m->progress, size);
	return r < 0 ? r : 0;
}

static void *import_worker(void *arg)
{
	struct import *m = arg;
	struct cc_encoder *e = NULL;
	uint8_t *buf = malloc((size_t)1 << m->chunk_shift);
	uint64_t chunk = 0;

	if (!buf || cc_encoder_new(m->encoding, m->level, (size_t)1 << m->chunk_shift, &e))
		fail(m, "out of memory");
	else
		while (next_chunk(m, &chunk, buf) > 0)
			if (import_chunk(m, chunk, buf, e))
				break;
	cc_encoder_free(e);
	free(buf);
	return NULL;
}

static void set_size(struct import *m)
{
	uint64_t chunk_size = 1ULL << m->chunk_shift;

	m->image_size = (m->source.size + SECTOR - 1) / SECTOR * SECTOR;
	m->nr_chunks = (m->image_size + chunk_size - 1) >> m->chunk_shift;
}

static void end_of_stream(struct import *m)
{
	set_size(m);
	if (!m->nr_chunks)
		fail(m, "%s: is empty", m->source.path);
}

/* Nobody claimed the holes that were skipped: they need room as well. */
static void finish_ids(struct import *m)
{
	if (__reserve_id(m, m->nr_chunks - 1))
		fail(m, "out of memory");
}

/* Go over the whole image once: ids and count are of this pass. */
static int import_pass(struct import *m, bool do_upload)
{
	int r;

	m->upload = do_upload;
	m->next = 0;
	m->source.data_end = 0;
	memset(&m->count, 0, sizeof(m->count));
	if (m->ids)
		memset(m->ids, 0, m->nr_ids * CC_ID_SIZE);
	cc_id_set_free(&m->seen);
	ctl_progress_start(&m->progress, do_upload ? "importing" : "hashing", m->image_size);
	r = ctl_workers_run(m->jobs, import_worker, m);
	ctl_progress_end(&m->progress);
	if (r)
		fail(m, "threads: %s", strerror(-r));
	if (!m->failed && m->source.stream)
		end_of_stream(m);
	if (!m->failed)
		finish_ids(m);
	if (m->failed)
		ctl_err("%s", m->error);
	return m->failed ? CTL_FAILED : 0;
}

/* ---- manifest and name ---- */

/* *ret_taken: the name exists; digest is zero if nobody can tell what it means. */
static int look_up_name(struct import *m, bool *ret_taken, uint8_t digest[CC_ID_SIZE])
{
	char err[256] = "";
	enum cc_store_result r;

	memset(digest, 0, CC_ID_SIZE);
	r = cc_image_digest(m->store.store, m->name, digest, err, sizeof(err));
	if (r && r != CC_STORE_NOTFOUND && r != CC_STORE_CORRUPT) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	*ret_taken = r != CC_STORE_NOTFOUND;
	return 0;
}

/* Refuse if the name is taken by another image than digest. */
static int check_name(struct import *m, const uint8_t digest[CC_ID_SIZE], bool *ret_same)
{
	char hex[2 * CC_ID_SIZE + 1];
	uint8_t old[CC_ID_SIZE];
	bool taken;
	int r = look_up_name(m, &taken, old);

	if (r)
		return r;
	*ret_same = taken && !memcmp(old, digest, CC_ID_SIZE);
	if (!taken || *ret_same || m->replace)
		return 0;
	cc_id_to_hex(old, hex);
	ctl_err("%s: is another image already (sha256:%s); --replace overwrites the name", m->name,
		hex);
	return CTL_FAILED;
}

static int build_manifest(struct import *m, struct cc_manifest *ret_manifest)
{
	int r = cc_manifest_build(m->chunk_shift, m->image_size, m->encoding, m->ids, ret_manifest);

	if (!r)
		return 0;
	ctl_err("manifest: %s", strerror(-r));
	return CTL_FAILED;
}

/*
 * If the name is taken, find out by hashing alone what this image is before a byte is
 * uploaded: a refusal must not leave a store full of chunks that nobody names.
 */
static int check_name_first(struct import *m)
{
	struct cc_manifest manifest;
	uint8_t old[CC_ID_SIZE];
	bool taken, same;
	int r = look_up_name(m, &taken, old);

	if (r || !taken || m->replace)
		return r;
	if (m->source.stream) {
		ctl_err("%s: is an image already; a stream can't be read twice to find out whether it is "
			"the same: --replace overwrites the name", m->name);
		return CTL_FAILED;
	}
	r = import_pass(m, false);
	if (r)
		return r;
	r = build_manifest(m, &manifest);
	if (r)
		return r;
	r = check_name(m, manifest.digest, &same);
	cc_manifest_free(&manifest);
	return r;
}

static int put_object(struct import *m, const char *object, const void *data, size_t size)
{
	char err[256] = "";

	if (!cc_store_put(m->store.store, object, data, size, err, sizeof(err)))
		return 0;
	ctl_err("%s", err);
	return CTL_FAILED;
}

static int put_manifest_and_name(struct import *m, const struct cc_manifest *manifest)
{
	char object[CC_OBJECT_NAME_MAX], hex[2 * CC_ID_SIZE + 1], text[2 * CC_ID_SIZE + 16];
	bool same = false;
	int r;

	cc_manifest_name(manifest->digest, object);
	r = put_object(m, object, manifest->data, manifest->size);
	if (!r)
		r = check_name(m, manifest->digest, &same);
	if (r || same)
		return r;
	cc_id_to_hex(manifest->digest, hex);
	snprintf(text, sizeof(text), "sha256:%s\n", hex);
	cc_image_name(m->name, object);
	return put_object(m, object, text, strlen(text));
}

/* ---- the command ---- */

static int open_image(struct import *m)
{
	int r = ctl_source_open(&m->source, m->path, m->format, m->tmp_dir);

	if (r || m->source.stream)
		return r;
	set_size(m);
	if (m->nr_chunks <= CC_MANIFEST_CHUNKS_MAX)
		return 0;
	ctl_err("%s: is too large for chunks this small; choose a larger --chunk-size", m->path);
	return CTL_FAILED;
}

/* A gc that runs gives up as soon as it sees our lease. */
static int wait_for_gc(struct import *m)
{
	char err[256] = "";
	bool told = false;
	unsigned int nr;
	int64_t now;

	for (;;) {
		if (cc_lease_others(&m->lease, CC_LEASE_GC, &nr, &now, err, sizeof(err))) {
			ctl_err("%s", err);
			return CTL_FAILED;
		}
		if (!nr)
			return 0;
		if (!told)
			ctl_note("waiting for a gc of this store to make way");
		told = true;
		sleep(1);
	}
}

static int take_lease(struct import *m)
{
	char err[256] = "";

	if (!cc_lease_take(m->store.store, CC_LEASE_IMPORT, &m->lease, err, sizeof(err)))
		return wait_for_gc(m);
	ctl_err("%s", err);
	return CTL_FAILED;
}

/* A lease that lapsed while the machine slept, say: chunks that were there may be gone. */
static int check_lease(struct import *m)
{
	if (cc_lease_holds(&m->lease))
		return 0;
	ctl_err("stood still for so long that a gc may have run meanwhile; run it again");
	return CTL_FAILED;
}

static void report_line(const struct import *m, const char *what, uint64_t chunks)
{
	char size[CTL_SIZE_TEXT];

	fprintf(stderr, "  %-20s %9" PRIu64 "  %5.1f%%  %10s\n", what, chunks,
		100.0 * chunks / m->nr_chunks, ctl_size_text(chunks << m->chunk_shift, size));
}

/* What deduplication was good for. */
static void report_dedup(const struct import *m)
{
	const struct import_count *c = &m->count;
	char size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT];

	ctl_note("%s: %s in %" PRIu64 " chunks of %s", m->name, ctl_size_text(m->image_size, size),
		 m->nr_chunks, ctl_size_text(1ULL << m->chunk_shift, chunk));
	report_line(m, "holes", c->holes);
	report_line(m, "duplicates", c->duplicates);
	report_line(m, "in the store before", c->present);
	report_line(m, "uploaded", c->uploaded);
	fprintf(stderr, "  %-20s %25s, %.1f%% of the image\n", "sent",
		ctl_size_text(c->uploaded_bytes, size), 100.0 * c->uploaded_bytes / m->image_size);
}

static int report(const struct import *m, const struct cc_manifest *manifest)
{
	const struct import_count *c = &m->count;
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(manifest->digest, hex);
	if (!m->json)
		report_dedup(m);
	if (!m->json) {
		printf("sha256:%s\n", hex);
		return CTL_OK;
	}
	return ctl_print_json(json_pack("{s:s, s:o, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
		"name", m->name, "digest", json_sprintf("sha256:%s", hex),
		"image_bytes", (json_int_t)m->image_size,
		"chunk_bytes", (json_int_t)1 << m->chunk_shift,
		"encoding", m->encoding == CC_ENCODING_ZSTD ? "zstd" : "raw",
		"chunks", (json_int_t)m->nr_chunks, "holes", (json_int_t)c->holes,
		"duplicates", (json_int_t)c->duplicates, "present", (json_int_t)c->present,
		"uploaded", (json_int_t)c->uploaded,
		"uploaded_bytes", (json_int_t)c->uploaded_bytes));
}

static int import_image(struct import *m)
{
	struct cc_manifest manifest;
	int r;

	r = open_image(m);
	if (!r)
		r = ctl_store_open(&m->store_opts, &m->store);
	if (!r)
		r = check_name_first(m);
	if (!r)
		r = take_lease(m);
	if (!r)
		r = import_pass(m, true);
	if (!r)
		r = build_manifest(m, &manifest);
	if (r)
		return r;
	r = check_lease(m);
	if (!r)
		r = put_manifest_and_name(m, &manifest);
	if (!r)
		r = report(m, &manifest);
	cc_manifest_free(&manifest);
	return r;
}

static int parse_chunk_size(struct import *m, const char *s)
{
	uint64_t size;

	if (ctl_parse_size("--chunk-size", s, &size))
		return CTL_USAGE;
	if (size & (size - 1) || size < 1ULL << CC_CHUNK_SHIFT_MIN ||
	    size > 1ULL << CC_CHUNK_SHIFT_MAX)
		return ctl_usage("--chunk-size: expected a power of two from 64K to 16M, got '%s'",
				 s);
	m->chunk_shift = __builtin_ctzll(size);
	return 0;
}

static int parse_option(struct import *m, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'n':
		m->name = optarg;
		return 0;
	case 'c':
		return parse_chunk_size(m, optarg);
	case 'z':
		m->encoding = CC_ENCODING_ZSTD;
		if (optarg && ctl_parse_number("--compress", optarg, 1, CC_ZSTD_LEVEL_MAX, &n))
			return CTL_USAGE;
		m->level = optarg ? n : CC_ZSTD_LEVEL_DEFAULT;
		return 0;
	case 'j':
		if (ctl_parse_number("--jobs", optarg, 1, CTL_JOBS_MAX, &n))
			return CTL_USAGE;
		m->jobs = n;
		return 0;
	case 'r':
		m->replace = true;
		return 0;
	case 'f':
		if (!*optarg || strspn(optarg, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(optarg))
			return ctl_usage("--format: expected raw, qcow2 or another name that qemu-img "
					 "knows, got '%s'", optarg);
		m->format = optarg;
		return 0;
	case 't':
		m->tmp_dir = optarg;
		return 0;
	case CTL_OPT_JSON:
		m->json = true;
		return 0;
	}
	return ctl_store_option(&m->store_opts, c, optarg) ? 0 : ctl_bad_option(c, argv);
}

static int parse_arguments(struct import *m, const struct ctl_command *cmd, int argc, char **argv,
			   bool *ret_help)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "name", required_argument, NULL, 'n' },
		{ "chunk-size", required_argument, NULL, 'c' },
		{ "compress", optional_argument, NULL, 'z' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "replace", no_argument, NULL, 'r' },
		{ "format", required_argument, NULL, 'f' },
		{ "tmp", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	char object[CC_OBJECT_NAME_MAX];
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP) {
			*ret_help = true;
			return ctl_help(cmd);
		}
		r = parse_option(m, c, argv);
		if (r)
			return r;
	}
	r = ctl_operands(argc, 1, "one IMAGE");
	if (r)
		return r;
	if (!m->name)
		return ctl_usage("--name is needed");
	if (cc_image_name(m->name, object))
		return ctl_usage("--name: expected 1 to %d of [a-zA-Z0-9._-], not starting with "
				 "'.' or '-', got '%s'", CC_IMAGE_NAME_MAX, m->name);
	m->path = argv[optind];
	return 0;
}

static int run_import(const struct ctl_command *cmd, int argc, char **argv)
{
	struct import m = {
		.chunk_shift = CC_CHUNK_SHIFT_DEFAULT,
		.jobs = CTL_JOBS_DEFAULT,
		.source.fd = -1,
		.tmp_dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp",
		.reading = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	bool helped = false;
	int r = parse_arguments(&m, cmd, argc, argv, &helped);

	if (r || helped)
		return r;
	r = import_image(&m);
	cc_lease_drop(&m.lease);
	ctl_store_close(&m.store);
	cc_id_set_free(&m.seen);
	free(m.ids);
	ctl_source_close(&m.source);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_import = {
	.name = "import",
	.synopsis = "IMAGE --name N --store S [OPTION]...",
	.summary = "Put an image into a store",
	.help = help,
	.run = run_import,
};
