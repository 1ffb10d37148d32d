// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl verify: is every chunk of an image in the store, and right?  Each distinct chunk is
 * fetched once, whole, and hashed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/chunk-object.h"
#include "command.h"
#include "image-arg.h"
#include "json-text.h"
#include "progress.h"
#include "store-opts.h"
#include "workers.h"

struct verify {
	struct cc_manifest manifest;
	struct ctl_store store;
	unsigned int jobs;
	bool json;
	uint64_t *order;	/* chunks that are no holes, sorted by ID, then by number */
	uint64_t nr_order;
	uint64_t nr_holes;
	struct ctl_progress progress;

	pthread_mutex_t lock;	/* covers what follows, and stderr */
	uint64_t next;		/* in order */
	uint64_t distinct, bad, unknown;	/* distinct chunks: seen, damaged, not had */
	json_t *found;		/* what is wrong, if json */
	bool failed;
};

static const char help[] =
	"Fetches every chunk of an image and compares it with its SHA-256.  Reports each\n"
	"one that is missing or wrong, with the first place in the image where it is\n"
	"used.  Exit status 3 if there is such a chunk, 1 if the store could not be\n"
	"asked for some.  A boot trace that is damaged is named, and is no trouble.\n"
	"\n"
	"  --jobs N             chunks in work at once, default 16\n"
	"  --json               print the result as JSON\n"
	"\n"
	CTL_STORE_HELP;

static int by_id(const void *a, const void *b, void *arg)
{
	const struct cc_manifest *m = arg;
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	int r = memcmp(cc_manifest_id(m, x), cc_manifest_id(m, y), CC_ID_SIZE);

	return r ? r : x < y ? -1 : x > y;
}

static int sort_chunks(struct verify *v)
{
	uint64_t i;

	v->order = calloc(v->manifest.nr_chunks, sizeof(*v->order));
	if (!v->order) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	for (i = 0; i < v->manifest.nr_chunks; i++)
		if (cc_id_is_hole(cc_manifest_id(&v->manifest, i)))
			v->nr_holes++;
		else
			v->order[v->nr_order++] = i;
	qsort_r(v->order, v->nr_order, sizeof(*v->order), by_id, &v->manifest);
	return 0;
}

/* The next distinct chunk: its first number and how many places of the image use it. */
static bool take_chunk(struct verify *v, uint64_t *ret_chunk, uint64_t *ret_uses)
{
	const uint8_t *id;
	uint64_t first;
	bool taken = false;

	pthread_mutex_lock(&v->lock);
	if (v->next < v->nr_order && !v->failed) {
		first = v->next;
		id = cc_manifest_id(&v->manifest, v->order[first]);
		while (v->next < v->nr_order &&
		       !memcmp(cc_manifest_id(&v->manifest, v->order[v->next]), id, CC_ID_SIZE))
			v->next++;
		v->distinct++;
		*ret_chunk = v->order[first];
		*ret_uses = v->next - first;
		taken = true;
	}
	pthread_mutex_unlock(&v->lock);
	return taken;
}

static bool is_damaged(enum cc_store_result r)
{
	return r == CC_STORE_NOTFOUND || r == CC_STORE_CORRUPT;
}

static void record_result(struct verify *v, uint64_t chunk, uint64_t uses, enum cc_store_result r,
			  const char *err)
{
	char hex[2 * CC_ID_SIZE + 1], more[48] = "";

	cc_id_to_hex(cc_manifest_id(&v->manifest, chunk), hex);
	if (uses > 1)
		snprintf(more, sizeof(more), " (and %" PRIu64 " more)", uses - 1);
	pthread_mutex_lock(&v->lock);
	if (is_damaged(r))
		v->bad++;
	else
		v->unknown++;
	ctl_err("chunk %" PRIu64 "%s: %s: %s", chunk, more, cc_store_result_name(r), err);
	if (v->json)
		json_array_append_new(v->found, json_pack("{s:I, s:I, s:s, s:s, s:o}",
			"chunk", (json_int_t)chunk, "uses", (json_int_t)uses, "id", hex,
			"result", cc_store_result_name(r), "error", cc_json_text(err)));
	pthread_mutex_unlock(&v->lock);
}

static void *verify_worker(void *arg)
{
	struct verify *v = arg;
	size_t size = (size_t)1 << v->manifest.chunk_shift;
	uint64_t chunk, uses;
	enum cc_store_result r;
	char err[256];
	void *buf = malloc(size);

	if (!buf) {
		pthread_mutex_lock(&v->lock);
		v->failed = true;
		pthread_mutex_unlock(&v->lock);
		return NULL;
	}
	while (take_chunk(v, &chunk, &uses)) {
		err[0] = 0;
		r = cc_chunk_get(v->store.store, cc_manifest_id(&v->manifest, chunk),
				  v->manifest.encoding, buf, size, err, sizeof(err));
		if (r)
			record_result(v, chunk, uses, r, err);
		ctl_progress_add(&v->progress, uses * size);
	}
	free(buf);
	return NULL;
}

/* A trace is only a hint: whatever is wrong with it, the image is as good as without. */
static const char *check_trace(struct verify *v)
{
	enum cc_store_result res;
	struct cc_trace t;
	char err[256] = "";

	res = cc_image_trace(v->store.store, &v->manifest, &t, err, sizeof(err));
	if (!res)
		cc_trace_free(&t);
	if (!res || res == CC_STORE_NOTFOUND)
		return res ? "none" : "good";
	ctl_note("its boot trace is of no use: %s", err);
	return res == CC_STORE_CORRUPT ? "bad" : "unchecked";
}

static int report_verdict(struct verify *v, const char *what)
{
	const char *trace = check_trace(v);
	int code = v->bad ? CTL_DAMAGE : v->unknown ? CTL_FAILED : CTL_OK;
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(v->manifest.digest, hex);
	if (!v->json) {
		printf("%s: %" PRIu64 " chunks, %" PRIu64 " holes, %" PRIu64 " distinct: %" PRIu64
		       " bad, %" PRIu64 " not checked\n", what, v->manifest.nr_chunks, v->nr_holes,
		       v->distinct, v->bad, v->unknown);
		return code;
	}
	if (ctl_print_json(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:O}", "image", what,
			"digest", json_sprintf("sha256:%s", hex),
			"chunks", (json_int_t)v->manifest.nr_chunks,
			"holes", (json_int_t)v->nr_holes, "distinct", (json_int_t)v->distinct,
			"bad", (json_int_t)v->bad, "unchecked", (json_int_t)v->unknown,
			"trace", trace, "found", v->found)))
		return CTL_FAILED;
	return code;
}

static int verify_manifest(struct verify *v, const char *what)
{
	int r = sort_chunks(v);

	if (r)
		return r;
	ctl_progress_start(&v->progress, "verifying", v->nr_order << v->manifest.chunk_shift);
	r = ctl_workers_run(v->jobs, verify_worker, v);
	ctl_progress_end(&v->progress);
	if (!r && !v->failed)
		return report_verdict(v, what);
	ctl_err("%s", r ? strerror(-r) : "out of memory");
	return CTL_FAILED;
}

static int verify_image(struct verify *v, const struct ctl_store_opts *opts, const char *what)
{
	int r = ctl_store_open(opts, &v->store);

	if (r)
		return r;
	v->found = json_array();
	r = ctl_image_resolve(v->store.store, what, &v->manifest);
	if (!r) {
		r = verify_manifest(v, what);
		cc_manifest_free(&v->manifest);
	}
	free(v->order);
	json_decref(v->found);
	ctl_store_close(&v->store);
	return r;
}

static int run_verify(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "jobs", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct verify v = { .jobs = CTL_JOBS_DEFAULT, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct ctl_store_opts opts = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == CTL_OPT_JSON) {
			v.json = true;
		} else if (c == 'j') {
			if (ctl_parse_jobs(optarg, &v.jobs))
				return CTL_USAGE;
		} else if (!ctl_store_option(&opts, c, optarg)) {
			return ctl_bad_option(c, argv);
		}
	}
	r = ctl_operands(argc, 1, "one NAME or sha256:DIGEST");
	return r ? r : ctl_finish(verify_image(&v, &opts, argv[optind]));
}

const struct ctl_command ctl_cmd_verify = {
	.name = "verify",
	.synopsis = "NAME|sha256:DIGEST --store S [OPTION]...",
	.summary = "Check that every chunk of an image is in the store, and right",
	.help = help,
	.run = run_verify,
};
