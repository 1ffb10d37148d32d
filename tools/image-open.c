// SPDX-License-Identifier: GPL-2.0-or-later
/* Opens what an import reads from; see image-source.h. */
#include "image-source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chunkcache/format.h"
#include "child.h"
#include "say.h"
#include "superblock.h"

/* What it is at the start is compared at the end. */
static int note_state(struct ctl_source *s)
{
	int r = fstat(s->fd, &s->state) ? -errno : cc_device_bytes(s->fd, &s->size);

	if (!r && s->size && s->size <= CC_IMAGE_SIZE_MAX)
		return 0;
	if (r)
		ctl_err("%s: %s", s->path, strerror(-r));
	else
		ctl_err("%s: %s", s->path,
			s->size ? "is larger than 1 PiB, the largest image" : "is empty");
	return CTL_FAILED;
}

static int refuse_format(const struct ctl_source *s)
{
	uint8_t head[4096], tail[CTL_FORMAT_TAIL];
	const struct ctl_format *f;
	char advice[200];
	ssize_t n = pread(s->fd, head, sizeof(head), 0);

	f = n > 0 ? ctl_format_of_head(head, n) : NULL;
	if (!f && s->size >= sizeof(tail) &&
	    pread(s->fd, tail, sizeof(tail), s->size - sizeof(tail)) == sizeof(tail))
		f = ctl_format_of_tail(tail);
	if (!f)
		return 0;
	ctl_err("%s: %s", s->path, ctl_format_advice(f, advice, sizeof(advice)));
	return CTL_FAILED;
}

static int open_file(struct ctl_source *s)
{
	struct stat st;

	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st)) {
		ctl_err("%s: %s", s->path, strerror(errno));
		return CTL_FAILED;
	}
	s->stream = S_ISFIFO(st.st_mode);
	if (s->stream)
		return 0;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return note_state(s);
	ctl_err("%s: expected a file, a block device or a pipe", s->path);
	return CTL_FAILED;
}

int ctl_source_open(struct ctl_source *s, const char *path, const char *format, const char *tmp_dir)
{
	bool raw = !format || !strcmp(format, "raw");
	int r;

	s->path = path;
	s->any = format != NULL;
	if (!strcmp(path, "-")) {
		s->path = "standard input";
		s->fd = STDIN_FILENO;
		s->stream = true;
	}
	r = s->stream ? 0 : open_file(s);
	if (r || (raw && s->stream))
		return r;
	if (s->stream)
		return ctl_usage("--format %s: expected a file, it can't be read from a stream", format);
	if (!raw)
		r = ctl_convert(s, format, tmp_dir);
	else if (!format)
		r = refuse_format(s);
	/* Of the copy, which stays as it is. */
	return r || raw ? r : note_state(s);
}

/* Bash knows failures of a pipeline's first parts; others tell the last one's only. */
int ctl_source_run(struct ctl_source *s, const char *command, bool any)
{
	char *const bash[] = { "bash", "-o", "pipefail", "-c", (char *)command, NULL };
	char *const sh[] = { "sh", "-c", (char *)command, NULL };
	int fds[2], r;

	s->path = command;
	s->any = any;
	s->stream = true;
	if (pipe2(fds, O_CLOEXEC)) {
		ctl_err("--from-command: %s", strerror(errno));
		return CTL_FAILED;
	}
	r = ctl_child_start(bash, -1, fds[1], -1, &s->producer);
	if (r == -ENOENT)
		r = ctl_child_start(sh, -1, fds[1], -1, &s->producer);
	close(fds[1]);
	s->fd = fds[0];
	if (!r)
		return 0;
	ctl_err("--from-command: %s", strerror(-r));
	s->producer = 0;
	return CTL_FAILED;
}
