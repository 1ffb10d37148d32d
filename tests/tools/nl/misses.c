// SPDX-License-Identifier: GPL-2.0-or-later
/* Misses: taken, and answered with data or an error. */
#include "nl.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

int nl_pull(unsigned int count, bool all, const struct chunkcache_miss **ret, unsigned int *n)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_MISS_GET, 0);
	const struct nlattr *a;
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (all)
		mnl_attr_put(nlh, CHUNKCACHE_A_ALL, 0, NULL);
	err = nl_transact(nlh, NULL);
	if (err)
		return err;
	a = nl.reply.tb[CHUNKCACHE_A_MISSES];
	*ret = a ? mnl_attr_get_payload(a) : NULL;
	*n = a ? mnl_attr_get_payload_len(a) / sizeof(**ret) : 0;
	nl_set("pending", nl_get_u32(CHUNKCACHE_A_PENDING));
	return 0;
}

static void show_miss(unsigned int i, const struct chunkcache_miss *m)
{
	nl_set_indexed("disk", i, m->disk);
	nl_set_indexed("chunk", i, m->chunk);
	nl_set_indexed("cookie", i, m->cookie);
	nl_set_indexed("offset", i, m->offset);
	nl_set_indexed("len", i, m->len);
	nl_set_indexed("flags", i, m->flags);
	if (!nl.quiet)
		printf("miss disk %" PRIu64 " chunk %" PRIu64 " cookie %" PRIu64
		       " offset %u len %u flags %u age %u\n", (uint64_t)m->disk,
		       (uint64_t)m->chunk, (uint64_t)m->cookie, m->offset, m->len, m->flags,
		       m->age_ms);
}

static int cmd_misses(int argc, char **argv)
{
	const struct chunkcache_miss *m;
	unsigned int n, i;
	int err = nl_pull(nl_number(argv[1]), nl_has(argc, argv, "all"), &m, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++)
		show_miss(i, &m[i]);
	nl_set("nr_misses", n);
	return 0;
}

static int cmd_waitmiss(int argc, char **argv)
{
	uint64_t end = nl_now_ms() + nl_number(argv[2]);
	unsigned int want = nl_number(argv[1]), got = 0, n, i;
	const struct chunkcache_miss *m;
	int err;

	while (got < want) {
		err = nl_pull(want - got, false, &m, &n);
		if (err)
			return err;
		for (i = 0; i < n; i++)
			show_miss(got++, &m[i]);
		if (got < want && nl_now_ms() > end)
			return -ETIMEDOUT;
		if (!n)
			nl_sleep_ms(5);
	}
	nl_set("nr_misses", got);
	return 0;
}

static int cmd_flood(int argc, char **argv)
{
	unsigned int i, n = nl_number(argv[1]);
	struct nlmsghdr *nlh;

	for (i = 0; i < n; i++) {
		nlh = nl_begin(CHUNKCACHE_CMD_MISS_GET, 0);
		mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, nl_number(argv[2]));
		if (mnl_socket_sendto(nl.commands, nlh, nlh->nlmsg_len) < 0 && errno != ENOBUFS &&
		    errno != EAGAIN)
			return -errno;
	}
	return 0;
}

/* Also clears the error that an overrun left on the socket. */
static int cmd_drain(int argc, char **argv)
{
	unsigned int answers = 0, misses = 0, errors = 0;
	int fd = mnl_socket_get_fd(nl.commands);
	const struct nlmsghdr *in;
	ssize_t got;
	int n;

	for (;;) {
		got = recv(fd, nl.in, sizeof(nl.in), MSG_DONTWAIT);
		if (got < 0 && errno == ENOBUFS) {
			errors++;
			continue;
		}
		if (got < 0)
			break;
		n = got;
		for (in = (void *)nl.in; mnl_nlmsg_ok(in, n); in = mnl_nlmsg_next(in, &n)) {
			answers++;
			if (in->nlmsg_type == NLMSG_ERROR) {
				errors += !!nl_take_ack(in);
				continue;
			}
			nl_take_reply(in);
			if (nl.reply.tb[CHUNKCACHE_A_MISSES])
				misses += mnl_attr_get_payload_len(nl.reply.tb[CHUNKCACHE_A_MISSES]) /
					  sizeof(struct chunkcache_miss);
		}
	}
	nl_set("drained", answers);
	nl_set("drained_misses", misses);
	nl_set("drained_errors", errors);
	return 0;
}

int nl_send_data(uint64_t disk, uint64_t chunk, uint64_t cookie, uint32_t offset,
		 const void *buf, uint32_t len, bool last)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_MISS_DATA, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_CHUNK, chunk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_COOKIE, cookie);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_OFFSET, offset);
	mnl_attr_put(nlh, CHUNKCACHE_A_DATA, len, buf);
	if (last)
		mnl_attr_put(nlh, CHUNKCACHE_A_LAST, 0, NULL);
	return nl_transact(nlh, NULL);
}

static int cmd_data(int argc, char **argv)
{
	uint32_t offset = nl_number(argv[4]), len = nl_number(argv[5]);
	uint64_t seed = nl_number(argv[6]), index = nl_number(argv[7]);
	uint64_t content_nr = seed ? seed << 32 | index : 0, pos;
	static char piece[65536] __attribute__((aligned(8)));

	if (len > 65000)
		die("data", "an attribute has at most 65000 bytes here");
	for (pos = 0; pos < len; pos += SECTOR)
		content_sector(content_nr, (offset + pos) / SECTOR, (uint64_t *)(piece + pos));
	return nl_send_data(nl_disk_id(argv[1]), nl_number(argv[2]), nl_number(argv[3]), offset, piece, len,
			    nl_has(argc, argv, "last"));
}

static uint32_t fail_class(const char *word)
{
	static const char *const classes[] = { "", "notfound", "corrupt", "timeout", "other" };
	uint32_t i;

	static_assert(NL_NR(classes) == CHUNKCACHE_FAIL_OTHER + 1, "a class without a name");
	for (i = 1; i < NL_NR(classes); i++)
		if (!strcmp(word, classes[i]))
			return i;
	return nl_number(word);
}

static int cmd_fail(int argc, char **argv)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_MISS_FAIL, 0);
	struct chunkcache_fail f[NL_MAX_ARGS / 4] = {};
	uint32_t n;

	for (n = 0; 4 * n + 4 < (uint32_t)argc; n++) {
		f[n].disk = nl_disk_id(argv[4 * n + 1]);
		f[n].chunk = nl_number(argv[4 * n + 2]);
		f[n].cookie = nl_number(argv[4 * n + 3]);
		f[n].class = fail_class(argv[4 * n + 4]);
	}
	mnl_attr_put(nlh, CHUNKCACHE_A_FAILS, n * sizeof(*f), f);
	return nl_transact(nlh, NULL);
}

const struct nl_verb nl_miss_verbs[] = {
	{ "misses", cmd_misses, 1 },
	{ "waitmiss", cmd_waitmiss, 2 },
	{ "flood", cmd_flood, 2 },
	{ "drain", cmd_drain, 0 },
	{ "data", cmd_data, 7 },
	{ "fail", cmd_fail, 4 },
	{ 0 }
};
