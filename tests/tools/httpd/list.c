// SPDX-License-Identifier: GPL-2.0-or-later
/* cc-httpd's lists; see list.h.  Keys are few and plain: no encoding but that of XML. */
#include "list.h"

#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PAGE 1000

struct object {
	char *key;
	long long size;
	time_t mtime;
};

struct objects {
	struct object *all;
	size_t nr, room;
};

bool list_is_asked(const char *path)
{
	return strstr(path, "?list-type=2") || strstr(path, "&list-type=2");
}

/* The value of a parameter, "" if there is none. */
static void get_param(const char *path, const char *name, char *value, size_t size)
{
	const char *p = strchr(path, '?');
	size_t n = strlen(name);

	*value = '\0';
	for (; p; p = strchr(p + 1, '&')) {
		if (strncmp(p + 1, name, n) || p[1 + n] != '=')
			continue;
		snprintf(value, size, "%.*s", (int)strcspn(p + n + 2, "&"), p + n + 2);
		return;
	}
}

static void add_object(struct objects *o, const char *key, const struct stat *st)
{
	if (o->nr == o->room) {
		o->room = o->room * 2 + 64;
		o->all = realloc(o->all, o->room * sizeof(o->all[0]));
		if (!o->all)
			abort();
	}
	o->all[o->nr++] = (struct object){ strdup(key), st->st_size, st->st_mtime };
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct object *)a)->key, ((const struct object *)b)->key);
}

/* All files below dir whose key starts with prefix and comes after the other one. */
static bool find_objects(char *dir, const char *prefix, const char *after, struct objects *o)
{
	char *const roots[] = { dir, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t len = strlen(dir);
	FTSENT *e;

	if (!walk)
		return false;
	while ((e = fts_read(walk))) {
		const char *key = e->fts_path + len + (e->fts_path[len] == '/');
		size_t n = strlen(key);

		if (e->fts_info != FTS_F || strncmp(key, prefix, strlen(prefix)) || strcmp(key, after) <= 0 ||
		    (n > 4 && !strcmp(key + n - 4, ".tmp")))
			continue;
		add_object(o, key, e->fts_statp);
	}
	fts_close(walk);
	if (o->nr)
		qsort(o->all, o->nr, sizeof(o->all[0]), compare_keys);
	return true;
}

static void print_object(FILE *f, const struct object *o)
{
	char when[40];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S.000Z", gmtime_r(&o->mtime, &tm));
	fprintf(f, "<Contents><Key>%s</Key><LastModified>%s</LastModified><Size>%lld</Size></Contents>",
		o->key, when, o->size);
}

static void print_page(FILE *f, const char *prefix, const struct objects *o, size_t page)
{
	size_t nr = o->nr < page ? o->nr : page;

	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><Prefix>%s</Prefix>"
		"<KeyCount>%zu</KeyCount><IsTruncated>%s</IsTruncated>", prefix, nr,
		o->nr > page ? "true" : "false");
	if (o->nr > page)
		fprintf(f, "<NextContinuationToken>%s</NextContinuationToken>", o->all[page - 1].key);
	for (size_t i = 0; i < nr; i++)
		print_object(f, &o->all[i]);
	fprintf(f, "</ListBucketResult>");
}

char *list_objects(const char *root, const char *path, size_t *ret_size)
{
	char dir[PATH_MAX], prefix[1024], after[1024], max[16], *page = NULL;
	struct objects o = { .nr = 0 };
	size_t len = strcspn(path, "?");
	FILE *f;

	while (len && path[len - 1] == '/')
		len--;
	snprintf(dir, sizeof(dir), "%s%.*s", root, (int)len, path);
	get_param(path, "prefix", prefix, sizeof(prefix));
	get_param(path, "continuation-token", after, sizeof(after));
	get_param(path, "max-keys", max, sizeof(max));
	f = open_memstream(&page, ret_size);
	if (f && find_objects(dir, prefix, after, &o))
		print_page(f, prefix, &o, atoi(max) > 0 && atoi(max) < PAGE ? atoi(max) : PAGE);
	if (f)
		fclose(f);
	while (o.nr)
		free(o.all[--o.nr].key);
	free(o.all);
	return page;
}
