/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of HTTP requests and answers: what stores and services that give keys have in common.  Pure. */
#ifndef CC_HTTP_TEXT_H
#define CC_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Copies at most size - 1 characters of s, the unprintable ones as '?'. */
void cc_http_copy_text(char *dst, size_t size, const char *s, size_t len);
/* S3's percent encoding; slashes stay if keep_slash.  malloc()ed, NULL without memory. */
char *cc_http_encode(const char *s, bool keep_slash);
/* The text of the first <tag>, entities decoded, into out; false if there is none that fits. */
bool cc_http_xml_text(const char *xml, size_t len, const char *tag, char *out, size_t size);

#endif
