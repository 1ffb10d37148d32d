// SPDX-License-Identifier: GPL-2.0-or-later
/* Why writes of a volume wait or fail; see explain-volume.h. */
#include "explain-volume.h"

#include <inttypes.h>
#include <string.h>

#include "ask.h"
#include "volume-here.h"

#define OLD_MS 10000			/* ten times the interval of commits */

static const char *volume_state_of(const struct ctl_explanation *x)
{
	return ctl_string(x->disk, "volume_state");
}

static const char *why_of(const struct ctl_explanation *x)
{
	return json_string_value(json_object_get(x->disk, "why"));
}

static void volume_failed_here(struct ctl_explanation *x)
{
	char dirty[CTL_DIRTY_TEXT];

	ctl_explain_mark(x, PART_DISK, LEVEL_BAD, "failed");
	ctl_explain_say(x, "The volume %s has failed%s%s: all its I/O ends with EIO. What it wrote and no store has (%s) stays in "
			"the pool.", x->name, why_of(x) ? ": " : "", why_of(x) ? why_of(x) : "",
			ctl_volume_dirty_text(x->disk, dirty));
	ctl_explain_next(x, "chunkctl volume show %s --store %s", ctl_string(x->disk, "uuid"),
			 ctl_string(x->disk, "store"));
	ctl_explain_next(x, "chunkctl volume down %s", x->name);
}

static void volume_not_open(struct ctl_explanation *x)
{
	ctl_explain_mark(x, PART_DISK, LEVEL_BAD, "not open yet");
	ctl_explain_say(x, "The helper has not opened the volume %s yet%s%s: all its I/O waits until it has.", x->name,
			why_of(x) ? ": " : "", why_of(x) ? why_of(x) : "");
}

static bool journal_full(const struct ctl_explanation *x)
{
	uint64_t size = ctl_number(x->pool, "journal_size");

	return size && ctl_number(x->pool, "journal_used") * 10 >= size * 9;
}

/* What the pool is out of: words, or NULL. */
static const char *out_of(const struct ctl_explanation *x)
{
	uint64_t limit = ctl_number(x->pool, "dirty_max");

	if (limit && ctl_number(x->pool, "log_slots") + 2 >= limit)
		return "the slots that may hold what no store has are all in use";
	if (journal_full(x))
		return "the pool's journal is full";
	if (!ctl_number(x->pool, "free"))
		return "the pool has no free slot";
	return NULL;
}

/* Another volume of the pool that keeps the journal full, if there is one. */
static void say_who_keeps(struct ctl_explanation *x)
{
	const json_t *v, *most = NULL;
	size_t i;

	json_array_foreach(json_object_get(x->pool, "volumes"), i, v)
		if (!most || ctl_number(v, "journal_pages") > ctl_number(most, "journal_pages"))
			most = v;
	if (!most || !ctl_number(most, "journal_pages") ||
	    !strcmp(ctl_string(most, "uuid"), ctl_string(x->disk, "uuid")))
		return;
	ctl_explain_say(x, "%" PRIu64 " pages of it stay for the volume %s%s%s, which is %s.", ctl_number(most, "journal_pages"),
			ctl_string(most, "name"), *ctl_string(most, "name") ? ", " : "", ctl_string(most, "uuid"),
			ctl_string(most, "state"));
	ctl_explain_next(x, "chunkctl stat %s", ctl_string(x->pool, "name"));
}

/* Has it writes that no commit will ever take, unless somebody does something? */
static bool keeps_room(const struct ctl_explanation *x, const json_t *volume)
{
	const char *state = ctl_string(volume, "state");

	return ctl_volume_is_dirty(volume) && (!strcmp(state, "failed") || !strcmp(state, "left")) &&
	       strcmp(ctl_string(volume, "uuid"), ctl_string(x->disk, "uuid"));
}

/* Says which other volumes hold up this one; how many do. */
static unsigned int name_keepers(struct ctl_explanation *x)
{
	char dirty[CTL_DIRTY_TEXT];
	unsigned int nr = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(x->pool, "volumes"), i, v) {
		if (!keeps_room(x, v))
			continue;
		nr++;
		ctl_explain_say(x, "What the volume %s wrote here and no store has (%s) keeps its slots until that is "
				"opened here again, or rescued and given up.", ctl_string(v, "uuid"),
				ctl_volume_dirty_text(v, dirty));
		ctl_explain_next(x, "chunkctl volume show %s", ctl_string(v, "uuid"));
	}
	return nr;
}

static void writes_wait(struct ctl_explanation *x)
{
	const char *none = out_of(x);
	uint64_t held = ctl_number(x->disk, "held_writes");

	ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " writes wait for room", held);
	if (!none) {
		ctl_explain_say(x, "%" PRIu64 " writes wait for a slot, which is on its way.", held);
		return;
	}
	ctl_explain_say(x, "%" PRIu64 " writes wait because %s; they go on, and none fails, as commits get through.", held,
			none);
	if (why_of(x))
		ctl_explain_say(x, "Commits do not: %s.", why_of(x));
	else if (!name_keepers(x))
		ctl_explain_say(x, "Guests write faster than the store takes it.");
	if (journal_full(x))
		say_who_keeps(x);
	ctl_explain_next(x, "chunkctl journal /dev/mapper/%s", ctl_string(x->pool, "name"));
}

static bool journal_failed(const struct ctl_explanation *x)
{
	return !strcmp(ctl_string(x->pool, "journal"), "failed");
}

static void commits_late(struct ctl_explanation *x)
{
	char dirty[CTL_DIRTY_TEXT];

	if (!ctl_volume_is_dirty(x->disk) || (ctl_number(x->disk, "oldest_ms") < OLD_MS && !why_of(x)))
		return;
	ctl_explain_mark(x, PART_DISK, why_of(x) ? LEVEL_BAD : LEVEL_ODD, "in no store yet: %s",
			 ctl_volume_dirty_text(x->disk, dirty));
	ctl_explain_say(x, "What only this host has of %s, %s, would be lost with it.", x->name,
			ctl_volume_dirty_text(x->disk, dirty));
	if (why_of(x) && !journal_failed(x) && !ctl_number(x->disk, "held_writes"))
		ctl_explain_say(x, "Commits do not get through: %s. Writes go on until the pool's limit is reached, then they "
				"wait.", why_of(x));
}

static void explain_journal(struct ctl_explanation *x)
{
	if (!journal_failed(x))
		return;
	ctl_explain_mark(x, PART_POOL, LEVEL_BAD, "its journal can't be written");
	ctl_explain_say(x, "The journal of %s can't be written, as if its device had died: all writes of volumes end with EIO; reads "
			"go on.",
			ctl_string(x->pool, "name"));
	ctl_explain_next(x, "dmesg | grep chunkcache");
}

static void check_write_errors(struct ctl_explanation *x)
{
	uint64_t errors = ctl_number(x->disk, "write_errors");

	if (!errors)
		return;
	ctl_explain_mark(x, PART_DISK, LEVEL_ODD, "%" PRIu64 " writes failed", errors);
	ctl_explain_say(x, "%" PRIu64 " writes failed since the counters were cleared.", errors);
	ctl_explain_next(x, "dmsetup message %s 0 clear_stats   (to see whether there are new ones)", x->name);
}

void ctl_explain_volume(struct ctl_explanation *x)
{
	char size[CTL_SIZE_TEXT], dirty[CTL_DIRTY_TEXT];

	if (json_is_true(json_object_get(x->disk, "suspended"))) {
		ctl_explain_mark(x, PART_DISK, LEVEL_BAD, "suspended");
		ctl_explain_say(x, "%s is suspended: all its I/O waits in device-mapper.", x->name);
		ctl_explain_next(x, "dmsetup resume %s", x->name);
	}
	explain_journal(x);
	if (!strcmp(volume_state_of(x), "failed"))
		volume_failed_here(x);
	else if (!strcmp(volume_state_of(x), "new"))
		volume_not_open(x);
	else if (ctl_number(x->disk, "held_writes"))
		writes_wait(x);
	if (!strcmp(volume_state_of(x), "running"))
		commits_late(x);
	check_write_errors(x);
	ctl_explain_mark(x, PART_DISK, LEVEL_OK, "volume of %s, term %" PRIu64 ", %s; in no store yet: %s",
			 ctl_size_text(ctl_number(x->disk, "bytes"), size), ctl_number(x->disk, "term"), volume_state_of(x),
			 ctl_volume_dirty_text(x->disk, dirty));
}
