// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts of HTTP requests and answers; see http-text.h. */
#include "http-text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cc_http_copy_text(char *dst, size_t size, const char *s, size_t len)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		dst[i] = s[i] >= ' ' && s[i] <= '~' ? s[i] : '?';
	dst[n] = '\0';
}

/* ---- percent encoding ---- */

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

char *cc_http_encode(const char *s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(s) + 1), *o = out;

	if (!out)
		return NULL;
	for (; *s; s++) {
		unsigned char c = *s;

		if (is_unreserved(c) || (keep_slash && c == '/')) {
			*o++ = c;
			continue;
		}
		*o++ = '%';
		*o++ = digits[c >> 4];
		*o++ = digits[c & 15];
	}
	*o = '\0';
	return out;
}

/* ---- XML, as much of it as S3's answers need ---- */

/* One character or entity of s into *out (up to 4 bytes); returns the bytes used up, or 0. */
static size_t xml_char(const char *s, size_t len, char out[4], size_t *ret_n)
{
	static const struct { const char *text; char c; } entities[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
	};
	char digits[12] = "";
	unsigned int code;
	int used = 0;

	*ret_n = 1;
	out[0] = *s;
	if (*s != '&')
		return 1;
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		size_t n = strlen(entities[i].text);

		if (len >= n && !memcmp(s, entities[i].text, n)) {
			out[0] = entities[i].c;
			return n;
		}
	}
	/* Object names of ours are ASCII; other code points need no decoding. */
	memcpy(digits, s, len < sizeof(digits) - 1 ? len : sizeof(digits) - 1);
	if (sscanf(digits, "&#x%2x;%n", &code, &used) != 1 || !used)
		if (sscanf(digits, "&#%3u;%n", &code, &used) != 1 || !used)
			return 0;
	out[0] = code;
	return code && code < 128 ? used : 0;
}

bool cc_http_xml_text(const char *xml, size_t len, const char *tag, char *out, size_t size)
{
	char open[64], close[64], c[4];
	const char *start, *end;
	size_t used, n, done = 0;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(close, sizeof(close), "</%s>", tag);
	start = memmem(xml, len, open, strlen(open));
	if (!start)
		return false;
	start += strlen(open);
	end = memmem(start, xml + len - start, close, strlen(close));
	if (!end)
		return false;
	for (; start < end; start += used) {
		used = xml_char(start, end - start, c, &n);
		if (!used || done + n >= size)
			return false;
		memcpy(out + done, c, n);
		done += n;
	}
	out[done] = '\0';
	return true;
}
