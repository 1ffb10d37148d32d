/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts that others made: stores, images, the kernel, programs.  A terminal obeys some of what it is sent, and
 * so does whoever reads a log line by line: nothing from outside is printed before it went through here.
 */
#ifndef CC_UTF8_H
#define CC_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes of the character at s, which ends with a NUL; 0 if it is no well-formed UTF-8, or one that is not shown
 * but obeyed: control characters of both sets, ends of lines, marks of direction.
 */
size_t cc_utf8_shown(const char *s);
/* In place: each byte of what is not shown becomes a '?'.  Returns s. */
char *cc_utf8_clean(char *s);
/* Is all of s shown? */
bool cc_utf8_is_clean(const char *s);

#endif
