// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Turns the clock of clock/clock.h: makes its page, and whenever all threads of the programs on it sleep,
 * moves it on and wakes those whose time has come.  Ends at SIGTERM; says how far it came.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock/clock.h"

#define MAX_TASKS	256
#define NAP_MIN_US	10		/* before it is looked again whether all sleep */
#define NAP_MAX_US	160
#define LOOK_AGAIN	64		/* scans after which threads without a slot are looked for anew */
#define LONG_NS		5000000		/* nor without that over such a time: io_uring makes threads */

static const char usage[] =
"Usage: cc-clock --page FILE [--processes N] [--step MICROSECONDS]\n"
"Starts when N processes (1) are on the clock, and stands still when one of them is gone.\n";

struct task {
	int pid, tid;
	int fd;				/* its wchan */
};

static struct clock_page *page;
static struct task tasks[MAX_TASKS];
static unsigned int nr_tasks, scans;
static volatile sig_atomic_t stop;

static void die(const char *what)
{
	fprintf(stderr, "cc-clock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_signal(int number)
{
	stop = 1;
}

static void nap_us(unsigned int us)
{
	const struct timespec ts = { .tv_nsec = us * 1000L };

	nanosleep(&ts, NULL);
}

/* ---- who sleeps ---- */

static void add_task(int pid, int tid)
{
	char path[64];
	int fd;

	for (unsigned int i = 0; i < nr_tasks; i++)
		if (tasks[i].tid == tid)
			return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/wchan", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && nr_tasks < MAX_TASKS)
		tasks[nr_tasks++] = (struct task){ pid, tid, fd };
	else if (fd >= 0)
		close(fd);
}

static void add_tasks(int pid)
{
	char path[32];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (*e->d_name != '.')
			add_task(pid, atoi(e->d_name));
	if (d)
		closedir(d);
}

/* What a connection delivers late is delivered by these. */
static void add_softirqs(void)
{
	struct dirent *e;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d))) {
		char path[300], name[32] = "";
		FILE *f;

		if (atoi(e->d_name) < 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strncmp(name, "ksoftirqd/", 10))
			add_task(atoi(e->d_name), atoi(e->d_name));
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

/* The kernel names where a task sleeps, and "0" for one that runs or is about to. */
static bool task_sleeps(unsigned int i)
{
	char where[32];
	ssize_t n = pread(tasks[i].fd, where, sizeof(where), 0);

	if (n > 0)
		return where[0] != '0';
	close(tasks[i].fd);
	tasks[i] = tasks[--nr_tasks];
	return true;
}

static void look_for_tasks(void)
{
	for (unsigned int i = 0; i < CLOCK_SLOTS; i++)
		if (page->slots[i].pid)
			add_tasks(page->slots[i].pid);
}

static bool all_sleep(void)
{
	if (!(scans++ % LOOK_AGAIN))
		look_for_tasks();
	for (unsigned int i = nr_tasks; i--; )
		if (!task_sleeps(i))
			return false;
	return true;
}

/* ---- the clock ---- */

/* Processes on the clock; slots of the dead are freed. */
static unsigned int count_processes(void)
{
	int pids[CLOCK_SLOTS] = { 0 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < CLOCK_SLOTS; i++) {
		struct clock_slot *s = &page->slots[i];
		unsigned int k = 0;

		if (s->pid && kill(s->pid, 0)) {
			if (!s->waiting)
				atomic_fetch_sub(&page->running, 1);
			s->pid = 0;
		}
		while (s->pid && k < n && pids[k] != s->pid)
			k++;
		if (s->pid && k == n)
			pids[n++] = s->pid;
	}
	return n;
}

static uint64_t next_deadline(void)
{
	uint64_t next = CLOCK_NEVER;

	for (unsigned int i = 0; i < CLOCK_SLOTS; i++) {
		const struct clock_slot *s = &page->slots[i];

		if (s->pid && s->waiting && s->deadline_ns < next)
			next = s->deadline_ns;
	}
	return next;
}

/* All whose time has come, and not before they have noticed it is it over. */
static void wake(uint64_t now)
{
	unsigned int turns[CLOCK_SLOTS];
	bool due[CLOCK_SLOTS];

	for (unsigned int i = 0; i < CLOCK_SLOTS; i++) {
		struct clock_slot *s = &page->slots[i];

		turns[i] = s->turns;
		due[i] = s->pid && s->waiting && s->deadline_ns <= now;
		if (due[i])
			syscall(SYS_tgkill, s->pid, s->tid, CLOCK_SIGNAL);
	}
	for (unsigned int i = 0; i < CLOCK_SLOTS; i++)
		while (due[i] && !stop && page->slots[i].turns == turns[i] && page->slots[i].pid &&
		       !kill(page->slots[i].pid, 0))
			nap_us(5);
}

/* Returns false if it is not time to move on. */
static bool move_on(void)
{
	unsigned int kick = page->kick;
	uint64_t next;

	if (page->running || !all_sleep())
		return false;
	next = next_deadline();
	if (next > page->now_ns + LONG_NS) {
		look_for_tasks();
		if (!all_sleep())
			return false;
	}
	if (page->running || page->kick != kick || next == CLOCK_NEVER)
		return false;
	if (next > page->now_ns)
		page->now_ns = next;
	wake(page->now_ns);
	return true;
}

static void run(unsigned int processes)
{
	const struct timespec while_idle = { .tv_nsec = 20000000 };
	unsigned int looks = 0, nap = NAP_MIN_US;
	uint64_t steps = 0;

	while (!stop) {
		unsigned int kick = page->kick;

		if (!(looks++ % 1024) || !page->running)
			while (!stop && count_processes() < processes)
				nap_us(1000);
		if (move_on()) {
			steps++;
			nap = NAP_MIN_US;
		} else if (page->running) {
			syscall(SYS_futex, &page->kick, FUTEX_WAIT, kick, &while_idle, NULL, 0);
		} else {
			nap_us(nap);
			nap = nap < NAP_MAX_US ? 2 * nap : nap;
		}
	}
	printf("{\"virtual_seconds\":%.3f,\"steps\":%llu}\n", (page->now_ns - CLOCK_START_NS) / 1e9,
	       (unsigned long long)steps);
}

static void make_page(const char *file, uint64_t step_us)
{
	char tmp[4096];
	int fd;

	snprintf(tmp, sizeof(tmp), "%s.tmp", file);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*page)))
		die(tmp);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		die(tmp);
	close(fd);
	page->now_ns = CLOCK_START_NS;
	page->step_ns = step_us * 1000;
	if (rename(tmp, file))
		die(file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "page", required_argument, NULL, 'p' }, { "processes", required_argument, NULL, 'n' },
		{ "step", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 },
	};
	const struct sigaction act = { .sa_handler = on_signal };
	unsigned int processes = 1;
	const char *file = NULL;
	uint64_t step_us = 1000;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'p')
			file = optarg;
		else if (option == 'n')
			processes = atoi(optarg);
		else if (option == 's')
			step_us = strtoull(optarg, NULL, 10);
		else
			file = NULL, optind = argc + 1;
	}
	if (!file || optind != argc || !step_us) {
		fputs(usage, stderr);
		return 2;
	}
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	make_page(file, step_us);
	add_softirqs();
	run(processes);
	return 0;
}
