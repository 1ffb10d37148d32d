/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of `chunkctl volume' have in common: options, and from the command line's word for a volume, its
 * name or UUID, to its log, read to the end.
 */
#ifndef CTL_VOLUME_ARG_H
#define CTL_VOLUME_ARG_H

#include "store-opts.h"
#include "volume/volume-state.h"

extern const struct ctl_command ctl_volume_create, ctl_volume_list, ctl_volume_show, ctl_volume_rm,
	ctl_volume_resize, ctl_volume_verify, ctl_volume_export, ctl_volume_up, ctl_volume_down,
	ctl_volume_rescue, ctl_volume_discard;

struct ctl_volume_args {
	struct ctl_store_opts opts;
	const char *image, *pool, *as, *from;
	const char *file;		/* of --from-config; NULL: the default */
	char features[256];		/* words for the table line, each with a blank before it */
	uint64_t size;			/* bytes; 0: not given */
	uint32_t chunk_shift;		/* 0: not given */
	uint64_t wait;			/* seconds */
	bool json, force, take_over, now, from_config;
};

/*
 * accepts: letters of the options that this one has beside --help and the store's: i --image, s --size, c
 * --chunk-size, j --json, f --force, p --pool, t --take-over, n --now, w --wait, r
 * --feature, F --from-config, o --from, a --as, d --durability.  False: *ret_status is what to exit with.
 */
bool ctl_volume_options(const struct ctl_command *cmd, int argc, char **argv, const char *accepts,
			struct ctl_volume_args *a, int *ret_status);

struct ctl_volume {
	struct ctl_store store;
	uint8_t uuid[16];
	struct cc_volume_state state;
};

/* 0, or an enum ctl_exit after a message; release with ctl_volume_close() in any case. */
int ctl_volume_open(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v);
/* The same of "VOLUME@SNAPSHOT", too: then there is no log, but map, pieces and root (cc_snapshot_load()). */
int ctl_volume_open_at(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v);
/* Nothing of it is read, only its UUID known. */
int ctl_volume_find(const struct ctl_store_opts *opts, const char *what, struct ctl_volume *v);
void ctl_volume_close(struct ctl_volume *v);
/* Of a volume in an open store; its log is read.  what: for messages. */
int ctl_volume_read(struct ctl_store *s, const char *what, const uint8_t uuid[16], struct cc_volume_state *state);
/* Complains if somebody has it open. */
int ctl_volume_check_closed(const struct ctl_volume *v, const char *what);
/* A message for what functions of volume-log.h returned: CTL_DAMAGE or CTL_FAILED. */
int ctl_volume_failed(const char *what, int r, const char *err);
/* "2026-11-30 12:00:00"; local time. */
#define CTL_TIME_TEXT 24
const char *ctl_volume_time(uint64_t seconds, char buf[CTL_TIME_TEXT]);

#endif
