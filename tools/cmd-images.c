// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl images: the images of a store.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "image-arg.h"
#include "store-opts.h"
#include "workers.h"

/* What is told of an image: manifests are too large to have all of them at once. */
struct summary {
	bool found;
	uint8_t digest[CC_ID_SIZE];
	uint32_t chunk_shift, encoding;
	uint64_t image_size, nr_chunks, holes;
};

struct images {
	struct ctl_store store;
	struct cc_image_names names;
	struct summary *summaries;	/* of the names */
	unsigned int jobs;
	bool json;
};

static const char help[] =
	"  --jobs N             images asked for at once, default 16\n"
	"  --json               print an array of objects as JSON\n"
	"\n"
	CTL_STORE_HELP;

static json_t *describe(const char *name, const struct summary *m)
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(m->digest, hex);
	return json_pack("{s:s, s:o, s:I, s:I, s:s, s:I, s:I}", "name", name,
			 "digest", json_sprintf("sha256:%s", hex),
			 "image_bytes", (json_int_t)m->image_size,
			 "chunk_bytes", (json_int_t)1 << m->chunk_shift,
			 "encoding", m->encoding == CC_ENCODING_ZSTD ? "zstd" : "raw",
			 "chunks", (json_int_t)m->nr_chunks, "holes", (json_int_t)m->holes);
}

static void print_line(const char *name, const struct summary *m)
{
	char hex[2 * CC_ID_SIZE + 1], size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT];

	cc_id_to_hex(m->digest, hex);
	printf("%-24s %10s %8s  sha256:%s\n", name, ctl_size_text(m->image_size, size),
	       ctl_size_text(1ULL << m->chunk_shift, chunk), hex);
}

/* Broken images are told of on stderr, and have no summary. */
static int summarise(void *arg, size_t i)
{
	struct images *images = arg;
	struct summary *s = &images->summaries[i];
	struct cc_manifest m;

	if (ctl_image_resolve(images->store.store, images->names.names[i], &m))
		return 0;
	s->found = true;
	memcpy(s->digest, m.digest, CC_ID_SIZE);
	s->chunk_shift = m.chunk_shift;
	s->encoding = m.encoding;
	s->image_size = m.image_size;
	s->nr_chunks = m.nr_chunks;
	for (uint64_t chunk = 0; chunk < m.nr_chunks; chunk++)
		s->holes += cc_id_is_hole(cc_manifest_id(&m, chunk));
	cc_manifest_free(&m);
	return 0;
}

static int summarise_all(struct images *m)
{
	char err[256] = "";
	int r;

	if (cc_image_list(m->store.store, &m->names, err, sizeof(err))) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	m->summaries = calloc(m->names.nr + 1, sizeof(*m->summaries));
	r = m->summaries ? ctl_workers_each(m->jobs, m->names.nr, summarise, m) : -ENOMEM;
	if (!r)
		return 0;
	ctl_err("threads: %s", strerror(-r));
	return CTL_FAILED;
}

static int show_images(const struct images *m)
{
	json_t *array = m->json ? json_array() : NULL;
	int code = CTL_OK;

	if (!m->json && m->names.nr)
		printf("%-24s %10s %8s  %s\n", "NAME", "SIZE", "CHUNK", "DIGEST");
	for (size_t i = 0; i < m->names.nr; i++)
		if (!m->summaries[i].found)
			code = CTL_DAMAGE;
		else if (m->json)
			json_array_append_new(array, describe(m->names.names[i], &m->summaries[i]));
		else
			print_line(m->names.names[i], &m->summaries[i]);
	return m->json && ctl_print_json(array) ? CTL_FAILED : code;
}

static int list_images(const struct ctl_store_opts *opts, struct images *m)
{
	int r = ctl_store_open(opts, &m->store);

	if (!r)
		r = summarise_all(m);
	if (!r)
		r = show_images(m);
	free(m->summaries);
	cc_image_names_free(&m->names);
	ctl_store_close(&m->store);
	return r;
}

static int run_images(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "jobs", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct images m = { .jobs = CTL_JOBS_DEFAULT };
	struct ctl_store_opts opts = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == CTL_OPT_JSON) {
			m.json = true;
		} else if (c == 'j') {
			if (ctl_parse_jobs(optarg, &m.jobs))
				return CTL_USAGE;
		} else if (!ctl_store_option(&opts, c, optarg)) {
			return ctl_bad_option(c, argv);
		}
	}
	r = ctl_operands(argc, 0, "no argument");
	return r ? r : ctl_finish(list_images(&opts, &m));
}

const struct ctl_command ctl_cmd_images = {
	.name = "images",
	.synopsis = "--store S [OPTION]...",
	.summary = "List the images of a store",
	.help = help,
	.run = run_images,
};
