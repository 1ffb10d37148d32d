// SPDX-License-Identifier: GPL-2.0-or-later
/* What all fuzzers share; see fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *seeds_dir;

void fuzz_broken(const char *file, int line, const char *what)
{
	dprintf(STDERR_FILENO, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void fuzz_check_reason(const char *err)
{
	fuzz_check(*err);
	for (; *err; err++)
		fuzz_check(((unsigned char)*err >= ' ' && *err != 127) || *err == '\t');
}

void *fuzz_copy(const void *data, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	return copy;
}

void fuzz_take(struct fuzz_input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

uint8_t fuzz_take_u8(struct fuzz_input *in)
{
	uint8_t n;

	fuzz_take(in, &n, sizeof(n));
	return n;
}

uint32_t fuzz_take_u32(struct fuzz_input *in)
{
	uint32_t n;

	fuzz_take(in, &n, sizeof(n));
	return n;
}

/* ---- files ---- */

static int file_fd = -1;

int fuzz_file_fd(void)
{
	return file_fd;
}

const char *fuzz_file(const void *data, size_t size)
{
	static char path[32];

	if (file_fd < 0)
		file_fd = memfd_create("input", MFD_CLOEXEC);
	if (file_fd < 0 || ftruncate(file_fd, 0) || pwrite(file_fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	return path;
}

/* ---- what a run begins with ---- */

void fuzz_seed(const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", seeds_dir, name);
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		perror(path);
		exit(1);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* Looked at first: a fuzzer may want no environment. */
	const char *dir = getenv("FUZZ_SEEDS");

	seeds_dir = dir ? strdup(dir) : NULL;
	if (fuzz_setup)
		fuzz_setup();
	if (!seeds_dir)
		return 0;
	if (fuzz_seeds)
		fuzz_seeds();
	exit(0);
}
