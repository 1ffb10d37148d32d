// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * https:// stores: which servers are believed.  Certificates are made here, the server is that of
 * the openssl command.
 */
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "httpd.h"
#include "store/store.h"
#include "tap.h"

static char dir[64];

struct server {
	pid_t pid;
	unsigned int port;
	FILE *out;
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (!e || !X509_add_ext(cert, e, -1))
		httpd_fatal(value);
	X509_EXTENSION_free(e);
}

static void write_pem(const char *name, X509 *cert, EVP_PKEY *key)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	f = fopen(path, "we");
	if (!f || !PEM_write_X509(f, cert) ||
	    !PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) || fclose(f))
		httpd_fatal(path);
}

/* A certificate that signs itself, good for days from now; negative: it was until then. */
static void make_cert(const char *name, const char *alt_name, int days)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *subject;

	if (!key || !cert)
		httpd_fatal("certificate");
	subject = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -10 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name, alt_name);
	if (!X509_sign(cert, key, EVP_sha256()))
		httpd_fatal("sign");
	write_pem(name, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static bool read_port(struct server *s)
{
	char line[256];

	while (fgets(line, sizeof(line), s->out))
		if (sscanf(line, "ACCEPT 127.0.0.1:%u", &s->port) == 1)
			return true;
	return false;
}

/* Serves dir with one more option, "" for none; false: there is no openssl command. */
static bool start(struct server *s, const char *cert, const char *option)
{
	char pem[128];
	int fds[2];

	snprintf(pem, sizeof(pem), "%s.pem", cert);
	if (pipe2(fds, O_CLOEXEC))
		httpd_fatal("pipe");
	s->pid = fork();
	if (s->pid < 0)
		httpd_fatal("fork");
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		if (!chdir(dir))
			execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem,
			       "-key", pem, "-WWW", "-cipher", "ALL:@SECLEVEL=0",
			       *option ? option : (char *)NULL, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	s->out = fdopen(fds[0], "re");
	return s->out && read_port(s);
}

static void stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	fclose(s->out);
}

/* What the next servers are told besides. */
static const char *server_option = "";

/* One get from the server with cert by a client that believes in ca (NULL: the system's). */
static void expect(const char *what, const char *cert, const char *ca, const char *host,
		   enum cc_store_result result, const char *words)
{
	char url[128], ca_file[128], err[400] = "";
	enum cc_store_result r;
	struct cc_store_config c;
	struct cc_store *s;
	struct server server;
	void *data = NULL;
	size_t size = 0;

	if (!start(&server, cert, server_option)) {
		if (tap_count)
			httpd_fatal("openssl s_server");
		printf("# no openssl command to serve with\n");
		exit(77);
	}
	cc_store_config_init(&c);
	c.name = (char *)"main";
	c.url = url;
	snprintf(url, sizeof(url), "https://%s:%u", host, server.port);
	snprintf(ca_file, sizeof(ca_file), "%s/%s", dir, ca ? ca : "");
	c.ca_file = ca ? ca_file : NULL;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		httpd_fatal(err);
	r = cc_store_get(s, "object", 100, &data, &size, err, sizeof(err));
	ok(r == result && strstr(err, words) && (r || (size == 5 && !memcmp(data, "hello", 5))),
	   "%s: %s %s", what, cc_store_result_name(r), err);
	free(data);
	cc_store_close(s);
	stop(&server);
}

/* ---- a proxy ---- */

static int proxy_listener;
static unsigned int proxy_port;
static char asked[2048];		/* what it was asked last */

static int connect_local(unsigned int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		httpd_fatal("connect");
	return fd;
}

static bool pump(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	return n > 0 && write(to, buf, n) == n;
}

/* One tunnel: whatever the host is called, it is this one. */
static void carry(int client)
{
	struct pollfd fds[2] = { { client, POLLIN, 0 }, { -1, POLLIN, 0 } };
	unsigned int port;
	size_t n = 0;
	ssize_t got;

	memset(asked, 0, sizeof(asked));
	while (!strstr(asked, "\r\n\r\n") && (got = read(client, asked + n, sizeof(asked) - 1 - n)) > 0)
		n += got;
	if (sscanf(asked, "CONNECT %*[^:]:%u ", &port) != 1)
		return;
	fds[1].fd = connect_local(port);
	if (dprintf(client, "HTTP/1.1 200 fine\r\nX-Padding: x\r\n\r\n") > 0)
		while (poll(fds, 2, -1) > 0 && (!fds[0].revents || pump(client, fds[1].fd)) &&
		       (!fds[1].revents || pump(fds[1].fd, client)))
			;
	close(fds[1].fd);
}

static void *run_proxy(void *arg)
{
	for (;;) {
		int client = accept4(proxy_listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			return NULL;
		carry(client);
		close(client);
	}
}

static void start_proxy(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	pthread_t thread;

	proxy_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (proxy_listener < 0 || bind(proxy_listener, (struct sockaddr *)&a, sizeof(a)) || listen(proxy_listener, 8) ||
	    getsockname(proxy_listener, (struct sockaddr *)&a, &size) ||
	    pthread_create(&thread, NULL, run_proxy, NULL) || pthread_detach(thread))
		httpd_fatal("proxy");
	proxy_port = ntohs(a.sin_port);
}

static void test_proxy(void)
{
	char url[64];

	signal(SIGPIPE, SIG_IGN);
	start_proxy();
	snprintf(url, sizeof(url), "http://u:p%%40@localhost:%u", proxy_port);
	setenv("HTTPS_PROXY", url, 1);
	/* No name server knows it: it is the proxy that resolves. */
	expect("through a proxy", "named", "named.pem", "store.invalid", CC_STORE_OK, "");
	ok(!strncmp(asked, "CONNECT store.invalid:", 22), "the proxy is told the host's name");
	ok(strstr(asked, "\r\nProxy-Authorization: Basic dTpwQA==\r\n"), "and who we are");
	ok(!strstr(asked, "object") && !strstr(asked, "\r\nAuthorization"), "nothing else of the request");
	expect("another host's certificate", "other", "other.pem", "store.invalid", CC_STORE_ERROR,
	       "TLS certificate of store.invalid");
	setenv("HTTPS_PROXY", "http://127.0.0.1:1", 1);
	expect("no proxy there", "good", "good.pem", "127.0.0.1", CC_STORE_ERROR, "by the proxy 127.0.0.1");
	setenv("NO_PROXY", "127.0.0.0/8", 1);
	expect("a host without", "good", "good.pem", "127.0.0.1", CC_STORE_OK, "");
	unsetenv("HTTPS_PROXY");
	unsetenv("NO_PROXY");
}

static void unset_proxies(void)
{
	static const char *const variables[] = { "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY" };

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
}

int main(void)
{
	unset_proxies();
	make_temp_dir(dir);
	write_file(dir, "object", "hello", 5);
	write_file(dir, "empty.pem", "", 0);
	make_cert("good", "IP:127.0.0.1,DNS:localhost", 10);
	make_cert("named", "DNS:store.invalid", 10);
	make_cert("other", "DNS:other.example", 10);
	make_cert("expired", "IP:127.0.0.1", -1);
	expect("right", "good", "good.pem", "127.0.0.1", CC_STORE_OK, "");
	expect("right, by name", "good", "good.pem", "localhost", CC_STORE_OK, "");
	expect("unknown to the system", "good", NULL, "127.0.0.1", CC_STORE_ERROR,
	       "TLS certificate of 127.0.0.1");
	expect("of another authority", "good", "other.pem", "127.0.0.1", CC_STORE_ERROR,
	       "set ca_file");
	expect("for another host", "other", "other.pem", "127.0.0.1", CC_STORE_ERROR,
	       "TLS certificate of 127.0.0.1");
	expect("expired", "expired", "expired.pem", "127.0.0.1", CC_STORE_ERROR, "expired");
	expect("ca_file is missing", "good", "missing.pem", "127.0.0.1", CC_STORE_ERROR, "missing.pem");
	expect("ca_file is empty", "good", "empty.pem", "127.0.0.1", CC_STORE_ERROR, "empty.pem");
	test_proxy();
	server_option = "-tls1_2";
	expect("TLS 1.2", "good", "good.pem", "127.0.0.1", CC_STORE_OK, "");
	server_option = "-tls1_1";
	expect("TLS 1.1", "good", "good.pem", "127.0.0.1", CC_STORE_ERROR, "");
	remove_tree(dir);
	return tap_done();
}
