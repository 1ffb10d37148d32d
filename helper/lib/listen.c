// SPDX-License-Identifier: GPL-2.0-or-later
/* Listening sockets; see listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- paths ---- */

/* The directory of path, made if it is missing, and locked: a descriptor or -errno. */
static int lock_directory(const char *path)
{
	char dir[108];
	char *slash;
	int fd, r;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash)
		strcpy(dir, ".");
	else
		slash[slash == dir] = 0;
	mkdir(dir, 0755);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Who listens on the other end of fd; 0: not known. */
static pid_t owner_of(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ? 0 : who.pid;
}

/* Nobody answers at a file that is no socket either. */
static int remove_dead(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	return unlink(path) ? -errno : 0;
}

/* What a dead process left behind is removed; a live one is not disturbed. */
static int claim_path(const struct sockaddr_un *sun, pid_t *ret_owner)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)sun, sizeof(*sun))) {
		*ret_owner = owner_of(fd);
		r = -EADDRINUSE;
	} else if (errno == EAGAIN) {
		/* It lives, but has not taken those who came before. */
		r = -EADDRINUSE;
	} else if (errno == ECONNREFUSED) {
		r = remove_dead(sun->sun_path);
	}
	close(fd);
	return r;
}

static int bind_path(const struct sockaddr_un *sun, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	mode_t mask;

	if (fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) || listen(fd, backlog) ? -errno : 0;
	umask(mask);
	if (!r)
		return fd;
	close(fd);
	return r;
}

/* Two that come at once would each find a dead one's socket, and one remove the other's. */
int cc_listen_path(const char *path, int backlog, pid_t *ret_owner)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int lock, r;

	*ret_owner = 0;
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	lock = lock_directory(path);
	if (lock < 0)
		return lock;
	r = claim_path(&sun, ret_owner);
	if (!r)
		r = bind_path(&sun, backlog);
	close(lock);
	return r;
}

/* ---- addresses ---- */

static int parse_port(const char *s, in_port_t *ret_port)
{
	size_t len = strlen(s);
	unsigned long port = strtoul(s, NULL, 10);

	if (!len || len > 5 || strspn(s, "0123456789") != len || !port || port > 65535)
		return -EINVAL;
	*ret_port = htons((uint16_t)port);
	return 0;
}

static int parse_4(const char *host, in_port_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) != 1 || ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET)
		return -EINVAL;
	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address, .sin_port = port };
	return sizeof(*in);
}

static int parse_6(const char *host, in_port_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)ret_address;
	struct in6_addr address;

	if (inet_pton(AF_INET6, host, &address) != 1 || !IN6_IS_ADDR_LOOPBACK(&address))
		return -EINVAL;
	*in = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = address, .sin6_port = port };
	return sizeof(*in);
}

int cc_parse_loopback(const char *s, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(s, ':');
	size_t len = colon ? (size_t)(colon - s) : 0;
	in_port_t port;
	int r;

	if (!len || len >= sizeof(host) || parse_port(colon + 1, &port))
		return -EINVAL;
	memcpy(host, s, len);
	host[len] = 0;
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = 0;
		r = parse_6(host + 1, port, ret_address);
	} else {
		r = parse_4(host, port, ret_address);
	}
	if (r < 0)
		return r;
	*ret_len = (socklen_t)r;
	return 0;
}

int cc_listen_address(const struct sockaddr_storage *address, socklen_t len, int backlog)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, r;

	if (fd < 0)
		return -errno;
	/* A helper that was there a moment ago is no hindrance. */
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, (const struct sockaddr *)address, len) && !listen(fd, backlog))
		return fd;
	r = -errno;
	close(fd);
	return r;
}
