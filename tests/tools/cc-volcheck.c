// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shows that a disk keeps its word: `write' writes to it and keeps a log of what was issued and acknowledged,
 * `check' decides from that log whether what the disk holds afterwards is a state that it may be in, `put' plants
 * sectors for tests of the judgement itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "volcheck/volcheck.h"

static const char usage[] =
"Usage: cc-volcheck write --log FILE [OPTIONS] DEVICE\n"
"  --log FILE          a file or pipe that outlives the machine whose disk this is\n"
"  --run N             number of this run, another one for each on one device (1)\n"
"  --threads N         (4)\n"
"  --ops N             operations in all; --seconds S  time; one of them is needed\n"
"  --sectors N         only so many from the start (all)\n"
"  --flush N           one operation in N is a flush; 0 none (32)\n"
"  --parts             a third of what is written or zeroed begins or ends within a block\n"
"  --fua --discard     one operation in 16 is a write with FUA; a discard or write-zeroes\n"
"  --seed N            (1)\n"
"  --mark NAME         a dm-log-writes device, in whose log each acknowledgement is marked: cc-crash\n"
"\n"
"       cc-volcheck check --log FILE --promise WHAT [OPTIONS] DEVICE\n"
"  --promise all       all that was acknowledged is there\n"
"            flushed   what was acknowledged before a flush, or with FUA; the rest as:\n"
"            prefix    nothing is missing that was complete before something there was issued\n"
"  --base FILE         what the device held before the run (zeros)\n"
"  --save FILE         what it holds now: the --base of the next run\n"
"  --window MS         what is missing was acknowledged in so many ms before the log ends\n"
"  --reports N         wrong sectors that are named (10)\n"
"\n"
"       cc-volcheck put FILE SECTOR COUNT RUN OPERATION [fua]\n"
"\n"
"Exit: 0 done, allowed; 1 an operation failed, not allowed; 2 usage, log or device cannot be used\n";

#define PUT_MAX		256u

enum { OPT_LOG = 1, OPT_RUN, OPT_THREADS, OPT_OPS, OPT_SECONDS, OPT_SECTORS, OPT_FLUSH, OPT_PARTS, OPT_FUA, OPT_DISCARD,
       OPT_SEED, OPT_MARK, OPT_PROMISE, OPT_BASE, OPT_SAVE, OPT_WINDOW, OPT_REPORTS };

void vc_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "cc-volcheck: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || n < min || n > max)
		vc_die("%s: %s: must be a number from %" PRIu64 " to %" PRIu64, what, text, min, max);
	return n;
}

static enum promise promise(const char *text)
{
	if (!strcmp(text, "all"))
		return PROMISE_ALL;
	if (!strcmp(text, "flushed"))
		return PROMISE_FLUSHED;
	if (!strcmp(text, "prefix"))
		return PROMISE_PREFIX;
	vc_die("--promise %s: must be all, flushed or prefix", text);
}

static const char *only_argument(int argc, char **argv)
{
	if (optind != argc - 1)
		vc_die("exactly one device is needed; --help says more");
	return argv[optind];
}

static int cmd_write(int argc, char **argv)
{
	static const struct option options[] = {
		{ "log", 1, NULL, OPT_LOG }, { "run", 1, NULL, OPT_RUN }, { "threads", 1, NULL, OPT_THREADS },
		{ "ops", 1, NULL, OPT_OPS }, { "seconds", 1, NULL, OPT_SECONDS }, { "sectors", 1, NULL, OPT_SECTORS },
		{ "flush", 1, NULL, OPT_FLUSH }, { "parts", 0, NULL, OPT_PARTS }, { "fua", 0, NULL, OPT_FUA },
		{ "discard", 0, NULL, OPT_DISCARD }, { "seed", 1, NULL, OPT_SEED },
		{ "mark", 1, NULL, OPT_MARK }, { 0 }
	};
	struct write_options o = { .run = 1, .threads = 4, .flush_every = 32, .seed = 1 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case OPT_LOG:		o.log = optarg; break;
		case OPT_RUN:		o.run = number("--run", optarg, 1, UINT32_MAX); break;
		case OPT_THREADS:	o.threads = number("--threads", optarg, 1, 256); break;
		case OPT_OPS:		o.ops = number("--ops", optarg, 1, UINT32_MAX - 1024); break;
		case OPT_SECONDS:	o.seconds = number("--seconds", optarg, 1, 1000000); break;
		case OPT_SECTORS:	o.sectors = number("--sectors", optarg, 8, UINT64_MAX); break;
		case OPT_FLUSH:		o.flush_every = number("--flush", optarg, 0, UINT32_MAX); break;
		case OPT_PARTS:		o.parts = true; break;
		case OPT_FUA:		o.fua = true; break;
		case OPT_DISCARD:	o.discard = true; break;
		case OPT_SEED:		o.seed = number("--seed", optarg, 0, UINT32_MAX); break;
		case OPT_MARK:		o.mark = optarg; break;
		default:		return 2;
		}
	}
	o.device = only_argument(argc, argv);
	if (!o.log || (!o.ops && !o.seconds))
		vc_die("--log and one of --ops and --seconds are needed");
	return vc_write(&o);
}

static int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "log", 1, NULL, OPT_LOG }, { "promise", 1, NULL, OPT_PROMISE }, { "base", 1, NULL, OPT_BASE },
		{ "save", 1, NULL, OPT_SAVE }, { "window", 1, NULL, OPT_WINDOW }, { "reports", 1, NULL, OPT_REPORTS },
		{ 0 }
	};
	struct check_options o = { .window_ms = -1, .max_reports = 10 };
	bool promised = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case OPT_LOG:		o.log = optarg; break;
		case OPT_PROMISE:	o.promise = promise(optarg); promised = true; break;
		case OPT_BASE:		o.base = optarg; break;
		case OPT_SAVE:		o.save = optarg; break;
		case OPT_WINDOW:	o.window_ms = number("--window", optarg, 0, INT64_MAX); break;
		case OPT_REPORTS:	o.max_reports = number("--reports", optarg, 0, UINT32_MAX); break;
		default:		return 2;
		}
	}
	o.device = only_argument(argc, argv);
	if (!o.log || !promised)
		vc_die("--log and --promise are needed");
	return vc_check(&o);
}

/* A device's without the page cache, so that it gets them as they are here: up to PUT_MAX in one write. */
static int open_to_put(const char *path)
{
	struct stat st;
	bool device = !stat(path, &st) && S_ISBLK(st.st_mode);
	int fd = open(path, O_WRONLY | O_CLOEXEC | (device ? O_DIRECT : 0));

	if (fd < 0)
		vc_die("%s: %s", path, strerror(errno));
	return fd;
}

static int cmd_put(int argc, char **argv)
{
	uint64_t sector, count, op, done, n, i;
	struct stamp *stamps;
	struct iovec iov;
	uint32_t run;
	int fd;

	if (argc != 6 && (argc != 7 || strcmp(argv[6], "fua")))
		vc_die("put FILE SECTOR COUNT RUN OPERATION [fua]");
	sector = number("SECTOR", argv[2], 0, INT64_MAX / SECTOR);
	count = number("COUNT", argv[3], 1, 1 << 20);
	run = number("RUN", argv[4], 1, UINT32_MAX);
	op = number("OPERATION", argv[5], 1, UINT32_MAX);
	if (posix_memalign((void **)&stamps, 4096, PUT_MAX * SECTOR))
		vc_die("no memory");
	fd = open_to_put(argv[1]);
	for (done = 0; done < count; done += n) {
		n = count - done < PUT_MAX ? count - done : PUT_MAX;
		for (i = 0; i < n; i++)
			vc_stamp((struct stamp *)((char *)stamps + i * SECTOR), run, op, sector + done + i);
		iov = (struct iovec){ stamps, n * SECTOR };
		if (pwritev2(fd, &iov, 1, (sector + done) * SECTOR, argc == 7 ? RWF_DSYNC : 0) != (ssize_t)iov.iov_len)
			vc_die("%s: cannot be written", argv[1]);
	}
	free(stamps);
	if (close(fd))
		vc_die("%s: %s", argv[1], strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!strcmp(command, "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!strcmp(command, "write"))
		return cmd_write(argc - 1, argv + 1);
	if (!strcmp(command, "check"))
		return cmd_check(argc - 1, argv + 1);
	if (!strcmp(command, "put"))
		return cmd_put(argc - 1, argv + 1);
	fputs(usage, stderr);
	return 2;
}
