// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl journal: what volumes have on a pool's device that no store has yet.  Reads only, and needs no helper:
 * also of a device that was taken out of a host that died.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "journal-read.h"
#include "uuid.h"
#include "volume/place.h"

static const char journal_help[] =
	"What the journal of the pool on DEVICE has of each volume that no store has yet:\n"
	"bytes written since, log chunks that hold them, and how far the store is.  The\n"
	"pool may be up; then it is as of this moment.\n"
	"\n"
	"  --json   as JSON\n";

/* The dirty log chunks of v, and how many of them are there. */
static uint64_t dirty_logs(const struct cc_journal_volume *v)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < v->nr_logs; i++)
		nr += v->logs[i].dirty_blocks != 0;
	return nr;
}

static json_t *slots_json(const struct cc_journal_volume *v)
{
	json_t *slots = json_array();

	for (size_t i = 0; i < v->nr_logs; i++)
		if (v->logs[i].dirty_blocks)
			json_array_append_new(slots, json_integer(v->logs[i].slot));
	return slots;
}

static json_t *volume_json(const struct cc_journal_volume *v)
{
	char uuid[CC_UUID_TEXT];

	cc_uuid_text(v->uuid, uuid);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "uuid", uuid, "term", (json_int_t)v->term,
			 "dirty_bytes", (json_int_t)(v->dirty_blocks << CC_BLOCK_SHIFT),
			 "records", (json_int_t)v->nr_writes, "cuts", (json_int_t)v->nr_cuts, "slots", slots_json(v));
}

static int print_journal_json(const char *path, const struct cc_pool_geometry *g, const struct ctl_journal *j)
{
	json_t *volumes = json_array();
	char uuid[CC_UUID_TEXT];

	cc_uuid_text(g->uuid, uuid);
	cc_list_each(node, &j->state.volumes)
		json_array_append_new(volumes, volume_json(cc_list_entry(node, struct cc_journal_volume, node)));
	return ctl_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "device", path, "uuid", uuid,
					"first_page", (json_int_t)j->first, "newest_page", (json_int_t)j->newest,
					"positions", (json_int_t)j->nr_positions, "volumes", volumes));
}

static void print_committed(const struct cc_journal_volume *v)
{
	uint64_t number = cc_place_number(v->committed);

	if (v->committed)
		printf("; the store has all up to block %u of log chunk %u.%u", cc_place_block(v->committed),
		       cc_log_term(number), cc_log_count(number));
	else
		printf("; nothing is known of what the store has");
}

static void print_volume_line(const struct cc_journal_volume *v)
{
	char uuid[CC_UUID_TEXT], size[CTL_SIZE_TEXT];

	cc_uuid_text(v->uuid, uuid);
	printf("volume %s, term %u: ", uuid, v->term);
	if (v->nr_writes)
		printf("%s that no store has, in %" PRIu64 " log chunks and %zu records",
		       ctl_size_text(v->dirty_blocks << CC_BLOCK_SHIFT, size), dirty_logs(v), v->nr_writes);
	else
		printf("nothing that no store has");
	print_committed(v);
	putchar('\n');
}

static int print_journal_text(const char *path, const struct cc_pool_geometry *g, const struct ctl_journal *j)
{
	char uuid[CC_UUID_TEXT];

	cc_uuid_text(g->uuid, uuid);
	printf("pool %s on %s: ", uuid, path);
	if (j->newest)
		printf("journal has pages %" PRIu64 " to %" PRIu64 " of a ring of %" PRIu64 "\n", j->first, j->newest,
		       j->nr_positions);
	else
		printf("journal is empty\n");
	cc_list_each(node, &j->state.volumes)
		print_volume_line(cc_list_entry(node, struct cc_journal_volume, node));
	return CTL_OK;
}

static int show_journal(const char *path, int fd, bool json)
{
	struct cc_pool_geometry g;
	struct ctl_journal j;
	char err[256] = "";
	int r = cc_superblock_read(fd, &g, err, sizeof(err));

	if (!r && !g.journal_size) {
		ctl_err("%s: the pool has no journal, so it has no volumes; see `chunkctl format --upgrade'", path);
		return CTL_FAILED;
	}
	if (!r)
		r = ctl_journal_read(fd, &g, &j, err, sizeof(err));
	if (r) {
		ctl_err("%s: %s", path, err[0] ? err : strerror(-r));
		return CTL_FAILED;
	}
	r = json ? print_journal_json(path, &g, &j) : print_journal_text(path, &g, &j);
	ctl_journal_free(&j);
	return r;
}

static int run_journal(const struct ctl_command *cmd, int argc, char **argv)
{
	bool json;
	int r, fd;

	if (!ctl_json_option(cmd, argc, argv, &json, &r))
		return r;
	r = ctl_operands(argc, 1, "one DEVICE");
	if (r)
		return r;
	fd = open(argv[optind], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ctl_err("%s: %s", argv[optind], strerror(errno));
		return CTL_FAILED;
	}
	r = show_journal(argv[optind], fd, json);
	close(fd);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_journal = {
	.name = "journal",
	.synopsis = "DEVICE [--json]",
	.summary = "Show what volumes have on a device that no store has",
	.help = journal_help,
	.run = run_journal,
};
