/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long an object store takes, as distributions: the time to a GET's first byte is a
 * mixture of log-normals, the body's rate is one.
 *
 * s3 was fitted to quantiles published for S3 Standard in December 2025 (p50 27, p90 48, p95 70,
 * p99 111 ms); its third kind, one stall in 2000 GETs, is an assumption, as no published figure
 * goes beyond p99.  express is S3 Express One Zone.
 *
 * Draws don't depend on the order in which requests come: the n-th first GET of an object has its
 * latency by the seed alone, so that two runs with one seed meet the same store.
 * A GET that comes while another one for the same object is not answered is a second leg: it has
 * draws of its own, but with probability `correlation` its kind is that of the first.
 */
#ifndef CC_HTTPD_MODEL_H
#define CC_HTTPD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum model_kind { MODEL_NONE, MODEL_S3, MODEL_EXPRESS };

struct model {
	enum model_kind kind;
	double factor;			/* of the time to the first byte */
	double correlation;		/* 0..1 */
};

struct model_draw {
	double first_byte_ms;
	double rate;			/* bytes per second */
	bool second;			/* a second leg */
};

bool model_by_name(const char *name, enum model_kind *ret_kind);
/*
 * A GET of path begins; each one is ended by model_end().  *ret_object names the path for it.
 */
struct model_draw model_begin(const struct model *m, uint64_t seed, const char *path,
			      uint32_t *ret_object);
void model_end(uint32_t object);

#endif
