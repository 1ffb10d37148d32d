// SPDX-License-Identifier: GPL-2.0-or-later
/* A whole helper, small and correct; and many mappings at once. */
#include "nl.h"

#include <errno.h>
#include <inttypes.h>

static int serve_data(const struct chunkcache_miss *m, const char *chunk)
{
	uint32_t pos = m->offset, end = m->offset + m->len, n;
	int err;

	for (; pos < end; pos += n) {
		n = end - pos < CHUNKCACHE_DATA_MAX ? end - pos : CHUNKCACHE_DATA_MAX;
		err = nl_send_data(m->disk, m->chunk, m->cookie, pos, chunk + pos, n, pos + n == end);
		if (err)
			return err;
	}
	return 0;
}

/* 1: no slot to be had. */
static int alloc_slot(struct chunkcache_slot *ret)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	const struct nlattr *a;
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, 1);
	err = nl_transact(nlh, NULL);
	if (err)
		return err;
	a = nl.reply.tb[CHUNKCACHE_A_SLOTS];
	if (!a || mnl_attr_get_payload_len(a) < sizeof(*ret))
		return 1;
	memcpy(ret, mnl_attr_get_payload(a), sizeof(*ret));
	return 0;
}

/* chunk: its bytes, or NULL to leave the slot as it is.  1: no slot to be had. */
static int serve_slot(uint64_t disk, uint64_t chunk_nr, const char *chunk)
{
	struct chunkcache_map map = { .disk = disk, .chunk = chunk_nr, .count = 1 };
	struct chunkcache_slot slot;
	int err = alloc_slot(&slot);

	if (err)
		return err;
	if (chunk)
		err = nl_write_slot(slot.slot, chunk);
	if (err)
		return err;
	map.slot = slot.slot;
	map.gen = slot.gen;
	err = nl_send_done(slot, &map, 1, content_mix(disk << 40 ^ chunk_nr), false);
	return err ? err : nl.reply.nr_refused ? 1 : 0;
}

static int serve_miss(const struct chunkcache_miss *m, bool slots)
{
	struct chunkcache_map hole = {
		.disk = m->disk, .chunk = m->chunk, .count = 1, .flags = CHUNKCACHE_MAP_HOLE,
	};
	char *chunk = nl_slot_buffer();
	int err = 1;

	if (!content_number(&nl.content, m->chunk) && m->chunk < content_nr_chunks(&nl.content))
		return nl_send_map(&hole);
	content_fill(&nl.content, m->chunk * nl.content.chunk, chunk, nl.content.chunk);
	if (slots && !(m->flags & CHUNKCACHE_MISS_DATA))
		err = serve_slot(m->disk, m->chunk, chunk);
	if (err > 0)
		err = serve_data(m, chunk);
	return err;
}

/* As fast as can be: neither bytes nor a write.  What finds no slot is given again later. */
static int serve_bare(const struct chunkcache_miss *m)
{
	int err, tries = 0;

	while ((err = serve_slot(m->disk, m->chunk, NULL)) == 1 && tries++ < 1000)
		nl_sleep_ms(1);
	return err == 1 ? -ENOSPC : err;
}

static int load_disks(void)
{
	unsigned int i;
	char name[32];
	int err = nl_list_disks();

	for (i = 0; !err && i < nl_number(getenv("nr_disks")) && i < NL_MAX_NAMED; i++) {
		snprintf(name, sizeof(name), "diskstate%u", i);
		if (nl_number(getenv(name)) == CHUNKCACHE_DISK_LOADED)
			continue;
		snprintf(name, sizeof(name), "diskid%u", i);
		err = nl_send_state(nl_number(getenv(name)), CHUNKCACHE_DISK_LOADED, NULL);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

enum serve_how { SERVE_SLOTS, SERVE_DATA, SERVE_BARE };

static int serve_one(const struct chunkcache_miss *m, enum serve_how how)
{
	int err;

	if (m->flags & CHUNKCACHE_MISS_HINT)
		return 0;
	err = how == SERVE_BARE ? serve_bare(m) : serve_miss(m, how == SERVE_SLOTS);
	/* the miss may have ended meanwhile */
	return err == -ENOENT || err == -ESTALE ? 0 : err;
}

static int serve_batch(enum serve_how how, bool all, uint64_t *served, bool *idle)
{
	struct chunkcache_miss batch[32];
	const struct chunkcache_miss *m;
	unsigned int n, i;
	uint32_t pending;
	int err = nl_pull(32, all, &m, &n);

	if (err)
		return err;
	memcpy(batch, m ? m : batch, n * sizeof(*m));
	pending = nl_number(getenv("pending"));
	if (pending & CHUNKCACHE_PENDING_DISK)
		err = load_disks();
	for (i = 0; !err && i < n; i++, (*served)++)
		err = serve_one(&batch[i], how);
	*idle = !n && !pending;
	return err;
}

static int cmd_serve(int argc, char **argv)
{
	uint64_t end = nl_now_ms() + nl_number(argv[1]), served = 0;
	const char *max = nl_option(argc, argv, "max");
	bool idle = false, all = nl_has(argc, argv, "all");
	enum serve_how how = nl_has(argc, argv, "data") ? SERVE_DATA :
			     nl_has(argc, argv, "bare") ? SERVE_BARE : SERVE_SLOTS;
	int err;

	if (how != SERVE_BARE && 1ULL << nl.geometry.slot_shift != nl.content.chunk)
		die("serve", "--chunk must be the pool's slot size");
	err = load_disks();
	while (!err && nl_now_ms() < end && (!max || served < nl_number(max))) {
		if (idle) {
			err = nl_wait_bell(50);
			if (err == -ETIMEDOUT)
				err = 0;
		}
		if (!err)
			err = serve_batch(how, all, &served, &idle);
		all = false;
	}
	nl_set("served", served);
	return err;
}

/* 0..n-1 in an order that is always the same. */
static uint64_t *permutation(uint64_t n, bool shuffle)
{
	uint64_t *p = calloc(n, sizeof(*p)), i, k, t;

	if (!p)
		die("churn", "no memory");
	for (i = 0; i < n; i++)
		p[i] = i;
	for (i = n; shuffle && i > 1; i--) {
		k = content_mix(i) % i;
		t = p[i - 1];
		p[i - 1] = p[k];
		p[k] = t;
	}
	return p;
}

static int cmd_churn(int argc, char **argv)
{
	uint64_t count = nl_number(argv[3]), first = nl_number(argv[2]), i;
	uint64_t *order = permutation(count, nl_has(argc, argv, "shuffle"));
	struct chunkcache_miss m = { .disk = nl_disk_id(argv[1]) };
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		m.chunk = first + order[i];
		err = serve_bare(&m);
	}
	free(order);
	return err;
}

static int cmd_spread(int argc, char **argv)
{
	static struct chunkcache_map maps[CHUNKCACHE_MAP_BATCH_MAX];
	uint64_t chunk = nl_number(argv[2]), end = chunk + nl_number(argv[3]);
	struct chunkcache_map map = {
		.disk = nl_disk_id(argv[1]), .count = 1, .slot = nl_number(argv[4]),
		.gen = nl_number(argv[5]),
	};
	struct nlmsghdr *nlh;
	unsigned int n;
	int err = 0;

	while (!err && !nl.reply.nr_refused && chunk < end) {
		for (n = 0; n < CHUNKCACHE_MAP_BATCH_MAX && chunk < end; n++) {
			map.chunk = chunk++;
			maps[n] = map;
		}
		nlh = nl_begin(CHUNKCACHE_CMD_MAP, 0);
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, n * sizeof(map), maps);
		err = nl_transact(nlh, NULL);
	}
	return err;
}

const struct nl_verb nl_serve_verbs[] = {
	{ "serve", cmd_serve, 1 },
	{ "churn", cmd_churn, 3 },
	{ "spread", cmd_spread, 5 },
	{ 0 }
};
