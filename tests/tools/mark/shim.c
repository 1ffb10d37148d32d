// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a helper whose store is a directory: each object that appears there is marked in the log of the
 * dm-log-writes device $CC_MARK, before ("s:PATH") and behind ("e:PATH").
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../crash/mark.h"

static void note(char what, const char *path)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const char *device = getenv("CC_MARK");
	char text[400];

	if (!device)
		return;
	snprintf(text, sizeof(text), "%c:%s", what, path);
	pthread_mutex_lock(&lock);
	if (!cc_mark(device, text)) {
		fprintf(stderr, "cc-mark: %s takes no mark\n", device);
		_exit(2);
	}
	pthread_mutex_unlock(&lock);
}

/* name: what the C library has, by which the object appears */
static int appear(const char *name, const char *from, const char *to)
{
	int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, name);
	int r;

	note('s', to);
	r = real(from, to);
	if (!r)
		note('e', to);
	return r;
}

int link(const char *from, const char *to)
{
	return appear("link", from, to);
}

int rename(const char *from, const char *to)
{
	return appear("rename", from, to);
}
