// SPDX-License-Identifier: GPL-2.0-only
/* Grammar of the table lines, in both directions. */
#include "table.h"
#include <linux/ctype.h>
#include <linux/device-mapper.h>
#include <linux/hex.h>
#include <linux/string.h>
#include <chunkcache/journal.h>

#define DIGEST_PREFIX	"sha256:"
#define LOGICAL_BLOCK_SIZES	"logical_block_size must be 512 or 4096"

static int parse_store(struct dm_target *ti, const char *s, char *ret)
{
	size_t len = strlen(s), i;

	if (!len || len > CHUNKCACHE_STORE_NAME_MAX) {
		ti->error = "Store name must have 1 to 63 characters";
		return -EINVAL;
	}
	for (i = 0; i < len; i++) {
		if (!isascii(s[i]) || (!isalnum(s[i]) && !strchr("._-", s[i]))) {
			ti->error = "Store name may only have letters, digits, '.', '_' and '-'";
			return -EINVAL;
		}
	}
	memcpy(ret, s, len + 1);
	return 0;
}

static int parse_digest(struct dm_target *ti, const char *s, u8 *ret)
{
	const char *hex = s + strlen(DIGEST_PREFIX), *p;

	if (!str_has_prefix(s, DIGEST_PREFIX) ||
	    strlen(hex) != 2 * CHUNKCACHE_DIGEST_SIZE)
		goto bad;
	for (p = hex; *p; p++)
		if (!isdigit(*p) && (*p < 'a' || *p > 'f'))
			goto bad;
	if (!hex2bin(ret, hex, CHUNKCACHE_DIGEST_SIZE))
		return 0;
bad:
	ti->error = "Manifest digest must be sha256: and 64 lower-case hex digits";
	return -EINVAL;
}

static int parse_durability(struct dm_target *ti, struct dm_arg_set *as, u32 *ret_store)
{
	const char *word = dm_shift_arg(as);

	*ret_store = word && !strcmp(word, "store");
	if (*ret_store || (word && !strcmp(word, "local")))
		return 0;
	ti->error = "durability must be local or store";
	return -EINVAL;
}

/* One "name value" or "name" feature; *seen has a bit for each one that was given. */
static int parse_feature(struct dm_target *ti, struct dm_arg_set *as, struct cc_disk_args *a,
			 bool volume, unsigned long *seen)
{
	static const struct {
		const char *name;
		struct dm_arg arg;
		size_t offset;
	} features[] = {
		{ "miss_timeout_ms", { 1, 86400000, "miss_timeout_ms must be 1 to 86400000" },
		  offsetof(struct cc_disk_args, miss_timeout_ms) },
		{ "suspend_timeout_ms", { 1, 3600000, "suspend_timeout_ms must be 1 to 3600000" },
		  offsetof(struct cc_disk_args, suspend_timeout_ms) },
		{ "max_misses", { 1, 1048576, "max_misses must be 1 to 1048576" },
		  offsetof(struct cc_disk_args, max_misses) },
		{ "min_slots", { 1, (1 << 29) - 1, "min_slots must be 1 to 536870911" },
		  offsetof(struct cc_disk_args, min_slots) },
		/* without a value */
		{ "pin", { 1, 0, NULL }, offsetof(struct cc_disk_args, pin) },
		/* of a volume only */
		{ "logical_block_size", { 512, 4096, LOGICAL_BLOCK_SIZES },
		  offsetof(struct cc_disk_args, logical_block_size) },
		/* a word */
		{ "durability", { 0, 0, NULL }, offsetof(struct cc_disk_args, durable_store) },
	};
	unsigned int nr = volume ? ARRAY_SIZE(features) : ARRAY_SIZE(features) - 2;
	const char *name = dm_shift_arg(as);
	unsigned int i, value = 1;

	for (i = 0; i < nr; i++) {
		if (strcmp(name, features[i].name))
			continue;
		if (__test_and_set_bit(i, seen)) {
			ti->error = "Feature is given twice";
			return -EINVAL;
		}
		if (features[i].offset == offsetof(struct cc_disk_args, durable_store))
			return parse_durability(ti, as, &a->durable_store);
		if (features[i].arg.max &&
		    dm_read_arg(&features[i].arg, as, &value, &ti->error))
			return -EINVAL;
		*(u32 *)((char *)a + features[i].offset) = value;
		return 0;
	}
	ti->error = "Unknown feature";
	return -EINVAL;
}

static int no_more(struct dm_target *ti, const struct dm_arg_set *as)
{
	if (!as->argc)
		return 0;
	ti->error = "Too many arguments";
	return -EINVAL;
}

/* What is left: <#features> and those. */
static int parse_features(struct dm_target *ti, struct dm_arg_set *as, bool volume,
			  struct cc_disk_args *a)
{
	static const struct dm_arg disk_words = { 0, 8, "Number of feature words must be 0 to 8" };
	static const struct dm_arg volume_words = { 0, 12,
						    "Number of feature words must be 0 to 12" };
	struct dm_arg_set features;
	unsigned long seen = 0;
	unsigned int n;

	if (as->argc) {
		if (dm_read_arg_group(volume ? &volume_words : &disk_words, as, &n, &ti->error))
			return -EINVAL;
		features = (struct dm_arg_set){ n, as->argv };
		while (features.argc)
			if (parse_feature(ti, &features, a, volume, &seen))
				return -EINVAL;
		dm_consume_args(as, n);
	}
	if (no_more(ti, as))
		return -EINVAL;
	if (a->pin && a->min_slots) {
		ti->error = "pin promises more than min_slots: give one of them";
		return -EINVAL;
	}
	return 0;
}

static const struct cc_disk_args default_args = {
	.suspend_timeout_ms = CC_SUSPEND_TIMEOUT_MS,
	.max_misses = CC_MAX_MISSES,
};

int cc_table_parse_disk(struct dm_target *ti, unsigned int argc, char **argv,
			struct cc_disk_args *ret)
{
	struct dm_arg_set as = { argc, argv };
	struct cc_disk_args a = default_args;

	if (argc < 3) {
		ti->error = "Expected <pool device> <store name> <manifest digest>";
		return -EINVAL;
	}
	dm_consume_args(&as, 1);		/* the pool device is opened by the caller */
	if (parse_store(ti, dm_shift_arg(&as), a.store) ||
	    parse_digest(ti, dm_shift_arg(&as), a.digest) || parse_features(ti, &as, false, &a))
		return -EINVAL;
	*ret = a;
	return 0;
}

int cc_table_parse_volume(struct dm_target *ti, unsigned int argc, char **argv,
			  struct cc_disk_args *ret, uuid_t *ret_uuid)
{
	struct dm_arg_set as = { argc, argv };
	struct cc_disk_args a = default_args;
	const char *uuid;

	a.logical_block_size = SECTOR_SIZE;
	if (argc < 3) {
		ti->error = "Expected <pool device> <store name> <volume UUID>";
		return -EINVAL;
	}
	dm_consume_args(&as, 1);
	if (parse_store(ti, dm_shift_arg(&as), a.store))
		return -EINVAL;
	uuid = dm_shift_arg(&as);
	if (strlen(uuid) != UUID_STRING_LEN || uuid_parse(uuid, ret_uuid) ||
	    uuid_is_null(ret_uuid)) {
		ti->error = "Volume must be named by its UUID";
		return -EINVAL;
	}
	if (parse_features(ti, &as, true, &a))
		return -EINVAL;
	if (a.logical_block_size != SECTOR_SIZE && a.logical_block_size != CC_BLOCK_SIZE) {
		ti->error = LOGICAL_BLOCK_SIZES;
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

static int parse_pool_feature(struct dm_target *ti, struct dm_arg_set *as, struct cc_pool_args *a)
{
	if (strcmp(dm_shift_arg(as), "discard")) {
		ti->error = "Unknown feature of a pool, only discard is known";
		return -EINVAL;
	}
	if (a->discard) {
		ti->error = "Feature is given twice";
		return -EINVAL;
	}
	a->discard = true;
	return 0;
}

int cc_table_parse_pool(struct dm_target *ti, unsigned int argc, char **argv,
			struct cc_pool_args *ret)
{
	static const struct dm_arg nr_features = { 0, 1, "Number of feature words must be 0 or 1" };
	struct dm_arg_set as = { argc, argv };
	struct cc_pool_args a = {};
	unsigned int n = 0;

	if (!argc) {
		ti->error = "Expected <cache device>";
		return -EINVAL;
	}
	dm_consume_args(&as, 1);
	if (as.argc && dm_read_arg_group(&nr_features, &as, &n, &ti->error))
		return -EINVAL;
	while (n--)
		if (parse_pool_feature(ti, &as, &a))
			return -EINVAL;
	if (no_more(ti, &as))
		return -EINVAL;
	*ret = a;
	return 0;
}

unsigned int cc_table_emit_features(const struct cc_disk_args *a, char *result,
				    unsigned int maxlen)
{
	bool suspend = a->suspend_timeout_ms != CC_SUSPEND_TIMEOUT_MS;
	bool max = a->max_misses != CC_MAX_MISSES;
	bool block = a->logical_block_size > SECTOR_SIZE;
	unsigned int sz = 0;

	DMEMIT(" %u", 2 * (!!a->miss_timeout_ms + suspend + max + !!a->min_slots + block +
			   a->durable_store) +
	       a->pin);
	if (a->miss_timeout_ms)
		DMEMIT(" miss_timeout_ms %u", a->miss_timeout_ms);
	if (suspend)
		DMEMIT(" suspend_timeout_ms %u", a->suspend_timeout_ms);
	if (max)
		DMEMIT(" max_misses %u", a->max_misses);
	if (a->min_slots)
		DMEMIT(" min_slots %u", a->min_slots);
	if (a->pin)
		DMEMIT(" pin");
	if (block)
		DMEMIT(" logical_block_size %u", a->logical_block_size);
	if (a->durable_store)
		DMEMIT(" durability store");
	return sz;
}

unsigned int cc_table_emit_pool_features(const struct cc_pool_args *a, char *result,
					 unsigned int maxlen)
{
	unsigned int sz = 0;

	if (a->discard)
		DMEMIT(" 1 discard");
	else
		DMEMIT(" 0");
	return sz;
}

unsigned int cc_table_emit_disk(const struct cc_disk_args *a, char *result,
				unsigned int maxlen)
{
	unsigned int sz = 0;

	DMEMIT(" %s " DIGEST_PREFIX "%*phN", a->store, CHUNKCACHE_DIGEST_SIZE, a->digest);
	return sz + cc_table_emit_features(a, result + sz, maxlen - sz);
}

unsigned int cc_table_emit_volume(const struct cc_disk_args *a, const uuid_t *uuid, char *result,
				  unsigned int maxlen)
{
	unsigned int sz = 0;

	DMEMIT(" %s %pUb", a->store, uuid);
	return sz + cc_table_emit_features(a, result + sz, maxlen - sz);
}
