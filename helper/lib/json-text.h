/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts that others made as JSON. */
#ifndef CC_JSON_TEXT_H
#define CC_JSON_TEXT_H

#include <jansson.h>

/*
 * A string of what a terminal only shows of s, see utf8.h: there is one for any bytes, where json_string()
 * makes none of bad UTF-8 and an object would lack its key.  NULL: no memory.
 */
json_t *cc_json_text(const char *s);

#endif
