// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Access keys: reads them from the environment or a credentials file.  Reads lines itself, as
 * a session token may be longer than libinih's lines.
 */
#include "creds.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#define LINE_SIZE 8448

void cc_creds_wipe(struct cc_creds *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}

/* Keys go into headers: printable ASCII without spaces only. */
static int set(char *field, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return -EINVAL;
	memcpy(field, value, len + 1);
	return 0;
}

static int set_named(struct cc_creds *c, const char *name, const char *value)
{
	if (!strcasecmp(name, "aws_access_key_id"))
		return set(c->access_key, sizeof(c->access_key), value);
	if (!strcasecmp(name, "aws_secret_access_key"))
		return set(c->secret_key, sizeof(c->secret_key), value);
	if (!strcasecmp(name, "aws_session_token") || !strcasecmp(name, "aws_security_token"))
		return set(c->session_token, sizeof(c->session_token), value);
	return 0;
}

static char *strip(char *s)
{
	char *end = s + strlen(s);

	while (end > s && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
	return s + strspn(s, " \t");
}

/* "[default]" or "[profile x]", stripped: is it the one wanted? */
static bool is_section(char *line, const char *profile)
{
	size_t len = strlen(line);

	if (len < 2 || line[len - 1] != ']')
		return false;
	line[len - 1] = '\0';
	line = strip(line + 1);
	if (!strncmp(line, "profile ", 8))
		line = strip(line + 8);
	return !strcmp(line, profile);
}

static int parse_line(struct cc_creds *c, char *line, const char *profile, bool *in_section,
		      bool *found)
{
	char *equals;

	line = strip(line);
	if (!*line || *line == '#' || *line == ';')
		return 0;
	if (*line == '[') {
		*in_section = is_section(line, profile);
		*found |= *in_section;
		return 0;
	}
	equals = strchr(line, '=');
	if (!*in_section || !equals)
		return 0;
	*equals = '\0';
	return set_named(c, strip(line), strip(equals + 1));
}

static int load_file(const char *file, const char *profile, struct cc_creds *c, char *err,
		     size_t errlen)
{
	bool in_section = false, found = false;
	unsigned int number = 0;
	char line[LINE_SIZE];
	FILE *f;
	int r = 0;

	f = fopen(file, "re");
	if (!f) {
		r = -errno;
		snprintf(err, errlen, "credentials: cannot open %s: %m", file);
		return r;
	}
	setvbuf(f, NULL, _IONBF, 0); /* leaves no copy of the keys in a buffer of stdio's */
	while (!r && fgets(line, sizeof(line), f)) {
		number++;
		r = parse_line(c, line, profile, &in_section, &found);
		if (r)
			snprintf(err, errlen, "credentials: %s:%u: expected printable characters "
				 "without spaces, and fewer", file, number);
	}
	if (!r && ferror(f)) {
		r = -EIO;
		snprintf(err, errlen, "credentials: cannot read %s", file);
	}
	fclose(f);
	OPENSSL_cleanse(line, sizeof(line));
	if (!r && !found) {
		snprintf(err, errlen, "credentials: %s has no section [%s]", file, profile);
		r = -ENOENT;
	} else if (!r && (!c->access_key[0] || !c->secret_key[0])) {
		snprintf(err, errlen, "credentials: %s: [%s]: expected aws_access_key_id and "
			 "aws_secret_access_key", file, profile);
		r = -EINVAL;
	}
	return r;
}

static int load_environment(struct cc_creds *c, const char *access_key, char *err, size_t errlen)
{
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = getenv("AWS_SESSION_TOKEN");

	if (!secret || !*secret) {
		snprintf(err, errlen, "credentials: AWS_ACCESS_KEY_ID is set, expected "
			 "AWS_SECRET_ACCESS_KEY as well");
		return -EINVAL;
	}
	if (set(c->access_key, sizeof(c->access_key), access_key) ||
	    set(c->secret_key, sizeof(c->secret_key), secret) ||
	    set(c->session_token, sizeof(c->session_token), token ? token : "")) {
		snprintf(err, errlen, "credentials: AWS_* in the environment: expected printable "
			 "characters without spaces, and fewer");
		return -EINVAL;
	}
	return 0;
}

static int load(const struct cc_store_config *config, struct cc_creds *c, char *err, size_t errlen)
{
	const char *profile = config->profile ? config->profile : "default";
	const char *access_key = getenv("AWS_ACCESS_KEY_ID");
	const char *home = getenv("HOME");
	char file[PATH_MAX];

	if (config->credentials_file)
		return load_file(config->credentials_file, profile, c, err, errlen);
	/* A profile that is asked for by name is meant, whatever the environment has. */
	if (access_key && *access_key && !config->profile)
		return load_environment(c, access_key, err, errlen);
	snprintf(file, sizeof(file), "%s/.aws/credentials", home ? home : "/root");
	return load_file(file, profile, c, err, errlen);
}

int cc_creds_load(const struct cc_store_config *c, struct cc_creds *ret_creds,
		  char *err, size_t errlen)
{
	struct cc_creds creds = { 0 };
	int r = load(c, &creds, err, errlen);

	if (!r)
		*ret_creds = creds;
	cc_creds_wipe(&creds);
	return r;
}

int cc_creds_check(const struct cc_store_config *c, char *err, size_t errlen)
{
	if (!c->anonymous || (!c->credentials && !c->credentials_file && !c->profile && !c->requester_pays))
		return 0;
	snprintf(err, errlen, "anonymous: expected no, as there are credentials to sign with");
	return -EINVAL;
}
