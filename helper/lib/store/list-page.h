/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page of a bucket's listing, as S3's ListObjectsV2 answers.  It is understood to its last tag, or not
 * at all: what a list lacks, gc takes for garbage.  Pure.
 */
#ifndef CC_LIST_PAGE_H
#define CC_LIST_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CC_LIST_TOKEN_SIZE 2048

struct cc_list_entry {
	char *key;			/* UTF-8, whole */
	uint64_t size;
	int64_t mtime;			/* seconds since 1970 */
};

/* Start from zeroed memory. */
struct cc_list_page {
	struct cc_list_entry *entries;
	size_t nr_entries, room;
	char token[CC_LIST_TOKEN_SIZE];	/* of the next page; "": this is the last one */
};

/* 0; -EBADMSG: not, or not all of, such a page; -ENOMEM.  On failure a line is in err.  Free in any case. */
int cc_list_page_parse(const char *xml, size_t len, struct cc_list_page *page, char *err,
		       size_t errlen);
void cc_list_page_free(struct cc_list_page *page);

#endif
