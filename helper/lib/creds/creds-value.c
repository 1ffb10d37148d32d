// SPDX-License-Identifier: GPL-2.0-or-later
/* Where keys are put, and the environment and small files that they come from. */
#include "creds-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/crypto.h>

void cc_creds_wipe(struct cc_creds *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}

const char *cc_creds_env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int cc_creds_set(char *field, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return -EINVAL;
	memcpy(field, value, len + 1);
	return 0;
}

int cc_creds_read_file(const char *file, char *buf, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (done < size && (n = read(fd, buf + done, size - done)) > 0)
		done += n;
	n = n < 0 ? -errno : 0;
	close(fd);
	if (n)
		return n;
	if (done == size)
		return -EFBIG;
	while (done && strchr(" \t\r\n", buf[done - 1]))
		done--;
	buf[done] = '\0';
	return done ? 0 : -ENODATA;
}
