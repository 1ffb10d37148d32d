/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that somebody connects to: paths, and addresses of the loopback.  Who comes is the caller's
 * business; the descriptors do not block and are closed on exec.
 */
#ifndef CC_LISTEN_H
#define CC_LISTEN_H

#include <sys/socket.h>
#include <sys/types.h>

/*
 * Listen at path, which only its owner can open; its directory is made if it is missing.  What a dead
 * process left there is replaced, a file that is no socket is not (-ENOTSOCK).  -EADDRINUSE: somebody
 * answers, in *ret_owner is who, or 0.  Returns a descriptor or -errno.
 */
int cc_listen_path(const char *path, int backlog, pid_t *ret_owner);

/*
 * "127.0.0.1:9100", "[::1]:9100": an address of the loopback, as a number, and a port from 1.
 * -EINVAL: it is none.
 */
int cc_parse_loopback(const char *s, struct sockaddr_storage *ret_address, socklen_t *ret_len);
/* Returns a descriptor or -errno. */
int cc_listen_address(const struct sockaddr_storage *address, socklen_t len, int backlog);

#endif
