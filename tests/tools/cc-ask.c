// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks a helper over its control socket: cc-ask SOCKET REQUEST prints the reply, a line of JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "cc-ask: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char buf[65536];
	ssize_t n;
	int fd;

	if (argc != 3 || strlen(argv[1]) >= sizeof(addr.sun_path)) {
		fputs("Usage: cc-ask SOCKET REQUEST\n", stderr);
		return 2;
	}
	strcpy(addr.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fail(argv[1]);
	if (dprintf(fd, "%s\n", argv[2]) < 0)
		return fail(argv[1]);
	do {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return fail("no whole reply");
		fwrite(buf, 1, n, stdout);
	} while (buf[n - 1] != '\n');
	close(fd);
	return 0;
}
