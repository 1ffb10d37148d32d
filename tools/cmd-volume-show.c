// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume list and show: what a store knows of its volumes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "ui.h"
#include "uuid.h"
#include "volume-arg.h"
#include "volume-here.h"
#include "volume/place.h"
#include "volume/volume-name.h"

static const char list_help[] =
	"  --json               print an array of objects as JSON\n"
	"\n"
	CTL_STORE_HELP;

static const char show_help[] =
	"What the store knows, and if a pool of this host has the volume, what only that\n"
	"one has yet, and since when.  Of an owner elsewhere only its commits are seen.\n"
	"\n"
	"  --json               print an object as JSON\n"
	"\n"
	CTL_STORE_HELP;

static const char *volume_owner(const struct cc_volume_log *log)
{
	return cc_volume_log_closed(log) ? "-" : *log->last.host ? log->last.host : "?";
}

static json_t *describe_volume(const char *name, const struct cc_volume_state *s)
{
	const struct cc_commit *last = &s->log.last;
	char uuid[CC_UUID_TEXT], owner[CC_UUID_TEXT], base[2 * CC_ID_SIZE + 1];
	bool closed = cc_volume_log_closed(&s->log);
	static const uint8_t none[CC_ID_SIZE];

	cc_uuid_text(s->log.volume, uuid);
	cc_uuid_text(last->owner, owner);
	cc_id_to_hex(last->base, base);
	return json_pack("{s:s, s:s, s:I, s:I, s:o, s:b, s:o, s:o, s:I, s:I, s:I, s:s, s:I, s:I, s:I}",
			 "name", name, "uuid", uuid, "bytes", (json_int_t)last->size,
			 "chunk_bytes", (json_int_t)1 << last->chunk_shift,
			 "base", memcmp(last->base, none, sizeof(none)) ? json_sprintf("sha256:%s", base) : json_null(),
			 "open", !closed, "owner_host", closed ? json_null() : json_string(last->host),
			 "owner_pool", closed ? json_null() : json_string(owner),
			 "term", (json_int_t)last->term, "since", (json_int_t)s->log.since,
			 "last_commit", (json_int_t)last->number, "last_type", cc_commit_type_name(last->type),
			 "last_time", (json_int_t)last->time, "checkpoint", (json_int_t)last->map_number,
			 "pieces", (json_int_t)s->pieces.nr);
}

/* ---- list ---- */

struct listing {
	char **names;
	size_t nr, room;
	bool failed;
};

static int take_name(void *arg, const char *object, uint64_t size, int64_t mtime)
{
	struct listing *l = arg;
	const char *slash = strrchr(object, '/');

	if (l->nr == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		char **names = reallocarray(l->names, room, sizeof(*names));

		l->failed = !names;
		if (!names)
			return 1;
		l->names = names;
		l->room = room;
	}
	l->names[l->nr] = strdup(slash ? slash + 1 : object);
	l->failed = !l->names[l->nr];
	l->nr += !l->failed;
	return l->failed;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_volume_row(const char *name, const struct cc_volume_state *s)
{
	char size[CTL_SIZE_TEXT], time[CTL_TIME_TEXT];

	printf("%-24s %10s  %-20s %5u  %8" PRIu64 "  %s\n", name, ctl_size_text(s->log.last.size, size),
	       volume_owner(&s->log), s->log.last.term, s->log.last.number, ctl_volume_time(s->log.last.time, time));
}

static int list_one(struct ctl_store *store, const char *name, json_t *array)
{
	struct cc_volume_state state = { 0 };
	char err[400] = "";
	uint8_t uuid[16];
	int r;

	if (cc_volume_uuid(store->store, name, uuid, err, sizeof(err))) {
		ctl_err("%s: %s", name, err);
		return CTL_DAMAGE;
	}
	r = ctl_volume_read(store, name, uuid, &state);
	if (r)
		r = CTL_DAMAGE;
	else if (array)
		json_array_append_new(array, describe_volume(name, &state));
	else
		print_volume_row(name, &state);
	cc_volume_state_free(&state);
	return r;
}

static int list_volumes(struct ctl_store *store, bool json)
{
	json_t *array = json ? json_array() : NULL;
	struct listing l = { 0 };
	char err[400] = "";
	int code = CTL_OK;

	if (cc_store_list(store->store, "volume-names/", take_name, &l, err, sizeof(err)) || l.failed) {
		ctl_err("%s", l.failed ? "out of memory" : err);
		code = CTL_FAILED;
	}
	if (l.nr)
		qsort(l.names, l.nr, sizeof(*l.names), compare_names);
	if (!json && l.nr && !code)
		printf("%-24s %10s  %-20s %5s  %8s  %s\n", "NAME", "SIZE", "OPEN ON", "TERM", "COMMIT", "OF");
	for (size_t i = 0; i < l.nr; i++) {
		if (code != CTL_FAILED && list_one(store, l.names[i], array))
			code = CTL_DAMAGE;
		free(l.names[i]);
	}
	free(l.names);
	return json && ctl_print_json(array) ? CTL_FAILED : code;
}

static int run_list(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	struct ctl_store store;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "j", &a, &r))
		return r;
	r = ctl_operands(argc, 0, "no argument");
	if (r)
		return r;
	r = ctl_store_open(&a.opts, &store);
	if (!r)
		r = list_volumes(&store, a.json);
	ctl_store_close(&store);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_list = {
	.name = "volume list",
	.synopsis = "--store S [OPTION]...",
	.summary = "List the volumes of a store",
	.help = list_help,
	.run = run_list,
};

/* ---- show ---- */

/* What it costs, and what there is to show for it. */
struct footprint {
	uint64_t objects, bytes;	/* of the store, that are only its own */
	uint64_t live_bytes;		/* of what was written, and not again nor discarded since */
	bool known;			/* not from a store that has no listing */
};

static int add_object(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct footprint *f = arg;

	f->objects++;
	f->bytes += size;
	return 0;
}

static int add_live(void *arg, const struct cc_vmap_extent *e)
{
	struct footprint *f = arg;

	if (cc_place_is_data(e->place))
		f->live_bytes += e->count << CC_BLOCK_SHIFT;
	return 0;
}

static struct footprint measure_volume(const struct ctl_volume *v)
{
	struct footprint f = { 0 };
	char prefix[CC_OBJECT_NAME_MAX], err[400];

	cc_volume_prefix(v->uuid, prefix);
	f.known = !cc_store_list(v->store.store, prefix, add_object, &f, err, sizeof(err));
	cc_vmap_each(v->state.map, add_live, &f);
	return f;
}

static void print_details(const char *name, const struct cc_volume_state *s)
{
	const struct cc_commit *last = &s->log.last;
	char text[CTL_SIZE_TEXT], chunk[CTL_SIZE_TEXT], uuid[CC_UUID_TEXT], when[CTL_TIME_TEXT];
	char base[2 * CC_ID_SIZE + 1];
	static const uint8_t none[CC_ID_SIZE];

	cc_uuid_text(s->log.volume, uuid);
	printf("%s\n  uuid         %s\n", name, uuid);
	printf("  size         %s (%" PRIu64 " bytes), log chunks of %s\n", ctl_size_text(last->size, text), last->size,
	       ctl_size_text(1ULL << last->chunk_shift, chunk));
	cc_id_to_hex(last->base, base);
	printf("  base         %s%s\n", memcmp(last->base, none, sizeof(none)) ? "sha256:" : "none",
	       memcmp(last->base, none, sizeof(none)) ? base : "");
	if (cc_volume_log_closed(&s->log))
		printf("  open         no\n");
	else
		printf("  open         on %s since %s, term %u\n", volume_owner(&s->log),
		       ctl_volume_time(s->log.since, when), last->term);
	printf("  last commit  %" PRIu64 " (%s) of %s\n", last->number, cc_commit_type_name(last->type),
	       ctl_volume_time(last->time, when));
	if (last->map_number)
		printf("  checkpoint   %" PRIu64 "\n", last->map_number);
}

static void print_footprint(const struct footprint *f)
{
	char live[CTL_SIZE_TEXT], all[CTL_SIZE_TEXT];

	if (f->known)
		printf("  store        %s in %" PRIu64 " objects, %s of it live at the last commit\n",
		       ctl_size_text(f->bytes, all), f->objects, ctl_size_text(f->live_bytes, live));
}

static json_t *describe_footprint(json_t *volume, const struct footprint *f)
{
	json_object_set_new(volume, "store_bytes", f->known ? json_integer(f->bytes) : json_null());
	json_object_set_new(volume, "live_bytes", json_integer(f->live_bytes));
	return volume;
}

/* What a pool of this host has of it. */
static void print_here(const json_t *f)
{
	const char *why = json_string_value(json_object_get(f, "why"));
	char dirty[CTL_DIRTY_TEXT], size[CTL_SIZE_TEXT];

	if (!f)
		return;
	printf("  here         pool %s, %s%s%s\n", ctl_string(f, "pool"), ctl_string(f, "state"), why ? ": " : "",
	       why ? why : "");
	printf("  in no store  %s\n", ctl_volume_dirty_text(f, dirty));
	if (ctl_number(f, "journal_pages"))
		printf("  journal      %" PRIu64 " pages of the pool's stay for that\n", ctl_number(f, "journal_pages"));
	printf("  put          %s in %" PRIu64 " commits and %" PRIu64 " packs since the helper attached\n",
	       ctl_size_text(ctl_number(f, "stored_bytes"), size), ctl_number(f, "commits"), ctl_number(f, "packs"));
}

/* The helper's members beside the store's; "pool": null if no pool of this host has it. */
static json_t *describe_here(json_t *volume, const json_t *f)
{
	static const char *const keys[] = { "pool", "state", "why", "dirty", "dirty_bytes", "journal_pages", "oldest_ms", "commits",
					    "packs", "stored_bytes" };

	json_object_set_new(volume, "pool", json_null());
	for (size_t i = 0; f && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(f, keys[i]))
			json_object_set(volume, keys[i], json_object_get(f, keys[i]));
	return volume;
}

static int show_volume(const char *name, const struct ctl_volume *v, bool json)
{
	struct footprint footprint = measure_volume(v);
	char uuid[CC_UUID_TEXT];
	json_t *f, *volume;
	int r = 0;

	cc_uuid_text(v->uuid, uuid);
	f = ctl_volume_ask_all(uuid);
	if (json) {
		volume = describe_footprint(describe_volume(name, &v->state), &footprint);
		r = ctl_print_json(describe_here(volume, f)) ? CTL_FAILED : 0;
	} else {
		print_details(name, &v->state);
		print_footprint(&footprint);
		print_here(f);
	}
	json_decref(f);
	return r;
}

static int run_show(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	struct ctl_volume v;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "j", &a, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	r = ctl_volume_open(&a.opts, argv[optind], &v);
	if (!r)
		r = show_volume(argv[optind], &v, a.json);
	ctl_volume_close(&v);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_show = {
	.name = "volume show",
	.synopsis = "NAME --store S [OPTION]...",
	.summary = "Show what store and host know of a volume",
	.help = show_help,
	.run = run_show,
};
