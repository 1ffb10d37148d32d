// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists of chunks; see chunk-list.h.
 */
#include "chunk-list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static bool number(const char **s, uint64_t *ret)
{
	char *end;

	if (**s < '0' || **s > '9')
		return false;
	errno = 0;
	*ret = strtoull(*s, &end, 10);
	*s = end;
	return !errno;
}

int ctl_range_parse(const char *s, uint64_t nr_chunks, struct ctl_range *ret_range)
{
	uint64_t from, to;

	if (!number(&s, &from))
		return -EINVAL;
	to = from;
	if (*s == '-') {
		s++;
		if (!number(&s, &to))
			return -EINVAL;
	}
	if (*s || to < from || to >= nr_chunks)
		return -EINVAL;
	*ret_range = (struct ctl_range) { from, to - from + 1 };
	return 0;
}

int ctl_chunk_list_add(struct ctl_chunk_list *l, struct ctl_range r)
{
	struct ctl_range *grown;

	if (l->nr == CTL_LIST_RANGES_MAX)
		return -E2BIG;
	/* Room doubles at each power of two. */
	if (!(l->nr & (l->nr - 1))) {
		grown = realloc(l->ranges, (l->nr ? l->nr * 2 : 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->ranges = grown;
	}
	l->ranges[l->nr++] = r;
	l->count += r.count;
	return 0;
}

void ctl_range_print(FILE *to, struct ctl_range r)
{
	if (r.count == 1)
		fprintf(to, "%" PRIu64 "\n", r.from);
	else
		fprintf(to, "%" PRIu64 "-%" PRIu64 "\n", r.from, r.from + r.count - 1);
}

void ctl_chunk_list_head(FILE *to, const char *image, uint64_t nr_chunks)
{
	fprintf(to, "image %s\nchunks %" PRIu64 "\n", image, nr_chunks);
}

static const char *take_image(struct ctl_chunk_list *l, const char *line)
{
	const char *digest = strncmp(line, "image sha256:", 13) ? NULL : line + 13;

	if (!digest || strlen(digest) != 64 || strspn(digest, "0123456789abcdef") != 64)
		return "expected image sha256:<64 hex digits>";
	strcpy(l->image, line + 6);
	return NULL;
}

static const char *take_size(struct ctl_chunk_list *l, const char *line)
{
	const char *s = line + 7;

	if (strncmp(line, "chunks ", 7) || !number(&s, &l->nr_chunks) || *s || !l->nr_chunks)
		return "expected chunks NUMBER";
	return NULL;
}

static const char *take_range(struct ctl_chunk_list *l, const char *line)
{
	struct ctl_range r;

	if (ctl_range_parse(line, l->nr_chunks, &r))
		return "expected CHUNK or FROM-TO inside of the image";
	if (l->nr && r.from < l->ranges[l->nr - 1].from + l->ranges[l->nr - 1].count)
		return "expected chunks in ascending order";
	switch (ctl_chunk_list_add(l, r)) {
	case 0:
		return NULL;
	case -E2BIG:
		return "too many ranges";
	}
	return "out of memory";
}

static int read_lines(FILE *from, const char *file, struct ctl_chunk_list *l)
{
	char line[128];
	unsigned int n;

	for (n = 1; fgets(line, sizeof(line), from); n++) {
		const char *wrong;
		size_t len = strlen(line);

		if (len && line[len - 1] == '\n')
			line[len - 1] = 0;
		if (n == 1)
			wrong = take_image(l, line);
		else
			wrong = n == 2 ? take_size(l, line) : take_range(l, line);
		if (wrong) {
			ctl_err("%s:%u: %s", file, n, wrong);
			return -EINVAL;
		}
	}
	if (ferror(from) || n < 3) {
		ctl_err("%s: %s", file, ferror(from) ? strerror(errno) : "no list of chunks");
		return -EINVAL;
	}
	return 0;
}

int ctl_chunk_list_read(const char *file, struct ctl_chunk_list *ret_list)
{
	FILE *from = strcmp(file, "-") ? fopen(file, "re") : stdin;
	struct ctl_chunk_list l = { .nr = 0 };
	int r;

	if (!from) {
		r = -errno;
		ctl_err("%s: %s", file, strerror(errno));
		return r;
	}
	r = read_lines(from, file, &l);
	if (from != stdin)
		fclose(from);
	if (r)
		ctl_chunk_list_free(&l);
	else
		*ret_list = l;
	return r;
}

void ctl_chunk_list_free(struct ctl_chunk_list *l)
{
	free(l->ranges);
	l->ranges = NULL;
}
