// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl version: tool, module, protocol and helpers, and whether they fit each other.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-chunkcache.h>

#include "ask.h"
#include "channel.h"
#include "command.h"
#include "scan.h"

#define MODULE_VERSION_FILE "/sys/module/dm_chunkcache/version"

static const char version_help[] =
	"Exit status 3: something of another version is at work; a line says what to do.\n"
	"Versions that differ go on working as long as the protocol is the same.\n"
	"\n"
	"  --json               print it as JSON\n";

/* The loaded module's, without the newline; false: it is not loaded. */
static bool module_version(char *buf, int size)
{
	FILE *f = fopen(MODULE_VERSION_FILE, "re");
	bool ok = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

static json_t *module_json(void)
{
	struct cc_channel *channel;
	char version[64];
	json_t *o;

	/* Looked for first: asking for its netlink family would load it. */
	if (!module_version(version, sizeof(version)))
		return NULL;
	o = json_pack("{s:s}", "version", version);
	if (!cc_channel_open(&channel)) {
		json_object_set_new(o, "protocol", json_integer(cc_channel_protocol(channel)));
		cc_channel_close(channel);
	}
	return o;
}

/* Helpers that answer; those that do not are the business of `chunkctl stat'. */
static json_t *helpers_json(void)
{
	json_t *pools, *helpers = json_array(), *p;
	bool unreadable;
	size_t i;

	if (ctl_scan(&pools, &unreadable))
		return helpers;
	ctl_scan_helpers(pools, CTL_ASK_SECONDS);
	json_array_foreach(pools, i, p) {
		const json_t *helper = json_object_get(p, "helper");

		if (helper)
			json_array_append_new(helpers, json_pack("{s:s, s:s}",
				"pool", ctl_string(p, "name"), "version", ctl_string(helper, "version")));
	}
	json_decref(pools);
	return helpers;
}

static void misfit(json_t *list, const char *text)
{
	json_array_append_new(list, json_string(text));
}

static json_t *misfits(const json_t *module, const json_t *helpers)
{
	uint64_t protocol = ctl_number(module, "protocol");
	json_t *list = json_array(), *h;
	char text[256];
	size_t i;

	if (module && strcmp(ctl_string(module, "version"), CHUNKCACHE_VERSION)) {
		snprintf(text, sizeof(text), "the module that is loaded is %s: it is exchanged when all pools are down "
			 "and it is unloaded (modprobe -r dm-chunkcache)", ctl_string(module, "version"));
		misfit(list, text);
	}
	if (protocol && protocol != CHUNKCACHE_GENL_VERSION) {
		snprintf(text, sizeof(text), "the module speaks protocol %" PRIu64 ", chunkctl and new helpers %d: "
			 "they will be refused", protocol, CHUNKCACHE_GENL_VERSION);
		misfit(list, text);
	}
	json_array_foreach(helpers, i, h) {
		if (!strcmp(ctl_string(h, "version"), CHUNKCACHE_VERSION))
			continue;
		snprintf(text, sizeof(text), "the helper of pool %s is %s: systemctl restart chunkcached@%s; "
			 "reads of what is not cached wait meanwhile", ctl_string(h, "pool"),
			 ctl_string(h, "version"), ctl_string(h, "pool"));
		misfit(list, text);
	}
	return list;
}

static void print_text(const json_t *all)
{
	const json_t *module = json_object_get(all, "module"), *o;
	size_t i;

	printf("chunkctl  %s, protocol %d\n", CHUNKCACHE_VERSION, CHUNKCACHE_GENL_VERSION);
	if (!json_is_object(module))
		printf("module    not loaded\n");
	else if (json_object_get(module, "protocol"))
		printf("module    %s, protocol %" PRIu64 "\n", ctl_string(module, "version"),
		       ctl_number(module, "protocol"));
	else
		printf("module    %s, does not answer\n", ctl_string(module, "version"));
	json_array_foreach(json_object_get(all, "helpers"), i, o)
		printf("helper    %s, of pool %s\n", ctl_string(o, "version"), ctl_string(o, "pool"));
	json_array_foreach(json_object_get(all, "misfits"), i, o)
		ctl_err("%s", json_string_value(o));
}

static int show_versions(bool as_json)
{
	json_t *module = module_json(), *helpers = helpers_json(), *list = misfits(module, helpers);
	json_t *all = json_pack("{s:s, s:i, s:o?, s:o, s:o}", "version", CHUNKCACHE_VERSION,
				"protocol", CHUNKCACHE_GENL_VERSION, "module", module, "helpers", helpers,
				"misfits", list);
	int r = json_array_size(list) ? CTL_DAMAGE : CTL_OK;

	if (as_json)
		return ctl_print_json(all) ? CTL_FAILED : r;
	print_text(all);
	json_decref(all);
	return r;
}

static int run_version(const struct ctl_command *cmd, int argc, char **argv)
{
	bool json;
	int r;

	if (!ctl_json_option(cmd, argc, argv, &json, &r))
		return r;
	r = ctl_operands(argc, 0, "no operand");
	return r ? r : ctl_finish(show_versions(json));
}

const struct ctl_command ctl_cmd_version = {
	.name = "version",
	.synopsis = "[--json]",
	.summary = "Show versions of tool, module and helpers, and whether they fit",
	.help = version_help,
	.run = run_version,
};
