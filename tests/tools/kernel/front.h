/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs that read through the stub share: the pool's file, disks that are clones of one image,
 * the wait for a helper that has loaded them, and the check that bytes are the image's (content.h).
 * All of it exits with a line on stderr when something is wrong.
 */
#ifndef CC_KERNEL_FRONT_H
#define CC_KERNEL_FRONT_H

#include "../content.h"
#include "stub.h"
#include "superblock.h"

struct front {
	struct content c;
	const char *socket, *pool, *digest, *store;
	uint64_t disks, no_memory;
	/* front_open()'s */
	struct stub *stub;
	struct cc_pool_geometry geometry;
	int pool_fd;
	uint64_t wrong;			/* sectors that were another's */
};

enum { OPT_FRONT = OPT_CONTENT_END, OPT_SOCKET = OPT_FRONT, OPT_POOL, OPT_DIGEST, OPT_STORE, OPT_DISKS,
       OPT_NO_MEMORY, OPT_FRONT_END };

#define FRONT_OPTIONS							\
	CONTENT_OPTIONS,						\
	{ "socket", 1, NULL, OPT_SOCKET },				\
	{ "pool", 1, NULL, OPT_POOL },					\
	{ "digest", 1, NULL, OPT_DIGEST },				\
	{ "store", 1, NULL, OPT_STORE },				\
	{ "disks", 1, NULL, OPT_DISKS },				\
	{ "no-memory", 1, NULL, OPT_NO_MEMORY }

#define FRONT_USAGE	"--socket PATH --pool FILE --digest sha256:HEX [OPTIONS]\n"	\
	"FILE was made by chunkctl format.  Start the helper with LD_PRELOAD=cc-shim.so CC_KERNEL=PATH.\n" \
	"  --disks N           clones of the image (1)\n"		\
	"  --store NAME        of their table lines (main)\n"	\
	"  --no-memory N       so often the helper gets ENOMEM for misses and for what it says of disks (0)\n"

void __attribute__((noreturn)) front_die(const char *what, int error);
uint64_t front_now_ns(void);
/* Takes one of FRONT_OPTIONS; false: none of them. */
bool front_option(struct front *f, int opt, const char *arg);
/* Fields that need no option, before options are taken. */
void front_init(struct front *f);
/* Checks the options, opens pool and stub, adds the disks. */
void front_open(struct front *f);
/* Until the helper has loaded all disks. */
void front_wait_loaded(struct front *f);
/* Serves the helper, if it wants something within so many ms. */
void front_serve(struct front *f, int ms);
/* Sector number of what r has read, from the start of its range. */
void front_check(struct front *f, const struct stub_read *r, uint32_t sector);

#endif
