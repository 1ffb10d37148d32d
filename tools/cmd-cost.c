// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl cost: what disks and images have cost, as GETs, bytes and money, as the helpers have
 * counted since they started.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "command.h"
#include "dm.h"
#include "scan.h"
#include "ui.h"

#define OPT_GETS 0x300
#define OPT_GIB 0x301
#define OPT_IMAGES 0x302
#define GIB (1024.0 * 1024 * 1024)

static const char help[] =
	"GETs and bytes for each disk since the helper started, and what they cost.\n"
	"Prices are those of the store's section (price_1000_gets, price_gib), or of the\n"
	"options.  A chunk that several disks wait for is charged to the one that asked\n"
	"first.\n"
	"\n"
	"  --by-image           sum up by image instead of by disk\n"
	"  --price-1000-gets P  price of 1000 GETs\n"
	"  --price-gib P        price of 1 GiB received\n"
	"  --currency C         what to call it, such as USD\n"
	"  --json               print everything as JSON\n";

struct line {
	char name[160], store[64], digest[72];
	uint64_t gets, bytes;
	double price;
	bool up, priced;
};

struct cost {
	bool images, json, have_gets, have_gib;
	double price_gets, price_gib;	/* of the options */
	const char *currency;
	struct line *lines;
	size_t nr;
	bool incomplete;		/* a helper could not be asked */
};

/* ---- gathering ---- */

static void find_prices(const struct cost *c, const json_t *answer, const char *name,
			double *ret_gets, double *ret_gib)
{
	const json_t *store;
	size_t i;

	*ret_gets = 0;
	*ret_gib = 0;
	json_array_foreach(json_object_get(answer, "stores"), i, store) {
		if (strcmp(ctl_string(store, "name"), name))
			continue;
		*ret_gets = json_number_value(json_object_get(store, "price_1000_gets"));
		*ret_gib = json_number_value(json_object_get(store, "price_gib"));
	}
	if (c->have_gets)
		*ret_gets = c->price_gets;
	if (c->have_gib)
		*ret_gib = c->price_gib;
}

/* The line to add to: by image those of one digest and store are one. */
static struct line *line_for(struct cost *c, const char *name, const char *store,
			     const char *digest)
{
	struct line *grown, *l;
	size_t i;

	for (i = 0; i < c->nr && c->images; i++)
		if (!strcmp(c->lines[i].digest, digest) && !strcmp(c->lines[i].store, store))
			return &c->lines[i];
	grown = realloc(c->lines, (c->nr + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	c->lines = grown;
	l = &c->lines[c->nr++];
	memset(l, 0, sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->store, sizeof(l->store), "%s", store);
	snprintf(l->digest, sizeof(l->digest), "%s", digest);
	return l;
}

static int add(struct cost *c, const json_t *answer, const char *name, const char *store,
	       const char *digest, const json_t *account)
{
	struct line *l = line_for(c, name, store, digest);
	uint64_t gets = ctl_number(account, "gets"), bytes = ctl_number(account, "bytes");
	double per_gets, per_gib;

	if (!l) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	find_prices(c, answer, store, &per_gets, &per_gib);
	l->gets += gets;
	l->bytes += bytes;
	l->price += gets / 1000.0 * per_gets + bytes / GIB * per_gib;
	l->priced = per_gets > 0 || per_gib > 0;
	l->up |= json_is_true(json_object_get(account, "up"));
	return 0;
}

static int add_pool(struct cost *c, const char *pool)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(pool, "costs", NULL, CTL_ASK_SECONDS, &asked), *a, *rest;
	size_t i;
	int r = 0;

	if (!answer) {
		ctl_err("helper of %s: %s", pool, asked.why);
		c->incomplete = true;
		return 0;
	}
	json_array_foreach(json_object_get(answer, "accounts"), i, a)
		if (!r)
			r = add(c, answer, ctl_string(a, "disk"), ctl_string(a, "store"),
				ctl_string(a, "digest"), a);
	rest = json_object_get(answer, "rest");
	if (!r && ctl_number(rest, "gets"))
		r = add(c, answer, "(nobody's)", "-", "-", rest);
	json_decref(answer);
	return r;
}

static int gather(struct cost *c, const char *name)
{
	bool unreadable = false, found = !name;
	json_t *pools, *pool;
	const char *own;
	size_t i;
	int r = ctl_scan(&pools, &unreadable);

	if (r) {
		ctl_err("device-mapper: %s", ctl_dm_reason(r));
		return CTL_FAILED;
	}
	json_array_foreach(pools, i, pool) {
		own = json_string_value(json_object_get(pool, "name"));
		if (!own || r || (name && strcmp(own, name)))
			continue;
		found = true;
		r = add_pool(c, own);
	}
	json_decref(pools);
	if (!found) {
		ctl_err("%s: no such pool", name);
		r = CTL_FAILED;
	}
	return r;
}

/* ---- showing ---- */

static int by_price(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int r = (x->price < y->price) - (x->price > y->price);

	return r ? r : (x->gets < y->gets) - (x->gets > y->gets);
}

static void price_text(const struct cost *c, double price, bool priced, char buf[64])
{
	if (!priced)
		snprintf(buf, 64, "-");
	else
		snprintf(buf, 64, price < 10 ? "%.4f%s%s" : "%.2f%s%s", price,
			 c->currency ? " " : "", c->currency ? c->currency : "");
}

static void print_cost(const struct cost *c, const struct ctl_ui *ui, const struct line *l)
{
	char name[64], store[64], gets[CTL_CELL], bytes[CTL_SIZE_TEXT], price[64], digest[64];
	const char *what = l->name;

	if (c->images && strcmp(l->digest, "-")) {
		snprintf(digest, sizeof(digest), "sha256:%.16s", l->digest);
		what = digest;
	}
	price_text(c, l->price, l->priced, price);
	printf("%-26s %-14s %7s %11s %16s%s\n", ctl_cut(ui, what, 26, name, sizeof(name)),
	       ctl_cut(ui, l->store, 14, store, sizeof(store)), ctl_count_text(l->gets, gets),
	       ctl_size_text(l->bytes, bytes), price,
	       l->up || c->images || !strcmp(l->digest, "-") ? "" : " gone");
}

static void print_costs(const struct cost *c)
{
	struct line sum = { .name = "all", .store = "", .digest = "-" };
	struct ctl_ui ui;
	size_t i;

	ctl_ui_init(&ui);
	printf("%s%-26s %-14s %7s %11s %16s%s\n", ctl_color(&ui, CTL_DIM),
	       c->images ? "IMAGE" : "DISK", "STORE", "GETS", "RECEIVED", "PRICE",
	       ctl_color(&ui, CTL_PLAIN));
	for (i = 0; i < c->nr; i++) {
		print_cost(c, &ui, &c->lines[i]);
		sum.gets += c->lines[i].gets;
		sum.bytes += c->lines[i].bytes;
		sum.price += c->lines[i].price;
		sum.priced |= c->lines[i].priced;
	}
	fputs(ctl_color(&ui, CTL_BOLD), stdout);
	print_cost(c, &ui, &sum);
	fputs(ctl_color(&ui, CTL_PLAIN), stdout);
	if (!sum.priced && c->nr)
		printf("\nNo prices: set price_1000_gets and price_gib of the store, or use options.\n");
}

static int print_cost_json(const struct cost *c)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < c->nr; i++) {
		const struct line *l = &c->lines[i];
		json_t *o = json_pack("{s:s, s:s, s:I, s:I}", "store", l->store, "digest", l->digest,
				      "gets", (json_int_t)l->gets, "bytes", (json_int_t)l->bytes);

		if (!c->images) {
			json_object_set_new(o, "disk", json_string(l->name));
			json_object_set_new(o, "up", json_boolean(l->up));
		}
		if (l->priced)
			json_object_set_new(o, "price", json_real(l->price));
		json_array_append_new(list, o);
	}
	return ctl_print_json(json_pack("{s:i, s:o}", "v", 1, c->images ? "images" : "disks", list));
}

static int cost(struct cost *c, const char *name)
{
	int r = gather(c, name);

	if (!r && c->nr)
		qsort(c->lines, c->nr, sizeof(*c->lines), by_price);
	if (!r && c->json)
		r = print_cost_json(c);
	else if (!r)
		print_costs(c);
	free(c->lines);
	return !r && c->incomplete ? CTL_DAMAGE : r;
}

static int parse_price(const char *option, const char *s, double *ret_price)
{
	char *end;
	double price = strtod(s, &end);

	if (s[0] < '0' || s[0] > '9' || s[strspn(s, "0123456789.")] || *end || price > 1e6)
		return ctl_usage("%s: expected a price such as 0.0004, got '%s'", option, s);
	*ret_price = price;
	return 0;
}

static int parse_cost_option(struct cost *c, int option, char **argv)
{
	switch (option) {
	case OPT_GETS:
		c->have_gets = true;
		return parse_price("--price-1000-gets", optarg, &c->price_gets);
	case OPT_GIB:
		c->have_gib = true;
		return parse_price("--price-gib", optarg, &c->price_gib);
	case OPT_IMAGES:
		c->images = true;
		return 0;
	case 'c':
		if (!*optarg || strlen(optarg) > 8)
			return ctl_usage("--currency: expected 1 to 8 characters, got '%s'", optarg);
		c->currency = optarg;
		return 0;
	case CTL_OPT_JSON:
		c->json = true;
		return 0;
	}
	return ctl_bad_option(option, argv);
}

static int run_cost(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		{ "by-image", no_argument, NULL, OPT_IMAGES },
		{ "price-1000-gets", required_argument, NULL, OPT_GETS },
		{ "price-gib", required_argument, NULL, OPT_GIB },
		{ "currency", required_argument, NULL, 'c' },
		{ 0 }
	};
	struct cost c = { 0 };
	int o, r;

	while ((o = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (o == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_cost_option(&c, o, argv);
		if (r)
			return r;
	}
	if (argc - optind > 1)
		return ctl_usage("expected at most one POOL");
	return ctl_finish(cost(&c, argv[optind]));
}

const struct ctl_command ctl_cmd_cost = {
	.name = "cost",
	.synopsis = "[POOL] [--by-image] [OPTION]...",
	.summary = "Show what disks and images have cost",
	.help = help,
	.run = run_cost,
};
