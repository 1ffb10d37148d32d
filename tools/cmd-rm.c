// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl rm: take an image's name out of a store.
 */
#include <getopt.h>

#include "command.h"
#include "store/image.h"
#include "store-opts.h"

static const char help[] =
	"Only the name goes: manifest and chunks stay, because disks that are up and\n"
	"other images may use them.\n"
	"\n"
	CTL_STORE_HELP;

static int rm_image(const struct ctl_store_opts *opts, const char *name)
{
	char object[CC_OBJECT_NAME_MAX], err[256] = "";
	enum cc_store_result res;
	struct ctl_store s;
	uint64_t size;
	int r;

	if (cc_image_name(name, object))
		return ctl_usage("'%s': expected the name of an image", name);
	r = ctl_store_open(opts, &s);
	if (r)
		return r;
	/* Deleting what is not there is no error to a store, but to people it is. */
	res = cc_store_head(s.store, object, &size, err, sizeof(err));
	if (!res)
		res = cc_store_delete(s.store, object, err, sizeof(err));
	if (res == CC_STORE_NOTFOUND)
		ctl_err("%s: no such image in the store %s", name, s.name);
	else if (res)
		ctl_err("%s: %s", name, err);
	ctl_store_close(&s);
	return res ? CTL_FAILED : CTL_OK;
}

static int run_rm(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_store_opts opts = { 0 };
	int r = 0;

	if (!ctl_store_args(cmd, argc, argv, &opts, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	return r ? r : rm_image(&opts, argv[optind]);
}

const struct ctl_command ctl_cmd_rm = {
	.name = "rm",
	.synopsis = "NAME --store S [OPTION]...",
	.summary = "Remove an image's name from a store",
	.help = help,
	.run = run_rm,
};
