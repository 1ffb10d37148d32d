// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a program that talks to dm-chunkcache: its generic netlink sockets become unix
 * sockets to the stub ($CC_KERNEL), and names below .test are those of $CC_HOSTS, a list of
 * numeric addresses.  The program itself is not changed, and knows of nothing.
 *
 * The kernel answers a request within the send; so a read of a blocking socket waits for the
 * stub's answer here, also if it says MSG_DONTWAIT.  A socket that does not block is a doorbell's.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stub.h"

#define MAX_FD 4096

static bool ours[MAX_FD];

static bool is_ours(int fd)
{
	return fd >= 0 && fd < MAX_FD && ours[fd];
}

static uint32_t port_of(int fd)
{
	return (uint32_t)getpid() << 10 | (uint32_t)fd;
}

/* What the program would have called; looked up once. */
#define REAL(name) ({							\
	static __typeof__(&name) real_##name;				\
	if (!real_##name)						\
		real_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
	real_##name;							\
})

static int connect_stub(int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("CC_KERNEL");
	int fd, flags = type & SOCK_NONBLOCK;

	if (!path) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = REAL(socket)(AF_UNIX, SOCK_SEQPACKET | (type & SOCK_CLOEXEC), 0);
	if (fd < 0)
		return -1;
	if (fd >= MAX_FD || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    (flags && fcntl(fd, F_SETFL, O_NONBLOCK))) {
		close(fd);
		errno = ENOENT;
		return -1;
	}
	ours[fd] = true;
	return fd;
}

int socket(int domain, int type, int protocol)
{
	if (domain == AF_NETLINK && protocol == NETLINK_GENERIC)
		return connect_stub(type);
	return REAL(socket)(domain, type, protocol);
}

int close(int fd)
{
	if (is_ours(fd))
		ours[fd] = false;
	return REAL(close)(fd);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct nlmsghdr hello = {
		.nlmsg_len = sizeof(hello), .nlmsg_type = STUB_PORT, .nlmsg_pid = port_of(fd),
	};

	if (!is_ours(fd))
		return REAL(bind)(fd, addr, len);
	return send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_pid = port_of(fd) };

	if (!is_ours(fd))
		return REAL(getsockname)(fd, addr, len);
	memcpy(addr, &nl, *len < sizeof(nl) ? *len : sizeof(nl));
	*len = sizeof(nl);
	return 0;
}

/* What comes, comes from the kernel. */
static void from_kernel(void *addr, socklen_t *len)
{
	const struct sockaddr_nl nl = { .nl_family = AF_NETLINK };

	if (!addr)
		return;
	memcpy(addr, &nl, *len < sizeof(nl) ? *len : sizeof(nl));
	*len = sizeof(nl);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *addr, socklen_t len)
{
	if (!is_ours(fd))
		return REAL(sendto)(fd, data, size, flags, addr, len);
	return send(fd, data, size, flags | MSG_NOSIGNAL);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n;

	if (!is_ours(fd))
		return REAL(recvmsg)(fd, msg, flags);
	do {
		n = REAL(recvmsg)(fd, msg, flags & ~MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0) {
		socklen_t len = sizeof(struct sockaddr_nl);

		from_kernel(msg->msg_name, &len);
		msg->msg_namelen = msg->msg_name ? len : 0;
	}
	return n;
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *addr, socklen_t *len)
{
	ssize_t n;

	if (!is_ours(fd))
		return REAL(recvfrom)(fd, data, size, flags, addr, len);
	n = recv(fd, data, size, flags & ~MSG_DONTWAIT);
	if (!n) {
		/* The stub has ended: for a bell that is one that stays silent. */
		errno = EAGAIN;
		return -1;
	}
	if (n > 0)
		from_kernel(addr, len);
	return n;
}

/* ---- names ---- */

static struct addrinfo *prepend(struct addrinfo *list, const char *address, uint16_t port)
{
	struct { struct addrinfo info; struct sockaddr_in addr; } *a = calloc(1, sizeof(*a));

	if (!a || inet_pton(AF_INET, address, &a->addr.sin_addr) != 1) {
		free(a);
		return list;
	}
	a->addr.sin_family = AF_INET;
	a->addr.sin_port = htons(port);
	a->info = (struct addrinfo){
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP,
		.ai_addrlen = sizeof(a->addr), .ai_addr = (struct sockaddr *)&a->addr, .ai_next = list,
		.ai_flags = INT32_MIN,	/* by which freeaddrinfo() knows it */
	};
	return &a->info;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	size_t len = node ? strlen(node) : 0;
	const char *hosts = getenv("CC_HOSTS");
	char list[1024], *word, *save;

	if (!hosts || len < 5 || strcmp(node + len - 5, ".test"))
		return REAL(getaddrinfo)(node, service, hints, res);
	*res = NULL;
	snprintf(list, sizeof(list), "%s", hosts);
	for (word = strtok_r(list, " ,", &save); word; word = strtok_r(NULL, " ,", &save))
		*res = prepend(*res, word, service ? atoi(service) : 0);
	return *res ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
	if (!list || list->ai_flags != INT32_MIN) {
		REAL(freeaddrinfo)(list);
		return;
	}
	while (list) {
		struct addrinfo *next = list->ai_next;

		free(list);
		list = next;
	}
}
