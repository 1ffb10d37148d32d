// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to the control socket and to the metrics' one, as a client sends them.  Every line gets one line of JSON
 * with "v"; every request of metrics that has an end one answer of a status that is documented.
 *
 * Input: a byte for the socket, then what the client sends, in pieces that a zero byte ends.  The helper's loop runs in
 * a thread of its own.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "fuzz.h"
#include "report/metrics-server.h"
#include "report/request.h"

#define ANSWER_MAX	(256 << 10)

static char dir[] = "/tmp/fuzz-control-XXXXXX";
static struct cc_loop *loop;
static struct cc_control *control;
static struct cc_metrics_server *metrics;

static int client;
static char *answer;
static size_t answer_len;

/* Commands that look at what a request has. */
static json_t *serve(void *arg, const char *cmd, const json_t *request, char *err, size_t errlen)
{
	int64_t n;

	if (strcmp(cmd, "number")) {
		snprintf(err, errlen, "cmd: expected number, not %s", cmd);
		return NULL;
	}
	n = cc_request_number(request, "n", 7, 0, 100, err, errlen);
	if (n < 0)
		return NULL;
	fuzz_check(n <= 100);
	return json_pack("{s:I}", "n", (json_int_t)n);
}

static void write_metrics(void *arg, struct cc_text *t)
{
}

/* ---- the client ---- */

static void connect_to(const char *name)
{
	const struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", dir, name);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client < 0 || setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(client, (struct sockaddr *)&to, sizeof(to)))
		fuzz_broken(__FILE__, __LINE__, strerror(errno));
}

/* Inputs are smaller than what a socket takes; one that is refused may be closed meanwhile. */
static void send_pieces(struct fuzz_input *in)
{
	while (in->left) {
		const uint8_t *end = memchr(in->at, 0, in->left);
		size_t len = end ? (size_t)(end - in->at) : in->left;

		if (len && send(client, in->at, len, MSG_NOSIGNAL) < 0)
			break;
		len += end != NULL;
		in->at += len;
		in->left -= len;
	}
	shutdown(client, SHUT_WR);
}

static void receive_all(void)
{
	ssize_t n;

	for (answer_len = 0; answer_len < ANSWER_MAX; answer_len += (size_t)n) {
		/* libFuzzer's timer interrupts it. */
		do
			n = recv(client, answer + answer_len, ANSWER_MAX - answer_len, 0);
		while (n < 0 && errno == EINTR);
		fuzz_check(n >= 0 || errno == ECONNRESET);
		if (n <= 0)
			break;
	}
	close(client);
}

static uint64_t step(void *arg, uint64_t now_ns)
{
	return cc_metrics_step(metrics, now_ns);
}

static void *run_loop(void *arg)
{
	fuzz_check(!cc_loop_run(loop, step, NULL));
	return NULL;
}

/* ---- checks ---- */

static void check_replies(size_t lines)
{
	size_t replies = 0;

	for (char *at = answer, *end; (end = memchr(at, '\n', (size_t)(answer + answer_len - at))); at = end + 1) {
		json_t *reply = json_loadb(at, (size_t)(end - at), 0, NULL);

		fuzz_check(json_integer_value(json_object_get(reply, "v")) == CC_CONTROL_VERSION);
		json_decref(reply);
		replies++;
	}
	fuzz_check(replies <= lines);
}

static void check_status(void)
{
	static const char *const known[] = { "200 ", "400 ", "404 ", "405 ", "431 ", "503 " };
	bool good = false;

	if (!answer_len)
		return;
	fuzz_check(answer_len > 13 && !memcmp(answer, "HTTP/1.1 ", 9));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		good |= !memcmp(answer + 9, known[i], 4);
	fuzz_check(good && memmem(answer, answer_len, "\r\n\r\n", 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	bool to_control = fuzz_take_u8(&input) % 2;
	size_t lines = 1;

	for (size_t i = 0; i < input.left; i++)
		lines += input.at[i] == '\n';
	connect_to(to_control ? "control" : "metrics");
	send_pieces(&input);
	receive_all();
	if (to_control)
		check_replies(lines);
	else
		check_status();
	return 0;
}

/* The loop goes with the process. */
static void clean_up(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/control", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/metrics", dir);
	unlink(path);
	rmdir(dir);
}

void fuzz_setup(void)
{
	static char paths[2][64];
	const struct cc_metrics_config c = { .path = paths[1], .fn = write_metrics };
	static pthread_t thread;
	char err[200] = "";

	answer = malloc(ANSWER_MAX);
	if (!mkdtemp(dir) || cc_loop_open(&loop))
		abort();
	snprintf(paths[0], sizeof(paths[0]), "%s/control", dir);
	snprintf(paths[1], sizeof(paths[1]), "%s/metrics", dir);
	if (cc_control_open(loop, paths[0], serve, NULL, &control, err, sizeof(err)) ||
	    cc_metrics_open(loop, &c, &metrics))
		fuzz_broken(__FILE__, __LINE__, err);
	atexit(clean_up);
	if (pthread_create(&thread, NULL, run_loop, NULL))
		abort();
}
