// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From --store and its companions to an open store: URLs are taken as they are, names are
 * looked up in the configuration files.
 */
#include "store-opts.h"

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "config-value.h"
#include "creds/creds.h"

bool ctl_store_option(struct ctl_store_opts *o, int c, const char *arg)
{
	switch (c) {
	case CTL_OPT_STORE:
		o->store = arg;
		return true;
	case CTL_OPT_CONFIG:
		o->config = arg;
		return true;
	case CTL_OPT_ENDPOINT:
		o->endpoint = arg;
		return true;
	case CTL_OPT_REGION:
		o->region = arg;
		return true;
	case CTL_OPT_PATH_STYLE:
		o->path_style = true;
		return true;
	case CTL_OPT_ANONYMOUS:
		o->anonymous = true;
		return true;
	case CTL_OPT_CREDENTIALS:
		o->credentials = arg;
		return true;
	case CTL_OPT_PROFILE:
		o->profile = arg;
		return true;
	case CTL_OPT_REQUESTER_PAYS:
		o->requester_pays = true;
		return true;
	case CTL_OPT_CA_FILE:
		o->ca_file = arg;
		return true;
	case CTL_OPT_SSE:
		o->sse = arg;
		return true;
	case CTL_OPT_SSE_KMS_KEY_ID:
		o->sse_kms_key_id = arg;
		return true;
	case CTL_OPT_STORAGE_CLASS:
		o->storage_class = arg;
		return true;
	case CTL_OPT_PATIENCE:
		o->patience = arg;
		return true;
	}
	return false;
}

/* Replace a string that the config owns; from NULL means that it was not given. */
static int set_string(char **to, const char *from)
{
	char *copy;

	if (!from)
		return 0;
	copy = strdup(from);
	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int config_from_options(const struct ctl_store_opts *o, struct cc_store_config *c)
{
	cc_store_config_init(c);
	c->path_style = o->path_style;
	c->anonymous = o->anonymous;
	c->requester_pays = o->requester_pays;
	if (set_string(&c->name, "command-line") || set_string(&c->url, o->store) ||
	    set_string(&c->endpoint, o->endpoint) || set_string(&c->region, o->region) ||
	    set_string(&c->credentials_file, o->credentials) ||
	    set_string(&c->sse, o->sse) || set_string(&c->sse_kms_key_id, o->sse_kms_key_id) ||
	    set_string(&c->storage_class, o->storage_class) ||
	    set_string(&c->profile, o->profile) || set_string(&c->ca_file, o->ca_file)) {
		cc_store_config_free(c);
		return -ENOMEM;
	}
	return 0;
}

static int open_url(const struct ctl_store_opts *o, struct ctl_store *s)
{
	char err[256] = "";
	int r;

	s->own = calloc(1, sizeof(*s->own));
	if (!s->own || config_from_options(o, s->own)) {
		free(s->own);
		s->own = NULL;
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	s->name = o->store;
	if (o->patience && (cc_parse_ms(o->patience, &s->own->patience_ms) || s->own->patience_ms > 3600000))
		return ctl_usage("--patience: expected a time, 0 to 3600s, got '%s'", o->patience);
	r = cc_creds_settings(s->own, err, sizeof(err));
	if (!r)
		r = cc_store_open(s->own, &s->store, err, sizeof(err));
	if (!r)
		return 0;
	ctl_err("--store: %s", err[0] ? err : strerror(-r));
	return CTL_FAILED;
}

/* The store called name, or the only one if name is NULL. */
static const struct cc_store_config *pick(const struct cc_config *c, const char *name)
{
	if (name)
		return cc_config_store(c, name);
	return c->nr_stores == 1 ? &c->stores[0] : NULL;
}

/* 0 and *ret_config, which has the store; CTL_FAILED after a message; -ENOENT: not in this file. */
static int try_file(const char *file, const char *name, struct cc_config **ret_config)
{
	struct cc_config *c = calloc(1, sizeof(*c));
	char err[256] = "";
	int r = c ? cc_config_load(file, c, err, sizeof(err)) : -ENOMEM;

	if (r) {
		free(c);
		ctl_err("%s", err[0] ? err : strerror(-r));
		return CTL_FAILED;
	}
	if (!pick(c, name)) {
		cc_config_free(c);
		free(c);
		return -ENOENT;
	}
	*ret_config = c;
	return 0;
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_store(const struct cc_config *a, const struct cc_config *b, const char *name)
{
	const struct cc_store_config *x = pick(a, name), *y = pick(b, name);

	return same_string(x->name, y->name) && same_string(x->url, y->url) &&
	       same_string(x->endpoint, y->endpoint) && same_string(x->region, y->region) &&
	       same_string(x->credentials, y->credentials) &&
	       same_string(x->credentials_file, y->credentials_file) &&
	       same_string(x->profile, y->profile);
}

/*
 * Look through all configurations.  The same name in two files is fine as long as both mean
 * the same place; else guessing could import into the wrong bucket.
 */
static int search_files(const glob_t *files, const char *name, struct cc_config **ret_config)
{
	struct cc_config *found = NULL, *c;
	size_t i, first = 0;
	int r = 0;

	for (i = 0; i < files->gl_pathc && !r; i++) {
		r = try_file(files->gl_pathv[i], name, &c);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r)
			break;
		if (!found) {
			found = c;
			first = i;
			continue;
		}
		if (!same_store(found, c, name)) {
			ctl_err("--store %s: %s and %s mean different stores; choose with --config",
				name ? name : "(none given)", files->gl_pathv[first],
				files->gl_pathv[i]);
			r = CTL_FAILED;
		}
		cc_config_free(c);
		free(c);
	}
	if (r && found) {
		cc_config_free(found);
		free(found);
		return r;
	}
	*ret_config = found;
	return r;
}

static int load_config(const struct ctl_store_opts *o, struct cc_config **ret_config)
{
	struct cc_config *c = NULL;
	glob_t files = { 0 };
	int r;

	if (o->config) {
		r = try_file(o->config, o->store, &c);
		if (r == -ENOENT)
			r = 0;
	} else {
		r = glob(CC_CONFIG_DIR "/*.conf", 0, NULL, &files) == GLOB_NOSPACE ? CTL_FAILED : 0;
		if (!r)
			r = search_files(&files, o->store, &c);
		globfree(&files);
	}
	if (r)
		return r;
	if (!c && o->store) {
		ctl_err("--store %s: not a URL, and no section [store %s] in %s", o->store,
			o->store, o->config ? o->config : CC_CONFIG_DIR "/*.conf");
		return CTL_FAILED;
	}
	if (!c)
		return ctl_usage("--store is needed: %s has no store, or more than one",
				 o->config ? o->config : CC_CONFIG_DIR "/*.conf");
	*ret_config = c;
	return 0;
}

static int open_name(const struct ctl_store_opts *o, struct ctl_store *s)
{
	const struct cc_store_config *c;
	char err[256] = "";
	int r;

	if (o->endpoint || o->region || o->path_style || o->anonymous || o->credentials ||
	    o->profile || o->requester_pays || o->ca_file || o->patience ||
	    o->sse || o->sse_kms_key_id || o->storage_class)
		return ctl_usage("--endpoint and the like go with a URL in --store only");
	r = load_config(o, &s->config);
	if (r)
		return r;
	c = pick(s->config, o->store);
	s->name = c->name;
	r = cc_store_open(c, &s->store, err, sizeof(err));
	if (!r)
		return 0;
	ctl_err("store %s: %s", s->name, err[0] ? err : strerror(-r));
	return CTL_FAILED;
}

/* Once an outage; the line of a progress bar makes room for it. */
static void say_waiting(void *arg, const char *reason, unsigned int seconds)
{
	time_t since = time(NULL) - seconds;
	char at[16];
	struct tm tm;

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	strftime(at, sizeof(at), "%H:%M:%S", localtime_r(&since, &tm));
	if (reason)
		ctl_note("waiting for the store since %s: %s", at, reason);
	else
		ctl_note("the store is back, after %u s", seconds);
}

int ctl_store_open(const struct ctl_store_opts *o, struct ctl_store *ret_store)
{
	struct ctl_store s = { 0 };
	int r;

	/* A core would hold keys. */
	prctl(PR_SET_DUMPABLE, 0);
	r = o->store && strstr(o->store, "://") ? open_url(o, &s) : open_name(o, &s);
	if (r) {
		ctl_store_close(&s);
		return r;
	}
	cc_store_be_patient(s.store, say_waiting, NULL);
	*ret_store = s;
	return 0;
}

void ctl_store_close(struct ctl_store *s)
{
	if (s->store)
		cc_store_close(s->store);
	if (s->own) {
		cc_store_config_free(s->own);
		free(s->own);
	}
	if (s->config) {
		cc_config_free(s->config);
		free(s->config);
	}
}

bool ctl_store_args(const struct ctl_command *cmd, int argc, char **argv,
		    struct ctl_store_opts *opts, int *ret_status)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		CTL_STORE_OPTIONS,
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (ctl_store_option(opts, c, optarg))
			continue;
		*ret_status = c == CTL_OPT_HELP ? ctl_help(cmd) : ctl_bad_option(c, argv);
		return false;
	}
	return true;
}
