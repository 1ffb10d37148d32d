// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what dm-log-writes has recorded. */
#include "crash.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_VERSION	1u
#define READ_SIZE	(1u << 20)

enum { FLAG_FLUSH = 1, FLAG_FUA = 2, FLAG_DISCARD = 4, FLAG_MARK = 8 };

struct log_head {
	uint64_t magic, version, nr;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, count, flags, text_size;
};

/* All of the device's length, of which only what is read takes memory. */
static void open_log(struct record *r)
{
	off_t size;

	r->fd = open(r->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (r->fd < 0)
		r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	size = r->fd < 0 ? -1 : lseek(r->fd, 0, SEEK_END);
	if (size < 0)
		crash_die("%s: %s", r->path, strerror(errno));
	r->size = size;
	r->log = mmap(NULL, r->size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->log == MAP_FAILED)
		crash_die("no memory for %s", r->path);
}

/* Bytes from offset on. */
static const char *bytes_at(struct record *r, uint64_t offset, uint64_t size)
{
	uint64_t left;
	ssize_t n;

	if (offset > r->size || size > r->size - offset)
		crash_die("%s: ends within an entry", r->path);
	while (r->have < offset + size) {
		left = r->size - r->have;
		n = pread(r->fd, r->log + r->have, left < READ_SIZE ? left : READ_SIZE, r->have);
		if (n <= 0)
			crash_die("%s: cannot be read at %" PRIu64, r->path, r->have);
		r->have += n;
	}
	return r->log + offset;
}

/* Core sends the flush of a write that has one ahead of it without data, but with its FUA. */
static enum entry_kind kind_of(uint64_t flags)
{
	if (flags & FLAG_MARK)
		return ENTRY_MARK;
	if (flags & FLAG_FLUSH)
		return ENTRY_FLUSH;
	if (flags & FLAG_FUA)
		return ENTRY_FUA;
	return flags & FLAG_DISCARD ? ENTRY_DISCARD : ENTRY_WRITE;
}

/* Returns where the next one is. */
static uint64_t read_entry(struct record *r, struct entry *e, uint64_t offset)
{
	const char *sector = bytes_at(r, offset, SECTOR);
	struct log_entry raw;

	memcpy(&raw, sector, sizeof(raw));
	*e = (struct entry){
		.kind = kind_of(le64toh(raw.flags)), .sector = le64toh(raw.sector), .count = le64toh(raw.count),
	};
	if (e->count > UINT32_MAX || (e->kind == ENTRY_FLUSH && e->count))
		crash_die("%s: nonsense at %" PRIu64, r->path, offset);
	offset += SECTOR;
	if (e->kind == ENTRY_MARK)
		e->data = strndup(sector + sizeof(raw), SECTOR - sizeof(raw));
	else if (e->kind != ENTRY_DISCARD)
		e->data = bytes_at(r, offset, e->count * SECTOR);
	return e->kind == ENTRY_DISCARD ? offset : offset + e->count * SECTOR;
}

void record_read(struct record *r, const char *path)
{
	uint64_t i, offset = SECTOR;
	struct log_head head;

	*r = (struct record){ .path = path };
	open_log(r);
	memcpy(&head, bytes_at(r, 0, SECTOR), sizeof(head));
	r->nr = le64toh(head.nr);
	if (le64toh(head.magic) != LOG_MAGIC || le64toh(head.version) != LOG_VERSION ||
	    le32toh(head.sector_size) != SECTOR || r->nr > r->size / SECTOR)
		crash_die("%s: not a log of dm-log-writes with sectors of 512 bytes", path);
	r->entries = calloc(r->nr, sizeof(*r->entries));
	if (!r->entries)
		crash_die("no memory for %" PRIu64 " entries", r->nr);
	for (i = 0; i < r->nr; i++)
		offset = read_entry(r, &r->entries[i], offset);
}
