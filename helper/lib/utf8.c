// SPDX-License-Identifier: GPL-2.0-or-later
/* Which characters are only shown; see utf8.h.  Pure. */
#include "utf8.h"

#include <stdint.h>

/* Control characters, and those that end lines or turn what is beside them around. */
static bool is_obeyed(uint32_t code)
{
	return code < ' ' || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
	       (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

size_t cc_utf8_shown(const char *s)
{
	static const struct { unsigned char mask, lead; uint32_t min; } kinds[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};
	const unsigned char *p = (const unsigned char *)s;

	for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++) {
		uint32_t code = *p & (unsigned char)~kinds[n].mask;

		if ((*p & kinds[n].mask) != kinds[n].lead)
			continue;
		/* The NUL at the end continues nothing. */
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < kinds[n].min || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return 0;
		return is_obeyed(code) ? 0 : n + 1;
	}
	return 0;
}

char *cc_utf8_clean(char *s)
{
	size_t len;

	for (char *p = s; *p; p += len) {
		len = cc_utf8_shown(p);
		if (len)
			continue;
		*p = '?';
		len = 1;
	}
	return s;
}

bool cc_utf8_is_clean(const char *s)
{
	size_t len;

	for (; *s; s += len) {
		len = cc_utf8_shown(s);
		if (!len)
			return false;
	}
	return true;
}
