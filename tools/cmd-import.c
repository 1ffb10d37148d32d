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
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk-object.h"
#include "chunkctl.h"
#include "id-set.h"
#include "image.h"
#include "manifest.h"
#include "progress.h"
#include "store-opts.h"
#include "superblock.h"
#include "workers.h"

#define SECTOR 512

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
	const char *path, *name;
	struct ctl_store_opts store_opts;
	struct ctl_store store;
	uint32_t chunk_shift, encoding;
	int level;
	unsigned int jobs;
	bool replace, json;
	int fd;
	uint64_t file_size, image_size, nr_chunks;
	bool upload;			/* else only hash */

	uint8_t *ids;			/* nr_chunks IDs; a worker writes those that it took */
	struct ctl_progress progress;

	pthread_mutex_t lock;		/* covers what follows, and fd's file offset */
	uint64_t next;			/* chunk to be taken next */
	uint64_t data_end;		/* bytes: there is data from next's start up to here */
	struct ctl_id_set seen;
	struct import_count count;
	bool failed;
	char error[320];
};

static const char help[] =
	"IMAGE is a raw file or a block device.  Holes and chunks of zeros are not\n"
	"stored; chunks that the store has already are not uploaded again.  Prints the\n"
	"image's digest.\n"
	"\n"
	"  --name N             name of the image: 1 to 128 of [a-zA-Z0-9._-]\n"
	"  --chunk-size SIZE    power of two from 64K to 16M, default 1M; must equal the\n"
	"                       slot size of the pools that shall cache it\n"
	"  --compress[=LEVEL]   store chunks as zstd frames, LEVEL 1 to 19, default 3\n"
	"  --jobs N             chunks in work at once, default 16\n"
	"  --replace            let the name mean this image from now on, whatever it\n"
	"                       meant before\n"
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

/* Move next forward over the hole that starts at data_end or after it. */
static void __skip_hole(struct import *m)
{
	uint64_t first = m->next, start = m->next << m->chunk_shift;
	off_t data = lseek(m->fd, start, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO) {
		m->next = m->nr_chunks;
	} else if (data < 0) {
		m->data_end = m->file_size;	/* holes can't be asked for: all is data */
	} else {
		hole = lseek(m->fd, data, SEEK_HOLE);
		m->data_end = hole > data ? (uint64_t)hole : m->file_size;
		m->next = (uint64_t)data >> m->chunk_shift;
	}
	m->count.holes += m->next - first;
	ctl_progress_add(&m->progress, (m->next - first) << m->chunk_shift);
}

static bool take_chunk(struct import *m, uint64_t *ret_chunk)
{
	bool taken = false;

	pthread_mutex_lock(&m->lock);
	if (m->next < m->nr_chunks && m->next << m->chunk_shift >= m->data_end)
		__skip_hole(m);
	if (m->next < m->nr_chunks && !m->failed) {
		*ret_chunk = m->next++;
		taken = true;
	}
	pthread_mutex_unlock(&m->lock);
	return taken;
}

/* All of the chunk, padded with zeros behind the end of the file. */
static int read_chunk(struct import *m, uint64_t chunk, uint8_t *buf)
{
	size_t size = (size_t)1 << m->chunk_shift, got = 0, want;
	uint64_t offset = chunk << m->chunk_shift;
	ssize_t n;

	want = m->file_size - offset < size ? m->file_size - offset : size;
	while (got < want) {
		n = pread(m->fd, buf + got, want - got, offset + got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(m, "%s: reading at byte %" PRIu64 ": %s", m->path, offset + got,
			     n ? strerror(errno) : "the file shrank meanwhile");
			return -EIO;
		}
		got += n;
	}
	memset(buf + want, 0, size - want);
	return 0;
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

static int upload(struct import *m, const uint8_t *id, const uint8_t *buf, struct ctl_encoder *e)
{
	char object[CC_OBJECT_NAME_MAX], err[256] = "";
	bool present;
	const void *data;
	size_t size = 0;

	cc_chunk_name(id, m->encoding, object);
	if (is_present(m, object, &present))
		return -EIO;
	if (!present) {
		if (ctl_encode(e, buf, &data, &size)) {
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
static int claim(struct import *m, const uint8_t *id)
{
	int r;

	pthread_mutex_lock(&m->lock);
	if (cc_id_is_hole(id)) {
		m->count.holes++;
		r = 0;
	} else {
		r = ctl_id_set_add(&m->seen, id);
		if (!r)
			m->count.duplicates++;
	}
	pthread_mutex_unlock(&m->lock);
	if (r < 0)
		fail(m, "out of memory");
	return r;
}

static int import_chunk(struct import *m, uint64_t chunk, uint8_t *buf, struct ctl_encoder *e)
{
	size_t size = (size_t)1 << m->chunk_shift;
	uint8_t *id = m->ids + chunk * CC_ID_SIZE;
	int r = read_chunk(m, chunk, buf);

	if (r)
		return r;
	if (all_zero(buf, size))
		memset(id, 0, CC_ID_SIZE);
	else
		cc_sha256(buf, size, id);
	r = claim(m, id);
	if (r == 1 && m->upload)
		r = upload(m, id, buf, e);
	ctl_progress_add(&m->progress, size);
	return r < 0 ? r : 0;
}

static void *import_worker(void *arg)
{
	struct import *m = arg;
	struct ctl_encoder *e = NULL;
	uint8_t *buf = malloc((size_t)1 << m->chunk_shift);
	uint64_t chunk;

	if (!buf || ctl_encoder_new(m->encoding, m->level, (size_t)1 << m->chunk_shift, &e))
		fail(m, "out of memory");
	else
		while (take_chunk(m, &chunk))
			if (import_chunk(m, chunk, buf, e))
				break;
	ctl_encoder_free(e);
	free(buf);
	return NULL;
}

/* Go over the whole image once: ids and count are of this pass. */
static int import_pass(struct import *m, bool do_upload)
{
	int r;

	m->upload = do_upload;
	m->next = 0;
	m->data_end = 0;
	memset(&m->count, 0, sizeof(m->count));
	memset(m->ids, 0, m->nr_chunks * CC_ID_SIZE);
	ctl_id_set_free(&m->seen);
	ctl_progress_start(&m->progress, do_upload ? "importing" : "hashing", m->image_size);
	r = ctl_workers_run(m->jobs, import_worker, m);
	ctl_progress_end(&m->progress);
	if (r)
		fail(m, "threads: %s", strerror(-r));
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
	r = ctl_image_digest(m->store.store, m->name, digest, err, sizeof(err));
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
	struct stat st;
	uint64_t chunk_size = 1ULL << m->chunk_shift;
	int r;

	m->fd = open(m->path, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0 || fstat(m->fd, &st)) {
		ctl_err("%s: %s", m->path, strerror(errno));
		return CTL_FAILED;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		ctl_err("%s: expected a file or a block device", m->path);
		return CTL_FAILED;
	}
	r = cc_device_bytes(m->fd, &m->file_size);
	if (r || !m->file_size || m->file_size > CC_IMAGE_SIZE_MAX) {
		ctl_err("%s: %s", m->path, r ? strerror(-r) : m->file_size ?
			"is larger than 1 PiB, the largest image" : "is empty");
		return CTL_FAILED;
	}
	m->image_size = (m->file_size + SECTOR - 1) / SECTOR * SECTOR;
	m->nr_chunks = (m->image_size + chunk_size - 1) >> m->chunk_shift;
	if (m->nr_chunks > (CTL_MANIFEST_MAX - sizeof(struct cc_manifest_header)) / CC_ID_SIZE) {
		ctl_err("%s: is too large for chunks this small; choose a larger --chunk-size",
			m->path);
		return CTL_FAILED;
	}
	m->ids = calloc(m->nr_chunks, CC_ID_SIZE);
	if (m->ids)
		return 0;
	ctl_err("out of memory");
	return CTL_FAILED;
}

static int report(const struct import *m, const struct cc_manifest *manifest)
{
	const struct import_count *c = &m->count;
	char hex[2 * CC_ID_SIZE + 1], size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT], up[CTL_SIZE_TEXT];

	cc_id_to_hex(manifest->digest, hex);
	ctl_note("%s: %s, %" PRIu64 " chunks of %s: %" PRIu64 " holes, %" PRIu64 " duplicates, "
		 "%" PRIu64 " in the store before, %" PRIu64 " uploaded (%s)", m->name,
		 ctl_size_text(m->image_size, size), m->nr_chunks,
		 ctl_size_text(1ULL << m->chunk_shift, chunk), c->holes, c->duplicates, c->present,
		 c->uploaded, ctl_size_text(c->uploaded_bytes, up));
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
		r = import_pass(m, true);
	if (!r)
		r = build_manifest(m, &manifest);
	if (r)
		return r;
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
		if (optarg && ctl_parse_number("--compress", optarg, 1, CTL_ZSTD_LEVEL_MAX, &n))
			return CTL_USAGE;
		m->level = optarg ? n : CTL_ZSTD_LEVEL_DEFAULT;
		return 0;
	case 'j':
		if (ctl_parse_number("--jobs", optarg, 1, CTL_JOBS_MAX, &n))
			return CTL_USAGE;
		m->jobs = n;
		return 0;
	case 'r':
		m->replace = true;
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
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	bool helped = false;
	int r = parse_arguments(&m, cmd, argc, argv, &helped);

	if (r || helped)
		return r;
	r = import_image(&m);
	ctl_store_close(&m.store);
	ctl_id_set_free(&m.seen);
	free(m.ids);
	if (m.fd >= 0)
		close(m.fd);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_import = {
	.name = "import",
	.synopsis = "IMAGE --name N --store S [OPTION]...",
	.summary = "Put a raw image into a store",
	.help = help,
	.run = run_import,
};
