// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Options and volumes of `chunkctl volume'; see volume-arg.h.
 */
#include "volume-arg.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "uuid.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"

#define WAIT_MAX	(24 * 3600)
#define READ_PARALLEL	16		/* requests, while a map is read */

static int add_feature(struct ctl_volume_args *a, const char *words)
{
	size_t used = strlen(a->features);

	if (snprintf(a->features + used, sizeof(a->features) - used, " %s", words) < (int)(sizeof(a->features) - used))
		return 0;
	return ctl_usage("--feature: expected at most %zu characters in all", sizeof(a->features) - 2);
}

static int volume_option(struct ctl_volume_args *a, int c, char **argv)
{
	uint64_t bytes = 0;

	switch (c) {
	case 'i':
		a->image = optarg;
		return 0;
	case 'o':
		a->from = optarg;
		return 0;
	case 's':
		if (ctl_parse_size("--size", optarg, &a->size))
			return CTL_USAGE;
		return a->size ? 0 : ctl_usage("--size: expected more than 0");
	case 'c':
		if (ctl_parse_size("--chunk-size", optarg, &bytes))
			return CTL_USAGE;
		while (a->chunk_shift < CC_CHUNK_SHIFT_MAX && 1ULL << a->chunk_shift < bytes)
			a->chunk_shift++;
		if (1ULL << a->chunk_shift == bytes && a->chunk_shift >= CC_CHUNK_SHIFT_MIN)
			return 0;
		return ctl_usage("--chunk-size: expected a power of two from 64K to 16M, got '%s'", optarg);
	case 'j':
		a->json = true;
		return 0;
	case 'f':
		a->force = true;
		return 0;
	case 'p':
		a->pool = optarg;
		return 0;
	case 't':
		a->take_over = true;
		return 0;
	case 'n':
		a->now = true;
		return 0;
	case 'w':
		return ctl_parse_number("--wait", optarg, 0, WAIT_MAX, &a->wait);
	case 'r':
		return add_feature(a, optarg);
	case 'F':
		a->from_config = true;
		a->file = optarg;
		return 0;
	case 'a':
		a->as = optarg;
		return 0;
	case 'd':
		if (!strcmp(optarg, "store"))
			return add_feature(a, "durability store");
		return strcmp(optarg, "local") ? ctl_usage("--durability: expected local or store, got '%s'", optarg) : 0;
	}
	return ctl_store_option(&a->opts, c, optarg) ? 0 : ctl_bad_option(c, argv);
}

bool ctl_volume_options(const struct ctl_command *cmd, int argc, char **argv, const char *accepts,
			struct ctl_volume_args *a, int *ret_status)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "image", required_argument, NULL, 'i' },
		{ "size", required_argument, NULL, 's' },
		{ "from", required_argument, NULL, 'o' },
		{ "chunk-size", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "force", no_argument, NULL, 'f' },
		{ "pool", required_argument, NULL, 'p' },
		{ "take-over", no_argument, NULL, 't' },
		{ "now", no_argument, NULL, 'n' },
		{ "wait", required_argument, NULL, 'w' },
		{ "feature", required_argument, NULL, 'r' },
		{ "from-config", optional_argument, NULL, 'F' },
		{ "durability", required_argument, NULL, 'd' },
		{ "as", required_argument, NULL, 'a' },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			*ret_status = ctl_help(cmd);
		else if (c < 256 && c != '?' && c != ':' && !strchr(accepts, c))
			*ret_status = ctl_usage("%s: no such option", argv[optind - 1]);
		else
			*ret_status = volume_option(a, c, argv);
		if (c == CTL_OPT_HELP || *ret_status)
			return false;
	}
	return true;
}

int ctl_volume_failed(const char *what, int r, const char *err)
{
	ctl_err("%s: %s", what, r == -ENOMEM ? "out of memory" : err);
	return r == -EBADMSG ? CTL_DAMAGE : CTL_FAILED;
}

int ctl_volume_read(struct ctl_store *s, const char *what, const uint8_t uuid[16], struct cc_volume_state *state)
{
	char err[400] = "", host[CC_VOLUME_HOST_MAX + 1] = "";
	uint8_t self[16];
	int r;

	/* Whoever it takes for an owner, it is none that there was before. */
	r = cc_uuid_random(self);
	gethostname(host, sizeof(host) - 1);
	cc_volume_state_init(state, s->store, uuid, self, host);
	if (!r)
		r = cc_volume_log_read(&state->log, err, sizeof(err));
	return r ? ctl_volume_failed(what, r, err) : 0;
}

static int find_volume(struct ctl_volume *v, const char *what)
{
	char err[400] = "";
	enum cc_store_result res;

	if (!cc_uuid_parse(what, v->uuid))
		return 0;
	res = cc_volume_uuid(v->store.store, what, v->uuid, err, sizeof(err));
	if (res == CC_STORE_NOTFOUND)
		ctl_err("%s: no such volume in the store %s", what, v->store.name);
	else if (res)
		ctl_err("%s: %s", what, err);
	return res == CC_STORE_CORRUPT ? CTL_DAMAGE : res ? CTL_FAILED : 0;
}

int ctl_volume_find(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v)
{
	int r;

	*v = (struct ctl_volume){ 0 };
	r = ctl_store_open(opts, &v->store);
	return r ? r : find_volume(v, what);
}

int ctl_volume_open(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v)
{
	int r = ctl_volume_find(opts, what, v);

	return r ? r : ctl_volume_read(&v->store, what, v->uuid, &v->state);
}

static int load_snapshot(struct ctl_volume *v, const char *what, const char *name)
{
	static const uint8_t nobody[16];
	struct cc_snapshot snapshot;
	char err[400] = "";
	enum cc_store_result res = cc_snapshot_get(v->store.store, v->uuid, name, &snapshot, err, sizeof(err));
	int r;

	if (res == CC_STORE_NOTFOUND)
		snprintf(err, sizeof(err), "no such snapshot");
	cc_volume_state_init(&v->state, v->store.store, v->uuid, nobody, "");
	v->state.log.parallel = READ_PARALLEL;
	r = res ? cc_store_errno(res) : cc_snapshot_load(&v->state, &snapshot, true, err, sizeof(err));
	return r ? ctl_volume_failed(what, r, err) : 0;
}

int ctl_volume_open_at(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v)
{
	const char *at = strrchr(what, '@');
	char *volume;
	int r;

	if (!at)
		return ctl_volume_open(opts, what, v);
	volume = strndup(what, at - what);
	if (!volume) {
		*v = (struct ctl_volume){ 0 };
		return ctl_volume_failed(what, -ENOMEM, "");
	}
	r = ctl_volume_find(opts, volume, v);
	free(volume);
	return r ? r : load_snapshot(v, what, at + 1);
}

void ctl_volume_close(struct ctl_volume *v)
{
	cc_volume_state_free(&v->state);
	ctl_store_close(&v->store);
}

const char *ctl_volume_time(uint64_t seconds, char buf[CTL_TIME_TEXT])
{
	time_t t = seconds;
	struct tm tm;

	if (seconds > INT32_MAX * 4ULL || !localtime_r(&t, &tm) || !strftime(buf, CTL_TIME_TEXT, "%F %T", &tm))
		strcpy(buf, "?");
	return buf;
}

int ctl_volume_check_closed(const struct ctl_volume *v, const char *what)
{
	const struct cc_volume_log *log = &v->state.log;
	char since[CTL_TIME_TEXT];

	if (cc_volume_log_closed(log))
		return 0;
	ctl_err("%s: is open on %s since %s (term %u): take it down there first", what,
		*log->last.host ? log->last.host : "a host without a name", ctl_volume_time(log->since, since),
		log->last.term);
	return CTL_FAILED;
}
