/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files: lines [section], key = value, and comments, behind # or ; at the start of a line or ;
 * after a blank.  Blanks around all of them mean nothing, nor does the carriage return or the byte order mark of
 * an editor.  Anything else is a mistake and has a line: so nothing of a file is ever passed over.
 */
#ifndef CC_INI_H
#define CC_INI_H

#include <stddef.h>

#define CC_INI_SIZE_MAX	(1u << 20)	/* bytes of a file; whatever is larger is none */

/*
 * What a file is handed to, in its order: each section's name before its keys, even if there are none.  Texts
 * are valid during the call.  0, or -errno and what is wrong in err, which ends it.
 */
struct cc_ini_reader {
	int (*section)(void *arg, unsigned int line, const char *name, char *err, size_t errlen);
	int (*key)(void *arg, unsigned int line, const char *name, const char *value, char *err,
		   size_t errlen);
};

/* 0, or -errno and one line in err that starts with file and, if it is one of the text's, the line's number. */
int cc_ini_load(const char *file, const struct cc_ini_reader *reader, void *arg, char *err, size_t errlen);

#endif
