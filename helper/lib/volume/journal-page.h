/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One page of a pool's journal (chunkcache/journal.h): checked as if anybody might have written it. */
#ifndef CC_JOURNAL_PAGE_H
#define CC_JOURNAL_PAGE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/dm-chunkcache.h>
#include "chunkcache/journal.h"

#define CC_JOURNAL_NUMBER_MAX	(1ULL << 62)	/* no pool gets so far */

/* A page's header in host byte order. */
struct cc_journal_head {
	uint64_t instance;
	uint64_t number;		/* 1..CC_JOURNAL_NUMBER_MAX */
	uint64_t prev;			/* < number */
	uint64_t tail;			/* 1..number */
	uint32_t version;		/* from 1 */
	uint16_t count;			/* records */
};

/*
 * Is buf, CC_JOURNAL_PAGE bytes, a page that the pool uuid wrote?  -ENODATA: no page at all; -EILSEQ: checksum,
 * so half written, say; -ESTALE: another pool's; -EPROTO: version of the format; -EINVAL: a header that can't be.
 */
int cc_journal_page_check(const void *buf, const uint8_t uuid[16], struct cc_journal_head *ret_head);
/* Record i of a page that was checked.  -EINVAL: it can't be. */
int cc_journal_page_record(const void *buf, unsigned int i, struct chunkcache_record *ret_record);
/* Fills all of buf; head->count records. */
void cc_journal_page_encode(const struct cc_journal_head *head, const uint8_t uuid[16],
			    const struct chunkcache_record *records, void *buf);

#endif
