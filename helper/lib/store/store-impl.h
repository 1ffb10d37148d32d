/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kind of store provides to store.c and to the fetch engine.  Object names that arrive here
 * were checked by cc_store_name_ok(); err is one line, always set on failure.
 */
#ifndef CC_STORE_IMPL_H
#define CC_STORE_IMPL_H

#include "store.h"

#include <stdatomic.h>

#define CC_STORE_NAME_MAX 512		/* bytes of an object's name */

enum cc_store_kind {
	CC_STORE_KIND_FILE,		/* read by cc_store_file_read() in a thread that may block */
	CC_STORE_KIND_HTTP,		/* read by transfers of http.h */
};

struct cc_store_ops {
	enum cc_store_result (*get)(struct cc_store *s, const char *name, size_t max,
				    void **ret_data, size_t *ret_size, char *err, size_t errlen);
	enum cc_store_result (*get_range)(struct cc_store *s, const char *name, uint64_t offset, void *buf,
					  size_t size, size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen);
	enum cc_store_result (*put)(struct cc_store *s, const char *name, const void *data,
				    size_t size, char *err, size_t errlen);
	enum cc_store_result (*create)(struct cc_store *s, const char *name, const void *data,
				       size_t size, char *err, size_t errlen);
	enum cc_store_result (*head)(struct cc_store *s, const char *name, uint64_t *ret_size,
				     char *err, size_t errlen);
	enum cc_store_result (*remove)(struct cc_store *s, const char *name, char *err,
				       size_t errlen);
	enum cc_store_result (*list)(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
				     void *arg, char *err, size_t errlen);
	/* NULL: puts leave nothing */
	enum cc_store_result (*list_leftovers)(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
					       void *arg, char *err, size_t errlen);
	void (*be_patient)(struct cc_store *s, cc_patience_fn *fn, void *arg); /* or NULL */
	void (*hurry)(struct cc_store *s); /* or NULL */
	void (*close)(struct cc_store *s);
};

#define CC_STORE_MAX_REPLICAS	7
#define CC_STORE_MAX_CACHES	64	/* a bit each in a request; a power of two */

/* The first member of each kind's own structure. */
struct cc_store {
	const struct cc_store_config *config;
	enum cc_store_kind kind;
	const struct cc_store_ops *ops;
	/* set by cc_store_link(), constant then */
	struct cc_store *replicas[CC_STORE_MAX_REPLICAS];
	struct cc_store *caches[CC_STORE_MAX_CACHES];
	unsigned int nr_replicas, nr_caches;
};

/* For the kinds: the members that are theirs to set are set. */
static inline void cc_store_init(struct cc_store *s, const struct cc_store_config *c,
				 enum cc_store_kind kind, const struct cc_store_ops *ops)
{
	s->config = c;
	s->kind = kind;
	s->ops = ops;
}

/* As cc_store_open(), for URLs of their kind. */
int cc_store_file_open(const struct cc_store_config *c, struct cc_store **ret_store,
		       char *err, size_t errlen);
int cc_store_http_open(const struct cc_store_config *c, struct cc_store **ret_store,
		       char *err, size_t errlen);

/*
 * Reads an object of at most size bytes into buf; gives up as CANCELLED soon after *cancel
 * becomes true.  The reason of a failure names neither store nor object.
 */
enum cc_store_result cc_store_file_read(struct cc_store *s, const char *name, void *buf,
					size_t size, const atomic_bool *cancel, size_t *ret_size,
					char *reason, size_t reason_size);

/*
 * Relative, without empty, "." or ".." components and control characters; at most
 * CC_STORE_NAME_MAX bytes.
 */
bool cc_store_name_ok(const char *name);

#endif
