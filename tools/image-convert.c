// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images of other formats, by way of qemu-img; see image-source.h.  Who wrote the image may go on writing
 * to it: what is looked at and converted is a copy that nobody else has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "image-info.h"
#include "image-source.h"
#include "say.h"

#define TMP_PATH_SIZE 512

/* What qemu-img said on its way out: one line, as names that an image has are in it. */
static void told_by_qemu_img(const char *command, int said)
{
	char text[600];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	ctl_err("qemu-img %s failed%s%s", command, text[0] ? ": " : "", text);
}

/* Runs qemu-img; its output goes to out, or else to where people look.  0, or CTL_FAILED after a message. */
static int run_qemu_img(char *const argv[], int out)
{
	int said = memfd_create("qemu-img", MFD_CLOEXEC), r;
	pid_t pid;

	if (said < 0) {
		ctl_err("qemu-img: %s", strerror(errno));
		return CTL_FAILED;
	}
	r = ctl_child_start(argv, -1, out >= 0 ? out : STDERR_FILENO, said, &pid);
	if (r)
		ctl_err("qemu-img: %s%s", strerror(-r),
			r == -ENOENT ? " (install qemu-utils to read other formats than raw)" : "");
	else if ((r = ctl_child_wait(pid)))
		told_by_qemu_img(argv[1], said);
	close(said);
	return r ? CTL_FAILED : 0;
}

/* A file that children have, too, by what it is open as; its name is for people who look how far it is. */
static int make_tmp(const char *dir, char *path, size_t size)
{
	int fd = -1;

	if (snprintf(path, size, "%s/chunkctl-XXXXXX", dir) < (int)size)
		fd = mkstemp(path);
	else
		errno = ENAMETOOLONG;
	if (fd < 0)
		ctl_err("--tmp %s: %s", dir, strerror(errno));
	return fd;
}

static void remove_tmp(void *arg)
{
	unlink(arg);
}

/* All of s, holes as such, into the file to.  0, or CTL_FAILED after a message. */
static int copy_source(struct ctl_source *s, int to)
{
	off_t at, left;
	ssize_t n = 1;

	for (at = ctl_source_data(s, 0); (uint64_t)at < s->size && n > 0; at = ctl_source_data(s, at)) {
		if (lseek(to, at, SEEK_SET) < 0)
			break;
		for (left = s->data_end - at; left > 0; left -= n) {
			n = copy_file_range(s->fd, &at, to, NULL, left, 0);
			if (n <= 0)
				break;
		}
	}
	if (n > 0 && !ftruncate(to, s->size))
		return 0;
	ctl_err("%s: copy to --tmp: %s", s->path, n ? strerror(errno) : "the file shrank meanwhile");
	return CTL_FAILED;
}

/* By what they are open as: nobody can put another file in their place. */
static int convert_copy(const char *path, const char *format, int from_fd, int to_fd)
{
	char from[32], to[32];
	char *const info[] = { "qemu-img", "info", "--output=json", "-f", (char *)format, from, NULL };
	char *const copy[] = {
		"qemu-img", "convert", isatty(STDERR_FILENO) ? "-p" : "-q", "-f", (char *)format, "-O",
		"raw", from, to, NULL
	};
	int r, told = memfd_create("info", MFD_CLOEXEC);

	snprintf(from, sizeof(from), "file:/dev/fd/%d", from_fd);
	snprintf(to, sizeof(to), "file:/dev/fd/%d", to_fd);
	r = told < 0 ? CTL_FAILED : run_qemu_img(info, told);
	if (!r)
		r = ctl_image_info_check(path, told);
	if (!r)
		r = run_qemu_img(copy, -1);
	if (told >= 0)
		close(told);
	return r;
}

/* All of s in a file that nobody else can find; -1 after a message. */
static int private_copy(struct ctl_source *s, const char *tmp_dir)
{
	char path[TMP_PATH_SIZE], why[CTL_SOURCE_WHY];
	int fd = make_tmp(tmp_dir, path, sizeof(path));

	if (fd < 0)
		return fd;
	unlink(path);
	if (!copy_source(s, fd)) {
		if (!ctl_source_check(s, why, sizeof(why)))
			return fd;
		ctl_err("%s", why);
	}
	close(fd);
	return -1;
}

int ctl_convert(struct ctl_source *s, const char *format, const char *tmp_dir)
{
	int copy = private_copy(s, tmp_dir), raw, r;
	struct ctl_cleanup cleanup = { 0 };
	char path[TMP_PATH_SIZE];

	if (copy < 0)
		return CTL_FAILED;
	raw = make_tmp(tmp_dir, path, sizeof(path));
	r = raw < 0 ? CTL_FAILED : 0;
	if (!r) {
		ctl_cleanup_add(&cleanup, remove_tmp, path);
		r = convert_copy(s->path, format, copy, raw);
		ctl_cleanup_remove(&cleanup);
		unlink(path);
	}
	close(copy);
	if (r) {
		close(raw);
		return r;
	}
	close(s->fd);
	s->fd = raw;
	return 0;
}
