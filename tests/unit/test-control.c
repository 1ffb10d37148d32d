// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket in its loop: right and malformed requests, lines too long, many clients, one that does not
 * read, a socket that a dead or a live helper left; and the notification socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "clock.h"
#include "control.h"
#include "listen.h"
#include "notify.h"

static int nr, failed;

static __attribute__((format(printf, 2, 3))) void ok(int good, const char *fmt, ...)
{
	va_list args;

	printf("%sok %d - ", good ? "" : "not ", ++nr);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	failed += !good;
}

static char dir[] = "/tmp/test-control.XXXXXX";
static char path[64];
static struct cc_loop *loop;
static struct cc_control *control;
static volatile bool stop;

static json_t *on_command(void *arg, const char *cmd, const json_t *request, char *err, size_t errlen)
{
	char *big;
	json_t *o;

	if (!strcmp(cmd, "ping"))
		return json_pack("{s:s}", "pool", "p");
	if (!strcmp(cmd, "big")) {
		big = malloc(1 << 20);
		memset(big, 'x', (1 << 20) - 1);
		big[(1 << 20) - 1] = 0;
		o = json_pack("{s:s}", "x", big);
		free(big);
		return o;
	}
	snprintf(err, errlen, strlen(cmd) > 8 ? "cmd: unknown, %s" : "cmd: unknown", cmd);
	return NULL;
}

static uint64_t step(void *arg, uint64_t now_ns)
{
	if (stop)
		cc_loop_stop(loop);
	return now_ns + 10 * CC_MS;
}

static void *run_loop(void *arg)
{
	cc_loop_run(loop, step, NULL);
	return NULL;
}

static int dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sun.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads until nr_lines lines, the end, or size. */
static size_t read_lines(int fd, char *buf, size_t size, int nr_lines)
{
	size_t len = 0;

	while (nr_lines && len < size - 1) {
		ssize_t n = recv(fd, buf + len, 1, 0);

		if (n <= 0)
			break;
		nr_lines -= buf[len++] == '\n';
	}
	buf[len] = 0;
	return len;
}

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void ask(const char *request, const char *reply, const char *name)
{
	char buf[512];
	int fd = dial();

	say(fd, request);
	read_lines(fd, buf, sizeof(buf), 1);
	ok(!strncmp(buf, reply, strlen(reply)), "%s", name);
	if (strncmp(buf, reply, strlen(reply)))
		printf("# got %s", buf);
	close(fd);
}

#define ERROR "{\"v\":1,\"error\":\""

static void test_requests(void)
{
	struct stat st;
	char buf[512];
	int fd;

	ok(!stat(path, &st) && (st.st_mode & 0777) == 0600, "only its owner can open it");
	ask("{\"v\":1,\"cmd\":\"ping\"}\n", "{\"pool\":\"p\",\"v\":1}\n", "a request and its reply");
	ask("{\"v\":2,\"cmd\":\"ping\"}\n", ERROR "v: expected 1\"}", "another version");
	ask("{\"cmd\":\"ping\"}\n", ERROR "v: expected 1\"}", "no version");
	ask("{\"v\":1}\n", ERROR "cmd: expected a string\"}", "no command");
	ask("{\"v\":1,\"cmd\":7}\n", ERROR "cmd: expected a string\"}", "a command that is no string");
	ask("{\"v\":1,\"cmd\":\"x\"}\n", ERROR "cmd: unknown\"}", "an unknown command");
	ask("nonsense\n", ERROR "not a JSON object", "no JSON");
	ask("[1]\n", ERROR "v: expected 1\"}", "JSON, but no object");
	ask("\n", ERROR "not a JSON object", "an empty line");
	fd = dial();
	say(fd, "{\"v\":1,\"cmd\":\"ping\"}\n{\"v\":1,\"cmd\":\"x\"}\n{\"v\":1,");
	usleep(50000);
	say(fd, "\"cmd\":\"ping\"}\n");
	read_lines(fd, buf, sizeof(buf), 3);
	ok(!strcmp(buf, "{\"pool\":\"p\",\"v\":1}\n" ERROR "cmd: unknown\"}\n{\"pool\":\"p\",\"v\":1}\n"),
	   "three requests in two pieces, answered in order");
	close(fd);
}

#define LONG E16 E16 E16 E16
#define E16 E4 E4 E4 E4
#define E4 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"

/* What nobody would send has an answer, and the helper goes on. */
static void test_odd(void)
{
	static char nested[60000], many[60000], buf[1 << 16];
	int fd, n;

	ask("{\"v\":1,\"cmd\":\"\xff\xfe\"}\n", ERROR "not a JSON object", "bad UTF-8");
	ask("\xff\xfe\033[2J\n", ERROR "not a JSON object", "bytes");
	ask("{\"v\":1,\"cmd\":\"\\u0000\"}\n", ERROR "not a JSON object", "a NUL in a string");
	ask("{\"v\":1,\"cmd\":\"\\ud800\"}\n", ERROR "not a JSON object", "half of a pair");
	ask("{\"v\":1,\"cmd\":\"x\"} {}\n", ERROR "not a JSON object", "two in a line");
	ask("{\"v\":1,\"cmd\":\"x\",\"cmd\":\"y\"}\n", ERROR "not a JSON object", "a key twice");
	ask("{\"v\":1,\"cmd\":\"ping\"} \xc3\xa9\xc3\n", ERROR "not a JSON object", "half of a character");
	ask("{\"v\":1,\"cmd\":\"" LONG LONG "\"}\n", ERROR "cmd: unknown, \xc3\xa9",
	    "a name that its error cuts in the middle of a character");
	ask("{\"v\":1,\"cmd\":\"" LONG LONG " \"}\n", ERROR "cmd: unknown, \xc3\xa9", "or of another");
	memset(nested, '[', sizeof(nested));
	strcpy(nested + sizeof(nested) - 2, "\n");
	ask(nested, ERROR "not a JSON object", "nested deeply");
	fd = dial();
	(void)!send(fd, "{\"v\":1,\0\"cmd\":\"ping\"}\n", 22, MSG_NOSIGNAL);
	read_lines(fd, buf, sizeof(buf), 1);
	ok(!strncmp(buf, ERROR "not a JSON object", 30), "a NUL byte");
	close(fd);
	for (n = 0; n < 1000; n++)
		strcat(many, "{\"v\":1,\"cmd\":\"ping\"}\n");
	fd = dial();
	say(fd, many);
	n = (int)read_lines(fd, buf, sizeof(buf), 1000);
	ok(n == 1000 * 19, "a thousand at once, each answered");
	close(fd);
	fd = dial();
	say(fd, "{\"v\":1,\"cmd\":\"ping\"}");
	shutdown(fd, SHUT_WR);
	read_lines(fd, buf, sizeof(buf), 2);
	ok(!strcmp(buf, "{\"pool\":\"p\",\"v\":1}\n"), "the last one without the end of its line");
	close(fd);
	fd = dial();
	say(fd, "{\"v\":1,\"cmd\":\"big\"}");
	shutdown(fd, SHUT_WR);
	for (n = 0; recv(fd, buf, sizeof(buf), 0) > 0; n++)
		;
	ok(n > 1, "and all of a large reply");
	close(fd);
}

static void test_long_line(void)
{
	static char line[CC_CONTROL_LINE_MAX + 4096], buf[512];
	int fd = dial();

	memset(line, ' ', sizeof(line));
	(void)!send(fd, line, sizeof(line), MSG_NOSIGNAL);
	read_lines(fd, buf, sizeof(buf), 1);
	ok(strstr(buf, "longer than 65536") && !read_lines(fd, buf, sizeof(buf), 1),
	   "a line that is too long ends the connection");
	close(fd);
}

static void test_slow_reader(void)
{
	static char buf[(1 << 20) + 64];
	int fd = dial(), n;

	say(fd, "{\"v\":1,\"cmd\":\"big\"}\n{\"v\":1,\"cmd\":\"ping\"}\n");
	usleep(50000);
	ask("{\"v\":1,\"cmd\":\"ping\"}\n", "{\"pool\"", "one that does not read holds nobody up");
	n = (int)read_lines(fd, buf, sizeof(buf), 1);
	ok(n > 1 << 20 && read_lines(fd, buf, sizeof(buf), 1) == 19, "and gets all of it once it reads");
	close(fd);
}

static void test_many(void)
{
	int fds[CC_CONTROL_CLIENTS_MAX];
	char buf[512];
	int fd;

	for (int i = 0; i < CC_CONTROL_CLIENTS_MAX; i++)
		fds[i] = dial();
	usleep(100000);
	fd = dial();
	read_lines(fd, buf, sizeof(buf), 1);
	ok(!strcmp(buf, ERROR "too many clients\"}\n"), "one client too many");
	close(fd);
	for (int i = 0; i < CC_CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	usleep(100000);
	ask("{\"v\":1,\"cmd\":\"ping\"}\n", "{\"pool\"", "and after they have left");
}

/* One more descriptor, which is the client's end of the connection. */
static void test_no_descriptors(void)
{
	struct rlimit before, few;
	char buf[512];
	int fd;

	usleep(100000);		/* those of the test before are closed */
	fd = dup(0);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = fd + 1;
	setrlimit(RLIMIT_NOFILE, &few);
	fd = dial();
	read_lines(fd, buf, sizeof(buf), 1);
	ok(!strcmp(buf, ERROR "too many clients\"}\n"), "out of descriptors, a client is turned away");
	close(fd);
	setrlimit(RLIMIT_NOFILE, &before);
	ask("{\"v\":1,\"cmd\":\"ping\"}\n", "{\"pool\"", "and the next one is served");
}

static void test_claim(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct cc_control *second = NULL;
	struct cc_loop *other;
	char err[200] = "", pid[32];
	int fd;

	cc_loop_open(&other);
	ok(cc_control_open(other, path, on_command, NULL, &second, err, sizeof(err)) == -EADDRINUSE &&
	   strstr(err, "another helper"), "a live helper's socket is not taken");
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	ok(strstr(err, pid) != NULL, "and it is said whose it is");
	ask("{\"v\":1,\"cmd\":\"ping\"}\n", "{\"pool\"", "and still answers");
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dead", dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)!bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	close(fd);
	ok(!cc_control_open(other, sun.sun_path, on_command, NULL, &second, err, sizeof(err)),
	   "a dead one's is replaced");
	cc_control_close(second);
	ok(access(sun.sun_path, F_OK), "and removed at the end");
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/file", dir);
	close(open(sun.sun_path, O_CREAT | O_WRONLY, 0600));
	ok(cc_control_open(other, sun.sun_path, on_command, NULL, &second, err, sizeof(err)) == -ENOTSOCK &&
	   !access(sun.sun_path, F_OK), "a file is not taken for one: %s", err);
	unlink(sun.sun_path);
	cc_loop_close(other);
}

/* A process that listens at path, and goes when both have looked: its status says what it found. */
static pid_t contender(const char *at, int looked, int go)
{
	pid_t pid = fork(), owner;
	char byte = 0;
	int r;

	if (pid)
		return pid;
	r = cc_listen_path(at, 1, &owner);
	(void)!write(looked, &byte, 1);
	(void)!read(go, &byte, 1);
	_exit(r >= 0 ? 1 : r == -EADDRINUSE ? 2 : 3);
}

/* How many of two that start at once listen at a dead one's path. */
static int race(const char *at)
{
	int looked[2], go[2], listening = 0, status;
	pid_t kids[2];
	char byte;

	if (pipe(looked) || pipe(go))
		return -1;
	for (int i = 0; i < 2; i++)
		kids[i] = contender(at, looked[1], go[0]);
	for (int i = 0; i < 2; i++)
		(void)!read(looked[0], &byte, 1);
	(void)!write(go[1], "gg", 2);
	for (int i = 0; i < 2; i++) {
		waitpid(kids[i], &status, 0);
		listening += WEXITSTATUS(status) == 1;
	}
	for (int i = 0; i < 2; i++) {
		close(looked[i]);
		close(go[i]);
	}
	return listening;
}

static void test_race(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int wrong = 0, fd;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/race", dir);
	for (int round = 0; round < 300; round++) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		unlink(sun.sun_path);
		(void)!bind(fd, (struct sockaddr *)&sun, sizeof(sun));
		close(fd);
		wrong += race(sun.sun_path) != 1;
	}
	unlink(sun.sun_path);
	ok(!wrong, "of two at once one listens (%d rounds wrong)", wrong);
}

/* Its directory cannot be made: it goes on without, and listens as soon as it can. */
static void test_later(void)
{
	struct cc_control *late = NULL;
	struct cc_loop *other;
	char err[200] = "", deep[100], parent[80];
	uint64_t now = cc_now_ns();

	snprintf(parent, sizeof(parent), "%s/deep", dir);
	snprintf(deep, sizeof(deep), "%s/er/p.sock", parent);
	cc_loop_open(&other);
	ok(!cc_control_open(other, deep, on_command, NULL, &late, err, sizeof(err)), "no directory is no error");
	if (!late)
		return;
	ok(cc_control_step(late, now) > now && cc_control_step(late, now + 3600 * CC_SECOND) != UINT64_MAX,
	   "it is tried again, and again");
	mkdir(parent, 0700);
	ok(cc_control_step(late, now + 7200 * CC_SECOND) == UINT64_MAX && !access(deep, F_OK), "until it is there");
	cc_control_close(late);
	cc_loop_close(other);
	*strrchr(deep, '/') = 0;
	rmdir(deep);
	rmdir(parent);
}

static void test_notify(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char buf[64] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	cc_notify("READY=1");
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/notify", dir);
	(void)!bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	cc_notify("READY=1\nSTATUS=%s", "x");
	(void)!recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	ok(!strcmp(buf, "READY=1\nSTATUS=x"), "notification");
	setenv("WATCHDOG_USEC", "3000000", 1);
	ok(cc_notify_watchdog_ns() == 1500 * CC_MS, "watchdog: half of the period");
	setenv("WATCHDOG_PID", "1", 1);
	ok(!cc_notify_watchdog_ns(), "watchdog: somebody else's");
	close(fd);
	unlink(sun.sun_path);
}

int main(void)
{
	pthread_t thread;
	char err[200];

	if (!mkdtemp(dir) || cc_loop_open(&loop))
		return 1;
	snprintf(path, sizeof(path), "%s/sub/p.sock", dir);
	ok(!cc_control_open(loop, path, on_command, NULL, &control, err, sizeof(err)), "listens, makes the directory");
	pthread_create(&thread, NULL, run_loop, NULL);
	test_requests();
	test_odd();
	test_long_line();
	test_slow_reader();
	test_many();
	test_no_descriptors();
	test_claim();
	test_race();
	test_later();
	test_notify();
	stop = true;
	pthread_join(thread, NULL);
	cc_control_close(control);
	ok(access(path, F_OK), "the socket goes with the helper");
	cc_loop_close(loop);
	snprintf(path, sizeof(path), "%s/sub", dir);
	rmdir(path);
	rmdir(dir);
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}
