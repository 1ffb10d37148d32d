// SPDX-License-Identifier: GPL-2.0-or-later
/* What a terminal would obey is never shown as it is. */
#include <string.h>
#include "tap.h"
#include "utf8.h"

static void cleaned(const char *from, const char *to, const char *what)
{
	char text[64];

	strcpy(text, from);
	ok(!strcmp(cc_utf8_clean(text), to) && cc_utf8_is_clean(text) && cc_utf8_is_clean(from) == !strcmp(from, to),
	   "%s: %s", what, text);
}

int main(void)
{
	cleaned("", "", "nothing");
	cleaned("plain ~ text", "plain ~ text", "ASCII");
	cleaned("Größe € 😀 日本", "Größe € 😀 日本", "UTF-8");
	cleaned("a\033[2Jb\a\b", "a?[2Jb??", "escapes");
	cleaned("a\nb\rc\td\x7f", "a?b?c?d?", "ends of lines, tab, delete");
	cleaned("a\xc2\x9b" "31mb\xc2\x85", "a??31mb??", "the second set of control characters");
	cleaned("a\x9b" "31m\x85", "a?31m?", "the same as single bytes");
	cleaned("a\xe2\x80\xae" "exe.txt", "a???exe.txt", "text turned around");
	cleaned("a\xe2\x80\xa8" "b\xef\xbb\xbf", "a???b???", "an end of line, a byte order mark");
	cleaned("\xc0\xaf\xe0\x80\xaf", "?????", "longer than need be");
	cleaned("\xed\xa0\x80", "???", "half of a pair");
	cleaned("\xf4\x90\x80\x80\xf8\x88\x80\x80\x80", "?????????", "beyond the last character");
	cleaned("x\xe2\x82", "x??", "cut in the middle");
	cleaned("\xe2\x82\xe2\x82\xac", "??€", "cut, and then whole");
	cleaned("\xfe\xff", "??", "bytes of no character");
	return tap_done();
}
