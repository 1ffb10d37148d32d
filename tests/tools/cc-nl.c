// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scripted client of the module's netlink protocol: it can be a small, correct helper (serve),
 * do each step of one by hand, or send what no helper would.  Reads commands, one a line, and
 * stops with status 1 at the first one that ends other than the script says.  Each result
 * is an environment variable, so that later lines can use it as $name.
 */
#include "nl/nl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"Usage: cc-nl [OPTIONS] [-c COMMANDS | FILE]     (else: commands on standard input)\n"
"  -c 'A; B; C'   commands; ; is a new line\n"
"  -q             print failures only\n"
CONTENT_HELP
"\n"
"Commands (DISK is an ID, or the dm name of a disk that `disks` has shown):\n"
"  expect E[|E...] CMD    CMD must fail with one of these errnos\n"
"  refused E CMD          CMD succeeds, but with records refused, all with E (any: whatever)\n"
"  try CMD                any end is fine; $rc has 0 or the name of the errno\n"
"  pool PATH              open the pool's dm device, read its superblock\n"
"  attach [version=N] [fd=N] [uuid=HEX] [bell=N]   sets session instance slot_size nr_slots\n"
"  detach | close         (close: the pool's descriptor)\n"
"  disks                  sets disk (the first), nr_disks, disk_NAME; of the last volume:\n"
"                         volume_state first_log nr_logs volume term\n"
"  state DISK loaded|refused [REASON]\n"
"  misses N [all]         sets nr_misses pending disk0 chunk0 cookie0 offset0 len0 ...\n"
"  waitmiss N MS          pull until N misses came; variables as for misses\n"
"  flood N COUNT          N times MISS_GET of COUNT, reading no answer; then\n"
"  drain                  read them all; sets drained (answers), drained_misses, drained_errors\n"
"  bell MS                wait for a doorbell; sets pending; fails with ETIMEDOUT\n"
"  alloc N [prefetch]     sets nr_slots_got slot0 gen0 ...\n"
"  adopt SLOT...          the same, by name\n"
"  write SLOT SEED INDEX  the content into the slot (SEED 0: zeros)\n"
"  fill SLOT BYTE         a slot full of BYTE\n"
"  done SLOT GEN [DISK CHUNK]...   with key=N prefetch\n"
"  release SLOT GEN [bad] | keep SLOT\n"
"  map DISK CHUNK SLOT GEN [mark] | hole DISK CHUNK COUNT\n"
"  data DISK CHUNK COOKIE OFFSET LEN SEED INDEX [last]     (SEED 0: zeros)\n"
"  fail [DISK CHUNK COOKIE notfound|corrupt|timeout|other|NUMBER]...\n"
"  slots [POOL]           prints all; sets slots_free .. slots_log, gen_of_N state_of_N\n"
"  stats                  prints pools and disks\n"
"  journal                sets journal_state head tail dirty_max\n"
"  resume HEAD PREV TAIL | trim TAIL\n"
"  record TYPE VOLUME COUNT BLOCK PLACE [arg=N] [reserved=N]   TYPE: write, committed ... or a number\n"
"  records N              N writes of volume 1 to blocks that go on; sets records (all so far)\n"
"  waithead N MS          wait until page N is durable; variables as for journal\n"
"  claim SLOT...          sets nr_slots_got slot0 gen0 ...\n"
"  clean SLOT GEN | droplog SLOT GEN\n"
"  serve MS [slots|data|bare] [all] [max=N]   be a helper for so long, or until N misses were\n"
"                         answered; all: also what was given to this session before;\n"
"                         bare: slots are mapped with what they hold\n"
"  churn DISK CHUNK COUNT [shuffle]   a slot for each of these chunks, with what it holds\n"
"  spread DISK CHUNK COUNT SLOT GEN   map all of these chunks to one slot\n"
"  logs DISK LOG[:SLOT:GEN]...   VOLUME_LOAD: log chunks of the guest's, by number\n"
"  extent DISK BLOCK COUNT PLACE [reserved=N]   VOLUME_LOAD: blocks\n"
"  start DISK VOLUME TERM | cut DISK [seal] | failvolume DISK [REASON]\n"
"  raw CMD [dump] [ATTR=TYPE:VALUE]...   CMD, ATTR: name or number; TYPE: u8 u16 u32 u64 str hex\n"
"                         flag zeros (VALUE bytes) nest (empty nested attribute of VALUE bytes)\n"
"  is VALUE VALUE         fails if they differ\n"
"  session N              use this session number from now on\n"
"  reopen | netns | dropcap sys_admin|net_admin | rcvbuf BYTES\n"
"  sleep MS | echo TEXT | sh SHELL COMMAND\n";

static int cmd_sleep(int argc, char **argv)
{
	nl_sleep_ms(nl_number(argv[1]));
	return 0;
}

static int cmd_is(int argc, char **argv)
{
	if (!strcmp(argv[1], argv[2]))
		return 0;
	snprintf(nl.reply.text, sizeof(nl.reply.text), "%.100s is not %.100s", argv[1], argv[2]);
	return -EINVAL;
}

static int cmd_echo(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
	fflush(stdout);
	return 0;
}

static const struct nl_verb script_verbs[] = {
	{ "sleep", cmd_sleep, 1 },
	{ "is", cmd_is, 2 },
	{ "echo", cmd_echo, 0 },
	{ 0 }
};

static const struct nl_verb *const verbs[] = {
	nl_session_verbs, nl_miss_verbs, nl_slot_verbs, nl_dump_verbs, nl_serve_verbs, nl_raw_verbs,
	nl_journal_verbs, nl_volume_verbs, script_verbs,
};

static const struct nl_verb *find_verb(const char *name)
{
	const struct nl_verb *v;
	size_t i;

	for (i = 0; i < NL_NR(verbs); i++)
		for (v = verbs[i]; v->name; v++)
			if (!strcmp(v->name, name))
				return v;
	die(name, "no such command; --help lists them");
	return NULL;
}

static int run(int argc, char **argv)
{
	const struct nl_verb *v = find_verb(argv[0]);

	nl.reply.text[0] = 0;
	nl.reply.nr_refused = 0;
	if (argc - 1 < v->min_args)
		die(argv[0], "too few arguments; --help lists them");
	return v->run(argc, argv);
}

static const char *errno_name(int err)
{
	const char *name = err ? strerrorname_np(-err) : "0";

	return name ? name : "?";
}

/* Is name one of the words of list, which are separated by '|'? */
static bool in_list(const char *list, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	for (p = list; (p = strstr(p, name)); p += n)
		if ((p == list || p[-1] == '|') && (!p[n] || p[n] == '|'))
			return true;
	return false;
}

static bool judge(const char *how, const char *want, int err)
{
	if (!strcmp(how, "try"))
		return true;
	if (!strcmp(how, "expect"))
		return err && in_list(want, errno_name(err));
	if (!strcmp(how, "refused"))
		return !err && nl.reply.nr_refused &&
		       (!strcmp(want, "any") ||
			in_list(want, errno_name(-nl.reply.refused_error)));
	return !err && !nl.reply.nr_refused;
}

static bool run_words(int argc, char **argv, const char *line)
{
	const char *how = "", *want = "";
	bool good;
	int err;

	if (!strcmp(argv[0], "expect") || !strcmp(argv[0], "refused")) {
		if (argc < 3)
			die(line, "expected an errno and a command");
		how = argv[0];
		want = argv[1];
		argv += 2;
		argc -= 2;
	} else if (!strcmp(argv[0], "try") && argc > 1) {
		how = *argv++;
		argc--;
	}
	err = run(argc, argv);
	setenv("rc", errno_name(err), 1);
	nl_set("nr_refused", nl.reply.nr_refused);
	good = judge(how, want, err);
	if (!nl.quiet || !good) {
		fflush(stdout);
		fprintf(good ? stdout : stderr, "%s%s: %s%s%s%s", good ? "" : "cc-nl: FAILED: ",
			line, errno_name(err), nl.reply.text[0] ? " (" : "", nl.reply.text,
			nl.reply.text[0] ? ")" : "");
		fprintf(good ? stdout : stderr, nl.reply.nr_refused ? ", %u refused: %s\n" : "\n",
			nl.reply.nr_refused,
			nl.reply.refused_error < 0 ? "several reasons" : errno_name(-nl.reply.refused_error));
		fflush(stdout);
	}
	return good;
}

static bool run_line(char *line)
{
	char expanded[8192], shown[8192], *argv[NL_MAX_ARGS], *word, *save;
	int argc = 0, status;

	line += strspn(line, " \t");
	line[strcspn(line, "\n")] = 0;
	if (!*line || *line == '#')
		return true;
	if (!strncmp(line, "sh ", 3)) {
		fflush(stdout);
		status = system(line + 3);
		if (status)
			fprintf(stderr, "cc-nl: FAILED: %s: status %#x\n", line, status);
		return !status;
	}
	nl_expand(line, expanded, sizeof(expanded));
	strcpy(shown, expanded);
	for (word = strtok_r(expanded, " \t", &save); word && argc < NL_MAX_ARGS;
	     word = strtok_r(NULL, " \t", &save))
		argv[argc++] = word;
	return run_words(argc, argv, shown);
}

static int run_text(char *text)
{
	char *line, *save;

	for (line = strtok_r(text, ";\n", &save); line; line = strtok_r(NULL, ";\n", &save))
		if (!run_line(line))
			return 1;
	return 0;
}

static int run_file(FILE *f)
{
	char line[8192];

	while (fgets(line, sizeof(line), f))
		if (!run_line(line))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		CONTENT_OPTIONS, { "help", 0, NULL, 'h' }, { 0 }
	};
	char *text = NULL;
	FILE *f = stdin;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:q", longopts, NULL)) != -1) {
		if (content_option(&nl.content, opt, optarg))
			continue;
		switch (opt) {
		case 'c': text = optarg; break;
		case 'q': nl.quiet = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	content_check(&nl.content);
	setvbuf(stdout, NULL, _IOLBF, 0);
	nl_open_sockets();
	if (text)
		return run_text(text);
	if (argv[optind]) {
		f = fopen(argv[optind], "re");
		if (!f)
			die(argv[optind], strerror(errno));
	}
	return run_file(f);
}
