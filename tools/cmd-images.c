// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl images: the images of a store.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "image-arg.h"
#include "store-opts.h"

static const char help[] =
	"  --json               print an array of objects as JSON\n"
	"\n"
	CTL_STORE_HELP;

static json_t *describe(const char *name, const struct cc_manifest *m)
{
	char hex[2 * CC_ID_SIZE + 1];
	uint64_t i, holes = 0;

	for (i = 0; i < m->nr_chunks; i++)
		holes += cc_id_is_hole(cc_manifest_id(m, i));
	cc_id_to_hex(m->digest, hex);
	return json_pack("{s:s, s:o, s:I, s:I, s:s, s:I, s:I}", "name", name,
			 "digest", json_sprintf("sha256:%s", hex),
			 "image_bytes", (json_int_t)m->image_size,
			 "chunk_bytes", (json_int_t)1 << m->chunk_shift,
			 "encoding", m->encoding == CC_ENCODING_ZSTD ? "zstd" : "raw",
			 "chunks", (json_int_t)m->nr_chunks, "holes", (json_int_t)holes);
}

static void print_line(const char *name, const struct cc_manifest *m)
{
	char hex[2 * CC_ID_SIZE + 1], size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT];

	cc_id_to_hex(m->digest, hex);
	printf("%-24s %10s %8s  sha256:%s\n", name, ctl_size_text(m->image_size, size),
	       ctl_size_text(1ULL << m->chunk_shift, chunk), hex);
}

/* Broken images are told of on stderr and make the exit status CTL_DAMAGE; the others follow. */
static int show_images(struct ctl_store *s, const struct cc_image_names *n, json_t *array)
{
	struct cc_manifest m;
	int r, code = CTL_OK;
	size_t i;

	if (!array && n->nr)
		printf("%-24s %10s %8s  %s\n", "NAME", "SIZE", "CHUNK", "DIGEST");
	for (i = 0; i < n->nr; i++) {
		r = ctl_image_resolve(s->store, n->names[i], &m);
		if (r) {
			code = CTL_DAMAGE;
			continue;
		}
		if (array)
			json_array_append_new(array, describe(n->names[i], &m));
		else
			print_line(n->names[i], &m);
		cc_manifest_free(&m);
	}
	return code;
}

static int list_names(struct ctl_store *s, struct cc_image_names *n)
{
	char err[256] = "";

	if (!cc_image_list(s->store, n, err, sizeof(err)))
		return 0;
	ctl_err("%s", err);
	return CTL_FAILED;
}

static int images(const struct ctl_store_opts *opts, bool json)
{
	json_t *array = json ? json_array() : NULL;
	struct ctl_store s = { 0 };
	struct cc_image_names n = { 0 };
	int r;

	r = ctl_store_open(opts, &s);
	if (!r)
		r = list_names(&s, &n);
	if (!r) {
		r = show_images(&s, &n, array);
		if (array && ctl_print_json(json_incref(array)))
			r = CTL_FAILED;
	}
	json_decref(array);
	cc_image_names_free(&n);
	ctl_store_close(&s);
	return r;
}

static int run_images(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct ctl_store_opts opts = { 0 };
	bool json = false;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == CTL_OPT_JSON)
			json = true;
		else if (!ctl_store_option(&opts, c, optarg))
			return ctl_bad_option(c, argv);
	}
	r = ctl_operands(argc, 0, "no argument");
	return r ? r : ctl_finish(images(&opts, json));
}

const struct ctl_command ctl_cmd_images = {
	.name = "images",
	.synopsis = "--store S [OPTION]...",
	.summary = "List the images of a store",
	.help = help,
	.run = run_images,
};
