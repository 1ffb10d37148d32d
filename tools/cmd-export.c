// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl export: an image out of a store, checked, into a sparse file, onto a block device, or into a
 * pipe.  A file has its name only when it is whole; until then it is FILE.DIGEST.partial, from which the
 * next export of the same image goes on: what is there is hashed, not believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "image-arg.h"
#include "progress.h"
#include "store-opts.h"
#include "store/chunk-object.h"
#include "superblock.h"
#include "workers.h"

#define BLANK_BYTES	(1 << 20)
#define DIGEST_DIGITS	16		/* in a name: enough that it is not of another image */

struct export {
	struct ctl_store_opts store_opts;
	struct cc_manifest manifest;
	struct ctl_store store;
	const char *path;
	char *partial;		/* what a file is called until it is whole */
	int fd;
	unsigned int jobs;
	bool stream;		/* stdout: in order, holes as zeros */
	bool force;
	bool used;		/* it may have content: of an export before, or a device's */
	atomic_bool wrote;
	atomic_bool told;	/* that it fails: the other chunks in work fail alike */
	struct ctl_progress progress;
	struct ctl_cleanup cleanup;
};

static const char help[] =
	"Writes the image to FILE, which must not exist and becomes sparse, onto a block\n"
	"device, or with - to standard output.  Until it is whole, FILE has another name,\n"
	"FILE.DIGEST.partial; if it was cut off, the same command goes on from there.\n"
	"\n"
	"  --jobs N             chunks in work at once, default 16; always one for -\n"
	"  --force              onto a device whose first MiB is not all zeros\n"
	"\n"
	CTL_STORE_HELP;

static int say_errno(const char *path)
{
	ctl_err("%s: %s", path, strerror(errno));
	return CTL_FAILED;
}

static bool is_first_failure(struct export *x)
{
	return !atomic_exchange(&x->told, true);
}

/* ---- chunks ---- */

static int write_content(const struct export *x, const uint8_t *buf, size_t size, off_t offset)
{
	ssize_t n;

	for (; size; buf += n, size -= n, offset += n) {
		n = x->stream ? write(x->fd, buf, size) : pwrite(x->fd, buf, size, offset);
		if (n < 0 && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	return 0;
}

/* buf is of a chunk's size; size is of its part that is in the image. */
static bool is_there(const struct export *x, const uint8_t *id, uint8_t *buf, size_t size, off_t offset)
{
	size_t chunk_size = (size_t)1 << x->manifest.chunk_shift;
	uint8_t found[CC_ID_SIZE] = { 0 };

	/* A new file is one hole. */
	if (!x->used)
		return !x->stream && cc_id_is_hole(id);
	if (pread(x->fd, buf, size, offset) != (ssize_t)size)
		return false;
	memset(buf + size, 0, chunk_size - size);
	if (buf[0] || memcmp(buf, buf + 1, chunk_size - 1))
		cc_sha256(buf, chunk_size, found);
	return !memcmp(found, id, CC_ID_SIZE);
}

static int get_chunk(struct export *x, uint64_t chunk, uint8_t *buf)
{
	const uint8_t *id = cc_manifest_id(&x->manifest, chunk);
	size_t size = (size_t)1 << x->manifest.chunk_shift;
	enum cc_store_result res;
	char err[256] = "";

	if (cc_id_is_hole(id)) {
		memset(buf, 0, size);
		return 0;
	}
	res = cc_chunk_get(x->store.store, id, x->manifest.encoding, buf, size, err, sizeof(err));
	if (!res)
		return 0;
	if (is_first_failure(x))
		ctl_err("chunk %" PRIu64 ": %s: %s", chunk, cc_store_result_name(res), err);
	return res == CC_STORE_NOTFOUND || res == CC_STORE_CORRUPT ? CTL_DAMAGE : CTL_FAILED;
}

static int write_chunk(struct export *x, const uint8_t *id, const uint8_t *buf, size_t size, off_t offset)
{
	int r = -EOPNOTSUPP;

	/* Not all file systems and devices can have one, or one that ends there. */
	if (!x->stream && cc_id_is_hole(id))
		r = fallocate(x->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
	if (r)
		r = write_content(x, buf, size, offset);
	if (!r) {
		atomic_store(&x->wrote, true);
		return 0;
	}
	if (is_first_failure(x))
		ctl_err("%s: %s", x->path, strerror(-r));
	return CTL_FAILED;
}

static int export_chunk(struct export *x, uint64_t chunk, uint8_t *buf)
{
	const uint8_t *id = cc_manifest_id(&x->manifest, chunk);
	uint64_t offset = chunk << x->manifest.chunk_shift, left = x->manifest.image_size - offset;
	size_t size = (size_t)1 << x->manifest.chunk_shift;
	int r = 0;

	if (left < size)
		size = left;
	if (!is_there(x, id, buf, size, offset)) {
		r = get_chunk(x, chunk, buf);
		if (!r)
			r = write_chunk(x, id, buf, size, offset);
	}
	ctl_progress_add(&x->progress, size);
	return r;
}

static int export_one(void *arg, size_t chunk)
{
	struct export *x = arg;
	uint8_t *buf = malloc((size_t)1 << x->manifest.chunk_shift);
	int r = CTL_FAILED;

	if (buf)
		r = export_chunk(x, chunk, buf);
	else if (is_first_failure(x))
		ctl_err("out of memory");
	free(buf);
	return r;
}

static int export_chunks(struct export *x)
{
	int r;

	ctl_progress_start(&x->progress, "exporting", x->manifest.image_size);
	r = ctl_workers_each(x->stream ? 1 : x->jobs, x->manifest.nr_chunks, export_one, x);
	ctl_progress_end(&x->progress);
	if (r >= 0)
		return r;
	ctl_err("threads: %s", strerror(-r));
	return CTL_FAILED;
}

/* When it has failed, or is cut off: only what is worth going on from stays. */
static void leave_part(void *arg)
{
	struct export *x = arg;
	bool wrote = atomic_load(&x->wrote);

	if (x->partial && !x->used && !wrote)
		unlink(x->partial);
	else if (x->partial)
		ctl_note("%s has what was written; the same command goes on from there", x->partial);
	else if (wrote)
		ctl_note("%s has a part of the image only; with --force the same command goes on from there",
			 x->path);
}

/* All of it, and on the disk. */
static int export_content(struct export *x)
{
	int r;

	ctl_cleanup_add(&x->cleanup, leave_part, x);
	r = export_chunks(x);
	if (!r && fsync(x->fd))
		r = say_errno(x->path);
	ctl_cleanup_remove(&x->cleanup);
	return r;
}

/* ---- files ---- */

static int refuse_partial(const struct export *x, const char *why)
{
	ctl_err("%s: %s", x->partial, why);
	return CTL_FAILED;
}

/* Somebody else's could change it later on. */
static int check_partial(const struct export *x, bool created)
{
	struct stat st, named;

	if (flock(x->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return refuse_partial(x, "another export writes it");
	if (fstat(x->fd, &st))
		return say_errno(x->partial);
	/* One that has come to its end since we opened it: it is called FILE now. */
	if (lstat(x->partial, &named) || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
		return refuse_partial(x, "another export wrote it");
	if (!created && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1))
		return refuse_partial(x, "is not of an export of this user");
	return 0;
}

static int open_partial(struct export *x)
{
	bool created;
	int r;

	x->fd = open(x->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	created = x->fd >= 0;
	if (!created && errno == EEXIST)
		x->fd = open(x->partial, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (x->fd < 0)
		return say_errno(x->partial);
	r = check_partial(x, created);
	if (!r)
		x->used = lseek(x->fd, 0, SEEK_END) > 0;
	return r;
}

/* Replaces nothing that came meanwhile. */
static int give_name(const struct export *x)
{
	if (!renameat2(AT_FDCWD, x->partial, AT_FDCWD, x->path, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return say_errno(x->path);
	/* A file system that does not know how; some of them do not know links either. */
	if (!link(x->partial, x->path))
		return unlink(x->partial) ? say_errno(x->partial) : 0;
	if (errno == EEXIST || rename(x->partial, x->path))
		return say_errno(x->path);
	return 0;
}

static int export_to_file(struct export *x)
{
	char hex[2 * CC_ID_SIZE + 1];
	int r;

	cc_id_to_hex(x->manifest.digest, hex);
	if (asprintf(&x->partial, "%s.%.*s.partial", x->path, DIGEST_DIGITS, hex) < 0) {
		x->partial = NULL;
		return say_errno(x->path);
	}
	r = open_partial(x);
	if (r)
		return r;
	r = ftruncate(x->fd, x->manifest.image_size) ? say_errno(x->partial) : export_content(x);
	if (!r)
		r = give_name(x);
	if (r)
		leave_part(x);
	return r;
}

/* ---- devices ---- */

static bool is_blank(const struct export *x)
{
	uint8_t *start = malloc(BLANK_BYTES);
	ssize_t n = start ? pread(x->fd, start, BLANK_BYTES, 0) : -1;
	bool blank = n > 0 && !start[0] && !memcmp(start, start + 1, n - 1);

	free(start);
	return blank;
}

static int check_device(const struct export *x)
{
	uint64_t size = 0;
	int r = cc_device_bytes(x->fd, &size);

	if (r) {
		ctl_err("%s: %s", x->path, strerror(-r));
		return CTL_FAILED;
	}
	if (size < x->manifest.image_size) {
		ctl_err("%s: has %" PRIu64 " bytes, the image has %" PRIu64, x->path, size,
			x->manifest.image_size);
		return CTL_FAILED;
	}
	if (x->force || is_blank(x))
		return 0;
	ctl_err("%s: its first MiB is not all zeros; --force overwrites it", x->path);
	return CTL_FAILED;
}

static int export_to_device(struct export *x)
{
	int r;

	/* Exclusive: not while it is mounted, or below another device. */
	x->fd = open(x->path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (x->fd < 0)
		return say_errno(x->path);
	r = check_device(x);
	if (r)
		return r;
	x->used = true;
	r = export_content(x);
	if (r)
		leave_part(x);
	return r;
}

/* ---- the command ---- */

static int export_manifest(struct export *x)
{
	struct stat st;

	if (x->stream)
		return export_chunks(x);
	if (lstat(x->path, &st))
		return errno == ENOENT ? export_to_file(x) : say_errno(x->path);
	/* Devices go by names that are links. */
	if (!stat(x->path, &st) && S_ISBLK(st.st_mode))
		return export_to_device(x);
	errno = EEXIST;
	return say_errno(x->path);
}

static int export_image(struct export *x, const char *what)
{
	int r = ctl_store_open(&x->store_opts, &x->store);

	if (r)
		return r;
	r = ctl_image_resolve(x->store.store, what, &x->manifest);
	if (!r) {
		r = export_manifest(x);
		cc_manifest_free(&x->manifest);
	}
	if (x->fd > STDERR_FILENO)
		close(x->fd);
	free(x->partial);
	ctl_store_close(&x->store);
	return r;
}

static int run_export(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "jobs", required_argument, NULL, 'j' },
		{ "force", no_argument, NULL, CTL_OPT_FORCE },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct export x = { .fd = STDOUT_FILENO, .jobs = CTL_JOBS_DEFAULT };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == CTL_OPT_FORCE) {
			x.force = true;
		} else if (c == 'j') {
			if (ctl_parse_jobs(optarg, &x.jobs))
				return CTL_USAGE;
		} else if (!ctl_store_option(&x.store_opts, c, optarg)) {
			return ctl_bad_option(c, argv);
		}
	}
	r = ctl_operands(argc, 2, "NAME or sha256:DIGEST, and FILE or -");
	if (r)
		return r;
	x.path = argv[optind + 1];
	x.stream = !strcmp(x.path, "-");
	ctl_cleanup_start();
	return export_image(&x, argv[optind]);
}

const struct ctl_command ctl_cmd_export = {
	.name = "export",
	.synopsis = "NAME|sha256:DIGEST FILE|- --store S [OPTION]...",
	.summary = "Write an image out as a raw file",
	.help = help,
	.run = run_export,
};
