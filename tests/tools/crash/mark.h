/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks in the log of a dm-log-writes device, by which what happened elsewhere gets its place among the writes:
 *
 *	v:N		the first N bytes of the history had happened (cc-volcheck --mark)
 *	s:PATH		an object is about to appear in the store (cc-mark.so)
 *	e:PATH		it is there
 */
#ifndef CC_TESTS_MARK_H
#define CC_TESTS_MARK_H

#include <stdbool.h>

/* Returns false: the device took no mark.  Text has no blanks.  From one thread at a time. */
bool cc_mark(const char *device, const char *text);

#endif
