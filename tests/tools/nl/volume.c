// SPDX-License-Identifier: GPL-2.0-or-later
/* Volumes: loaded, started, cut, failed. */
#include "nl.h"

#include <errno.h>
#include "chunkcache/journal.h"

/* LOG is the number of a log chunk, in hex or so, as journal.h has it without the bits below. */
static struct chunkcache_log parse_log(const char *s)
{
	unsigned long long log;
	unsigned int slot = 0, gen = 0;

	if (sscanf(s, "%lli:%u:%u", (long long *)&log, &slot, &gen) < 1)
		die(s, "expected LOG[:SLOT:GEN]");
	return (struct chunkcache_log){ log << CC_PLACE_LOG_SHIFT | CC_PLACE_GUEST, slot, gen };
}

static int cmd_logs(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_VOLUME_LOAD, 0);
	struct chunkcache_log logs[NL_MAX_ARGS];
	int i;

	for (i = 2; i < argc; i++)
		logs[i - 2] = parse_log(argv[i]);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, nl_disk_id(argv[1]));
	mnl_attr_put(nlh, CHUNKCACHE_A_LOGS, (argc - 2) * sizeof(logs[0]), logs);
	return nl_transact(nlh, NULL);
}

static int cmd_extent(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_VOLUME_LOAD, 0);
	struct chunkcache_extent e = {
		.block = nl_number(argv[2]), .count = nl_number(argv[3]), .place = nl_number(argv[4]),
		.reserved = nl_option_u32(argc, argv, "reserved", 0),
	};

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, nl_disk_id(argv[1]));
	mnl_attr_put(nlh, CHUNKCACHE_A_EXTENTS, sizeof(e), &e);
	return nl_transact(nlh, NULL);
}

static int cmd_start(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_VOLUME_START, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, nl_disk_id(argv[1]));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME, nl_number(argv[2]));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_TERM, nl_number(argv[3]));
	return nl_transact(nlh, NULL);
}

static int cmd_cut(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_VOLUME_CUT, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, nl_disk_id(argv[1]));
	if (nl_has(argc, argv, "seal"))
		mnl_attr_put(nlh, CHUNKCACHE_A_SEAL, 0, NULL);
	return nl_transact(nlh, NULL);
}

static int cmd_failvolume(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_VOLUME_FAIL, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, nl_disk_id(argv[1]));
	if (argc > 2)
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_REASON, argv[2]);
	return nl_transact(nlh, NULL);
}

const struct nl_verb nl_volume_verbs[] = {
	{ "logs", cmd_logs, 2 },
	{ "extent", cmd_extent, 4 },
	{ "start", cmd_start, 3 },
	{ "cut", cmd_cut, 1 },
	{ "failvolume", cmd_failvolume, 1 },
	{ 0 }
};
