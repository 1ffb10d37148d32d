// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts of disks; see accounts.h. */
#include "accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cc_accounts_init(struct cc_accounts *a)
{
	memset(a, 0, sizeof(*a));
	cc_list_init(&a->list);
}

static void forget_account(struct cc_account *x)
{
	cc_list_del(&x->node);
	free(x);
}

void cc_accounts_exit(struct cc_accounts *a)
{
	cc_list_each_safe(n, &a->list)
		forget_account(cc_list_entry(n, struct cc_account, node));
}

static struct cc_account *find_account(struct cc_accounts *a, const struct cc_disk_info *info)
{
	cc_list_each(n, &a->list) {
		struct cc_account *x = cc_list_entry(n, struct cc_account, node);

		if (!memcmp(x->digest, info->digest, CC_ID_SIZE) && !strcmp(x->disk, info->name) &&
		    !strcmp(x->store, info->store))
			return x;
	}
	return NULL;
}

struct cc_account *cc_accounts_get(struct cc_accounts *a, const struct cc_disk_info *info)
{
	struct cc_account *x = find_account(a, info);

	if (x) {
		a->nr_idle -= !x->refs;
		x->refs++;
		return x;
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	snprintf(x->disk, sizeof(x->disk), "%s", info->name);
	snprintf(x->store, sizeof(x->store), "%s", info->store);
	memcpy(x->digest, info->digest, CC_ID_SIZE);
	x->refs = 1;
	cc_list_init(&x->node);
	cc_list_add_tail(&a->list, &x->node);
	return x;
}

/* The idle account that was released first. */
static void fold_oldest(struct cc_accounts *a)
{
	cc_list_each(n, &a->list) {
		struct cc_account *x = cc_list_entry(n, struct cc_account, node);

		if (x->refs)
			continue;
		a->rest.gets += x->gets;
		a->rest.bytes += x->bytes;
		a->nr_idle--;
		forget_account(x);
		return;
	}
}

void cc_accounts_put(struct cc_accounts *a, struct cc_account *x)
{
	if (!x || --x->refs)
		return;
	cc_list_del(&x->node);
	cc_list_add_tail(&a->list, &x->node);
	if (++a->nr_idle > CC_ACCOUNTS_IDLE_MAX)
		fold_oldest(a);
}

void cc_accounts_charge(struct cc_accounts *a, struct cc_account *x, uint64_t gets, uint64_t bytes)
{
	if (!x)
		x = &a->rest;
	x->gets += gets;
	x->bytes += bytes;
}
