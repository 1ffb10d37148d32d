/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a store lists: the files of a directory as the answer of S3's ListObjectsV2. */
#ifndef CC_HTTPD_LIST_H
#define CC_HTTPD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Does the path, decoded and with its query, ask for a list? */
bool list_is_asked(const char *path);
/* The page that it asks for, malloc()ed; NULL: the directory cannot be read. */
char *list_objects(const char *root, const char *path, size_t *ret_size);

#endif
