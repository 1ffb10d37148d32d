// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The magic numbers of what is not raw; see image-format.h.
 */
#include "image-format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAGIC(text) text, 0, sizeof(text) - 1
#define MAGIC_AT(offset, text) text, offset, sizeof(text) - 1

static const struct ctl_format heads[] = {
	/* what qemu-img reads, by its names */
	{ "qcow2", NULL, MAGIC("QFI\xfb") },
	{ "qed", NULL, MAGIC("QED\0") },
	{ "vmdk", NULL, MAGIC("KDMV") },
	{ "vmdk", NULL, MAGIC("COWD") },
	{ "vmdk", NULL, MAGIC("# Disk DescriptorFile") },
	{ "vhdx", NULL, MAGIC("vhdxfile") },
	{ "vpc", NULL, MAGIC("conectix") },
	{ "vdi", NULL, MAGIC_AT(64, "\x7f\x10\xda\xbe") },
	{ "parallels", NULL, MAGIC("WithoutFreeSpace") },
	{ "parallels", NULL, MAGIC("WithouFreSpacExt") },
	{ "bochs", NULL, MAGIC("Bochs Virtual HD Image") },
	{ "cloop", NULL, MAGIC("#!/bin/sh\n#V2.0 Format\n") },
	{ "luks", NULL, MAGIC("LUKS\xba\xbe") },
	/* packed */
	{ "gzip", "gzip -dc", MAGIC("\x1f\x8b") },
	{ "compress", "gzip -dc", MAGIC("\x1f\x9d") },
	{ "bzip2", "bzip2 -dc", MAGIC("BZh") },
	{ "xz", "xz -dc", MAGIC("\xfd" "7zXZ\0") },
	{ "lzma", "xz -dc", MAGIC("\x5d\0\0") },
	{ "lzip", "lzip -dc", MAGIC("LZIP") },
	{ "zstd", "zstd -dc", MAGIC("\x28\xb5\x2f\xfd") },
	{ "lz4", "lz4 -dc", MAGIC("\x04\x22\x4d\x18") },
	{ "lzop", "lzop -dc", MAGIC("\x89LZO\0\r\n\x1a\n") },
	{ "zip", "unzip -p", MAGIC("PK\x03\x04") },
	{ "7z", "7z x -so", MAGIC("7z\xbc\xaf\x27\x1c") },
	{ "rar", "unrar p -inul", MAGIC("Rar!\x1a\x07") },
	{ "tar", "tar -xOf", MAGIC_AT(257, "ustar") },
	{ "cpio", "cpio -i --to-stdout", MAGIC("0707") },
	{ "a sparse image of Android", "simg2img", MAGIC("\x3a\xff\x26\xed") },
	{ "a Windows image", "wimlib-imagex", MAGIC("MSWIM\0\0\0") },
	{ "EnCase", "ewfexport", MAGIC("EVF\x09\x0d\x0a\xff\0") },
	/* what a server says in place of a file */
	{ "a web page", "curl -f", MAGIC("<!DOCTYPE") },
	{ "a web page", "curl -f", MAGIC("<!doctype") },
	{ "a web page", "curl -f", MAGIC("<html") },
	{ "an XML document", "curl -f", MAGIC("<?xml") },
};

static const struct ctl_format tails[] = {
	{ "vpc", NULL, MAGIC("conectix") },
	{ "dmg", NULL, MAGIC("koly") },
};

static const struct ctl_format *find_format(const struct ctl_format *formats, size_t nr,
					    const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < nr; i++)
		if (size >= formats[i].offset + formats[i].size &&
		    !memcmp(bytes + formats[i].offset, formats[i].magic, formats[i].size))
			return &formats[i];
	return NULL;
}

/* A skippable frame, of which zstd may have some first. */
static bool is_skippable(const uint8_t *head, size_t size)
{
	return size >= 4 && (head[0] & 0xf0) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3);
}

const struct ctl_format *ctl_format_of_head(const uint8_t *head, size_t size)
{
	static const struct ctl_format skippable = { .name = "zstd", .unpack = "zstd -dc" };

	if (is_skippable(head, size))
		return &skippable;
	return find_format(heads, sizeof(heads) / sizeof(heads[0]), head, size);
}

const struct ctl_format *ctl_format_of_tail(const uint8_t tail[CTL_FORMAT_TAIL])
{
	return find_format(tails, sizeof(tails) / sizeof(tails[0]), tail, CTL_FORMAT_TAIL);
}

const char *ctl_format_advice(const struct ctl_format *f, char *buf, size_t size)
{
	if (f->unpack)
		snprintf(buf, size, "looks like %s; import what is in it (--from-command '%s FILE'), or say "
			 "--format raw if it is not", f->name, f->unpack);
	else
		snprintf(buf, size, "looks like %s; say --format %s, or --format raw if it is not", f->name,
			 f->name);
	return buf;
}
