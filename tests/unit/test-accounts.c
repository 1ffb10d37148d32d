// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts: who is charged, what a disk's return finds, and that memory is bounded. */
#include <stdio.h>
#include <string.h>

#include "pool/accounts.h"
#include "tap.h"

static struct cc_disk_info disk(const char *name, uint8_t digest)
{
	struct cc_disk_info info = { .digest = { digest } };

	snprintf(info.name, sizeof(info.name), "%s", name);
	strcpy(info.store, "main");
	return info;
}

static uint64_t total(const struct cc_accounts *a)
{
	uint64_t gets = a->rest.gets;

	cc_list_each(n, &a->list)
		gets += cc_list_entry(n, struct cc_account, node)->gets;
	return gets;
}

int main(void)
{
	struct cc_disk_info vm1 = disk("vm1", 1), other = disk("vm1", 2), gone;
	struct cc_account *x, *y, *z;
	struct cc_accounts a;
	char name[32];

	cc_accounts_init(&a);
	x = cc_accounts_get(&a, &vm1);
	y = cc_accounts_get(&a, &vm1);
	z = cc_accounts_get(&a, &other);
	ok(x && x == y && z != x, "one account for a disk and its image, whatever its instance");
	cc_accounts_charge(&a, x, 2, 100);
	cc_accounts_charge(&a, z, 1, 10);
	cc_accounts_charge(&a, NULL, 4, 1);
	ok(x->gets == 2 && x->bytes == 100 && z->gets == 1 && a.rest.gets == 4, "charges");
	cc_accounts_put(&a, x);
	cc_accounts_put(&a, y);
	ok(cc_accounts_get(&a, &vm1)->gets == 2 && !a.nr_idle, "a disk that comes back finds its own");
	for (unsigned int i = 0; i < 3 * CC_ACCOUNTS_IDLE_MAX; i++) {
		snprintf(name, sizeof(name), "gone%u", i);
		gone = disk(name, 3);
		y = cc_accounts_get(&a, &gone);
		cc_accounts_charge(&a, y, 1, 1);
		cc_accounts_put(&a, y);
	}
	ok(a.nr_idle == CC_ACCOUNTS_IDLE_MAX, "%u of disks that are gone are kept", a.nr_idle);
	ok(x->gets == 2 && z->gets == 1, "those in use are not touched");
	ok(total(&a) == 7 + 3 * CC_ACCOUNTS_IDLE_MAX, "no GET is lost");
	cc_accounts_exit(&a);
	return tap_done();
}
