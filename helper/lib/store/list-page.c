// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the XML of a listing: just as much of XML as an answer of S3 may have, and each tag of it in its
 * place; see list-page.h.
 */
#include "list-page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http.h"

#define DEPTH_MAX	8
#define TAG_SIZE	40
#define KEY_SIZE	(3 * 1024 + 1)	/* 1024 bytes, each perhaps as %xx */

struct reader {
	const char *at, *end;
	char stack[DEPTH_MAX][TAG_SIZE];	/* the elements that are open */
	unsigned int depth;
	const char *text;		/* behind the last opening tag; NULL: another one has closed since */
	struct cc_list_page *page;
	bool has_key, has_size, has_mtime;	/* of the entry that is open */
	bool truncated, told_end, url_encoded;
	bool counted;
	uint64_t key_count;
	const char *wrong;		/* the first thing that was not understood */
};

static bool is_wrong(struct reader *r, const char *what)
{
	if (!r->wrong)
		r->wrong = what;
	return false;
}

/* ---- texts ---- */

static size_t put_utf8(unsigned long c, char *to)
{
	if (c < 0x80) {
		to[0] = c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = 0xc0 | c >> 6;
		to[1] = 0x80 | (c & 0x3f);
		return 2;
	}
	if (c < 0x10000) {
		to[0] = 0xe0 | c >> 12;
		to[1] = 0x80 | (c >> 6 & 0x3f);
		to[2] = 0x80 | (c & 0x3f);
		return 3;
	}
	to[0] = 0xf0 | c >> 18;
	to[1] = 0x80 | (c >> 12 & 0x3f);
	to[2] = 0x80 | (c >> 6 & 0x3f);
	to[3] = 0x80 | (c & 0x3f);
	return 4;
}

/* "&...;" at s to UTF-8 at to, which has room for 4; the bytes of s that it took, 0: none that we know. */
static size_t decode_entity(const char *s, size_t len, char *to, size_t *ret_n)
{
	static const struct { const char *name; char c; } named[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
	};
	const char *stop = memchr(s, ';', len < 12 ? len : 12);
	char digits[12], *end;
	unsigned long c;

	for (size_t i = 0; stop && i < sizeof(named) / sizeof(named[0]); i++) {
		if (strncmp(s, named[i].name, stop + 1 - s) || named[i].name[stop + 1 - s])
			continue;
		*to = named[i].c;
		*ret_n = 1;
		return stop + 1 - s;
	}
	if (!stop || stop - s < 3 || s[1] != '#')
		return 0;
	memcpy(digits, s + 2, stop - s - 2);
	digits[stop - s - 2] = '\0';
	c = *digits == 'x' ? strtoul(digits + 1, &end, 16) : strtoul(digits, &end, 10);
	if (*end || !c || c > 0x10ffff)
		return 0;
	*ret_n = put_utf8(c, to);
	return stop + 1 - s;
}

static bool decode_text(const char *s, size_t len, char *to, size_t size)
{
	const char *end = s + len;
	size_t done = 0;

	while (s < end) {
		size_t used = 1, n = 1;

		if (done + 5 > size || !*s)
			return false;
		if (*s == '&')
			used = decode_entity(s, end - s, to + done, &n);
		else
			to[done] = *s;
		if (!used)
			return false;
		s += used;
		done += n;
	}
	to[done] = '\0';
	return true;
}

/* In place, as EncodingType "url" has it. */
static bool decode_url(char *s)
{
	char *to = s;

	for (; *s; to++) {
		unsigned int c = (unsigned char)*s++;
		int used = 0;

		if (c == '%') {
			if (strspn(s, "0123456789abcdefABCDEF") < 2 ||
			    sscanf(s, "%2x%n", &c, &used) != 1 || !c)
				return false;
			s += used;
		} else if (c == '+') {
			c = ' ';
		}
		*to = c;
	}
	*to = '\0';
	return true;
}

static bool parse_count(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* Whole seconds are enough; behind them a fraction, and UTC in one of its ways. */
static bool parse_mtime(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest) {
		*ret = cc_http_parse_date(text);
		return *ret >= 0;
	}
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	*ret = timegm(&tm);
	return !*rest || !strcmp(rest, "Z") || !strcmp(rest, "+00:00") || !strcmp(rest, "+0000");
}

/* ---- elements ---- */

static bool open_entry(struct reader *r)
{
	struct cc_list_page *p = r->page;
	struct cc_list_entry *grown;

	if (p->nr_entries == p->room) {
		grown = realloc(p->entries, (p->room * 2 + 64) * sizeof(*grown));
		if (!grown)
			return is_wrong(r, "out of memory");
		p->entries = grown;
		p->room = p->room * 2 + 64;
	}
	p->entries[p->nr_entries++] = (struct cc_list_entry){ 0 };
	r->has_key = r->has_size = r->has_mtime = false;
	return true;
}

static bool take_entry_text(struct reader *r, const char *tag, const char *text, size_t len)
{
	struct cc_list_entry *e = &r->page->entries[r->page->nr_entries - 1];
	char value[KEY_SIZE];
	bool *has, good;

	if (!strcmp(tag, "Key"))
		has = &r->has_key;
	else if (!strcmp(tag, "Size"))
		has = &r->has_size;
	else if (!strcmp(tag, "LastModified"))
		has = &r->has_mtime;
	else
		return true;
	good = !*has && decode_text(text, len, value, sizeof(value));
	if (good && has == &r->has_key)
		good = *value && (e->key = strdup(value));
	else if (good && has == &r->has_size)
		good = parse_count(value, &e->size);
	else if (good)
		good = parse_mtime(value, &e->mtime);
	*has = true;
	return good || is_wrong(r, "an entry's key, size or time");
}

static bool take_end(struct reader *r, const char *value)
{
	r->told_end = true;
	r->truncated = !strcasecmp(value, "true");
	return r->truncated || !strcasecmp(value, "false") || is_wrong(r, "IsTruncated");
}

/* The name of a text of the page that counts, which a refusal may keep, as it may not keep tag; or NULL. */
static const char *page_text_name(const char *tag)
{
	static const char *const names[] = { "IsTruncated", "NextContinuationToken", "KeyCount", "EncodingType" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(tag, names[i]))
			return names[i];
	return NULL;
}

static bool take_page_text(struct reader *r, const char *tag, const char *text, size_t len)
{
	const char *name = page_text_name(tag);
	char value[CC_LIST_TOKEN_SIZE];

	if (!name)
		return true;
	if (!decode_text(text, len, value, sizeof(value)))
		return is_wrong(r, name);
	switch (*name) {
	case 'I':
		return take_end(r, value);
	case 'N':
		memcpy(r->page->token, value, sizeof(value));
		return true;
	case 'K':
		r->counted = true;
		return parse_count(value, &r->key_count) || is_wrong(r, "KeyCount");
	}
	r->url_encoded = !strcmp(value, "url");
	return r->url_encoded || !*value || is_wrong(r, "EncodingType");
}

static bool open_element(struct reader *r, const char *tag)
{
	if (r->depth == DEPTH_MAX)
		return is_wrong(r, "too many elements within each other");
	if (!r->depth && strcmp(tag, "ListBucketResult"))
		return is_wrong(r, "it is another document");
	memcpy(r->stack[r->depth++], tag, TAG_SIZE);
	r->text = r->at;
	return r->depth != 2 || strcmp(tag, "Contents") || open_entry(r);
}

/* before: where its closing tag starts. */
static bool close_element(struct reader *r, const char *tag, const char *before)
{
	const char *text = r->text;

	if (!r->depth || strcmp(r->stack[r->depth - 1], tag))
		return is_wrong(r, "tags that do not match");
	r->text = NULL;
	r->depth--;
	if (r->depth == 1 && !strcmp(tag, "Contents"))
		return (r->has_key && r->has_size && r->has_mtime) ||
		       is_wrong(r, "an entry without key, size or time");
	if (r->depth == 1 && text)
		return take_page_text(r, tag, text, before - text);
	if (r->depth == 2 && text && !strcmp(r->stack[1], "Contents"))
		return take_entry_text(r, tag, text, before - text);
	return true;
}

/* ---- tags ---- */

/* The name in a tag that ends at end, without a name space's prefix. */
static bool tag_name(struct reader *r, const char *s, const char *end, char tag[TAG_SIZE])
{
	const char *colon;
	size_t len = 0;

	while (s + len < end && s[len] && !strchr(" \t\r\n/", s[len]))
		len++;
	if (s + len < end && !s[len])
		return is_wrong(r, "a NUL in a tag");
	colon = memchr(s, ':', len);
	if (colon) {
		len -= colon + 1 - s;
		s = colon + 1;
	}
	if (!len || len >= TAG_SIZE)
		return is_wrong(r, "a tag without a name that is known");
	memset(tag, 0, TAG_SIZE);
	memcpy(tag, s, len);
	return true;
}

/* r->at is at '<'. */
static bool read_tag(struct reader *r)
{
	const char *start = r->at, *end = memchr(start, '>', r->end - start);
	char tag[TAG_SIZE];

	if (!end)
		return is_wrong(r, "it ends in the middle");
	r->at = end + 1;
	if (start[1] == '?')
		return true;
	if (start[1] == '!')
		return is_wrong(r, "a declaration");
	if (!tag_name(r, start + 1 + (start[1] == '/'), end, tag))
		return false;
	if (start[1] == '/')
		return close_element(r, tag, start);
	if (!open_element(r, tag))
		return false;
	return end[-1] != '/' || close_element(r, tag, r->at);
}

static bool read_document(struct reader *r)
{
	bool begun = false;

	while (r->at < r->end) {
		if (*r->at != '<') {
			if (!r->depth && (!*r->at || !strchr(" \t\r\n", *r->at)))
				return is_wrong(r, "text around it");
			r->at++;
			continue;
		}
		if (begun && !r->depth)
			return is_wrong(r, "a second document");
		if (!read_tag(r))
			return false;
		begun |= r->depth;
	}
	return (begun && !r->depth) || is_wrong(r, "it ends in the middle");
}

/* What only the whole page can tell. */
static bool check_whole_page(struct reader *r)
{
	struct cc_list_page *p = r->page;

	if (!r->told_end)
		return is_wrong(r, "it does not tell whether it is the last one");
	if (r->truncated && !*p->token)
		return is_wrong(r, "there are more, but no token to ask for them");
	if (r->counted && r->key_count != p->nr_entries)
		return is_wrong(r, "it has not as many entries as it says");
	for (size_t i = 0; r->url_encoded && i < p->nr_entries; i++)
		if (!decode_url(p->entries[i].key))
			return is_wrong(r, "a key that is not URL-encoded");
	return true;
}

int cc_list_page_parse(const char *xml, size_t len, struct cc_list_page *page, char *err, size_t errlen)
{
	struct reader r = { .at = xml, .end = xml + len, .page = page };

	if (read_document(&r) && check_whole_page(&r))
		return 0;
	snprintf(err, errlen, "not a whole answer of ListObjectsV2: %s", r.wrong);
	return strcmp(r.wrong, "out of memory") ? -EBADMSG : -ENOMEM;
}

void cc_list_page_free(struct cc_list_page *page)
{
	while (page->nr_entries)
		free(page->entries[--page->nr_entries].key);
	free(page->entries);
	memset(page, 0, sizeof(*page));
}
