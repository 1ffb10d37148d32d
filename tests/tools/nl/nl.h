/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of cc-nl share: one state, as there is one script, and what verbs are made of.
 * Verbs return 0 or -errno; what a script can't mean ends the program by die().
 */
#ifndef CC_TESTS_NL_H
#define CC_TESTS_NL_H

#include <assert.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>
#include "../content.h"
#include "superblock.h"
#include "linux/dm-chunkcache.h"

#define NL_BUF_SIZE	(256 * 1024)
#define NL_MAX_ARGS	128
#define NL_MAX_NAMED	64		/* records of a batch that get variables */
#define NL_NR(a)	(sizeof(a) / sizeof((a)[0]))

struct nl {
	struct content content;
	bool quiet;
	struct mnl_socket *commands, *bell;
	uint16_t family;		/* 0: not asked for yet */
	uint64_t session;
	int pool_fd;
	struct cc_pool_geometry geometry;
	char in[NL_BUF_SIZE];
	struct nl_reply {		/* the last one, valid until the next request */
		char text[256];		/* extended ack */
		const struct nlattr *tb[CHUNKCACHE_A_MAX + 1];
		char copy[NL_BUF_SIZE];	/* what tb points into */
		unsigned int nr_refused;
		int refused_error;	/* of all refused records; -1: they differ */
	} reply;
};

extern struct nl nl;

/* One word that a line of the script starts with. */
struct nl_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	int min_args;
};

/* Each ends with one that has no name. */
extern const struct nl_verb nl_session_verbs[], nl_miss_verbs[], nl_slot_verbs[], nl_dump_verbs[],
	nl_serve_verbs[], nl_raw_verbs[], nl_journal_verbs[], nl_volume_verbs[];

/* ---- words.c ---- */

void nl_set(const char *name, uint64_t v);
/* name followed by i; nothing past NL_MAX_NAMED. */
void nl_set_indexed(const char *name, unsigned int i, uint64_t v);
/* Replaces each $name of in. */
void nl_expand(const char *in, char *out, size_t len);
uint64_t nl_number(const char *s);
uint64_t nl_disk_id(const char *s);
/* The value of name=VALUE, or NULL. */
const char *nl_option(int argc, char **argv, const char *name);
bool nl_has(int argc, char **argv, const char *word);
uint32_t nl_option_u32(int argc, char **argv, const char *name, uint32_t fallback);
void nl_sleep_ms(uint64_t ms);
uint64_t nl_now_ms(void);

/* ---- wire.c ---- */

typedef void nl_message_fn(const struct nlmsghdr *nlh);

void nl_open_sockets(void);
int nl_need_family(void);
struct nlmsghdr *nl_request(uint16_t type, uint8_t cmd, uint16_t flags);
/* A command of the attached helper. */
struct nlmsghdr *nl_begin(uint8_t cmd, uint16_t flags);
/* Sends, and takes all answers.  Each message of a dump goes to fn. */
int nl_transact(struct nlmsghdr *nlh, nl_message_fn *fn);
void nl_take_reply(const struct nlmsghdr *nlh);
/* The errno of an ack or of the end of a dump; its text goes to the reply. */
int nl_take_ack(const struct nlmsghdr *nlh);
/* Of the reply; 0 if it has none. */
uint64_t nl_get_u64(int attr);
uint32_t nl_get_u32(int attr);

/* ---- steps of a helper ---- */

int nl_list_disks(void);
int nl_send_state(uint64_t disk, uint32_t state, const char *reason);
int nl_wait_bell(int ms);
int nl_pull(unsigned int count, bool all, const struct chunkcache_miss **ret, unsigned int *n);
int nl_send_data(uint64_t disk, uint64_t chunk, uint64_t cookie, uint32_t offset, const void *buf,
		 uint32_t len, bool last);
/* Of a slot's size and aligned, kept. */
void *nl_slot_buffer(void);
int nl_write_slot(uint32_t slot, const void *buf);
int nl_send_done(struct chunkcache_slot slot, const struct chunkcache_map *maps, unsigned int n,
		 uint64_t key, bool prefetch);
int nl_send_map(const struct chunkcache_map *map);
/* argv[1] and those behind it, with generation 0. */
int nl_send_named_slots(uint8_t cmd, int argc, char **argv);
/* Variables of the slots in the reply. */
int nl_take_slots(void);

#endif
