// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl format --upgrade: a pool without a journal gets one.  Its first slots make room, for a pool grows at
 * its end; the slot table moves down by as many entries, so that what the others hold is found again.  Whatever
 * is interrupted leaves a pool: the superblock is written last, and a slot table is a hint in any case.
 */
#include "format-upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "tail.h"

#define ENTRY		sizeof(struct cc_table_entry)
#define PIECE		(1u << 20)	/* bytes of the slot table that move at a time */

static int read_entries(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(fd, buf, len, (off_t)offset);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

static int write_entries(int fd, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)offset);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

/* Entry n gets what entry n + taken had; the last ones say nothing. */
static int shift_table(int fd, const struct cc_pool_geometry *old, uint64_t taken)
{
	static uint8_t buf[PIECE];
	uint64_t left = (old->nr_slots - taken) * ENTRY, at = old->table_offset;
	int r = 0;

	while (!r && left) {
		size_t len = left < PIECE ? left : PIECE;

		r = read_entries(fd, buf, len, at + taken * ENTRY);
		if (!r)
			r = write_entries(fd, buf, len, at);
		at += len;
		left -= len;
	}
	memset(buf, 0, sizeof(buf));
	for (left = taken * ENTRY; !r && left; ) {
		size_t len = left < PIECE ? left : PIECE;

		r = write_entries(fd, buf, len, at);
		at += len;
		left -= len;
	}
	return r;
}

static int write_upgraded(int fd, const struct cc_pool_geometry *old, const struct cc_pool_geometry *new,
			  uint64_t taken)
{
	int r = taken ? shift_table(fd, old, taken) : 0;

	/* What a guest had in a slot must not be read as a page of the journal. */
	if (!r)
		r = ctl_zero_range(fd, new->journal_offset, new->journal_size);
	if (!r && fsync(fd))
		r = -errno;
	return r ? r : cc_superblock_write(fd, new);
}

static void say_what_is_lost(const char *path, const struct cc_pool_geometry *g, uint64_t taken)
{
	char size[CTL_SIZE_TEXT];

	if (taken)
		ctl_note("%s: the journal takes %" PRIu64 " slots, %s: what was cached there will be fetched again",
			 path, taken, ctl_size_text(taken << g->slot_shift, size));
}

int ctl_format_upgrade(const char *path, int fd, uint64_t dirty_bytes, struct cc_pool_geometry *ret_geometry)
{
	struct cc_pool_geometry old, new;
	char err[200] = "";
	uint64_t taken;
	int r = cc_superblock_read(fd, &old, err, sizeof(err));

	if (!r && old.journal_size) {
		ctl_err("%s: has a journal already", path);
		return CTL_FAILED;
	}
	new = old;
	if (!r)
		r = cc_superblock_add_journal(&new, dirty_bytes, &taken, err, sizeof(err));
	if (r) {
		ctl_err("%s: %s", path, err[0] ? err : strerror(-r));
		return CTL_FAILED;
	}
	new.sequence++;
	r = write_upgraded(fd, &old, &new, taken);
	if (r) {
		ctl_err("%s: writing: %s; try again", path, strerror(-r));
		return CTL_FAILED;
	}
	say_what_is_lost(path, &old, taken);
	*ret_geometry = new;
	return CTL_OK;
}
