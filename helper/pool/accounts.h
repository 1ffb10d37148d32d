/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accounts: what the chunks of each disk have cost, as GETs and bytes, by disk name, store and
 * manifest digest, so that they outlive table instances and sessions.  A chunk that several disks
 * wait for is charged to whoever asked first; what nobody asked for is charged to the rest.
 */
#ifndef CC_ACCOUNTS_H
#define CC_ACCOUNTS_H

#include <stdint.h>
#include "chunkcache/format.h"
#include "channel.h"
#include "list.h"

#define CC_ACCOUNTS_IDLE_MAX 1024	/* of disks that are gone; the oldest joins the rest */

struct cc_account {
	struct cc_list node;
	char disk[sizeof(((struct cc_disk_info *)0)->name)];
	char store[sizeof(((struct cc_disk_info *)0)->store)];
	uint8_t digest[CC_ID_SIZE];
	unsigned int refs;		/* disks that are up */
	uint64_t gets, bytes;
};

struct cc_accounts {
	struct cc_list list;		/* least recently released first, those in use anywhere */
	unsigned int nr_idle;
	struct cc_account rest;
};

void cc_accounts_init(struct cc_accounts *a);
void cc_accounts_exit(struct cc_accounts *a);
/* The account of a disk, with a reference; NULL: no memory, then the rest is charged. */
struct cc_account *cc_accounts_get(struct cc_accounts *a, const struct cc_disk_info *info);
void cc_accounts_put(struct cc_accounts *a, struct cc_account *x);
/* x NULL: the rest. */
void cc_accounts_charge(struct cc_accounts *a, struct cc_account *x, uint64_t gets, uint64_t bytes);

#endif
