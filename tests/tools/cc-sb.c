// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A superblock that nobody would write, but with the right checksum:
 *	cc-sb PATH FIELD=VALUE...
 * changes fields of both copies on a pool's device.  A value is a number as strtoull() takes it, or
 * "+N": so much more than it was.
 */
#include <endian.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "superblock.h"

#define FIELD(f) { #f, offsetof(struct cc_superblock, f), sizeof(((struct cc_superblock *)0)->f) }

static const struct field {
	const char *name;
	size_t offset, size;
} fields[] = {
	FIELD(version), FIELD(incompat), FIELD(slot_shift), FIELD(nr_slots), FIELD(manifest_offset),
	FIELD(manifest_size), FIELD(table_offset), FIELD(table_size), FIELD(slots_offset), FIELD(sequence),
	FIELD(journal_offset), FIELD(journal_size), FIELD(dirty_max),
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static const struct field *find_field(const char *arg, size_t len)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == len && !memcmp(fields[i].name, arg, len))
			return &fields[i];
	fprintf(stderr, "%s: expected FIELD=VALUE\n", arg);
	exit(2);
}

static void set_field(struct cc_superblock *sb, const char *arg)
{
	size_t len = strcspn(arg, "=");
	const struct field *f = find_field(arg, len);
	const char *value = arg + len + (arg[len] == '=');
	uint64_t n = strtoull(value + (*value == '+'), NULL, 0), old = 0;

	/* Little-endian: the first bytes of either width are the number's low ones. */
	memcpy(&old, (char *)sb + f->offset, f->size);
	n = htole64(*value == '+' ? le64toh(old) + n : n);
	memcpy((char *)sb + f->offset, &n, f->size);
}

static void change_copy(int fd, off_t at, char **args)
{
	struct cc_superblock sb;

	if (pread(fd, &sb, sizeof(sb), at) != sizeof(sb))
		die("read");
	for (; *args; args++)
		set_field(&sb, *args);
	sb.crc = 0;
	sb.crc = htole32(cc_crc32c(&sb, sizeof(sb)));
	if (pwrite(fd, &sb, sizeof(sb), at) != sizeof(sb))
		die("write");
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3) {
		fprintf(stderr, "usage: cc-sb PATH FIELD=VALUE...\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(argv[1]);
	change_copy(fd, CC_SB_OFFSET_A, argv + 2);
	change_copy(fd, CC_SB_OFFSET_B, argv + 2);
	return fsync(fd) ? 1 : 0;
}
