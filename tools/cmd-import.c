// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl import: an image into a store.  Its chunks go up first, then the manifest, then the name, so
 * that a crash at any moment leaves no half image, only chunks that the next attempt finds.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "import-pass.h"
#include "manifest.h"
#include "store-opts.h"
#include "store/chunk-object.h"
#include "store/image.h"
#include "store/lease.h"
#include "workers.h"

struct import {
	const char *path, *command, *name, *format, *tmp_dir;
	struct ctl_store_opts store_opts;
	struct ctl_store store;
	bool replace, json;
	struct cc_lease lease;
	struct ctl_cleanup cleanup;	/* of the lease */
	struct ctl_pass pass;
};

static const char help[] =
	"IMAGE is a raw file, a block device, a pipe, - for standard input, or with\n"
	"--format a file of another format.  What is written to meanwhile is refused, and\n"
	"what looks packed, or like another format.  Holes and chunks of zeros are not\n"
	"stored; chunks that the store has already are not uploaded again: an import that\n"
	"was cut off goes on where it was when it is started again.  Prints the image's\n"
	"digest.\n"
	"\n"
	"  --name N             name of the image: 1 to 128 of [a-zA-Z0-9._-]\n"
	"  --chunk-size SIZE    power of two from 64K to 16M, default 1M; must equal the\n"
	"                       slot size of the pools that shall cache it\n"
	"  --compress[=LEVEL]   store chunks as zstd frames, LEVEL 1 to 19, default 3\n"
	"  --jobs N             chunks in work at once, default 16\n"
	"  --replace            let the name mean this image from now on, whatever it\n"
	"                       meant before\n"
	"  --format F           qcow2, vmdk, vhdx or what else qemu-img knows; makes a\n"
	"                       raw copy in a temporary directory first\n"
	"  --tmp DIR            that directory, default $TMPDIR, else /var/tmp; it gets a\n"
	"                       copy of the file as well\n"
	"  --from-command CMD   in place of IMAGE: what CMD writes, run by bash with\n"
	"                       pipefail or else by sh; if it fails, there is no image\n"
	"  --size SIZE          the image has so many bytes, else it is refused: a pipe\n"
	"                       does not tell whether its writer failed\n"
	"  --json               print a summary as JSON instead of the digest\n"
	"\n"
	CTL_STORE_HELP;

static int failed(const char *err)
{
	ctl_err("%s", err);
	return CTL_FAILED;
}

/* ---- the name ---- */

static int refuse_name(const char *err)
{
	ctl_err("%s; --replace overwrites the name", err);
	return CTL_FAILED;
}

static int build_manifest(struct import *m, struct cc_manifest *ret_manifest)
{
	const struct ctl_pass *p = &m->pass;
	int r = cc_manifest_build(p->chunk_shift, p->image_size, p->encoding, p->ids, ret_manifest);

	if (!r)
		return 0;
	ctl_err("manifest: %s", strerror(-r));
	return CTL_FAILED;
}

/* Is the image the one that the name means? */
static int compare_image(struct import *m)
{
	struct cc_manifest manifest;
	enum cc_store_result res;
	char err[256] = "";
	int r = ctl_pass_run(&m->pass, false);

	if (!r)
		r = build_manifest(m, &manifest);
	if (r)
		return r;
	res = cc_image_compare_name(m->store.store, m->name, manifest.digest, err, sizeof(err));
	cc_manifest_free(&manifest);
	if (!res || res == CC_STORE_NOTFOUND)
		return 0;
	return res == CC_STORE_EXISTS ? refuse_name(err) : failed(err);
}

/*
 * If the name is taken, find out by hashing alone what this image is before a byte is
 * uploaded: a refusal must not leave a store full of chunks that nobody names.
 */
static int check_name_first(struct import *m)
{
	uint8_t old[CC_ID_SIZE];
	char err[256] = "";
	enum cc_store_result res = cc_image_digest(m->store.store, m->name, old, err, sizeof(err));

	if (res && res != CC_STORE_NOTFOUND && res != CC_STORE_CORRUPT)
		return failed(err);
	if (res == CC_STORE_NOTFOUND || m->replace)
		return 0;
	if (!m->pass.source.stream)
		return compare_image(m);
	ctl_err("%s: is an image already; a stream can't be read twice to find out whether it is the same: "
		"--replace overwrites the name", m->name);
	return CTL_FAILED;
}

/* Others that give the same name a meaning have done so when this returns 0. */
static int hold_name(struct import *m, struct cc_lease *lease)
{
	char err[256] = "";
	bool told = false;
	unsigned int nr;
	int64_t now;

	for (;;) {
		if (cc_lease_take(m->store.store, CC_LEASE_NAME, m->name, lease, err, sizeof(err)) ||
		    cc_lease_others(lease, CC_LEASE_NAME, &nr, &now, err, sizeof(err)))
			return failed(err);
		if (!nr)
			return 0;
		cc_lease_drop(lease);
		if (!told)
			ctl_note("waiting for another import that gives the name %s", m->name);
		told = true;
		/* Two that wait for each other are not to come again at the same time. */
		usleep(200000 + rand() % 1000000);
	}
}

static void abandon_import_lease(void *arg)
{
	cc_lease_abandon(arg);
}

static int put_name(struct import *m, const struct cc_manifest *manifest)
{
	struct ctl_cleanup cleanup = { 0 };
	struct cc_lease lease = CC_LEASE_INIT;
	enum cc_store_result res;
	char err[256] = "";
	int r;

	ctl_cleanup_add(&cleanup, abandon_import_lease, &lease);
	r = hold_name(m, &lease);
	if (!r) {
		res = cc_image_put_name(m->store.store, m->name, manifest->digest, m->replace, err,
					sizeof(err));
		if (res)
			r = res == CC_STORE_EXISTS ? refuse_name(err) : failed(err);
	}
	ctl_cleanup_remove(&cleanup);
	cc_lease_drop(&lease);
	return r;
}

/* ---- the command ---- */

static int open_image(struct import *m)
{
	struct ctl_pass *p = &m->pass;
	int r = m->command ? ctl_source_run(&p->source, m->command, m->format != NULL) :
			     ctl_source_open(&p->source, m->path, m->format, m->tmp_dir);

	if (r || !ctl_pass_size(p))
		return r;
	ctl_err("%s: is too large for chunks this small; choose a larger --chunk-size", m->path);
	return CTL_FAILED;
}

/* A gc that runs gives up as soon as it sees our lease. */
static int wait_for_gc(struct import *m)
{
	char err[256] = "";
	bool told = false;
	unsigned int nr;
	int64_t now;

	for (;;) {
		if (cc_lease_others(&m->lease, CC_LEASE_GC, &nr, &now, err, sizeof(err)))
			return failed(err);
		if (!nr)
			return 0;
		if (!told)
			ctl_note("waiting for a gc of this store to make way");
		told = true;
		sleep(1);
	}
}

static int take_import_lease(struct import *m)
{
	char err[256] = "";

	ctl_cleanup_add(&m->cleanup, abandon_import_lease, &m->lease);
	if (cc_lease_take(m->store.store, CC_LEASE_IMPORT, NULL, &m->lease, err, sizeof(err)))
		return failed(err);
	return wait_for_gc(m);
}

static int check_lease(struct import *m)
{
	return cc_lease_holds(&m->lease) ? 0 : failed(CTL_LEASE_LAPSED);
}

static void report_line(const struct import *m, const char *what, uint64_t chunks)
{
	char size[CTL_SIZE_TEXT];

	fprintf(stderr, "  %-20s %9" PRIu64 "  %5.1f%%  %10s\n", what, chunks,
		100.0 * chunks / m->pass.nr_chunks, ctl_size_text(chunks << m->pass.chunk_shift, size));
}

/* What deduplication was good for. */
static void report_dedup(const struct import *m)
{
	const struct ctl_pass_count *c = &m->pass.count;
	char size[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT];

	ctl_note("%s: %s in %" PRIu64 " chunks of %s", m->name, ctl_size_text(m->pass.image_size, size),
		 m->pass.nr_chunks, ctl_size_text(1ULL << m->pass.chunk_shift, chunk));
	report_line(m, "holes", c->holes);
	report_line(m, "duplicates", c->duplicates);
	report_line(m, "in the store before", c->present);
	report_line(m, "uploaded", c->uploaded);
	fprintf(stderr, "  %-20s %25s, %.1f%% of the image\n", "sent",
		ctl_size_text(c->uploaded_bytes, size), 100.0 * c->uploaded_bytes / m->pass.image_size);
}

static int report(const struct import *m, const struct cc_manifest *manifest)
{
	const struct ctl_pass_count *c = &m->pass.count;
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(manifest->digest, hex);
	if (!m->json)
		report_dedup(m);
	if (!m->json) {
		printf("sha256:%s\n", hex);
		return CTL_OK;
	}
	return ctl_print_json(json_pack("{s:s, s:o, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
		"name", m->name, "digest", json_sprintf("sha256:%s", hex),
		"image_bytes", (json_int_t)m->pass.image_size,
		"chunk_bytes", (json_int_t)1 << m->pass.chunk_shift,
		"encoding", m->pass.encoding == CC_ENCODING_ZSTD ? "zstd" : "raw",
		"chunks", (json_int_t)m->pass.nr_chunks, "holes", (json_int_t)c->holes,
		"duplicates", (json_int_t)c->duplicates, "present", (json_int_t)c->present,
		"uploaded", (json_int_t)c->uploaded,
		"uploaded_bytes", (json_int_t)c->uploaded_bytes));
}

static int publish(struct import *m)
{
	struct cc_manifest manifest;
	char err[256] = "";
	int r = build_manifest(m, &manifest);

	if (r)
		return r;
	r = check_lease(m);
	if (!r && cc_image_put_manifest(m->store.store, &manifest, err, sizeof(err)))
		r = failed(err);
	if (!r)
		r = put_name(m, &manifest);
	if (!r)
		r = report(m, &manifest);
	cc_manifest_free(&manifest);
	return r;
}

static int import_image(struct import *m)
{
	int r = open_image(m);

	if (!r)
		r = ctl_store_open(&m->store_opts, &m->store);
	m->pass.store = m->store.store;
	m->pass.lease = &m->lease;
	if (!r)
		r = check_name_first(m);
	if (!r)
		r = take_import_lease(m);
	if (!r)
		r = ctl_pass_run(&m->pass, true);
	return r ? r : publish(m);
}

static int parse_chunk_size(struct import *m, const char *s)
{
	uint64_t size;

	if (ctl_parse_size("--chunk-size", s, &size))
		return CTL_USAGE;
	if (size & (size - 1) || size < 1ULL << CC_CHUNK_SHIFT_MIN ||
	    size > 1ULL << CC_CHUNK_SHIFT_MAX)
		return ctl_usage("--chunk-size: expected a power of two from 64K to 16M, got '%s'",
				 s);
	m->pass.chunk_shift = __builtin_ctzll(size);
	return 0;
}

static int parse_option(struct import *m, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'n':
		m->name = optarg;
		return 0;
	case 'c':
		return parse_chunk_size(m, optarg);
	case 'z':
		m->pass.encoding = CC_ENCODING_ZSTD;
		if (optarg && ctl_parse_number("--compress", optarg, 1, CC_ZSTD_LEVEL_MAX, &n))
			return CTL_USAGE;
		m->pass.level = optarg ? n : CC_ZSTD_LEVEL_DEFAULT;
		return 0;
	case 'j':
		return ctl_parse_jobs(optarg, &m->pass.jobs);
	case 'r':
		m->replace = true;
		return 0;
	case 'f':
		if (!*optarg || strspn(optarg, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(optarg))
			return ctl_usage("--format: expected raw, qcow2 or another name that qemu-img "
					 "knows, got '%s'", optarg);
		m->format = optarg;
		return 0;
	case 't':
		m->tmp_dir = optarg;
		return 0;
	case 'F':
		m->command = optarg;
		return 0;
	case 's':
		if (ctl_parse_size("--size", optarg, &m->pass.source.expected))
			return CTL_USAGE;
		return m->pass.source.expected ? 0 : ctl_usage("--size: expected more than 0");
	case CTL_OPT_JSON:
		m->json = true;
		return 0;
	}
	return ctl_store_option(&m->store_opts, c, optarg) ? 0 : ctl_bad_option(c, argv);
}

static int parse_arguments(struct import *m, const struct ctl_command *cmd, int argc, char **argv,
			   bool *ret_help)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "name", required_argument, NULL, 'n' },
		{ "chunk-size", required_argument, NULL, 'c' },
		{ "compress", optional_argument, NULL, 'z' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "replace", no_argument, NULL, 'r' },
		{ "format", required_argument, NULL, 'f' },
		{ "tmp", required_argument, NULL, 't' },
		{ "from-command", required_argument, NULL, 'F' },
		{ "size", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	char object[CC_OBJECT_NAME_MAX];
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP) {
			*ret_help = true;
			return ctl_help(cmd);
		}
		r = parse_option(m, c, argv);
		if (r)
			return r;
	}
	r = m->command ? ctl_operands(argc, 0, "no IMAGE besides --from-command") :
			 ctl_operands(argc, 1, "one IMAGE");
	if (r)
		return r;
	if (m->command && m->format && strcmp(m->format, "raw"))
		return ctl_usage("--format %s: expected a file, it can't be read from a stream", m->format);
	if (!m->name)
		return ctl_usage("--name is needed");
	if (cc_image_name(m->name, object))
		return ctl_usage("--name: expected 1 to %d of [a-zA-Z0-9._-], not starting with "
				 "'.' or '-', got '%s'", CC_IMAGE_NAME_MAX, m->name);
	m->path = m->command ? m->command : argv[optind];
	return 0;
}

static int run_import(const struct ctl_command *cmd, int argc, char **argv)
{
	struct import m = {
		.tmp_dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp",
		.pass = CTL_PASS_INIT,
		.lease = CC_LEASE_INIT,
	};
	bool helped = false;
	int r;

	m.pass.chunk_shift = CC_CHUNK_SHIFT_DEFAULT;
	m.pass.jobs = CTL_JOBS_DEFAULT;
	r = parse_arguments(&m, cmd, argc, argv, &helped);
	if (r || helped)
		return r;
	srand(getpid());
	ctl_cleanup_start();
	r = import_image(&m);
	ctl_cleanup_remove(&m.cleanup);
	cc_lease_drop(&m.lease);
	ctl_store_close(&m.store);
	ctl_pass_free(&m.pass);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_import = {
	.name = "import",
	.synopsis = "IMAGE|--from-command CMD --name N --store S [OPTION]...",
	.summary = "Put an image into a store",
	.help = help,
	.run = run_import,
};
