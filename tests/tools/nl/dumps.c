// SPDX-License-Identifier: GPL-2.0-or-later
/* What the module tells of all slots, pools and disks. */
#include "nl.h"

#include <inttypes.h>

static const char *const slot_states[] = {
	[CHUNKCACHE_SLOT_FREE] = "free", [CHUNKCACHE_SLOT_FILLING] = "filling",
	[CHUNKCACHE_SLOT_VALID] = "valid", [CHUNKCACHE_SLOT_DYING] = "dying",
	[CHUNKCACHE_SLOT_BAD] = "bad", [CHUNKCACHE_SLOT_LOG] = "log",
};
static unsigned int slot_counts[NL_NR(slot_states)];

static void on_slots(const struct nlmsghdr *nlh)
{
	const struct chunkcache_slot_info *s;
	const struct nlattr *a;
	unsigned int i, n;

	nl_take_reply(nlh);
	a = nl.reply.tb[CHUNKCACHE_A_SLOT_INFO];
	s = a ? mnl_attr_get_payload(a) : NULL;
	n = a ? mnl_attr_get_payload_len(a) / sizeof(*s) : 0;
	for (i = 0; i < n; i++) {
		if (s[i].state >= NL_NR(slot_states))
			die("slots", "a state without a name");
		slot_counts[s[i].state]++;
		if (s[i].slot < NL_MAX_NAMED) {
			nl_set_indexed("gen_of_", s[i].slot, s[i].gen);
			nl_set_indexed("state_of_", s[i].slot, s[i].state);
		}
		if (!nl.quiet)
			printf("slot %u gen %u %s session %" PRIu64 "\n", s[i].slot, s[i].gen,
			       slot_states[s[i].state], (uint64_t)s[i].session);
	}
}

static int cmd_slots(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	char name[32];
	int err = nl_need_family();
	unsigned int i;

	if (err)
		return err;
	memset(slot_counts, 0, sizeof(slot_counts));
	if (argc > 1) {
		nlh = nl_request(nl.family, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, argv[1]);
	} else {
		nlh = nl_begin(CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
	}
	err = nl_transact(nlh, on_slots);
	for (i = 0; i < NL_NR(slot_states); i++) {
		snprintf(name, sizeof(name), "slots_%s", slot_states[i]);
		nl_set(name, slot_counts[i]);
	}
	return err;
}

static const char *const stat_names[] = {
	"hits", "misses", "coalesced", "holes", "read_sectors", "errors_notfound",
	"errors_corrupt", "errors_timeout", "errors_other", "retried", "requeued", "waiting",
	"oldest_ms", "mapped", "slots_free", "slots_filling", "slots_valid", "slots_dying",
	"slots_bad", "fills", "evictions", "epochs", "doorbells", "messages", "refused",
};
static_assert(NL_NR(stat_names) == CHUNKCACHE_STAT_WAIT_HISTOGRAM, "a counter without a name");

/* pool=NAME disk=NAME counter=value ...: for a shell's eyes. */
static void on_stats(const struct nlmsghdr *nlh)
{
	const struct nlattr *a;
	unsigned int i, n;
	uint64_t v;

	nl_take_reply(nlh);
	printf("pool=%s disk=%s undrained=%u",
	       nl.reply.tb[CHUNKCACHE_A_POOL_NAME] ?
	       mnl_attr_get_str(nl.reply.tb[CHUNKCACHE_A_POOL_NAME]) : "?",
	       nl.reply.tb[CHUNKCACHE_A_DISK_NAME] ?
	       mnl_attr_get_str(nl.reply.tb[CHUNKCACHE_A_DISK_NAME]) : "-",
	       nl_get_u32(CHUNKCACHE_A_UNDRAINED));
	a = nl.reply.tb[CHUNKCACHE_A_STATS];
	n = a ? mnl_attr_get_payload_len(a) / sizeof(v) : 0;
	for (i = 0; i < n && i < NL_NR(stat_names); i++) {
		memcpy(&v, (char *)mnl_attr_get_payload(a) + i * sizeof(v), sizeof(v));
		printf(" %s=%" PRIu64, stat_names[i], v);
		nl_set(stat_names[i], v);
	}
	putchar('\n');
}

static int cmd_stats(int argc, char **argv)
{
	int err = nl_need_family();

	return err ? err : nl_transact(nl_request(nl.family, CHUNKCACHE_CMD_STATS_GET, NLM_F_DUMP),
				    on_stats);
}

const struct nl_verb nl_dump_verbs[] = {
	{ "slots", cmd_slots, 0 },
	{ "stats", cmd_stats, 0 },
	{ 0 }
};
