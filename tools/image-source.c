// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files, devices, streams and other formats as sources of an import; see image-source.h.
 */
#include "image-source.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "chunkcache/format.h"
#include "say.h"
#include "superblock.h"

#define INFO_MAX (1 << 20)
#define STREAM_WAIT_MS 500

extern char **environ;

/* ---- other formats ---- */

static const char *looks_like(int fd)
{
	static const struct { const char *format, *magic; size_t offset, size; } known[] = {
		{ "qcow2", "QFI\xfb", 0, 4 }, { "vmdk", "KDMV", 0, 4 },
		{ "vmdk", "# Disk DescriptorFile", 0, 21 }, { "vhdx", "vhdxfile", 0, 8 },
		{ "vpc", "conectix", 0, 8 }, { "vdi", "\x7f\x10\xda\xbe", 64, 4 },
		{ "qed", "QED", 0, 4 },
	};
	char head[128] = "";
	ssize_t n = pread(fd, head, sizeof(head), 0);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n >= (ssize_t)(known[i].offset + known[i].size) &&
		    !memcmp(head + known[i].offset, known[i].magic, known[i].size))
			return known[i].format;
	return NULL;
}

/* What qemu-img said on its way out: one line, as names that an image has are in it. */
static void told_by_qemu_img(const char *command, int said)
{
	char text[600];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	ctl_err("qemu-img %s failed%s%s", command, text[0] ? ": " : "", text);
}

/* With standard output to out and errors to said. */
static int spawn_qemu_img(char *const argv[], int out, int said, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
	r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Runs qemu-img; its output goes to out, or else to where people look.  0, or CTL_FAILED after a message. */
static int run_qemu_img(char *const argv[], int out)
{
	int said = memfd_create("qemu-img", MFD_CLOEXEC), r, status = -1;
	pid_t pid;

	if (said < 0) {
		ctl_err("qemu-img: %s", strerror(errno));
		return CTL_FAILED;
	}
	r = spawn_qemu_img(argv, out >= 0 ? out : STDERR_FILENO, said, &pid);
	if (r)
		ctl_err("qemu-img: %s%s", strerror(r),
			r == ENOENT ? " (install qemu-utils to read other formats than raw)" : "");
	while (!r && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	if (!r && status)
		told_by_qemu_img(argv[1], said);
	close(said);
	return status ? CTL_FAILED : 0;
}

/* A file without a name in dir; path is what it can be opened by until it is closed. */
static int make_tmp(const char *dir, char *path, size_t size)
{
	int fd;

	if (snprintf(path, size, "%s/chunkctl-XXXXXX", dir) >= (int)size) {
		ctl_err("--tmp: expected a shorter name");
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		ctl_err("%s: %s", path, strerror(errno));
	return fd;
}

/* What a vmdk is made of.  One extent, which is the image itself, refers to nothing else. */
static const char *other_extent(const json_t *info, const json_t *extents)
{
	const char *self = ctl_string(info, "filename");
	json_t *extent;
	size_t i;

	json_array_foreach(extents, i, extent)
		if (strcmp(ctl_string(extent, "filename"), self))
			return ctl_string(extent, "filename");
	return NULL;
}

/* What the image names besides itself, as JSON says it. */
static const char *refers_to(const json_t *info)
{
	const json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");

	if (json_object_get(info, "backing-filename"))
		return ctl_string(info, "backing-filename");
	if (json_object_get(data, "data-file"))
		return ctl_string(data, "data-file");
	return other_extent(info, json_object_get(data, "extents"));
}

static json_t *load_info(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size < 0 || size > INFO_MAX || lseek(fd, 0, SEEK_SET) ? NULL : json_loadfd(fd, 0, NULL);
}

static int check_info(const char *path, int fd)
{
	json_t *info = load_info(fd);
	const char *other;
	int r = 0;

	if (!json_is_object(info)) {
		ctl_err("%s: qemu-img info: expected a JSON object of at most %d bytes", path, INFO_MAX);
		r = CTL_FAILED;
	} else if ((other = refers_to(info))) {
		ctl_err("%s: refers to another file (%s); flatten it first: qemu-img convert -O raw",
			path, other);
		r = CTL_FAILED;
	}
	json_decref(info);
	return r;
}

/*
 * Into a sparse raw file in tmp_dir, which goes when it is closed.  "file:" keeps qemu-img from
 * taking a name for a URL or an option.
 */
static int convert(struct ctl_source *s, const char *format, const char *tmp_dir)
{
	char tmp[512], from[4200];
	char *const info[] = { "qemu-img", "info", "--output=json", "-f", (char *)format, from, NULL };
	char *const copy[] = {
		"qemu-img", "convert", isatty(STDERR_FILENO) ? "-p" : "-q", "-f", (char *)format, "-O",
		"raw", from, tmp, NULL
	};
	int r = CTL_FAILED, fd;

	if (snprintf(from, sizeof(from), "file:%s", s->path) >= (int)sizeof(from)) {
		ctl_err("%s: its name is too long", s->path);
		return r;
	}
	fd = make_tmp(tmp_dir, tmp, sizeof(tmp));
	if (fd < 0)
		return r;
	r = run_qemu_img(info, fd);
	if (!r)
		r = check_info(s->path, fd);
	if (!r)
		r = run_qemu_img(copy, -1);
	close(fd);
	if (!r) {
		s->fd = open(tmp, O_RDONLY | O_CLOEXEC);
		if (s->fd < 0) {
			ctl_err("%s: %s", tmp, strerror(errno));
			r = CTL_FAILED;
		}
	}
	unlink(tmp);
	return r;
}

/* ---- opening ---- */

static int open_raw(struct ctl_source *s, const char *format)
{
	const char *other;
	struct stat st;

	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st)) {
		ctl_err("%s: %s", s->path, strerror(errno));
		return CTL_FAILED;
	}
	if (S_ISFIFO(st.st_mode)) {
		s->stream = true;
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		ctl_err("%s: expected a file, a block device or a pipe", s->path);
		return CTL_FAILED;
	}
	other = format ? NULL : looks_like(s->fd);
	if (!other)
		return 0;
	ctl_err("%s: looks like %s; say --format %s, or --format raw if it is not", s->path, other,
		other);
	return CTL_FAILED;
}

int ctl_source_open(struct ctl_source *s, const char *path, const char *format, const char *tmp_dir)
{
	bool raw = !format || !strcmp(format, "raw");
	int r;

	*s = (struct ctl_source) { .path = path, .fd = -1 };
	if (!strcmp(path, "-")) {
		if (!raw)
			return ctl_usage("--format %s: expected a file, it can't be read from a "
					 "stream", format);
		s->path = "standard input";
		s->fd = STDIN_FILENO;
		s->stream = true;
		return 0;
	}
	r = raw ? open_raw(s, format) : convert(s, format, tmp_dir);
	if (r || s->stream)
		return r;
	r = cc_device_bytes(s->fd, &s->size);
	if (!r && s->size && s->size <= CC_IMAGE_SIZE_MAX)
		return 0;
	if (r)
		ctl_err("%s: %s", s->path, strerror(-r));
	else
		ctl_err("%s: %s", s->path,
			s->size ? "is larger than 1 PiB, the largest image" : "is empty");
	return CTL_FAILED;
}

void ctl_source_close(struct ctl_source *s)
{
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	s->fd = -1;
}

/* ---- reading ---- */

uint64_t ctl_source_data(struct ctl_source *s, uint64_t offset)
{
	off_t data, hole;

	if (offset < s->data_end)
		return offset;
	data = lseek(s->fd, offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return s->size;
	if (data < 0) {
		s->data_end = s->size;	/* holes can't be asked for: all is data */
		return offset;
	}
	hole = lseek(s->fd, data, SEEK_HOLE);
	s->data_end = hole > data ? (uint64_t)hole : s->size;
	return data;
}

int ctl_source_read(struct ctl_source *s, uint64_t offset, void *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = pread(s->fd, (char *)buf + got, size - got, offset + got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		got += n;
	}
	return 0;
}

ssize_t ctl_source_next(struct ctl_source *s, void *buf, size_t size)
{
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	ssize_t n = poll(&poll_fd, 1, STREAM_WAIT_MS);

	if (n <= 0)
		return n ? -errno : -EAGAIN;
	n = read(s->fd, buf, size);
	if (n < 0)
		return -errno;
	s->size += n;
	return n;
}
