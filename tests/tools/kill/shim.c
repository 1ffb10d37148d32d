// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a helper: it dies by SIGKILL at a named point.  $CC_KILL is "before COMMAND N" or "after COMMAND N",
 * the Nth message of that command to the kernel (journal_get, slot_claim, ...), after: when it has been answered; or
 * of a link, the Nth object that is created in a store that is a directory; or "before read N", the Nth pread(2).
 * What was not reached kills nobody.  $CC_STOP is the same for SIGSTOP.
 */
#include <dlfcn.h>
#include <linux/dm-chunkcache.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* No commands to the kernel. */
enum { POINT_READ = 256, POINT_LINK };

static const struct {
	const char *name;
	unsigned int cmd;
} commands[] = {
	{ "attach", CHUNKCACHE_CMD_ATTACH }, { "slot_get", CHUNKCACHE_CMD_SLOT_GET },
	{ "journal_get", CHUNKCACHE_CMD_JOURNAL_GET }, { "journal_resume", CHUNKCACHE_CMD_JOURNAL_RESUME },
	{ "journal_add", CHUNKCACHE_CMD_JOURNAL_ADD }, { "journal_trim", CHUNKCACHE_CMD_JOURNAL_TRIM },
	{ "slot_claim", CHUNKCACHE_CMD_SLOT_CLAIM }, { "slot_clean", CHUNKCACHE_CMD_SLOT_CLEAN },
	{ "volume_load", CHUNKCACHE_CMD_VOLUME_LOAD }, { "volume_start", CHUNKCACHE_CMD_VOLUME_START },
	{ "volume_cut", CHUNKCACHE_CMD_VOLUME_CUT }, { "read", POINT_READ }, { "link", POINT_LINK },
};

static struct {
	bool wanted, after;
	unsigned int cmd;		/* or POINT_... */
	int signal;
	unsigned long left;		/* times until then */
} point;

__attribute__((constructor)) static void parse_point(void)
{
	char when[8], what[32];
	const char *text = getenv("CC_KILL");

	point.signal = text ? SIGKILL : SIGSTOP;
	if (!text)
		text = getenv("CC_STOP");
	if (!text || sscanf(text, "%7s %31s %lu", when, what, &point.left) != 3)
		return;
	point.wanted = true;
	point.after = !strcmp(when, "after");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, what))
			point.cmd = commands[i].cmd;
	if (point.cmd)
		return;
	fprintf(stderr, "cc-kill: no such point: %s\n", text);
	_exit(2);
}

/* Is this it? */
static bool reached(unsigned int cmd)
{
	return point.wanted && cmd == point.cmd && __atomic_sub_fetch(&point.left, 1, __ATOMIC_SEQ_CST) == 0;
}

static unsigned int command_of(const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;

	if (len < NLMSG_HDRLEN + sizeof(struct genlmsghdr) || nlh->nlmsg_type < NLMSG_MIN_TYPE ||
	    nlh->nlmsg_type == GENL_ID_CTRL)
		return CHUNKCACHE_CMD_UNSPEC;
	return ((const struct genlmsghdr *)NLMSG_DATA(nlh))->cmd;
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
	unsigned int cmd = to && to->sa_family == AF_NETLINK ? command_of(buf, len) : CHUNKCACHE_CMD_UNSPEC;
	bool now = cmd && reached(cmd);
	ssize_t n;

	if (now && !point.after)
		kill(getpid(), point.signal);
	n = real(fd, buf, len, flags, to, to_len);
	if (now && point.after)
		kill(getpid(), point.signal);
	return n;
}

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");

	if (reached(POINT_READ))
		kill(getpid(), point.signal);
	return real(fd, buf, len, offset);
}

int link(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
	bool now = reached(POINT_LINK);
	int r;

	if (now && !point.after)
		kill(getpid(), point.signal);
	r = real(from, to);
	if (now && point.after)
		kill(getpid(), point.signal);
	return r;
}
