// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal: read by the helper, here only resumed, added to and trimmed; and the dirty slots. */
#include "nl.h"

#include <errno.h>
#include <inttypes.h>
#include "chunkcache/journal.h"

static int cmd_journal(int argc, char **argv)
{
	int err = nl_transact(nl_begin(CHUNKCACHE_CMD_JOURNAL_GET, 0), NULL);

	if (err)
		return err;
	nl_set("journal_state", nl_get_u32(CHUNKCACHE_A_JOURNAL_STATE));
	nl_set("head", nl_get_u64(CHUNKCACHE_A_JOURNAL_HEAD));
	nl_set("tail", nl_get_u64(CHUNKCACHE_A_JOURNAL_TAIL));
	nl_set("dirty_max", nl_get_u64(CHUNKCACHE_A_DIRTY_MAX));
	return 0;
}

static int cmd_resume(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_JOURNAL_RESUME, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_HEAD, nl_number(argv[1]));
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_PREV, nl_number(argv[2]));
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, nl_number(argv[3]));
	return nl_transact(nlh, NULL);
}

static int send_records(const struct chunkcache_record *records, unsigned int n)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_JOURNAL_ADD, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_RECORDS, n * sizeof(*records), records);
	return nl_transact(nlh, NULL);
}

static const char *const record_types[] = {
	[CC_JOURNAL_VOLUME] = "volume", [CC_JOURNAL_OPEN] = "open", [CC_JOURNAL_WRITE] = "write",
	[CC_JOURNAL_ZERO] = "zero", [CC_JOURNAL_RELOCATE] = "relocate", [CC_JOURNAL_CUT] = "cut",
	[CC_JOURNAL_COMMITTED] = "committed", [CC_JOURNAL_FORGET] = "forget",
};

static unsigned int record_type(const char *s)
{
	unsigned int i;

	for (i = 1; i < NL_NR(record_types); i++)
		if (!strcmp(record_types[i], s))
			return i;
	return nl_number(s);
}

static int cmd_record(int argc, char **argv)
{
	struct chunkcache_record r = {
		.type = record_type(argv[1]), .volume = nl_number(argv[2]), .count = nl_number(argv[3]),
		.block = nl_number(argv[4]), .place = nl_number(argv[5]),
		.arg = nl_option_u32(argc, argv, "arg", 0),
		.reserved = nl_option_u32(argc, argv, "reserved", 0),
	};

	return send_records(&r, 1);
}

/* Of volume 1; the block is a number that goes on from one to the next. */
static int cmd_records(int argc, char **argv)
{
	static uint64_t next;
	struct chunkcache_record records[CHUNKCACHE_RECORD_BATCH_MAX];
	unsigned int left = nl_number(argv[1]), i, n;
	int err = 0;

	for (; left && !err; left -= n) {
		n = left < NL_NR(records) ? left : NL_NR(records);
		memset(records, 0, sizeof(records));
		for (i = 0; i < n; i++) {
			records[i].type = CC_JOURNAL_WRITE;
			records[i].volume = 1;
			records[i].count = 1;
			records[i].block = next + i;
			records[i].place = CC_PLACE_GUEST | CC_PLACE_DATA |
				(1ULL << CC_LOG_COUNT_BITS) << CC_PLACE_LOG_SHIFT |
				((next + i) & CC_PLACE_BLOCK_MASK) << CC_PLACE_BLOCK_SHIFT;
		}
		err = send_records(records, n);
		next += err ? 0 : n;
	}
	nl_set("records", next);
	return err;
}

static int cmd_trim(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_JOURNAL_TRIM, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, nl_number(argv[1]));
	return nl_transact(nlh, NULL);
}

static int cmd_claim(int argc, char **argv)
{
	int err = nl_send_named_slots(CHUNKCACHE_CMD_SLOT_CLAIM, argc, argv);

	return err ? err : nl_take_slots();
}

static int cmd_clean(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_CLEAN, 0);
	struct chunkcache_slot slot = { nl_number(argv[1]), nl_number(argv[2]) };

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, slot.slot + 1);
	return nl_transact(nlh, NULL);
}

static int cmd_droplog(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_DROP, 0);
	struct chunkcache_slot slot = { nl_number(argv[1]), nl_number(argv[2]) };

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	return nl_transact(nlh, NULL);
}

/* Until page N, or one behind it, is durable. */
static int cmd_waithead(int argc, char **argv)
{
	uint64_t until = nl_now_ms() + nl_number(argv[2]), head = nl_number(argv[1]);
	int err;

	do {
		err = cmd_journal(0, NULL);
		if (err || nl_get_u64(CHUNKCACHE_A_JOURNAL_HEAD) >= head)
			return err;
		nl_sleep_ms(5);
	} while (nl_now_ms() < until);
	return -ETIMEDOUT;
}

const struct nl_verb nl_journal_verbs[] = {
	{ "journal", cmd_journal, 0 },
	{ "resume", cmd_resume, 3 },
	{ "record", cmd_record, 5 },
	{ "records", cmd_records, 1 },
	{ "trim", cmd_trim, 1 },
	{ "waithead", cmd_waithead, 2 },
	{ "claim", cmd_claim, 1 },
	{ "clean", cmd_clean, 2 },
	{ "droplog", cmd_droplog, 2 },
	{ 0 }
};
