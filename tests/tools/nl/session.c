// SPDX-License-Identifier: GPL-2.0-or-later
/* Being the pool's helper: attachment, disks, doorbell; and who asks. */
#include "nl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int cmd_pool(int argc, char **argv)
{
	char err[256];
	int ret;

	if (nl.pool_fd >= 0)
		close(nl.pool_fd);
	nl.pool_fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (nl.pool_fd < 0)
		return -errno;
	ret = cc_superblock_read(nl.pool_fd, &nl.geometry, err, sizeof(err));
	if (ret)
		snprintf(nl.reply.text, sizeof(nl.reply.text), "%.250s", err);
	return ret;
}

static void put_uuid(struct nlmsghdr *nlh, const char *hex)
{
	uint8_t uuid[16];
	unsigned int i, b;

	memcpy(uuid, nl.geometry.uuid, 16);
	for (i = 0; hex && i < 16 && sscanf(hex + 2 * i, "%2x", &b) == 1; i++)
		uuid[i] = b;
	mnl_attr_put(nlh, CHUNKCACHE_A_POOL_UUID, 16, uuid);
}

static int cmd_attach(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	int err = nl_need_family();

	if (err)
		return err;
	nlh = nl_request(nl.family, CHUNKCACHE_CMD_ATTACH, 0);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VERSION,
			 nl_option_u32(argc, argv, "version", CHUNKCACHE_PROTOCOL_VERSION));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_POOL_FD, nl_option_u32(argc, argv, "fd", nl.pool_fd));
	put_uuid(nlh, nl_option(argc, argv, "uuid"));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_BELL_PORT,
			 nl_option_u32(argc, argv, "bell", mnl_socket_get_portid(nl.bell)));
	err = nl_transact(nlh, NULL);
	if (err)
		return err;
	nl.session = nl_get_u64(CHUNKCACHE_A_SESSION);
	nl_set("session", nl.session);
	nl_set("instance", nl_get_u64(CHUNKCACHE_A_INSTANCE));
	nl_set("slot_size", nl_get_u32(CHUNKCACHE_A_SLOT_SIZE));
	nl_set("nr_slots", nl_get_u64(CHUNKCACHE_A_NR_SLOTS));
	return 0;
}

static int cmd_detach(int argc, char **argv)
{
	return nl_transact(nl_begin(CHUNKCACHE_CMD_DETACH, 0), NULL);
}

static int cmd_close(int argc, char **argv)
{
	int err = close(nl.pool_fd) ? -errno : 0;

	nl.pool_fd = -1;
	return err;
}

static unsigned int nr_disks;

static void on_disk(const struct nlmsghdr *nlh)
{
	char name[160];
	uint64_t id;

	nl_take_reply(nlh);
	if (!nl.reply.tb[CHUNKCACHE_A_DISK] || !nl.reply.tb[CHUNKCACHE_A_DISK_NAME])
		return;
	id = nl_get_u64(CHUNKCACHE_A_DISK);
	snprintf(name, sizeof(name), "disk_%s",
		 mnl_attr_get_str(nl.reply.tb[CHUNKCACHE_A_DISK_NAME]));
	nl_set(name, id);
	nl_set_indexed("diskid", nr_disks, id);
	nl_set_indexed("diskstate", nr_disks, nl_get_u32(CHUNKCACHE_A_DISK_STATE));
	if (nl.reply.tb[CHUNKCACHE_A_VOLUME_UUID]) {
		nl_set("volume_state", nl_get_u32(CHUNKCACHE_A_VOLUME_STATE));
		nl_set("first_log", nl_get_u64(CHUNKCACHE_A_FIRST_LOG));
		nl_set("nr_logs", nl_get_u32(CHUNKCACHE_A_NR_LOGS));
		nl_set("volume", nl_get_u32(CHUNKCACHE_A_VOLUME));
		nl_set("term", nl_get_u32(CHUNKCACHE_A_TERM));
	}
	if (!nr_disks++)
		nl_set("disk", id);
	if (!nl.quiet)
		printf("disk %" PRIu64 " %s store %s sectors %" PRIu64 " state %u\n", id, name + 5,
		       nl.reply.tb[CHUNKCACHE_A_STORE] ?
		       mnl_attr_get_str(nl.reply.tb[CHUNKCACHE_A_STORE]) : "?",
		       nl_get_u64(CHUNKCACHE_A_DISK_SECTORS), nl_get_u32(CHUNKCACHE_A_DISK_STATE));
}

int nl_list_disks(void)
{
	int err;

	nr_disks = 0;
	err = nl_transact(nl_begin(CHUNKCACHE_CMD_DISK_GET, NLM_F_DUMP), on_disk);
	nl_set("nr_disks", nr_disks);
	return err;
}

static int cmd_disks(int argc, char **argv)
{
	return nl_list_disks();
}

int nl_send_state(uint64_t disk, uint32_t state, const char *reason)
{
	struct nlmsghdr *nlh = nl_begin(CHUNKCACHE_CMD_DISK_STATE, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, state);
	if (reason)
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_REASON, reason);
	return nl_transact(nlh, NULL);
}

static int cmd_state(int argc, char **argv)
{
	bool refused = !strcmp(argv[2], "refused");

	return nl_send_state(nl_disk_id(argv[1]),
			  refused ? CHUNKCACHE_DISK_REFUSED : CHUNKCACHE_DISK_LOADED,
			  argc > 3 ? argv[3] : refused ? "test" : NULL);
}

int nl_wait_bell(int ms)
{
	struct pollfd p = { mnl_socket_get_fd(nl.bell), POLLIN, 0 };
	struct nlmsghdr *nlh = (void *)nl.in;
	int n = poll(&p, 1, ms);

	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	n = mnl_socket_recvfrom(nl.bell, nl.in, sizeof(nl.in));
	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(nlh, n) || nlh->nlmsg_type != nl.family)
		return -EPROTO;
	nl_take_reply(nlh);
	nl_set("pending", nl_get_u32(CHUNKCACHE_A_PENDING));
	nl_set("bell_session", nl_get_u64(CHUNKCACHE_A_SESSION));
	return 0;
}

static int cmd_bell(int argc, char **argv)
{
	return nl_wait_bell(nl_number(argv[1]));
}

static int cmd_session(int argc, char **argv)
{
	nl.session = nl_number(argv[1]);
	return 0;
}

static int cmd_reopen(int argc, char **argv)
{
	nl_open_sockets();
	return 0;
}

/* A new, empty network namespace; the nl.family's number is kept to try it from there. */
static int cmd_netns(int argc, char **argv)
{
	int err = nl_need_family();

	if (err)
		return err;
	if (unshare(CLONE_NEWNET))
		return -errno;
	nl_open_sockets();
	return 0;
}

/* For good: from the effective, permitted and inheritable sets. */
static int cmd_dropcap(int argc, char **argv)
{
	int cap = !strcmp(argv[1], "sys_admin") ? CAP_SYS_ADMIN : CAP_NET_ADMIN;
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	d[0].effective &= ~(1u << cap);
	d[0].permitted &= ~(1u << cap);
	d[0].inheritable &= ~(1u << cap);
	if (syscall(SYS_capset, &h, d))
		return -errno;
	nl_open_sockets();
	return 0;
}

static int cmd_rcvbuf(int argc, char **argv)
{
	int n = nl_number(argv[1]);

	if (setsockopt(mnl_socket_get_fd(nl.commands), SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)))
		return -errno;
	return 0;
}

const struct nl_verb nl_session_verbs[] = {
	{ "pool", cmd_pool, 1 },
	{ "attach", cmd_attach, 0 },
	{ "detach", cmd_detach, 0 },
	{ "close", cmd_close, 0 },
	{ "disks", cmd_disks, 0 },
	{ "state", cmd_state, 2 },
	{ "bell", cmd_bell, 1 },
	{ "session", cmd_session, 1 },
	{ "reopen", cmd_reopen, 0 },
	{ "netns", cmd_netns, 0 },
	{ "dropcap", cmd_dropcap, 1 },
	{ "rcvbuf", cmd_rcvbuf, 1 },
	{ 0 }
};
