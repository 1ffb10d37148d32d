// SPDX-License-Identifier: GPL-2.0-or-later
/* See trace.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define LINE_MAX_BYTES	4096

struct parser {
	struct trace *t;
	uint32_t room, nr_backs, backs_room;
};

static bool parse_head(struct trace *t, const char *line)
{
	int n = -1;

	sscanf(line, "# chunkcache-trace 1 system=%31[a-z] run=%*u size=%" SCNu64 " slowdown=%lf\n%n",
	       t->system, &t->size, &t->slowdown, &n);
	return n == (int)strlen(line) && t->size && !(t->size % TRACE_UNIT) && t->slowdown > 0;
}

/* The next number of the line, if it is one and at most max. */
static bool parse_number(const char **p, uint64_t max, uint64_t *ret)
{
	char *end;
	uint64_t v;

	if (!isdigit((unsigned char)**p))
		return false;
	errno = 0;
	v = strtoull(*p, &end, 10);
	if (errno || v > max || (*end != ' ' && *end != '\n') || (*end == ' ' && !isdigit((unsigned char)end[1])))
		return false;
	*p = end + (*end == ' ');
	*ret = v;
	return true;
}

/* Room for one more in a list of nr with that many allocated. */
static bool make_room(void **list, uint32_t nr, uint32_t *room, size_t size)
{
	uint32_t more = *room ? 2 * *room : 1024;
	void *p;

	if (nr < *room)
		return true;
	p = realloc(*list, more * size);
	if (!p)
		return false;
	*list = p;
	*room = more;
	return true;
}

static bool parse_backs(struct parser *s, const char *p, struct trace_read *r)
{
	uint64_t max = s->t->nr < TRACE_BACK_MAX ? s->t->nr : TRACE_BACK_MAX, back;

	r->backs = s->nr_backs;
	while (*p != '\n') {
		if (!parse_number(&p, max, &back) || !back || r->nr_backs == TRACE_BACKS_MAX ||
		    !make_room((void **)&s->t->backs, s->nr_backs, &s->backs_room, sizeof(s->t->backs[0])))
			return false;
		s->t->backs[s->nr_backs++] = (uint16_t)back;
		r->nr_backs++;
	}
	return true;
}

static bool parse_read(struct parser *s, const char *line)
{
	uint64_t units = s->t->size / TRACE_UNIT, first, count, think;
	struct trace_read *r;

	if (s->t->nr == TRACE_READS_MAX ||
	    !make_room((void **)&s->t->reads, s->t->nr, &s->room, sizeof(*r)))
		return false;
	r = &s->t->reads[s->t->nr];
	if (!parse_number(&line, units - 1, &first) || !parse_number(&line, units - first, &count) || !count ||
	    !parse_number(&line, UINT32_MAX, &think))
		return false;
	*r = (struct trace_read) { .first = first, .count = count, .think = think };
	if (!parse_backs(s, line, r))
		return false;
	s->t->nr++;
	return true;
}

static bool parse(struct trace *t, FILE *f, char *err, size_t errlen)
{
	struct parser s = { .t = t };
	char line[LINE_MAX_BYTES];

	if (!fgets(line, sizeof(line), f) || strncmp(line, "# SPDX", 6) ||
	    !fgets(line, sizeof(line), f) || !parse_head(t, line)) {
		snprintf(err, errlen, "lines 1, 2: expected the head of a trace");
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '\n') && parse_read(&s, line))
			continue;
		snprintf(err, errlen, "line %" PRIu32 ": expected FIRST COUNT THINK [BACK...], on the disk",
			 t->nr + 3);
		return false;
	}
	if (!t->nr)
		snprintf(err, errlen, "expected at least one read");
	return t->nr;
}

bool trace_load(struct trace *t, const char *file, char *err, size_t errlen)
{
	FILE *f = fopen(file, "re");
	bool ok;

	memset(t, 0, sizeof(*t));
	if (!f) {
		snprintf(err, errlen, "%s", strerror(errno));
		return false;
	}
	ok = parse(t, f, err, errlen);
	fclose(f);
	if (!ok)
		trace_free(t);
	return ok;
}

void trace_free(struct trace *t)
{
	free(t->reads);
	free(t->backs);
	memset(t, 0, sizeof(*t));
}

bool trace_overlaps(const struct trace *t, uint32_t read, uint32_t other)
{
	const struct trace_read *r = &t->reads[read];

	for (uint32_t i = 0; i < r->nr_backs; i++)
		if (t->backs[r->backs + i] == read - other)
			return true;
	return false;
}
