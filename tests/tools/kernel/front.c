// SPDX-License-Identifier: GPL-2.0-or-later
/* See front.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "front.h"

#define SECOND		1000000000ULL
#define LOAD_SECONDS	60

void front_die(const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(error));
	exit(1);
}

uint64_t front_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* ---- options ---- */

void front_init(struct front *f)
{
	*f = (struct front) { .c = content_default, .store = "main", .disks = 1, .pool_fd = -1 };
}

bool front_option(struct front *f, int opt, const char *arg)
{
	switch (opt) {
	case OPT_SOCKET:	f->socket = arg; return true;
	case OPT_POOL:		f->pool = arg; return true;
	case OPT_DIGEST:	f->digest = arg; return true;
	case OPT_STORE:		f->store = arg; return true;
	case OPT_DISKS:		f->disks = parse_size("--disks", arg); return true;
	case OPT_NO_MEMORY:	f->no_memory = parse_size("--no-memory", arg); return true;
	default:		return content_option(&f->c, opt, arg);
	}
}

static void parse_digest(const struct front *f, uint8_t digest[32])
{
	const char *hex = f->digest + 7;

	if (strncmp(f->digest, "sha256:", 7) || strlen(hex) != 64)
		die("--digest", "expected sha256: and 64 hex digits");
	for (int i = 0; i < 32; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &digest[i]) != 1)
			die("--digest", "expected sha256: and 64 hex digits");
}

/* ---- start ---- */

static void open_pool(struct front *f)
{
	struct stub_config c = { .socket = f->socket, .pool_name = "cache0" };
	char err[200];
	int r;

	f->pool_fd = open(f->pool, O_RDONLY | O_CLOEXEC);
	if (f->pool_fd < 0)
		front_die(f->pool, errno);
	if (cc_superblock_read(f->pool_fd, &f->geometry, err, sizeof(err)))
		die(f->pool, err);
	if (1ULL << f->geometry.slot_shift != f->c.chunk)
		die(f->pool, "its slots are of another size than the image's chunks");
	c.slot_size = f->c.chunk;
	c.nr_slots = f->geometry.nr_slots;
	c.uuid = f->geometry.uuid;
	c.no_memory = f->no_memory;
	r = stub_open(&c, &f->stub);
	if (r)
		front_die(f->socket, -r);
}

void front_open(struct front *f)
{
	uint8_t digest[32];
	char name[24];

	content_check(&f->c);
	if (!f->socket || !f->pool || !f->digest)
		die("--socket, --pool, --digest", "are required");
	if (!f->disks)
		die("--disks", "expected at least 1");
	parse_digest(f, digest);
	open_pool(f);
	for (uint64_t i = 1; i <= f->disks; i++) {
		snprintf(name, sizeof(name), "vm%" PRIu64, i);
		if (!stub_disk_add(f->stub, name, f->store, digest, f->c.size))
			front_die(name, ENOMEM);
	}
}

/* ---- the helper ---- */

void front_serve(struct front *f, int ms)
{
	struct pollfd p = { .fd = stub_fd(f->stub), .events = POLLIN };

	if (poll(&p, 1, ms) > 0)
		stub_serve(f->stub);
}

/* All disks are LOADED; one that is REFUSED ends the program. */
static bool loaded(const struct front *f)
{
	const char *reason;

	for (uint64_t i = 1; i <= f->disks; i++) {
		uint32_t state = stub_disk_state(f->stub, i, &reason);

		if (state == CHUNKCACHE_DISK_REFUSED)
			die("refused", reason);
		if (state != CHUNKCACHE_DISK_LOADED)
			return false;
	}
	return true;
}

void front_wait_loaded(struct front *f)
{
	uint64_t due = front_now_ns() + LOAD_SECONDS * SECOND;

	while (!loaded(f)) {
		if (front_now_ns() > due)
			die("helper", "did not load the disks within 60 s");
		front_serve(f, 100);
	}
}

/* ---- content ---- */

static void read_sector(const struct front *f, const struct stub_read *r, uint32_t sector, void *buf)
{
	uint64_t pos = r->offset + (uint64_t)sector * SECTOR;

	if (r->data)
		memcpy(buf, r->data + (size_t)sector * SECTOR, SECTOR);
	else if (r->slot == STUB_NO_SLOT)
		memset(buf, 0, SECTOR);
	else if (pread(f->pool_fd, buf, SECTOR, f->geometry.slots_offset +
		       ((uint64_t)r->slot << f->geometry.slot_shift) + pos) != SECTOR)
		front_die(f->pool, errno);
}

void front_check(struct front *f, const struct stub_read *r, uint32_t sector)
{
	uint64_t expected[SECTOR / 8], got[SECTOR / 8];
	char text[80];

	/* Of bytes in messages only the last message is there. */
	if (r->data && sector)
		return;
	read_sector(f, r, sector, got);
	content_fill(&f->c, r->chunk * f->c.chunk + r->offset + (uint64_t)sector * SECTOR, expected, SECTOR);
	if (!memcmp(expected, got, SECTOR))
		return;
	content_describe(got, text, sizeof(text));
	if (!f->wrong++)
		fprintf(stderr, "%s: chunk %" PRIu64 " sector %u: %s\n",
			program_invocation_short_name, r->chunk, r->offset / SECTOR + sector, text);
}
