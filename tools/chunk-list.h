/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of an image's chunks as text, to carry from one host to another:
 *
 *	image sha256:<64 hex>
 *	chunks 4096
 *	0-15
 *	17
 *
 * Ranges include both ends.  A list is untrusted input: bounded, checked, in ascending order.
 */
#ifndef CTL_CHUNK_LIST_H
#define CTL_CHUNK_LIST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_LIST_RANGES_MAX (1u << 20)

struct ctl_range {
	uint64_t from, count;
};

struct ctl_chunk_list {
	char image[72];			/* sha256:<64 hex> */
	uint64_t nr_chunks;		/* of the image */
	struct ctl_range *ranges;	/* malloc()ed, owned */
	size_t nr;
	uint64_t count;			/* chunks in all ranges */
};

/* "N" or "FROM-TO" inside of nr_chunks; -EINVAL. */
int ctl_range_parse(const char *s, uint64_t nr_chunks, struct ctl_range *ret_range);
/* At the end of the list; -ENOMEM, or -E2BIG at CTL_LIST_RANGES_MAX. */
int ctl_chunk_list_add(struct ctl_chunk_list *l, struct ctl_range r);
void ctl_range_print(FILE *to, struct ctl_range r);
void ctl_chunk_list_head(FILE *to, const char *image, uint64_t nr_chunks);
/* 0, or -errno after a message that names file and line; "-" is standard input. */
int ctl_chunk_list_read(const char *file, struct ctl_chunk_list *ret_list);
void ctl_chunk_list_free(struct ctl_chunk_list *l);

#endif
