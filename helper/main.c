// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkcached, the helper of one pool: options, configuration, signals, and the order in which things start
 * and stop.  The work is the session's.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "log.h"
#include "report/metrics.h"
#include "report/metrics-server.h"
#include "report/report.h"
#include "notify.h"
#include "session.h"
#include "creds/spawner.h"
#include "utf8.h"

#define EXIT_USAGE 2

struct daemon {
	struct cc_config config;
	struct cc_loop *loop;
	struct cc_sources *sources;
	struct cc_fetch *fetch;
	struct cc_session *session;
	struct cc_control *control;
	struct cc_metrics_server *metrics;
	struct cc_watch signals;
	const char *config_file;
	uint64_t watchdog_ns;		/* 0: none */
	uint64_t watchdog_due;
};

static void usage(FILE *to)
{
	fputs("usage: chunkcached -c FILE\n"
	      "Fetches and checks chunks for the dm-chunkcache pool that FILE describes.\n"
	      "\n"
	      "  -c, --config FILE   configuration, usually /etc/chunkcache/POOL.conf\n"
	      "      --check-config  only check it: exit 0 if it is good, else say what is wrong\n"
	      "      --print-defaults  print a configuration file of all keys and their defaults\n"
	      "      --version       print the version\n"
	      "  -h, --help          print this\n"
	      "\n"
	      "Stays in the foreground.  SIGTERM ends it in good order.\n", to);
}

/* ---- events ---- */

static void check_config_again(struct daemon *d)
{
	struct cc_config c;
	char err[256];

	if (cc_config_load(d->config_file, &c, err, sizeof(err))) {
		cc_log(LOG_ERR, "%s", err);
		return;
	}
	cc_config_free(&c);
	cc_log(LOG_INFO, "%s is good; restart to apply it", d->config_file);
}

static void on_signal(struct cc_watch *w, uint32_t events)
{
	struct daemon *d = (struct daemon *)((char *)w - offsetof(struct daemon, signals));
	struct signalfd_siginfo si;

	while (read(w->fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			check_config_again(d);
			continue;
		}
		cc_log(LOG_INFO, "stopping");
		cc_notify("STOPPING=1");
		cc_session_stop(d->session);
	}
}

static json_t *on_command(void *arg, const char *cmd, const json_t *request, char *err, size_t errlen)
{
	struct daemon *d = arg;

	if (!strcmp(cmd, "ping"))
		return json_pack("{s:s}", "pool", d->config.pool);
	if (!strcmp(cmd, "stat"))
		return cc_report_stat(d->session);
	if (!strcmp(cmd, "fetch"))
		return cc_report_fetch(d->session);
	if (!strcmp(cmd, "disks"))
		return cc_report_disks(d->session);
	if (!strcmp(cmd, "volumes"))
		return cc_report_volumes(d->session, err, errlen);
	if (!strcmp(cmd, "costs"))
		return cc_report_costs(d->session);
	if (!strcmp(cmd, "prefetch"))
		return cc_report_prefetch(d->session, request, err, errlen);
	if (!strcmp(cmd, "record"))
		return cc_report_record(d->session, request, err, errlen);
	if (!strcmp(cmd, "volume-rescue"))
		return cc_report_rescue(d->session, request, err, errlen);
	if (!strcmp(cmd, "volume-snapshot"))
		return cc_report_snapshot(d->session, request, err, errlen);
	if (!strcmp(cmd, "volume-discard"))
		return cc_report_discard(d->session, request, err, errlen);
	if (!strcmp(cmd, "scrub"))
		return cc_report_scrub(d->session, request, err, errlen);
	if (!strcmp(cmd, "map"))
		return cc_report_map(d->session, request, err, errlen);
	snprintf(err, errlen, "cmd: expected ping, stat, fetch, disks, volumes, costs, prefetch, record, map, "
		 "scrub, volume-snapshot, volume-rescue or volume-discard");
	return NULL;
}

static uint64_t step(void *arg, uint64_t now_ns)
{
	struct daemon *d = arg;
	uint64_t metrics_due = cc_metrics_step(d->metrics, now_ns);
	uint64_t control_due = cc_control_step(d->control, now_ns);
	uint64_t due = cc_session_step(d->session, now_ns);

	if (metrics_due < due)
		due = metrics_due;
	if (control_due < due)
		due = control_due;
	if (!d->watchdog_ns)
		return due;
	if (now_ns >= d->watchdog_due) {
		cc_notify("WATCHDOG=1");
		d->watchdog_due = now_ns + d->watchdog_ns;
	}
	return due < d->watchdog_due ? due : d->watchdog_due;
}

/* ---- start and stop ---- */

/*
 * What is in memory now, code included, is read in and stays; what comes later stays once it was
 * touched.  Stacks of threads are large and mostly never touched.
 */
static int lock_memory(void)
{
	if (mlockall(MCL_CURRENT) || mlockall(MCL_FUTURE | MCL_ONFAULT))
		return -errno;
	return 0;
}

/* A connection each for up to 4096 GETs and their second ones; nothing here uses select(). */
static void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* Before any thread is made: all inherit the mask. */
static int open_signals(struct daemon *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	d->signals.fn = on_signal;
	d->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals.fd < 0)
		return -errno;
	return cc_loop_add(d->loop, &d->signals, EPOLLIN);
}

static int say_failure(const char *what, int error)
{
	cc_log(LOG_ERR, "%s: %s", what, strerror(-error));
	return error;
}

/* Any store that signs may turn out to have a credential_process. */
static int start_spawner(const struct cc_config *c)
{
	for (unsigned int i = 0; i < c->nr_stores; i++)
		if (!strncmp(c->stores[i].url, "s3://", 5) && !c->stores[i].anonymous)
			return cc_spawner_start();
	return 0;
}

static int open_metrics(struct daemon *d)
{
	const struct cc_metrics_config c = {
		.path = d->config.metrics_socket, .listen = d->config.metrics_listen,
		.fn = cc_metrics_write, .arg = d->session,
	};

	return cc_metrics_open(d->loop, &c, &d->metrics);
}

static int start_daemon(struct daemon *d)
{
	char err[256];
	int r;

	/* A core would hold keys, and be written to a disk that may be served from here. */
	prctl(PR_SET_DUMPABLE, 0);
	/* Before there is a thread or an open device, and with the limits that programs expect. */
	r = start_spawner(&d->config);
	if (r)
		return say_failure("process for credential_process", r);
	raise_file_limit();
	r = cc_log_start();
	if (r)
		return say_failure("log", r);
	r = cc_loop_open(&d->loop);
	if (r)
		return say_failure("event loop", r);
	r = open_signals(d);
	if (r)
		return say_failure("signals", r);
	r = cc_control_open(d->loop, d->config.control_socket, on_command, d, &d->control, err, sizeof(err));
	if (!r)
		r = cc_sources_open(&d->config, &d->sources, err, sizeof(err));
	if (r) {
		cc_log(LOG_ERR, "%s", err);
		return r;
	}
	if (d->config.lock_memory && (r = lock_memory()))
		return say_failure("lock memory ([pool] lock_memory = no does without)", r);
	/* Memory that this needs must not wait for a write to a disk that this serves. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		cc_log(LOG_WARNING, "PR_SET_IO_FLUSHER: %s", strerror(errno));
	r = cc_fetch_open(&d->config.fetch, &d->fetch);
	if (r)
		return say_failure("fetch engine", r);
	r = cc_session_open(&d->config, d->loop, d->fetch, d->sources, &d->session);
	if (r)
		return say_failure("session", r);
	r = open_metrics(d);
	if (r)
		return say_failure("metrics", r);
	d->watchdog_ns = cc_notify_watchdog_ns();
	return 0;
}

/* What may still be read from and written to goes with the process. */
static void leave_process(struct daemon *d, int status)
{
	cc_metrics_close(d->metrics);
	cc_control_close(d->control);
	cc_log_stop();
	_exit(status);
}

static void stop_daemon(struct daemon *d, int status)
{
	if (d->fetch && !cc_fetch_close(d->fetch)) {
		cc_log(LOG_WARNING, "stop: a read of a file:// store does not return; leaving it");
		leave_process(d, status);
	}
	cc_metrics_close(d->metrics);
	cc_session_close(d->session);
	cc_control_close(d->control);
	cc_sources_close(d->sources);
	if (d->signals.fd > 0)
		close(d->signals.fd);
	cc_loop_close(d->loop);
	cc_config_free(&d->config);
	cc_log_stop();
}

static int run_daemon(struct daemon *d)
{
	int status, r = start_daemon(d);

	if (!r) {
		r = cc_loop_run(d->loop, step, d);
		if (r)
			say_failure("event loop", r);
		if (r || !cc_session_clean(d->session))
			leave_process(d, r ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	status = r ? EXIT_FAILURE : EXIT_SUCCESS;
	stop_daemon(d, status);
	return status;
}

enum { OPT_CHECK = 256, OPT_DEFAULTS, OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-defaults", no_argument, NULL, OPT_DEFAULTS },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What was printed has arrived, or the exit status says that it has not. */
static int flushed(void)
{
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_said(const char *store, const char *key, char *value, const char *from)
{
	if (from)
		printf("store %s: %s = %s, by %s\n", store, key, cc_utf8_clean(value), from);
}

/* What the file leaves open, and who has said it. */
static void print_outside(const struct cc_config *c)
{
	for (unsigned int i = 0; i < c->nr_stores; i++) {
		const struct cc_store_config *s = &c->stores[i];

		print_said(s->name, "region", s->region, s->region_from);
		print_said(s->name, "endpoint", s->endpoint, s->endpoint_from);
		print_said(s->name, "ca_file", s->ca_file, s->ca_from);
	}
}

/* For people and scripts: the line as it is, without the level that a log wants. */
static int check_config(const char *file)
{
	struct cc_config c;
	char err[256];

	if (cc_config_load(file, &c, err, sizeof(err))) {
		fprintf(stderr, "%s\n", cc_utf8_clean(err));
		return EXIT_FAILURE;
	}
	print_outside(&c);
	cc_config_free(&c);
	return flushed();
}

int main(int argc, char **argv)
{
	struct daemon d = { .config_file = NULL };
	bool check = false;
	char err[256];
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			d.config_file = optarg;
			break;
		case OPT_CHECK:
			check = true;
			break;
		case OPT_DEFAULTS:
			cc_config_print_defaults(stdout);
			return flushed();
		case OPT_VERSION:
			printf("chunkcached %s\n", CHUNKCACHE_VERSION);
			return flushed();
		case 'h':
			usage(stdout);
			return flushed();
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (!d.config_file || optind != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (check)
		return check_config(d.config_file);
	if (cc_config_load(d.config_file, &d.config, err, sizeof(err))) {
		cc_log(LOG_ERR, "%s", err);
		return EXIT_FAILURE;
	}
	return run_daemon(&d);
}
