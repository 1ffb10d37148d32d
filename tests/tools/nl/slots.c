// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots: asked for, written, given back; and what is mapped to them. */
#include "nl.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

int nl_take_slots(void)
{
	const struct nlattr *a = nl.reply.tb[CHUNKCACHE_A_SLOTS];
	const struct chunkcache_slot *s = a ? mnl_attr_get_payload(a) : NULL;
	unsigned int i, n = a ? mnl_attr_get_payload_len(a) / sizeof(*s) : 0;

	for (i = 0; i < n; i++) {
		nl_set_indexed("slot", i, s[i].slot);
		nl_set_indexed("gen", i, s[i].gen);
		if (!nl.quiet)
			printf("slot %u gen %u\n", s[i].slot, s[i].gen);
	}
	nl_set("nr_slots_got", n);
	return 0;
}

static int cmd_alloc(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, nl_number(argv[1]));
	if (nl_has(argc, argv, "prefetch"))
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	err = nl_transact(nlh, NULL);
	return err ? err : nl_take_slots();
}

int nl_send_named_slots(uint8_t cmd, int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(cmd, 0);
	struct chunkcache_slot slots[NL_MAX_ARGS] = { 0 };
	int i;

	for (i = 1; i < argc; i++)
		slots[i - 1].slot = nl_number(argv[i]);
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, (argc - 1) * sizeof(slots[0]), slots);
	return nl_transact(nlh, NULL);
}

static int cmd_adopt(int argc, char **argv)
{
	int err = nl_send_named_slots(CHUNKCACHE_CMD_SLOT_ALLOC, argc, argv);

	return err ? err : nl_take_slots();
}

static int cmd_keep(int argc, char **argv)
{
	return nl_send_named_slots(CHUNKCACHE_CMD_SLOT_KEEP, argc, argv);
}

void *nl_slot_buffer(void)
{
	static void *buf;

	if (!buf && posix_memalign(&buf, 4096, 1 << CC_CHUNK_SHIFT_MAX))
		die("memory", "none for a slot");
	return buf;
}

int nl_write_slot(uint32_t slot, const void *buf)
{
	size_t size = 1ULL << nl.geometry.slot_shift;
	ssize_t n = pwrite(nl.pool_fd, buf, size,
			   nl.geometry.slots_offset + ((uint64_t)slot << nl.geometry.slot_shift));

	return n < 0 ? -errno : (size_t)n < size ? -EIO : 0;
}

static void fill_content(uint64_t seed, uint64_t index, void *buf, size_t size)
{
	uint64_t content_nr = seed ? seed << 32 | index : 0, i;

	for (i = 0; i < size / SECTOR; i++)
		content_sector(content_nr, i, (uint64_t *)((char *)buf + i * SECTOR));
}

static int cmd_write(int argc, char **argv)
{
	fill_content(nl_number(argv[2]), nl_number(argv[3]), nl_slot_buffer(), 1 << nl.geometry.slot_shift);
	return nl_write_slot(nl_number(argv[1]), nl_slot_buffer());
}

static int cmd_fill(int argc, char **argv)
{
	memset(nl_slot_buffer(), nl_number(argv[2]), 1 << nl.geometry.slot_shift);
	return nl_write_slot(nl_number(argv[1]), nl_slot_buffer());
}

int nl_send_done(struct chunkcache_slot slot, const struct chunkcache_map *maps,
		 unsigned int n, uint64_t key, bool prefetch)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_DONE, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, key);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	if (n)
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, n * sizeof(*maps), maps);
	return nl_transact(nlh, NULL);
}

static int cmd_done(int argc, char **argv)
{
	struct chunkcache_slot slot = { nl_number(argv[1]), nl_number(argv[2]) };
	struct chunkcache_map maps[NL_MAX_ARGS] = { 0 };
	const char *key = nl_option(argc, argv, "key");
	unsigned int n = 0;
	int i;

	for (i = 3; i + 1 < argc && strcmp(argv[i], "prefetch") && !strchr(argv[i], '='); i += 2)
		maps[n++] = (struct chunkcache_map){
			.disk = nl_disk_id(argv[i]), .chunk = nl_number(argv[i + 1]), .count = 1,
			.slot = slot.slot, .gen = slot.gen,
		};
	return nl_send_done(slot, maps, n, key ? nl_number(key) : slot.slot,
			    nl_has(argc, argv, "prefetch"));
}

static int cmd_release(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_RELEASE, 0);
	struct chunkcache_slot slot = { nl_number(argv[1]), nl_number(argv[2]) };

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	if (nl_has(argc, argv, "bad"))
		mnl_attr_put(nlh, CHUNKCACHE_A_BAD, 0, NULL);
	return nl_transact(nlh, NULL);
}

int nl_send_map(const struct chunkcache_map *map)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_MAP, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, sizeof(*map), map);
	return nl_transact(nlh, NULL);
}

static int cmd_map(int argc, char **argv)
{
	struct chunkcache_map map = {
		.disk = nl_disk_id(argv[1]), .chunk = nl_number(argv[2]), .count = 1,
		.slot = nl_number(argv[3]), .gen = nl_number(argv[4]),
		.flags = nl_has(argc, argv, "mark") ? CHUNKCACHE_MAP_MARK : 0,
	};

	return nl_send_map(&map);
}

static int cmd_hole(int argc, char **argv)
{
	struct chunkcache_map map = {
		.disk = nl_disk_id(argv[1]), .chunk = nl_number(argv[2]), .count = nl_number(argv[3]),
		.flags = CHUNKCACHE_MAP_HOLE,
	};

	return nl_send_map(&map);
}

const struct nl_verb nl_slot_verbs[] = {
	{ "alloc", cmd_alloc, 1 },
	{ "adopt", cmd_adopt, 1 },
	{ "keep", cmd_keep, 1 },
	{ "write", cmd_write, 3 },
	{ "fill", cmd_fill, 2 },
	{ "done", cmd_done, 2 },
	{ "release", cmd_release, 2 },
	{ "map", cmd_map, 4 },
	{ "hole", cmd_hole, 3 },
	{ 0 }
};
