// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume: the table of what can be done with volumes; each is in its own cmd-volume-*.c.
 */
#include <stdio.h>
#include <getopt.h>
#include <string.h>

#include "volume-arg.h"

static const struct ctl_command *const parts[] = {
	&ctl_volume_create,
	&ctl_volume_list,
	&ctl_volume_show,
	&ctl_volume_up,
	&ctl_volume_down,
	&ctl_volume_resize,
	&ctl_volume_verify,
	&ctl_volume_export,
	&ctl_volume_rescue,
	&ctl_volume_discard,
	&ctl_volume_rm,
	NULL
};

static const char help[] =
	"  create NAME          make one, empty or on an image\n"
	"  list                 those of a store\n"
	"  show NAME            one of them: who has it, what was committed last\n"
	"  up NAME              its device, on this host\n"
	"  down NAME            remove the device, when all is in the store\n"
	"  resize NAME          make it larger\n"
	"  verify NAME          fetch and check all that it is made of\n"
	"  export NAME FILE     its content as of the last commit\n"
	"  rescue NAME          what only this host wrote, as a volume of its own\n"
	"  discard-local NAME   give that up\n"
	"  rm NAME              delete it and all that it is made of\n"
	"\n"
	"verify and export take NAME@SNAPSHOT, too.\n"
	"`chunkctl volume COMMAND --help' tells more of one.\n";

static int run_volume(const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_run_part(cmd, parts, argc, argv);
}

const struct ctl_command ctl_cmd_volume = {
	.name = "volume",
	.synopsis = "COMMAND [OPTION]... [ARGUMENT]...",
	.summary = "Writable disks whose truth is in a store",
	.help = help,
	.run = run_volume,
};
