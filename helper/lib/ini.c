// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration files; see ini.h.  What sections and keys mean is the caller's. */
#include "ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define BLANKS		" \t"
#define BYTE_ORDER_MARK	"\xef\xbb\xbf"

struct ini {
	const struct cc_ini_reader *reader;
	void *arg;
	unsigned int line;
	bool in_section;
	char *err;
	size_t errlen;
};

static int ini_refuse(struct ini *f, const char *what)
{
	snprintf(f->err, f->errlen, "line: expected %s", what);
	return -EINVAL;
}

/* ---- one line ---- */

/* Cuts blanks off the end of s, returns where it starts. */
static char *without_blanks(char *s)
{
	size_t len;

	s += strspn(s, BLANKS);
	len = strlen(s);
	while (len && strchr(BLANKS, s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

/* A ; behind a blank, or with nothing before it, starts a comment. */
static void cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == ';' && (p == s || strchr(BLANKS, p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static int ini_section(struct ini *f, char *s)
{
	char *end = strchr(s, ']');

	if (!end)
		return ini_refuse(f, "a ] behind the name of the section");
	*end++ = '\0';
	cut_comment(end);
	if (*without_blanks(end))
		return ini_refuse(f, "nothing behind [section] but a comment");
	f->in_section = true;
	return f->reader->section(f->arg, f->line, s + 1, f->err, f->errlen);
}

static int ini_key(struct ini *f, char *s)
{
	char *value = strchr(s, '=');

	if (!value || value == s)
		return ini_refuse(f, "[section], key = value or # comment");
	if (!f->in_section)
		return ini_refuse(f, "a [section] before the first key");
	*value++ = '\0';
	cut_comment(value);
	return f->reader->key(f->arg, f->line, without_blanks(s), without_blanks(value), f->err,
			      f->errlen);
}

/* Tabs are blanks; but for them all characters are shown. */
static bool is_text_line(const char *s)
{
	for (size_t len; *s; s += len) {
		len = *s == '\t' ? 1 : cc_utf8_shown(s);
		if (!len)
			return false;
	}
	return true;
}

/* s has len bytes and a NUL behind them. */
static int ini_line(struct ini *f, char *s, size_t len)
{
	if (strlen(s) != len)
		return ini_refuse(f, "text, there is a NUL byte in it");
	if (len && s[len - 1] == '\r')
		s[len - 1] = '\0';
	s = without_blanks(s);
	if (!*s || *s == '#' || *s == ';')
		return 0;
	if (!is_text_line(s))
		return ini_refuse(f, "text in UTF-8 without control characters");
	return *s == '[' ? ini_section(f, s) : ini_key(f, s);
}

/* ---- the file ---- */

/* text has size bytes and room for one more. */
static int ini_text(struct ini *f, char *text, size_t size)
{
	char *end = text + size, *next;
	int r = 0;

	if (size >= strlen(BYTE_ORDER_MARK) && !memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
		text += strlen(BYTE_ORDER_MARK);
	for (; !r && text < end; text = next + 1) {
		next = memchr(text, '\n', (size_t)(end - text));
		if (!next)
			next = end;
		*next = '\0';
		f->line++;
		r = ini_line(f, text, (size_t)(next - text));
	}
	return r;
}

/* A file that ends; -EFBIG: not within CC_INI_SIZE_MAX. */
static int ini_read(const char *file, char *text, size_t *ret_size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), r = 0;
	size_t size = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n && size <= CC_INI_SIZE_MAX) {
		n = read(fd, text + size, CC_INI_SIZE_MAX + 1 - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		size += (size_t)n;
	}
	if (n < 0)
		r = -errno;
	else if (size > CC_INI_SIZE_MAX)
		r = -EFBIG;
	close(fd);
	*ret_size = size;
	return r;
}

int cc_ini_load(const char *file, const struct cc_ini_reader *reader, void *arg, char *err, size_t errlen)
{
	char why[300] = "", *text = malloc(CC_INI_SIZE_MAX + 2);
	struct ini f = { .reader = reader, .arg = arg, .err = why, .errlen = sizeof(why) };
	size_t size = 0;
	int r = text ? ini_read(file, text, &size) : -ENOMEM;

	if (r) {
		snprintf(err, errlen, "%s: %s", file, r == -EFBIG ? "expected at most 1 MiB of text" :
			 strerror(-r));
	} else {
		r = ini_text(&f, text, size);
		if (r)
			snprintf(err, errlen, "%s:%u: %s", file, f.line, why);
	}
	free(text);
	return r;
}
