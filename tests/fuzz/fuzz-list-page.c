// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The XML of a listing: what gc does not see in it, it takes for garbage.  A page that was taken can be written
 * anew from what was found, and says the same then; cut short it is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "store/list-page.h"

static void put_text(FILE *to, const char *s)
{
	for (; *s; s++)
		fprintf(to, strchr("<>&", *s) ? "&#%d;" : "%c", *s);
}

static void put_entry(FILE *to, const struct cc_list_entry *e)
{
	time_t t = e->mtime;
	char date[64];
	struct tm tm;

	fuzz_check(gmtime_r(&t, &tm));
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(to, "<Contents><Key>");
	put_text(to, e->key);
	fprintf(to, "</Key><Size>%" PRIu64 "</Size><LastModified>%s</LastModified></Contents>", e->size, date);
}

static char *page_text(const struct cc_list_page *p, size_t *ret_size)
{
	char *text;
	FILE *to = open_memstream(&text, ret_size);

	if (!to)
		abort();
	fprintf(to, "<ListBucketResult><IsTruncated>%s</IsTruncated><KeyCount>%zu</KeyCount><NextContinuationToken>",
		*p->token ? "true" : "false", p->nr_entries);
	put_text(to, p->token);
	fprintf(to, "</NextContinuationToken>");
	for (size_t i = 0; i < p->nr_entries; i++)
		put_entry(to, &p->entries[i]);
	fprintf(to, "</ListBucketResult>");
	fclose(to);
	return text;
}

static void check_page(const struct cc_list_page *p)
{
	struct cc_list_page again = { 0 };
	char err[256], *text;
	size_t size;

	for (size_t i = 0; i < p->nr_entries; i++)
		fuzz_check(p->entries[i].key && *p->entries[i].key);
	text = page_text(p, &size);
	fuzz_check(!cc_list_page_parse(text, size, &again, err, sizeof(err)));
	fuzz_check(again.nr_entries == p->nr_entries && !strcmp(again.token, p->token));
	for (size_t i = 0; i < p->nr_entries; i++)
		fuzz_check(!strcmp(again.entries[i].key, p->entries[i].key) &&
			   again.entries[i].size == p->entries[i].size &&
			   again.entries[i].mtime == p->entries[i].mtime);
	free(text);
	cc_list_page_free(&again);
}

/* Where the page's own closing tag begins, nothing may be taken for a whole page. */
static void check_cut(const char *xml, size_t size)
{
	struct cc_list_page page = { 0 };
	char err[256] = "", *cut;

	while (size && xml[size - 1] != '<')
		size--;
	cut = fuzz_copy(xml, size);
	fuzz_check(cc_list_page_parse(cut, size, &page, err, sizeof(err)));
	fuzz_check_reason(err);
	cc_list_page_free(&page);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cc_list_page page = { 0 };
	char err[256] = "", *xml = fuzz_copy(data, size);
	int r = cc_list_page_parse(xml, size, &page, err, sizeof(err));

	if (r) {
		fuzz_check(r == -EBADMSG);
		fuzz_check_reason(err);
	} else {
		check_page(&page);
		check_cut(xml, size);
	}
	cc_list_page_free(&page);
	free(xml);
	return 0;
}
