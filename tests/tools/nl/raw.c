// SPDX-License-Identifier: GPL-2.0-or-later
/* Any command with any attributes, right or wrong. */
#include "nl.h"

#include <inttypes.h>
#include <linux/netlink.h>

static const char *const cmd_names[] = {
	"unspec", "attach", "detach", "doorbell", "disk_get", "disk_state", "miss_get",
	"slot_alloc", "slot_done", "slot_release", "slot_keep", "slot_get", "map", "miss_data",
	"miss_fail", "stats_get", "journal_get", "journal_resume", "journal_add", "journal_trim",
	"slot_claim", "slot_clean", "slot_drop", "volume_load", "volume_start", "volume_cut",
	"volume_fail",
};
static_assert(NL_NR(cmd_names) == CHUNKCACHE_CMD_MAX + 1, "a command without a name");

static const char *const attr_names[] = {
	"unspec", "pad", "version", "pool_fd", "pool_uuid", "pool_name", "bell_port", "session",
	"instance", "slot_size", "nr_slots", "pending", "disk", "disk_name", "disk_sectors",
	"disk_state", "store", "digest", "reason", "count", "all", "prefetch", "bad", "last",
	"chunk", "cookie", "offset", "key", "data", "misses", "slots", "maps", "fails", "refused",
	"slot_info", "stats", "undrained", "volume_uuid", "volume_state", "volume", "term",
	"first_log", "nr_logs", "durable_store", "journal_state", "journal_head", "journal_prev",
	"journal_tail", "dirty_max", "records", "logs", "extents", "seal",
};
static_assert(NL_NR(attr_names) == CHUNKCACHE_A_MAX + 1, "an attribute without a name");

static unsigned int find_name(const char *const *names, unsigned int n, const char *s)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], s))
			return i;
	return nl_number(s);
}

static size_t from_hex(const char *s, uint8_t *buf, size_t max)
{
	size_t n = 0;
	unsigned int b;

	for (; s[0] && s[1] && n < max && sscanf(s, "%2x", &b) == 1; s += 2)
		buf[n++] = b;
	return n;
}

static void put_raw(struct nlmsghdr *nlh, unsigned int type, const char *kind, const char *value)
{
	static uint8_t bytes[65536];
	uint64_t v = 0;

	memset(bytes, 0, sizeof(bytes));
	if (*kind == 'u')
		v = nl_number(value);
	if (!strcmp(kind, "u8"))
		mnl_attr_put_u8(nlh, type, v);
	else if (!strcmp(kind, "u16"))
		mnl_attr_put_u16(nlh, type, v);
	else if (!strcmp(kind, "u32"))
		mnl_attr_put_u32(nlh, type, v);
	else if (!strcmp(kind, "u64"))
		mnl_attr_put_u64(nlh, type, v);
	else if (!strcmp(kind, "str"))
		mnl_attr_put_strz(nlh, type, value);
	else if (!strcmp(kind, "hex"))
		mnl_attr_put(nlh, type, from_hex(value, bytes, sizeof(bytes)), bytes);
	else if (!strcmp(kind, "zeros"))
		mnl_attr_put(nlh, type, nl_number(value), bytes);
	else if (!strcmp(kind, "nest"))
		mnl_attr_put(nlh, type | NLA_F_NESTED, nl_number(value), bytes);
	else if (!strcmp(kind, "flag"))
		mnl_attr_put(nlh, type, 0, NULL);
	else
		die(kind, "no such type of attribute");
}

static int cmd_raw(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	char *kind, *value;
	int i, err = nl_need_family();

	if (err)
		return err;
	nlh = nl_request(nl.family, find_name(cmd_names, NL_NR(cmd_names), argv[1]),
			 nl_has(argc, argv, "dump") ? NLM_F_DUMP : 0);
	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "dump"))
			continue;
		kind = strchr(argv[i], '=');
		if (!kind)
			die(argv[i], "expected ATTR=TYPE:VALUE");
		*kind++ = 0;
		value = strchr(kind, ':');
		if (value)
			*value++ = 0;
		put_raw(nlh, find_name(attr_names, NL_NR(attr_names), argv[i]), kind, value ? value : "");
	}
	return nl_transact(nlh, NULL);
}

const struct nl_verb nl_raw_verbs[] = {
	{ "raw", cmd_raw, 1 },
	{ 0 }
};
