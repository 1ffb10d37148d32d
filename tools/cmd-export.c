// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl export: an image out of a store, checked, into a sparse file or a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/chunk-object.h"
#include "command.h"
#include "image-arg.h"
#include "progress.h"
#include "store-opts.h"

struct export {
	struct cc_manifest manifest;
	struct ctl_store store;
	const char *path;
	int fd;
	bool stream;		/* stdout: holes are written as zeros */
	void *buf;
	struct ctl_progress progress;
};

static const char help[] =
	"Writes the image to FILE, which must not exist and becomes sparse, or with - to\n"
	"standard output.  If it fails, FILE is removed.\n"
	"\n"
	CTL_STORE_HELP;

static int write_all(int fd, const uint8_t *buf, size_t size)
{
	ssize_t n;

	while (size) {
		n = write(fd, buf, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		size -= n;
	}
	return 0;
}

static int export_chunk(struct export *x, uint64_t chunk)
{
	const struct cc_manifest *m = &x->manifest;
	const uint8_t *id = cc_manifest_id(m, chunk);
	uint64_t offset = chunk << m->chunk_shift, left = m->image_size - offset;
	size_t size = (size_t)1 << m->chunk_shift;
	enum cc_store_result res;
	char err[256] = "";
	int r = 0;

	if (!cc_id_is_hole(id)) {
		res = cc_chunk_get(x->store.store, id, m->encoding, x->buf, size, err,
				    sizeof(err));
		if (res) {
			ctl_err("chunk %" PRIu64 ": %s: %s", chunk, cc_store_result_name(res), err);
			return res == CC_STORE_NOTFOUND || res == CC_STORE_CORRUPT ? CTL_DAMAGE :
										     CTL_FAILED;
		}
	} else if (x->stream) {
		memset(x->buf, 0, size);
	} else if (lseek(x->fd, offset + size, SEEK_SET) < 0) {
		r = -errno;
	}
	if (!r && (x->stream || !cc_id_is_hole(id)))
		r = write_all(x->fd, x->buf, left < size ? left : size);
	ctl_progress_add(&x->progress, size);
	if (!r)
		return 0;
	ctl_err("%s: %s", x->path, strerror(-r));
	return CTL_FAILED;
}

static int export_chunks(struct export *x)
{
	uint64_t i;
	int r = 0;

	x->buf = malloc((size_t)1 << x->manifest.chunk_shift);
	if (!x->buf) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	ctl_progress_start(&x->progress, "exporting", x->manifest.image_size);
	for (i = 0; i < x->manifest.nr_chunks && !r; i++)
		r = export_chunk(x, i);
	ctl_progress_end(&x->progress);
	free(x->buf);
	return r;
}

static int export_to_file(struct export *x)
{
	int r;

	x->fd = open(x->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (x->fd < 0) {
		ctl_err("%s: %s", x->path, strerror(errno));
		return CTL_FAILED;
	}
	r = export_chunks(x);
	if (!r && (ftruncate(x->fd, x->manifest.image_size) || fsync(x->fd))) {
		ctl_err("%s: %s", x->path, strerror(errno));
		r = CTL_FAILED;
	}
	close(x->fd);
	if (r)
		unlink(x->path);
	return r;
}

static int export_image(const struct ctl_store_opts *opts, const char *what, const char *path)
{
	struct export x = { .path = path, .stream = !strcmp(path, "-"), .fd = STDOUT_FILENO };
	int r = ctl_store_open(opts, &x.store);

	if (r)
		return r;
	r = ctl_image_resolve(x.store.store, what, &x.manifest);
	if (!r) {
		r = x.stream ? export_chunks(&x) : export_to_file(&x);
		cc_manifest_free(&x.manifest);
	}
	ctl_store_close(&x.store);
	return r;
}

static int run_export(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_store_opts opts = { 0 };
	int r = 0;

	if (!ctl_store_args(cmd, argc, argv, &opts, &r))
		return r;
	r = ctl_operands(argc, 2, "NAME or sha256:DIGEST, and FILE or -");
	return r ? r : export_image(&opts, argv[optind], argv[optind + 1]);
}

const struct ctl_command ctl_cmd_export = {
	.name = "export",
	.synopsis = "NAME|sha256:DIGEST FILE|- --store S [OPTION]...",
	.summary = "Write an image out as a raw file",
	.help = help,
	.run = run_export,
};
