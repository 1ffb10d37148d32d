// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of the AWS tools: a profile has keys, a program that prints some, or a role and a
 * token to get it with.  Reads lines itself: an indented line means something there, and what is not known
 * is passed over.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "http-text.h"
#include "spawner.h"

#define LINE_SIZE	8448
#define PROCESS_TIMEOUT_MS 30000

struct profile {
	const char *name;
	bool found;			/* in one of the files at least */
	struct cc_creds creds;
	struct cc_profile_settings settings;
	char process[1024];
	char role[256], token_file[PATH_MAX], session[128];
	char foreign[32];		/* a key that asks for what is not to be had here */
};

/* ---- lines ---- */

static char *strip_blanks(char *s)
{
	char *end = s + strlen(s);

	while (end > s && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return s + strspn(s, " \t");
}

static int set_text(char *field, size_t size, const char *value)
{
	return snprintf(field, size, "%s", value) < (int)size ? 0 : -EINVAL;
}

/* Keys of a profile that mean a way to get keys, but not one of ours. */
static bool is_foreign(const char *name)
{
	return !strcmp(name, "source_profile") || !strcmp(name, "credential_source") ||
	       !strncmp(name, "sso_", 4);
}

static int set_named(struct profile *p, const char *name, const char *value)
{
	struct cc_profile_settings *s = &p->settings;
	struct cc_creds *c = &p->creds;

	if (!strcasecmp(name, "aws_access_key_id"))
		return cc_creds_set(c->access_key, sizeof(c->access_key), value);
	if (!strcasecmp(name, "aws_secret_access_key"))
		return cc_creds_set(c->secret_key, sizeof(c->secret_key), value);
	if (!strcasecmp(name, "aws_session_token") || !strcasecmp(name, "aws_security_token"))
		return cc_creds_set(c->session_token, sizeof(c->session_token), value);
	if (!strcasecmp(name, "credential_process"))
		return set_text(p->process, sizeof(p->process), value);
	if (!strcasecmp(name, "role_arn"))
		return set_text(p->role, sizeof(p->role), value);
	if (!strcasecmp(name, "web_identity_token_file"))
		return set_text(p->token_file, sizeof(p->token_file), value);
	if (!strcasecmp(name, "role_session_name"))
		return set_text(p->session, sizeof(p->session), value);
	if (!strcasecmp(name, "region"))
		return set_text(s->region, sizeof(s->region), value);
	if (!strcasecmp(name, "endpoint_url"))
		return set_text(s->endpoint, sizeof(s->endpoint), value);
	if (!strcasecmp(name, "ca_bundle"))
		return set_text(s->ca_bundle, sizeof(s->ca_bundle), value);
	if (is_foreign(name))
		cc_http_copy_text(p->foreign, sizeof(p->foreign), name, strlen(name));
	return 0;
}

/* "[default]" or "[profile x]", stripped: is it the one wanted? */
static bool is_section(char *line, const char *profile)
{
	size_t len = strlen(line);

	if (len < 2 || line[len - 1] != ']')
		return false;
	line[len - 1] = '\0';
	line = strip_blanks(line + 1);
	if (!strncmp(line, "profile ", 8))
		line = strip_blanks(line + 8);
	return !strcmp(line, profile);
}

static int parse_line(struct profile *p, char *line, bool *in_section)
{
	/* An indented line belongs to a nested section of the line before. */
	bool nested = *line == ' ' || *line == '\t';
	char *equals;

	line = strip_blanks(line);
	if (!*line || *line == '#' || *line == ';')
		return 0;
	if (*line == '[') {
		*in_section = is_section(line, p->name);
		p->found |= *in_section;
		return 0;
	}
	equals = strchr(line, '=');
	if (!*in_section || !equals || nested)
		return 0;
	*equals = '\0';
	return set_named(p, strip_blanks(line), strip_blanks(equals + 1));
}

/* Later files win.  -ENOENT with a line: there is no such file. */
static int parse_aws_file(struct profile *p, const char *file, char *err, size_t errlen)
{
	bool in_section = false;
	unsigned int number = 0;
	char line[LINE_SIZE];
	FILE *f;
	int r = 0;

	f = fopen(file, "re");
	if (!f) {
		r = -errno;
		snprintf(err, errlen, "cannot open %s: %s", file, strerror(-r));
		return r;
	}
	setvbuf(f, NULL, _IONBF, 0); /* leaves no copy of the keys in a buffer of stdio's */
	while (!r && fgets(line, sizeof(line), f)) {
		number++;
		r = strlen(line) == sizeof(line) - 1 ? -EINVAL : parse_line(p, line, &in_section);
		if (r)
			snprintf(err, errlen, "%s:%u: expected printable characters without spaces, and fewer",
				 file, number);
	}
	if (!r && ferror(f)) {
		r = -EIO;
		snprintf(err, errlen, "cannot read %s", file);
	}
	fclose(f);
	OPENSSL_cleanse(line, sizeof(line));
	return r;
}

/* ---- which files ---- */

static int set_path(char *path, const char *fmt, const char *dir, const char *file, char *err,
		    size_t errlen)
{
	int n = snprintf(path, PATH_MAX, fmt, dir, file);

	if (n > 0 && n < PATH_MAX)
		return 0;
	snprintf(err, errlen, "%s: expected a shorter path", file);
	return -EINVAL;
}

/* The file that the store names: a path, or a credential that systemd has put into a directory for us. */
static int parse_named(struct profile *p, const char *file, char *err, size_t errlen)
{
	const char *dir = cc_creds_env("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int r;

	if (*file == '/')
		return parse_aws_file(p, file, err, errlen);
	if (!dir) {
		snprintf(err, errlen, "credentials_file = %s: expected CREDENTIALS_DIRECTORY in the environment, as "
			 "LoadCredential of systemd sets it", file);
		return -EINVAL;
	}
	r = set_path(path, "%s/%s", dir, file, err, errlen);
	return r ? r : parse_aws_file(p, path, err, errlen);
}

static int home_file(char *path, const char *variable, const char *name, char *err, size_t errlen)
{
	const char *given = cc_creds_env(variable), *home = cc_creds_env("HOME");

	if (given)
		return set_path(path, "%s%s", "", given, err, errlen);
	return set_path(path, "%s/.aws/%s", home ? home : "/root", name, err, errlen);
}

/* Both are optional as long as one has the profile; what the first says stands. */
static int parse_home(struct profile *p, char *err, size_t errlen)
{
	char path[PATH_MAX], ignored[64];
	int r;

	r = home_file(path, "AWS_CONFIG_FILE", "config", err, errlen);
	if (!r)
		r = parse_aws_file(p, path, ignored, sizeof(ignored));
	if (r && r != -ENOENT && r != -EACCES) {
		snprintf(err, errlen, "%s: %s", path, ignored);
		return r;
	}
	r = home_file(path, "AWS_SHARED_CREDENTIALS_FILE", "credentials", err, errlen);
	if (!r)
		r = parse_aws_file(p, path, err, errlen);
	return r == -ENOENT && p->found ? 0 : r;
}

static int parse_profile(const struct cc_store_config *c, struct profile *p, char *err, size_t errlen)
{
	const char *variable = cc_creds_env("AWS_PROFILE");
	int r;

	p->name = c->profile ? c->profile : variable && !c->credentials_file ? variable : "default";
	if (c->credentials_file)
		r = parse_named(p, c->credentials_file, err, errlen);
	else
		r = parse_home(p, err, errlen);
	if (p->found || (r && r != -ENOENT))
		return r;
	if (!c->credentials_file && !c->profile && variable) {
		/* Named, so meant: the keys of whoever comes next are not those. */
		snprintf(err, errlen, "AWS_PROFILE: neither ~/.aws/config nor ~/.aws/credentials has a section [%s]",
			 variable);
		return -EINVAL;
	}
	if (r)
		return r;
	snprintf(err, errlen, "%s has no section [%s]", c->credentials_file ? c->credentials_file :
		 "~/.aws/credentials", p->name);
	return -ENOENT;
}

/* ---- what a profile says ---- */

static int run_process(const struct profile *p, struct cc_creds *ret_creds, char *err, size_t errlen)
{
	static const char what[] = "credential_process";
	char *out = malloc(CC_CREDS_ANSWER_MAX);
	size_t size = 0;
	int r;

	if (!out) {
		snprintf(err, errlen, "%s: out of memory", what);
		return -ENOMEM;
	}
	r = cc_spawn(p->process, PROCESS_TIMEOUT_MS, out, CC_CREDS_ANSWER_MAX, &size, err, errlen);
	if (!r)
		r = cc_creds_from_json(what, out, size, ret_creds, err, errlen);
	OPENSSL_cleanse(out, CC_CREDS_ANSWER_MAX);
	free(out);
	return r;
}

static int use_profile(const struct cc_store_config *c, const struct profile *p, struct cc_creds *ret_creds,
		       char *err, size_t errlen)
{
	if (*p->role && *p->token_file)
		return cc_creds_web_identity(c, p->role, p->token_file, *p->session ? p->session : NULL,
					     ret_creds, err, errlen);
	if (*p->creds.access_key && *p->creds.secret_key && !*p->role) {
		*ret_creds = p->creds;
		return 0;
	}
	if (*p->process)
		return run_process(p, ret_creds, err, errlen);
	if (*p->foreign)
		snprintf(err, errlen, "[%s]: %s is not supported; set credential_process = aws configure "
			 "export-credentials --profile %s", p->name, p->foreign, p->name);
	else
		snprintf(err, errlen, "[%s]: expected aws_access_key_id and aws_secret_access_key, or "
			 "credential_process", p->name);
	return -EINVAL;
}

int cc_creds_profile(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
		     size_t errlen)
{
	struct profile *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		snprintf(err, errlen, "profile: out of memory");
		return -ENOMEM;
	}
	r = parse_profile(c, p, err, errlen);
	if (!r)
		r = use_profile(c, p, ret_creds, err, errlen);
	OPENSSL_cleanse(p, sizeof(*p));
	free(p);
	return r;
}

void cc_creds_profile_settings(const struct cc_store_config *c, struct cc_profile_settings *ret_settings)
{
	struct profile *p = calloc(1, sizeof(*p));
	char ignored[64];

	if (!p)
		return;
	if (!parse_profile(c, p, ignored, sizeof(ignored)))
		*ret_settings = p->settings;
	OPENSSL_cleanse(p, sizeof(*p));
	free(p);
}
