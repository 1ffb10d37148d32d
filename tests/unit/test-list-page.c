// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages of listings: what stores really answer, and what must not be taken for a whole page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/list-page.h"
#include "tap.h"

#define OPEN "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\">"
#define END "<IsTruncated>false</IsTruncated>"
#define CLOSE "</ListBucketResult>\n"
#define TIME "<LastModified>2026-01-02T03:04:05.678Z</LastModified>"
#define ENTRY(key) "<Contents><Key>" key "</Key>" TIME "<ETag>&quot;x&quot;</ETag><Size>7</Size>" \
	"<Owner><ID>1</ID></Owner></Contents>"

/* "key size mtime token|" of all entries, or "error: ..."; lives until the next call. */
static const char *parse(const char *xml)
{
	static char out[1000];
	struct cc_list_page page = { 0 };
	char err[200] = "", *p = out;

	*out = '\0';
	if (cc_list_page_parse(xml, strlen(xml), &page, err, sizeof(err)))
		snprintf(out, sizeof(out), "error: %s", err);
	else
		for (size_t i = 0; i < page.nr_entries; i++)
			p += sprintf(p, "%s %llu %lld;", page.entries[i].key,
				     (unsigned long long)page.entries[i].size,
				     (long long)page.entries[i].mtime);
	if (*page.token && p > out)
		sprintf(p, " then %s", page.token);
	cc_list_page_free(&page);
	return out;
}

static void good(const char *xml, const char *want, const char *what)
{
	const char *got = parse(xml);

	ok(!strcmp(got, want), "%s: %s", what, got);
}

static void bad(const char *xml, const char *what)
{
	const char *got = parse(xml);

	ok(!strncmp(got, "error: not a whole answer of ListObjectsV2: ", 44), "refused: %s: %s", what, got);
}

#define bad_bytes(xml, what) bad_page(xml, sizeof(xml) - 1, what)

/* In memory that ends where the page does. */
static void bad_page(const char *xml, size_t len, const char *what)
{
	struct cc_list_page page = { 0 };
	char *copy = malloc(len), why[200] = "";
	int r;

	memcpy(copy, xml, len);
	r = cc_list_page_parse(copy, len, &page, why, sizeof(why));
	ok(r == -EBADMSG && *why, "refused: %s: %s", what, why);
	cc_list_page_free(&page);
	free(copy);
}

static void test_good(void)
{
	good(OPEN END CLOSE, "", "no entry");
	good(OPEN END ENTRY("a") ENTRY("b/c") "<KeyCount>2</KeyCount>" CLOSE,
	     "a 7 1767323045;b/c 7 1767323045;", "two");
	good(OPEN "<IsTruncated>True</IsTruncated>" ENTRY("a")
	     "<NextContinuationToken>t&amp;=</NextContinuationToken>" CLOSE, "a 7 1767323045; then t&=", "more");
	good(OPEN END "<NextContinuationToken>t</NextContinuationToken>" ENTRY("a") CLOSE,
	     "a 7 1767323045; then t", "a token is followed, whatever else is said");
	good("<s3:ListBucketResult xmlns:s3='x'><s3:IsTruncated>false</s3:IsTruncated><s3:Contents s3:y=\"1\">"
	     "<s3:Key >a</s3:Key><s3:Size>1</s3:Size>" "<s3:LastModified>1970-01-01T00:00:09+00:00"
	     "</s3:LastModified></s3:Contents><s3:Prefix/></s3:ListBucketResult>", "a 1 9;", "name spaces");
	good(OPEN END ENTRY("&lt;&#228;&#x20ac;&#x1F600;&gt;") CLOSE, "<ä€😀> 7 1767323045;", "characters");
	good(OPEN END ENTRY("a%2Fb+%25") "<EncodingType>url</EncodingType>" CLOSE, "a/b % 7 1767323045;",
	     "keys by URL");
	good(OPEN END ENTRY("a%2Fb+") CLOSE, "a%2Fb+ 7 1767323045;", "and not");
}

static void test_bad(void)
{
	static const char whole[] = OPEN END ENTRY("a") "<KeyCount>1</KeyCount>" CLOSE;
	char cut[sizeof(whole)];
	unsigned int taken = 0;

	/* The line's end behind it may be missing. */
	for (size_t n = 0; n < strlen(whole) - 1; n++) {
		memcpy(cut, whole, n);
		cut[n] = '\0';
		taken += strncmp(parse(cut), "error: ", 7) != 0;
	}
	ok(!taken, "no beginning of a page is taken for one (%u)", taken);
	bad("", "nothing");
	bad("<html></html>", "another document");
	bad("<Error><Code>X</Code></Error>", "an error");
	bad(OPEN ENTRY("a") CLOSE, "no end told");
	bad(OPEN "<IsTruncated>maybe</IsTruncated>" CLOSE, "an end that is no word");
	bad(OPEN "<IsTruncated>true</IsTruncated>" ENTRY("a") CLOSE, "more without a token");
	bad(OPEN END ENTRY("a") "<KeyCount>2</KeyCount>" CLOSE, "fewer entries than counted");
	bad(OPEN END ENTRY("a") "<KeyCount>many</KeyCount>" CLOSE, "a count that is none");
	bad(OPEN END "<Contents>" TIME "<Size>1</Size></Contents>" CLOSE, "an entry without a key");
	bad(OPEN END "<Contents><Key>a</Key>" TIME "</Contents>" CLOSE, "without a size");
	bad(OPEN END "<Contents><Key>a</Key><Size>1</Size></Contents>" CLOSE, "without a time");
	bad(OPEN END "<Contents><Key>a</Key><Size>-1</Size>" TIME "</Contents>" CLOSE, "a size below 0");
	bad(OPEN END "<Contents><Key>a</Key><Size>1</Size><LastModified>yesterday</LastModified></Contents>"
	    CLOSE, "a time of another form");
	bad(OPEN END "<Contents><Key>a</Key><Size>1</Size><LastModified>2026-01-02T03:04:05+05:00"
	    "</LastModified></Contents>" CLOSE, "a time of another zone");
	bad(OPEN END ENTRY("&bogus;") CLOSE, "an entity that nobody knows");
	bad(OPEN END ENTRY("&#0;") CLOSE, "no character");
	bad(OPEN END ENTRY("%zz") "<EncodingType>url</EncodingType>" CLOSE, "no URL");
	bad(OPEN END ENTRY("a") "<EncodingType>base64</EncodingType>" CLOSE, "an encoding that nobody knows");
	bad(OPEN END "<Contents><Key>a</Contents></Key>" CLOSE, "tags across");
	bad(OPEN END CLOSE "<ListBucketResult>" END CLOSE, "two documents");
	bad(OPEN END CLOSE "text", "text behind");
	bad(OPEN "<IsTruncated>true</IsTruncated><NextContinuationToken>&bogus;</NextContinuationToken>" CLOSE,
	    "a token with such an entity");
	ok(strstr(parse(OPEN "<NextContinuationToken>&bogus;</NextContinuationToken>" END CLOSE),
		  ": NextContinuationToken"), "it is named: %s",
	   parse(OPEN "<NextContinuationToken>&bogus;</NextContinuationToken>" END CLOSE));
	bad_bytes(OPEN END CLOSE "\0", "a NUL behind");
	bad_bytes(OPEN "<IsTruncated\0x>false</IsTruncated\0x>" CLOSE, "a NUL in a tag");
	bad("<!DOCTYPE x []>" OPEN END CLOSE, "a declaration");
	bad("<ListBucketResult><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a>" END CLOSE, "too deep");
}

int main(void)
{
	test_good();
	test_bad();
	return tap_done();
}
