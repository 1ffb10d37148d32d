// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration files: of the helper, of a disk, of a volume.  A refusal is one line that starts with the file's
 * name, and changes nothing; what is taken is taken again, with the same result.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/disk-config.h"
#include "config.h"
#include "config-value.h"
#include "fuzz.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

static void check_refusal(int r, const char *err, const char *file)
{
	fuzz_check(r < 0);
	fuzz_check_reason(err);
	fuzz_check(!strncmp(err, file, strlen(file)));
}

static void check_config(const struct cc_config *c)
{
	fuzz_check(cc_is_name(c->pool) && *c->device && *c->control_socket && *c->metrics_socket);
	fuzz_check(c->nr_stores <= CC_MAX_STORES && c->slot_wait_ms <= 60000);
	for (unsigned int i = 0; i < c->nr_stores; i++) {
		const struct cc_store_config *s = &c->stores[i];

		fuzz_check(s->url && cc_is_name(s->name) && s->domain);
		fuzz_check(cc_config_store(c, s->name) == s);
		fuzz_check(s->connections && s->connections <= 256 && s->attempts && s->attempts <= 10);
	}
}

static void load_config(const char *file)
{
	struct cc_config c, again;
	char err[400] = "";
	int r = cc_config_load(file, &c, err, sizeof(err));

	if (r) {
		check_refusal(r, err, file);
		return;
	}
	check_config(&c);
	fuzz_check(!cc_config_load(file, &again, err, sizeof(err)));
	fuzz_check(again.nr_stores == c.nr_stores && same_text(again.pool, c.pool));
	cc_config_free(&again);
	cc_config_free(&c);
}

static void load_disk(const char *file, int load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen))
{
	struct ctl_disk_config c = { 0 };
	char err[400] = "";
	int r = load(file, &c, err, sizeof(err));

	if (r) {
		check_refusal(r, err, file);
		return;
	}
	fuzz_check(c.min_slots <= CTL_MIN_SLOTS_MAX);
	fuzz_check(load == ctl_disk_config_load || (!c.image && !c.digest && !c.size && !c.min_slots && !c.pin));
	ctl_disk_config_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *file = fuzz_file(data, size);

	load_config(file);
	load_disk(file, ctl_disk_config_load);
	load_disk(file, ctl_volume_config_load);
	return 0;
}

void fuzz_setup(void)
{
	/* No settings of whoever runs this. */
	clearenv();
	setenv("HOME", "/nonexistent", 1);
}
