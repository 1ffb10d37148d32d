/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: where manifests, chunks and image names live, by URL:
 *
 *	file:///directory		a directory (the embedded default)
 *	http://host[:port]/prefix	any HTTP server that serves the names of format.h;
 *	https://host[:port]/prefix	read-only
 *	s3://bucket[/prefix]		with endpoint, region, style and credentials
 *
 * This is the blocking interface of chunkctl and of start-up code.  The daemon reads
 * through fetch.h, which never blocks the caller.  A store object may be used by several
 * threads at once.  Object names are relative to the prefix, see chunkcache/format.h.
 */
#ifndef CC_STORE_H
#define CC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "result.h"
#include "patience.h"
#include "settings.h"

struct cc_store;

/*
 * Check the configuration and make the store; no I/O yet.  On error returns -errno and one
 * line in err.  The config must outlive the store.
 */
int cc_store_open(const struct cc_store_config *c, struct cc_store **ret_store,
		  char *err, size_t errlen);
void cc_store_close(struct cc_store *s);
const struct cc_store_config *cc_store_config(const struct cc_store *s);
/*
 * Finds what s's replicas and caches name among all, for the fetch engine; s may be one of
 * them.  All live as long as s does.  -EINVAL with one line in err: there is none of that name, or
 * it is of no use as such.
 */
int cc_store_link(struct cc_store *s, struct cc_store *const *all, unsigned int nr, char *err,
		  size_t errlen);

/*
 * Before any request: those that follow are of a long job (patience.h).  Of no effect on a directory: what
 * the kernel says of a file is final.
 */
void cc_store_be_patient(struct cc_store *s, cc_patience_fn *fn, void *arg);
/* From any thread: the program is to end, requests are not patient any more, those under way neither. */
void cc_store_hurry(struct cc_store *s);

/*
 * Blocking object operations, with the store's retries and timeouts.  On failure a line for people
 * (what was asked of whom, what it answered) is in err.
 */
/* Whole object into a malloc()ed buffer; CC_STORE_TOOBIG past max bytes. */
enum cc_store_result cc_store_get(struct cc_store *s, const char *name, size_t max,
				  void **ret_data, size_t *ret_size, char *err, size_t errlen);
/*
 * size bytes of the object from offset on into buf; *ret_got of them, fewer at its end, and *ret_total, the size of
 * all.  An offset behind the end is an error.
 */
enum cc_store_result cc_store_get_range(struct cc_store *s, const char *name, uint64_t offset, void *buf, size_t size,
					size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen);
/* Atomic: readers see the old object, or the whole new one. */
enum cc_store_result cc_store_put(struct cc_store *s, const char *name, const void *data,
				  size_t size, char *err, size_t errlen);
/*
 * The same, unless there is an object of that name: CC_STORE_EXISTS.  That may be our own, if the answer
 * to a first attempt was lost.  There are stores that do not know the condition and say nothing.
 */
enum cc_store_result cc_store_create(struct cc_store *s, const char *name, const void *data,
				     size_t size, char *err, size_t errlen);
enum cc_store_result cc_store_head(struct cc_store *s, const char *name, uint64_t *ret_size,
				   char *err, size_t errlen);
enum cc_store_result cc_store_delete(struct cc_store *s, const char *name, char *err, size_t errlen);
/*
 * Calls fn for each object whose name starts with prefix, in any order; a non-zero return ends it.  OK only
 * if the store has told all of them, and nothing else, in a way that was understood to the end.
 */
typedef int cc_store_list_fn(void *arg, const char *name, uint64_t size, int64_t mtime);
enum cc_store_result cc_store_list(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
				   void *arg, char *err, size_t errlen);
/*
 * The same for what puts have left that did not come to their end: no objects, but they can be deleted by
 * the name.
 */
enum cc_store_result cc_store_list_leftovers(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
					     void *arg, char *err, size_t errlen);

#endif
