/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --store and the options that go with it, the same for every subcommand: a URL, or the name
 * of a [store] section of a pool's configuration.
 */
#ifndef CTL_STORE_OPTS_H
#define CTL_STORE_OPTS_H

#include <stdbool.h>
#include "command.h"
#include "config.h"
#include "store/store.h"

enum {
	CTL_OPT_STORE = CTL_OPT_STORE_FIRST,
	CTL_OPT_CONFIG,
	CTL_OPT_ENDPOINT,
	CTL_OPT_REGION,
	CTL_OPT_PATH_STYLE,
	CTL_OPT_ANONYMOUS,
	CTL_OPT_CREDENTIALS,
	CTL_OPT_PROFILE,
	CTL_OPT_REQUESTER_PAYS,
	CTL_OPT_CA_FILE,
	CTL_OPT_PATIENCE,
	CTL_OPT_SSE,
	CTL_OPT_SSE_KMS_KEY_ID,
	CTL_OPT_STORAGE_CLASS,
};

/* For a subcommand's struct option array. */
#define CTL_STORE_OPTIONS \
	{ "store", required_argument, NULL, CTL_OPT_STORE }, \
	{ "config", required_argument, NULL, CTL_OPT_CONFIG }, \
	{ "endpoint", required_argument, NULL, CTL_OPT_ENDPOINT }, \
	{ "region", required_argument, NULL, CTL_OPT_REGION }, \
	{ "path-style", no_argument, NULL, CTL_OPT_PATH_STYLE }, \
	{ "anonymous", no_argument, NULL, CTL_OPT_ANONYMOUS }, \
	{ "credentials-file", required_argument, NULL, CTL_OPT_CREDENTIALS }, \
	{ "profile", required_argument, NULL, CTL_OPT_PROFILE }, \
	{ "requester-pays", no_argument, NULL, CTL_OPT_REQUESTER_PAYS }, \
	{ "ca-file", required_argument, NULL, CTL_OPT_CA_FILE }, \
	{ "patience", required_argument, NULL, CTL_OPT_PATIENCE }, \
	{ "sse", required_argument, NULL, CTL_OPT_SSE }, \
	{ "sse-kms-key-id", required_argument, NULL, CTL_OPT_SSE_KMS_KEY_ID }, \
	{ "storage-class", required_argument, NULL, CTL_OPT_STORAGE_CLASS }

/* For a subcommand's help text. */
#define CTL_STORE_HELP \
	"The store:\n" \
	"  --store S            file:///DIR, s3://BUCKET[/PREFIX], http[s]://HOST/PREFIX\n" \
	"                       (read only), or the name of a [store] section of the\n" \
	"                       configuration; may be left out if the configuration has\n" \
	"                       just one\n" \
	"  --config FILE        configuration to look in instead of\n" \
	"                       /etc/chunkcache/*.conf\n" \
	"With a URL only:\n" \
	"  --endpoint URL       of the S3 service, default AWS's for the region\n" \
	"  --region NAME        default us-east-1\n" \
	"  --path-style         ENDPOINT/BUCKET/KEY instead of BUCKET.ENDPOINT/KEY\n" \
	"  --anonymous          do not sign requests\n" \
	"  --credentials-file F default: as for the AWS tools, environment first\n" \
	"  --profile NAME       section of that file, default \"default\"\n" \
	"  --requester-pays     agree to pay for what is read\n" \
	"  --ca-file FILE       PEM bundle to trust instead of the system's\n" \
	"  --sse HOW            have what is written encrypted: AES256, aws:kms\n" \
	"  --sse-kms-key-id K   with this key\n" \
	"  --storage-class C    of the chunks that are written, such as STANDARD_IA\n" \
	"  --patience TIME      how long to wait for a store that was there and went:\n" \
	"                       at most 3600s, default 900s; 0: not at all\n"

struct ctl_store_opts {
	const char *store, *config;
	const char *endpoint, *region, *credentials, *profile, *ca_file;
	bool path_style, anonymous, requester_pays;
	const char *patience, *sse, *sse_kms_key_id, *storage_class;
};

/*
 * The options of a subcommand that has none but these and --help.  False if that was all there is
 * to do: *ret_status is what to exit with.
 */
bool ctl_store_args(const struct ctl_command *cmd, int argc, char **argv,
		    struct ctl_store_opts *opts, int *ret_status);
/* Takes the option c of getopt_long() if it is one of ours: true. */
bool ctl_store_option(struct ctl_store_opts *o, int c, const char *arg);

/* An open store and what it was made of; release with ctl_store_close(). */
struct ctl_store {
	struct cc_store *store;
	struct cc_config *config;	/* of which the store is a section, or NULL */
	struct cc_store_config *own;	/* made from the options, or NULL */
	const char *name;		/* section or URL, for messages; lives as long as this */
};

/* 0, or an enum ctl_exit after a message. */
int ctl_store_open(const struct ctl_store_opts *o, struct ctl_store *ret_store);
void ctl_store_close(struct ctl_store *s);

#endif
