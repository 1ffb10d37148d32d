// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl record: what a disk read since its start becomes a part of its image's boot trace.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "command.h"
#include "disk-config.h"
#include "dm.h"
#include "store/image.h"
#include "recording.h"
#include "scan.h"
#include "store-opts.h"
#include "ui.h"

#define FOR_MAX 600			/* no helper records longer */
#define FOR_AUTO 300

static const char help[] =
	"The next disks of that image, on any host, have the chunks that most recorded\n"
	"starts have read fetched before their guests ask.  Take it when the guest is up\n"
	"and has done what it always does; three starts make a better trace than one.\n"
	"\n"
	"  --for SECONDS        what was read in the first SECONDS after the disk came\n"
	"                       up, 1 to 600: waits until they are over.  Without it:\n"
	"                       all up to now\n"
	"  --auto               only if /etc/chunkcache/disks/DISK.conf says so, record =\n"
	"                       auto, and the image has no trace; --for is 300 if left\n"
	"                       out\n"
	"  --json               print the recording, and store nothing\n"
	"  --from FILE          instead of DISK: what --json printed; - for standard\n"
	"                       input\n"
	"\n"
	"Without --store the trace goes to the disk's own store.\n"
	"\n"
	CTL_STORE_HELP;

struct record {
	struct ctl_store_opts store_opts;
	char config[256];		/* of the pool, for store_opts */
	const char *disk, *from;
	uint64_t seconds;		/* 0: up to now */
	bool automatic, json;
	json_t *pools;			/* owns what the names below point into */
	const char *pool;
	json_t *recording;		/* the helper's answer, or a file's content */
};

/* ---- the recording ---- */

static int find_recorded_disk(struct record *r)
{
	json_t *pool = NULL, *disk;
	bool unreadable = false;
	int e = ctl_scan(&r->pools, &unreadable);

	if (e) {
		ctl_err("device-mapper: %s", ctl_dm_reason(e));
		return CTL_FAILED;
	}
	disk = ctl_scan_disk(r->pools, r->disk, &pool);
	if (!disk || !json_is_string(json_object_get(pool, "name"))) {
		ctl_err("%s: no disk of that name is up", r->disk);
		return CTL_FAILED;
	}
	r->pool = ctl_string(pool, "name");
	if (!r->store_opts.store)
		r->store_opts.store = ctl_string(disk, "store");
	if (!r->store_opts.config)
		snprintf(r->config, sizeof(r->config), CC_CONFIG_DIR "/%s.conf", r->pool);
	if (r->config[0] && !strstr(r->store_opts.store, "://"))
		r->store_opts.config = r->config;
	return 0;
}

/* The helper's answer, with at most count touches; NULL after a message. */
static json_t *ask_for_recording(const struct record *r, int count)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(r->pool, "record", json_pack("{s:s, s:i}", "disk", r->disk, "count", count),
				 CTL_ASK_SECONDS, &asked);

	if (!answer)
		ctl_err("helper of %s: %s", r->pool, asked.why);
	return answer;
}

/* Until what is wanted was recorded, or will never be. */
static int wait_for_record_end(const struct record *r)
{
	bool tty = isatty(STDERR_FILENO);

	for (;;) {
		json_t *answer = ask_for_recording(r, 0);
		uint64_t age_ms = ctl_number(answer, "age_ms");
		bool on = answer && !strcmp(ctl_string(answer, "state"), "on");

		if (tty)
			fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " s, %" PRIu64 " chunks \033[K", r->disk,
				age_ms / 1000, r->seconds, ctl_number(answer, "recorded"));
		json_decref(answer);
		if (!on || age_ms >= r->seconds * 1000) {
			if (tty)
				fputs("\r\033[K", stderr);
			return answer ? 0 : CTL_FAILED;
		}
		sleep(1);
	}
}

static int ask_helper(struct record *r)
{
	int e = r->seconds ? wait_for_record_end(r) : 0;

	if (e)
		return e;
	r->recording = ask_for_recording(r, CC_TRACE_CHUNKS_MAX);
	return r->recording ? 0 : CTL_FAILED;
}

static int read_file(struct record *r)
{
	json_error_t error;

	r->recording = strcmp(r->from, "-") ? json_load_file(r->from, 0, &error) : json_loadf(stdin, 0, &error);
	if (r->recording)
		return 0;
	ctl_err("%s: %s", r->from, error.text);
	return CTL_FAILED;
}

/* ---- the trace ---- */

/* The trace that the store has, or an empty one. */
static int get_trace(struct ctl_store *s, const struct cc_manifest *m, struct cc_trace *ret_trace)
{
	enum cc_store_result res;
	char err[256] = "";

	*ret_trace = (struct cc_trace) { .chunk_shift = m->chunk_shift };
	memcpy(ret_trace->digest, m->digest, sizeof(ret_trace->digest));
	res = cc_image_trace(s->store, m, ret_trace, err, sizeof(err));
	if (!res || res == CC_STORE_NOTFOUND)
		return 0;
	if (res != CC_STORE_CORRUPT) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	ctl_note("%s; a new one takes its place", err);
	return 0;
}

/* What the image does not have, or has as a hole, is not worth a place. */
static void drop_holes(struct ctl_recording *rec, const struct cc_manifest *m)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->touches[i].chunk < m->nr_chunks && !cc_id_is_hole(cc_manifest_id(m, rec->touches[i].chunk)))
			rec->touches[nr++] = rec->touches[i];
	rec->nr = nr;
}

static int put_trace(struct ctl_store *s, const char *name, const struct cc_trace *t)
{
	enum cc_store_result res;
	char err[256] = "";
	void *data;
	size_t size;

	if (cc_trace_build(t, &data, &size)) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	res = cc_store_put(s->store, name, data, size, err, sizeof(err));
	free(data);
	if (res)
		ctl_err("%s: %s", name, err);
	return res ? CTL_FAILED : 0;
}

static void report_recording(const struct ctl_recording *rec, const struct cc_trace *t)
{
	uint32_t likely = 0;

	for (uint32_t i = 0; i < t->nr; i++)
		likely += cc_trace_likely(t, &t->chunks[i]);
	if (rec->lost)
		ctl_note("%" PRIu64 " reads were not heard of: too many at once", rec->lost);
	printf("%u chunks in %.1f s; of %u runs in the trace %u chunks will be fetched ahead\n", rec->nr,
	       rec->touches[rec->nr - 1].ms / 1000.0, t->runs, likely);
}

static int merge(struct ctl_store *s, struct ctl_recording *rec, const struct cc_manifest *m)
{
	char name[CC_OBJECT_NAME_MAX];
	struct cc_trace t = { .nr = 0 };
	int e;

	cc_trace_name(m->digest, name);
	drop_holes(rec, m);
	if (!rec->nr) {
		ctl_err("nothing was read yet");
		return CTL_FAILED;
	}
	e = get_trace(s, m, &t);
	if (!e && cc_trace_merge(&t, rec->touches, rec->nr)) {
		ctl_err("out of memory");
		e = CTL_FAILED;
	}
	if (!e)
		e = put_trace(s, name, &t);
	if (!e)
		report_recording(rec, &t);
	cc_trace_free(&t);
	return e;
}

static int store(struct record *r)
{
	uint64_t limit_ms = r->seconds ? r->seconds * 1000 : UINT64_MAX;
	struct ctl_recording rec = { .nr = 0 };
	struct ctl_store s = { 0 };
	struct cc_manifest m;
	char err[256] = "";
	int e = ctl_recording_take(r->recording, r->from ? r->from : r->disk, limit_ms, &rec);

	if (!e)
		e = ctl_store_open(&r->store_opts, &s);
	if (!e && cc_image_manifest(s.store, rec.digest, &m, err, sizeof(err))) {
		ctl_err("%s: the recorded image: %s", s.name, err);
		e = CTL_FAILED;
	} else if (!e) {
		e = merge(&s, &rec, &m);
		cc_manifest_free(&m);
	}
	ctl_recording_free(&rec);
	ctl_store_close(&s);
	return e;
}

/* ---- by itself ---- */

/* 1: its file says so, 0: it does not; negative: not known, after a message. */
static int configured(const char *disk)
{
	struct ctl_disk_config c = { 0 };
	char file[256], err[256];
	bool automatic;

	snprintf(file, sizeof(file), CTL_DISK_CONFIG_DIR "/%s.conf", disk);
	if (access(file, F_OK))
		return 0;
	if (ctl_disk_config_load(file, &c, err, sizeof(err))) {
		ctl_err("%s", err);
		return -1;
	}
	automatic = c.record_auto;
	ctl_disk_config_free(&c);
	return automatic;
}

/* 1: the image has a trace, 0: it has none; negative: not known, after a message. */
static int has_trace(const struct record *r, const char *digest)
{
	char name[CC_OBJECT_NAME_MAX], err[256] = "";
	uint8_t id[CC_ID_SIZE];
	enum cc_store_result res;
	struct ctl_store s;
	uint64_t size;

	if (cc_id_from_hex(digest, id) || ctl_store_open(&r->store_opts, &s))
		return -1;
	cc_trace_name(id, name);
	res = cc_store_head(s.store, name, &size, err, sizeof(err));
	ctl_store_close(&s);
	if (res && res != CC_STORE_NOTFOUND) {
		ctl_err("%s: %s", name, err);
		return -1;
	}
	return !res;
}

/* True if there is nothing to do, or it can't be done: then *ret_status is not 0. */
static bool needless(const struct record *r, int *ret_status)
{
	json_t *answer = ask_for_recording(r, 0);
	int has = answer ? has_trace(r, ctl_string(answer, "digest")) : -1;

	json_decref(answer);
	*ret_status = has < 0 ? CTL_FAILED : CTL_OK;
	if (has > 0)
		ctl_note("%s: its image has a boot trace already", r->disk);
	return has != 0;
}

/* ---- the command ---- */

static int record(struct record *r)
{
	int e = r->automatic ? configured(r->disk) : 1;

	if (e <= 0)
		return e ? CTL_FAILED : CTL_OK;
	e = r->from ? read_file(r) : find_recorded_disk(r);
	if (e || (r->automatic && needless(r, &e)))
		return e;
	if (!r->from)
		e = ask_helper(r);
	if (e)
		return e;
	return r->json ? ctl_print_json(json_incref(r->recording)) : store(r);
}

static int parse_record_option(struct record *r, int c, char **argv)
{
	switch (c) {
	case 's':
		return ctl_parse_number("--for", optarg, 1, FOR_MAX, &r->seconds);
	case 'a':
		r->automatic = true;
		return 0;
	case 'f':
		r->from = optarg;
		return 0;
	case CTL_OPT_JSON:
		r->json = true;
		return 0;
	}
	return ctl_store_option(&r->store_opts, c, optarg) ? 0 : ctl_bad_option(c, argv);
}

static int check_operands(struct record *r, int argc, char **argv)
{
	int e = ctl_operands(argc, r->from ? 0 : 1, r->from ? "no DISK with --from" : "one DISK");

	if (e)
		return e;
	if (r->from && (r->automatic || r->json))
		return ctl_usage("--from: goes neither with --auto nor with --json");
	r->disk = argv[optind];
	if (r->disk && !ctl_dm_name_ok(r->disk))
		return ctl_usage("'%s': expected a name of [a-zA-Z0-9._-]", r->disk);
	if (r->automatic && !r->seconds)
		r->seconds = FOR_AUTO;
	return 0;
}

static int run_record(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "for", required_argument, NULL, 's' },
		{ "auto", no_argument, NULL, 'a' },
		{ "from", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	struct record r = { .seconds = 0 };
	int c, e;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		e = parse_record_option(&r, c, argv);
		if (e)
			return e;
	}
	e = check_operands(&r, argc, argv);
	if (!e)
		e = record(&r);
	json_decref(r.recording);
	json_decref(r.pools);
	return ctl_finish(e);
}

const struct ctl_command ctl_cmd_record = {
	.name = "record",
	.synopsis = "DISK [--for SECONDS] | --from FILE [OPTION]...",
	.summary = "Record what a start reads first, for those to come",
	.help = help,
	.run = run_record,
};
