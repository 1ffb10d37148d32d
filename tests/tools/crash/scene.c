// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is beside the device at the moment of a cut: the history of what was acknowledged, and the store. */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- history ---- */

/* Bytes of the history that had been written: the last mark before the cut, and the first one behind it. */
static void find_marks(const struct record *r, const struct cut *c, uint64_t *ret_done, uint64_t *ret_begun)
{
	uint64_t i, n;

	*ret_done = 0;
	*ret_begun = UINT64_MAX;
	for (i = 0; i < r->nr; i++) {
		const struct entry *e = &r->entries[i];

		if (e->kind != ENTRY_MARK || sscanf(e->data, "v:%" SCNu64, &n) != 1)
			continue;
		if (i < c->at)
			*ret_done = n;
		else if (n < *ret_begun)
			*ret_begun = n;
	}
}

void history_cut(const struct record *r, const struct cut *c, const char *from, const char *to)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	uint64_t done, begun, at = 0;
	char line[256];

	if (!in || !out)
		crash_die("%s, %s: %s", from, to, strerror(errno));
	find_marks(r, c, &done, &begun);
	while (fgets(line, sizeof(line), in) && at < begun) {
		if (!at || at < done || line[0] == 'i')
			fputs(line, out);
		at += strlen(line);
	}
	if (ferror(in) || fclose(out))
		crash_die("%s, %s: %s", from, to, strerror(errno));
	fclose(in);
}

/* ---- store ---- */

static struct {
	const struct record *r;
	struct cut *cut;
	const char *to;
	size_t from_length;
} walk;

/* An object without a mark was there before. One whose creation was under way is there, or not. */
static bool is_there(const char *path)
{
	bool begun = false, made = false, marked = false;
	uint64_t i;

	for (i = 0; i < walk.r->nr; i++) {
		const struct entry *e = &walk.r->entries[i];

		if (e->kind != ENTRY_MARK || !strchr("se", e->data[0]) || strcmp(e->data + 2, path))
			continue;
		marked = true;
		if (i < walk.cut->at)
			*(e->data[0] == 's' ? &begun : &made) = true;
	}
	return made || !marked || (begun && cut_random(walk.cut, 2));
}

static int put_object(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[PATH_MAX];

	if (snprintf(to, sizeof(to), "%s%s", walk.to, path + walk.from_length) >= (int)sizeof(to))
		return -1;
	if (type == FTW_D)
		return mkdir(to, 0755);
	return is_there(path) ? link(path, to) : 0;
}

void store_cut(const struct record *r, struct cut *c, const char *from, const char *to)
{
	walk.r = r;
	walk.cut = c;
	walk.to = to;
	walk.from_length = strlen(from);
	if (nftw(from, put_object, 16, FTW_PHYS))
		crash_die("%s, %s: %s", from, to, strerror(errno));
}
