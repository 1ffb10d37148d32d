// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Access keys from every provider, against a scripted server on the loopback; and the keyring: when keys are
 * loaded again, and who gets which.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "creds/creds-impl.h"
#include "httpd.h"
#include "creds/keyring.h"
#include "creds/spawner.h"
#include "store/store.h"
#include "tap.h"
#include "thread.h"

static char dir[64], err[400];
static struct cc_creds creds;

/* ---- a server of a few routes ---- */

#define MAX_ROUTES 8

static struct route {
	const char *request;		/* "GET /path " */
	const char *needs, *lacks;	/* must be in the request, must not; or NULL */
	int status;
	const char *body;
	atomic_uint served;
} routes[MAX_ROUTES];
static int listener;
static unsigned int port;
static atomic_uint strangers;		/* requests that no route is for */

static size_t read_request(int fd, char *buf, size_t size)
{
	size_t n = 0, length = 0;
	char *end = NULL, *header;
	ssize_t got;

	while ((!end || n < end + 4 - buf + length) && (got = read(fd, buf + n, size - 1 - n)) > 0) {
		n += got;
		buf[n] = '\0';
		end = strstr(buf, "\r\n\r\n");
		header = strcasestr(buf, "content-length:");
		length = header ? strtoul(header + 15, NULL, 10) : 0;
	}
	return n;
}

static void answer(int fd, const char *text)
{
	struct route *r = NULL;
	char head[256];
	const char *body = "";
	int n, status = 403;

	for (int i = 0; i < MAX_ROUTES && !r; i++)
		if (routes[i].request && !strncmp(text, routes[i].request, strlen(routes[i].request)) &&
		    (!routes[i].needs || strstr(text, routes[i].needs)) &&
		    (!routes[i].lacks || !strstr(text, routes[i].lacks)))
			r = &routes[i];
	if (r) {
		status = r->status;
		body = r->body;
		r->served++;
	} else {
		strangers++;
	}
	n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n"
		     "Location: http://127.0.0.1:1/\r\n\r\n", status, strlen(body));
	if (write(fd, head, n) < 0 || write(fd, body, strlen(body)) < 0)
		note("a client left");
}

static void *serve(void *arg)
{
	static char text[65536];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (read_request(fd, text, sizeof(text)))
			answer(fd, text);
		close(fd);
	}
}

static pthread_t start_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) ||
	    cc_thread_start(serve, NULL, false, &thread))
		httpd_fatal("server");
	port = ntohs(a.sin_port);
	return thread;
}

static void clear_routes(void)
{
	memset(routes, 0, sizeof(routes));
	strangers = 0;
}

static void route(int i, const char *request, const char *needs, int status, const char *body)
{
	routes[i] = (struct route){ .request = request, .needs = needs, .status = status, .body = body };
}

/* ---- what is around a test ---- */

static const char *const variables[] = {
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_ROLE_SESSION_NAME", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
	"CREDENTIALS_DIRECTORY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_CA_BUNDLE",
};

/* Nothing is set up, and nobody outside of this host is asked. */
static void nothing(void)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	clear_routes();
}

static void set_url(const char *variable, const char *path)
{
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	setenv(variable, url, 1);
}

static void write_text(const char *name, const char *text)
{
	write_file(dir, name, text, strlen(text));
}

static const char *in_dir(const char *name)
{
	static char path[2][128];
	static int next;
	char *p = path[next++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static struct cc_store_config store(void)
{
	struct cc_store_config c;

	cc_store_config_init(&c);
	c.name = (char *)"main";
	return c;
}

static bool is(const char *access, const char *secret, const char *token)
{
	return !strcmp(creds.access_key, access) && !strcmp(creds.secret_key, secret) &&
	       !strcmp(creds.session_token, token);
}

static bool loads(const struct cc_store_config *c)
{
	memset(&creds, 0xee, sizeof(creds));
	*err = '\0';
	return !cc_creds_load(c, &creds, err, sizeof(err));
}

/* It fails, says why, tells no secret, and leaves what it was given. */
static void fails(const struct cc_store_config *c, const char *words, const char *what)
{
	struct cc_creds before;

	memset(&before, 0xee, sizeof(before));
	ok(!loads(c) && strstr(err, words) && !strstr(err, "hush") &&
	   !memcmp(&creds, &before, sizeof(creds)), "%s: %s", what, err);
}

#define KEYS(id, expires) "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"hush/+\"," \
	"\"Token\":\"tok==\",\"Expiration\":\"" expires "\"}"

/* ---- order ---- */

static void test_order(void)
{
	struct cc_store_config c = store();

	nothing();
	fails(&c, "none found, set credentials_file", "nothing is set up");
	write_text("credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=hush\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", in_dir("credentials"), 1);
	ok(loads(&c) && is("FILE", "hush", "") && !creds.expires, "the shared file %s", err);
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/c");
	route(0, "GET /c ", NULL, 200, "{\"AccessKeyId\": \"OTHER\", \"SecretAccessKey\": \"hush2\"}");
	setenv("AWS_PROFILE", "nobody", 1);
	fails(&c, "AWS_PROFILE: neither", "a profile that there is not is not passed over");
	setenv("AWS_SHARED_CREDENTIALS_FILE", in_dir("nowhere"), 1);
	fails(&c, "[nobody]", "nor without the files that could have it");
	unsetenv("AWS_PROFILE");
	ok(loads(&c) && is("OTHER", "hush2", ""), "without files and a name the next one is asked %s", err);
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	setenv("AWS_SHARED_CREDENTIALS_FILE", in_dir("credentials"), 1);
	setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "hush1", 1);
	ok(loads(&c) && is("ENV", "hush1", ""), "the environment comes first");
	c.credentials = (char *)"profile";
	ok(loads(&c) && is("FILE", "hush", ""), "but for a store that says profile");
	c.credentials = (char *)"container";
	fails(&c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "a store that says container gets nothing else");
	c.credentials = NULL;
	unsetenv("AWS_SECRET_ACCESS_KEY");
	fails(&c, "AWS_SECRET_ACCESS_KEY", "half an environment is not passed over");
}

static void refused(struct cc_store_config c, const char *words)
{
	*err = '\0';
	ok(cc_creds_check(&c, err, sizeof(err)) == -EINVAL && strstr(err, words), "%s", err);
}

static void test_check(void)
{
	struct cc_store_config c = store();

	ok(!cc_creds_check(&c, err, sizeof(err)), "nothing said is fine");
	c.credentials = (char *)"ec2";
	refused(c, "credentials: expected environment, web-identity");
	c.credentials = (char *)"instance";
	c.profile = (char *)"x";
	refused(c, "credentials: expected profile, as there is profile");
	c = store();
	c.credentials_file = (char *)"a/b";
	refused(c, "credentials_file: expected an absolute path");
	c = store();
	c.anonymous = true;
	c.requester_pays = true;
	refused(c, "anonymous: expected no, as requester_pays");
}

/* ---- files ---- */

static void test_profile(void)
{
	struct cc_store_config c = store();

	nothing();
	write_text("credentials", "[default]\naws_access_key_id=D\naws_secret_access_key=hush\n"
		   "[p]\naws_access_key_id = P\naws_secret_access_key = hush2\naws_session_token = T\n");
	write_text("config", "[profile p]\naws_access_key_id=IGNORED\nregion=x\ns3 =\n  role_arn = nested\n"
		   "[profile sso]\nsso_session = x\n[profile esc]\nsso_\033[2J = x\n[profile role]\nrole_arn = r\nsource_profile = p\n"
		   "aws_access_key_id=BASE\naws_secret_access_key=hush3\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", in_dir("credentials"), 1);
	setenv("AWS_CONFIG_FILE", in_dir("config"), 1);
	setenv("AWS_PROFILE", "p", 1);
	ok(loads(&c) && is("P", "hush2", "T"), "AWS_PROFILE, credentials win over config %s", err);
	c.profile = (char *)"sso";
	fails(&c, "sso_session is not supported; set credential_process", "SSO");
	c.profile = (char *)"esc";
	fails(&c, "sso_?[2J is not supported", "a key for the terminal");
	c.profile = (char *)"role";
	fails(&c, "source_profile is not supported", "the base keys of a role are not the role's");
	c.profile = (char *)"none";
	fails(&c, "no section [none]", "no such profile");
	c.profile = NULL;
	c.credentials_file = (char *)"main.aws";
	fails(&c, "CREDENTIALS_DIRECTORY", "a credential of systemd, without systemd");
	write_text("main.aws", "[default]\naws_access_key_id=SYSTEMD\naws_secret_access_key=hush\n");
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	ok(loads(&c) && is("SYSTEMD", "hush", ""), "a credential of systemd, AWS_PROFILE apart %s", err);
	write_text("main.aws", "[default]\naws_access_key_id=A B\naws_secret_access_key=hush\n");
	fails(&c, "main.aws:2: expected printable", "a key with a space");
}

/* ---- settings ---- */

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* A store that says this takes that from elsewhere: region, endpoint and bundle, and who said the region. */
static void settles(const char *what, const struct cc_store_config *said, const char *region, const char *endpoint,
		    const char *bundle, const char *from)
{
	struct cc_store_config c = store();
	int r;

	c.name = NULL;
	c.url = strdup(said->url);
	c.region = said->region ? strdup(said->region) : NULL;
	c.profile = said->profile ? strdup(said->profile) : NULL;
	*err = '\0';
	r = cc_creds_settings(&c, err, sizeof(err));
	ok(!r && same(c.region, region) && same(c.endpoint, endpoint) && same(c.ca_file, bundle) &&
	   same(c.region_from, from), "%s: %s, %s, %s, by %s %s", what, c.region ? c.region : "-",
	   c.endpoint ? c.endpoint : "-", c.ca_file ? c.ca_file : "-", c.region_from ? c.region_from : "-", err);
	cc_store_config_free(&c);
}

static void test_settings(void)
{
	struct cc_store_config c = store();
	static const char profile[] = "region of the profile";

	nothing();
	c.url = (char *)"s3://buck";
	settles("nothing is said", &c, NULL, NULL, NULL, NULL);
	write_text("config", "[default]\nregion = eu-1\nendpoint_url = https://p\nca_bundle = /p.pem\n"
		   "[profile other]\nregion = eu-2\n");
	setenv("AWS_CONFIG_FILE", in_dir("config"), 1);
	settles("the profile", &c, "eu-1", "https://p", "/p.pem", profile);
	c.profile = (char *)"other";
	settles("the store's profile", &c, "eu-2", NULL, NULL, profile);
	c.profile = NULL;
	setenv("AWS_PROFILE", "other", 1);
	settles("AWS_PROFILE", &c, "eu-2", NULL, NULL, profile);
	setenv("AWS_PROFILE", "nobody", 1);
	settles("a profile that there is not", &c, NULL, NULL, NULL, NULL);
	unsetenv("AWS_PROFILE");
	setenv("AWS_DEFAULT_REGION", "us-1", 1);
	setenv("AWS_ENDPOINT_URL", "https://all", 1);
	setenv("AWS_CA_BUNDLE", "/e.pem", 1);
	settles("the environment comes first", &c, "us-1", "https://all", "/e.pem", "AWS_DEFAULT_REGION");
	setenv("AWS_REGION", "us-2", 1);
	setenv("AWS_ENDPOINT_URL_S3", "https://s3", 1);
	settles("of two variables the closer one", &c, "us-2", "https://s3", "/e.pem", "AWS_REGION");
	setenv("AWS_REGION", "", 1);
	settles("an empty one says nothing", &c, "us-1", "https://s3", "/e.pem", "AWS_DEFAULT_REGION");
	setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
	settles("endpoints are not wanted", &c, "us-1", NULL, "/e.pem", "AWS_DEFAULT_REGION");
	c.region = (char *)"own";
	settles("what the configuration says stands", &c, "own", NULL, "/e.pem", NULL);
	c.region = NULL;
	c.url = (char *)"https://host/";
	settles("it is about S3 only", &c, NULL, NULL, NULL, NULL);
}

/* ---- programs ---- */

static void process(const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "[default]\ncredential_process = %s\n", command);
	write_text("main.aws", text);
}

/* The process whose number is in the file child; one that nobody has waited for has no command line. */
static bool child_is_dead(void)
{
	char path[160], c;
	int pid = 0;
	FILE *f;

	nap_ms(100);
	f = fopen(in_dir("child"), "re");
	if (!f || fscanf(f, "%d", &pid) != 1)
		httpd_fatal("child");
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	c = fread(&c, 1, 1, f);
	fclose(f);
	return !c;
}

static void test_process(const char *where)
{
	struct cc_store_config c = store();
	uint64_t start;
	char command[256];

	nothing();
	c.credentials_file = (char *)"main.aws";
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	write_text("keys.json", "{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"hush\","
		   "\"SessionToken\":\"T\",\"Expiration\":\"2030-01-01T02:00:00.5+02:00\"}");
	snprintf(command, sizeof(command), "echo hush >&2; cat %s/keys.json", dir);
	process(command);
	ok(loads(&c) && is("PROC", "hush", "T") && creds.expires == 1893456000, "%s: keys %s", where, err);
	process("echo hush; exit 3");
	fails(&c, "ended with status 3", where);
	process("kill -9 $$");
	fails(&c, "killed by signal 9", where);
	process("echo hush");
	fails(&c, "no JSON object", where);
	process("echo '{\"AccessKeyId\":\"hush\"}'");
	fails(&c, "no access key", where);
	process("/nonexistent/program");
	fails(&c, "ended with status 127", where);
	process("head -c 70000 /dev/zero");
	fails(&c, "too large", where);
	snprintf(command, sizeof(command), "sleep 30 & echo $! >%s/child; sleep 30", dir);
	start = cc_now_ns();
	*err = '\0';
	ok(cc_spawn(command, 500, command, sizeof(command), &(size_t){ 0 }, err, sizeof(err)) == -ETIMEDOUT &&
	   cc_now_ns() - start < 10000000000, "%s: %s", where, err);
	ok(child_is_dead(), "%s: and all that it started is gone", where);
	ok(cc_spawn("exec >&-; sleep 30", 300, command, sizeof(command), &(size_t){ 0 }, err,
		    sizeof(err)) == -ETIMEDOUT, "%s: closes its output and stays: %s", where, err);
	process("cat; printf '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}'");
	ok(loads(&c) && is("A", "S", ""), "%s: there is nothing to read %s", where, err);
}

/* ---- services ---- */

static const char sts_good[] =
	"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
	"<AccessKeyId>STS</AccessKeyId><SecretAccessKey>hush&amp;</SecretAccessKey>"
	"<SessionToken>tok</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
	"</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

static void test_web_identity(void)
{
	static char text[10000];	/* the server may still send it when its reader has left */
	struct cc_store_config c = store();

	nothing();
	write_text("token", "eyJ.hush+/=\n");
	setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", in_dir("token"), 1);
	set_url("AWS_ENDPOINT_URL_STS", "");
	route(0, "POST / ", "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=chunkcache&"
	      "WebIdentityToken=eyJ.hush%2B%2F%3D", 200, sts_good);
	ok(loads(&c) && is("STS", "hush&", "tok") && creds.expires == 1893456000 && !strangers,
	   "the token goes in the body, keys come back %s", err);
	route(0, "POST / ", NULL, 400, "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token "
	      "expired</Message></Error></ErrorResponse>");
	fails(&c, "STS: HTTP 400 ExpiredTokenException: Token expired", "refused");
	route(0, "POST / ", NULL, 302, "");
	fails(&c, "STS: HTTP 302", "a redirect is not followed");
	route(0, "POST / ", NULL, 200, "<html>");
	fails(&c, "no access key", "no keys in the answer");
	snprintf(text, sizeof(text), "<AccessKeyId>STS</AccessKeyId><SecretAccessKey>hush</SecretAccessKey>"
		 "<SessionToken>%0*d</SessionToken>", (int)sizeof(creds.session_token), 0);
	route(0, "POST / ", NULL, 200, text);
	fails(&c, "SessionToken: expected at most 8192 characters", "a token that does not fit is not cut");
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", in_dir("no-token"), 1);
	fails(&c, "cannot read", "a token file that is missing does not mean another provider");
}

static void test_web_identity_of_profile(void)
{
	struct cc_store_config c = store();
	char text[512];

	nothing();
	snprintf(text, sizeof(text), "[profile k8s]\nrole_arn = arn:r\nrole_session_name = host7\n"
		 "web_identity_token_file = %s/token\n", dir);
	write_text("config", text);
	setenv("AWS_CONFIG_FILE", in_dir("config"), 1);
	set_url("AWS_ENDPOINT_URL_STS", "/");
	c.profile = (char *)"k8s";
	route(0, "POST / ", "RoleSessionName=host7", 200, sts_good);
	ok(loads(&c) && is("STS", "hush&", "tok"), "web identity of a profile, only in config %s", err);
}

static void test_container(void)
{
	struct cc_store_config c = store();

	nothing();
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/v1/creds?x=1");
	write_text("auth", "Bearer abc\n");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", in_dir("auth"), 1);
	route(0, "GET /v1/creds?x=1 ", "\r\nAuthorization: Bearer abc\r\n", 200,
	      KEYS("CONT", "2030-01-01T00:00:00Z"));
	ok(loads(&c) && is("CONT", "hush/+", "tok=="), "full URI, token of a file %s", err);
	write_text("auth", "changed");
	fails(&c, "container endpoint: HTTP 403", "the token file is read each time");
	write_text("auth", "a\r\nHost: x");
	fails(&c, "one line of printable", "a token with a line end");
	unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/creds", 1);
	fails(&c, "expected https://", "not over http to anywhere");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.com/creds", 1);
	fails(&c, "expected https://", "nor to what only begins like this host");
	setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/", 1);
	fails(&c, "expected a path", "relative is a path");
}

static void test_instance(void)
{
	struct cc_store_config c = store();

	nothing();
	unsetenv("AWS_EC2_METADATA_DISABLED");
	set_url("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
	route(0, "PUT /latest/api/token ", "X-aws-ec2-metadata-token-ttl-seconds: ", 200, "TOKEN==");
	route(1, "GET /latest/meta-data/iam/security-credentials/ ", "X-aws-ec2-metadata-token: TOKEN==\r\n", 200,
	      "my-role");
	route(2, "GET /latest/meta-data/iam/security-credentials/my-role ",
	      "X-aws-ec2-metadata-token: TOKEN==\r\n", 200, KEYS("INST", "2030-01-01T00:00:00Z"));
	ok(loads(&c) && is("INST", "hush/+", "tok==") && !strangers, "token, role, keys %s", err);
	route(2, "GET /latest/meta-data/iam/security-credentials/my-role ", NULL, 200, "{\"Code\":\"Failed\"}");
	fails(&c, "it answers Failed", "a role without keys");
	route(1, "GET /latest/meta-data/iam/security-credentials/ ", NULL, 404, "");
	fails(&c, "instance metadata: role: HTTP 404", "no role");
	routes[1].served = 0;
	route(0, "PUT /latest/api/token ", NULL, 405, "");
	fails(&c, "IMDSv2): HTTP 405", "no token");
	ok(!routes[1].served, "and then nothing is asked of version 1");
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
	fails(&c, "none found", "nobody there: no instance");
	c.credentials = (char *)"instance";
	fails(&c, "IMDSv2): ", "unless the store says so");
}

static void test_times(void)
{
	ok(cc_creds_time("2030-01-01T00:00:00Z") == 1893456000 &&
	   cc_creds_time("2030-01-01T00:00:00.123Z") == 1893456000 &&
	   cc_creds_time("2029-12-31T19:00:00-05:00") == 1893456000 && !cc_creds_time("tomorrow") &&
	   !cc_creds_time("2030-01-01T00:00:00") && !cc_creds_time(""), "times");
}

/* ---- the keyring ---- */

static uint64_t in(unsigned int ms)
{
	return cc_now_ns() + ms * 1000000ULL;
}

/* The access key that the keyring gives, "" if none. */
static const char *gives(struct cc_keyring *k, unsigned int ms)
{
	static char key[129];
	const struct cc_creds *c;

	*key = *err = '\0';
	if (!cc_keyring_wait(k, in(ms), &c, err, sizeof(err))) {
		strcpy(key, c->access_key);
		cc_keyring_put(k, c);
	}
	return key;
}

static void expiring(char *json, const char *id, int seconds)
{
	time_t at = time(NULL) + seconds;
	char text[40];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	sprintf(json, "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"%s\"}", id,
		text);
}

static void test_renewal(void)
{
	static char first[256], second[256];
	struct cc_store_config c = store();
	struct cc_keyring *k;

	nothing();
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/c");
	expiring(first, "ONE", 4);
	route(0, "GET /c ", NULL, 200, first);
	k = cc_keyring_new(&c);
	ok(!strcmp(gives(k, 5000), "ONE") && !strcmp(gives(k, 5000), "ONE") && routes[0].served == 1,
	   "loaded once %s", err);
	expiring(second, "TWO", 3600);
	routes[0].body = second;
	nap_ms(3300);
	ok(routes[0].served == 2 && !strcmp(gives(k, 0), "TWO"),
	   "renewed before they expire, though nobody asked: %u loads", routes[0].served);
	cc_keyring_free(k);

	expiring(first, "ONE", 2);
	route(0, "GET /c ", NULL, 200, first);
	k = cc_keyring_new(&c);
	ok(!strcmp(gives(k, 5000), "ONE"), "short-lived ones %s", err);
	routes[0].status = 500;
	nap_ms(2500);
	ok(!strcmp(gives(k, 0), "ONE"), "cannot be renewed: the store may still take them");
	cc_keyring_free(k);

	expiring(first, "OLD", -3600);
	route(0, "GET /c ", NULL, 200, first);
	k = cc_keyring_new(&c);
	ok(!strcmp(gives(k, 5000), "OLD"), "expired, by a clock that is ahead %s", err);
	nap_ms(4500);
	ok(routes[0].served <= 3, "each load comes later than the last: %u", routes[0].served);
	cc_keyring_free(k);
}

static void test_refusal(void)
{
	const struct cc_creds *a, *b;
	struct cc_store_config c = store();
	static char one[256], two[256];
	struct cc_keyring *k;
	unsigned int loads_before;
	int r;

	nothing();
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/c");
	expiring(one, "ONE", 3600);
	expiring(two, "TWO", 3600);
	route(0, "GET /c ", NULL, 200, one);
	k = cc_keyring_new(&c);
	ok(cc_keyring_get(k, &a, err, sizeof(err)) == -EINPROGRESS, "who asks first does not wait");
	if (cc_keyring_wait(k, in(5000), &a, err, sizeof(err)) ||
	    cc_keyring_wait(k, in(5000), &b, err, sizeof(err)))
		httpd_fatal(err);
	ok(a == b, "all get the same");
	nap_ms(1100);
	routes[0].body = two;
	cc_keyring_refuse(k, a);
	r = cc_keyring_get(k, &b, err, sizeof(err));
	ok(r == -EINPROGRESS || (!r && !strcmp(b->access_key, "TWO")), "refused keys are not given out again");
	if (!r)
		cc_keyring_put(k, b);
	ok(!strcmp(gives(k, 5000), "TWO"), "but others are %s", err);
	loads_before = routes[0].served;
	nap_ms(1100);
	cc_keyring_refuse(k, a);
	ok(!strcmp(gives(k, 0), "TWO") && routes[0].served == loads_before,
	   "a late refusal of the old ones loads nothing");
	ok(!strcmp(a->access_key, "ONE"), "who holds the old ones has them still");
	cc_keyring_put(k, a);
	cc_keyring_put(k, a);
	if (cc_keyring_wait(k, in(0), &a, err, sizeof(err)))
		httpd_fatal(err);
	cc_keyring_refuse(k, a);
	for (int i = 0; i < 20; i++) {
		gives(k, 1000);
		cc_keyring_refuse(k, a);
		nap_ms(10);
	}
	ok(!strcmp(gives(k, 1000), "TWO") && routes[0].served <= loads_before + 2,
	   "the same keys refused over and over: %u loads", routes[0].served - loads_before);
	cc_keyring_put(k, a);
	cc_keyring_free(k);
}

static void test_no_keys(void)
{
	struct cc_store_config c = store();
	struct cc_keyring *k;

	nothing();
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/c");
	route(0, "GET /c ", NULL, 500, "");
	k = cc_keyring_new(&c);
	for (int i = 0; i < 100; i++)
		gives(k, 1000);
	ok(!*gives(k, 1000) && strstr(err, "HTTP 500") && routes[0].served <= 2,
	   "a failure is remembered for a second: %u loads, %s", routes[0].served, err);
	route(0, "GET /c ", NULL, 200, KEYS("LATE", "2030-01-01T00:00:00Z"));
	nap_ms(1100);
	ok(!strcmp(gives(k, 3000), "LATE"), "and tried again after that %s", err);
	cc_keyring_free(k);
	k = cc_keyring_new(&c);
	cc_keyring_free(k);
	ok(true, "a keyring that nobody asked");
}

/* ---- requests ---- */

#define SIGNED(headers) "SignedHeaders=host;x-amz-content-sha256;x-amz-date;" headers ",Signature="

static struct cc_store *open_bucket(struct cc_store_config *c)
{
	static char endpoint[64];
	struct cc_store *s;

	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", port);
	c->url = (char *)"s3://bucket";
	c->endpoint = endpoint;
	c->path_style = true;
	if (cc_store_open(c, &s, err, sizeof(err)))
		httpd_fatal(err);
	return s;
}

static bool gets(struct cc_store *s)
{
	void *data = NULL;
	size_t size = 0;
	bool good = !cc_store_get(s, "obj", 100, &data, &size, err, sizeof(err)) && size == 4;

	free(data);
	return good;
}

/* One get of the bucket; the request must have this text, or not that. */
static void request(const char *what, struct cc_store_config c, const char *needs, const char *lacks)
{
	struct cc_store *s = open_bucket(&c);

	clear_routes();
	route(0, "GET /bucket/obj ", needs, 200, "data");
	routes[0].lacks = lacks;
	ok(gets(s) && !strangers, "%s %s", what, err);
	cc_store_close(s);
}

static void test_requests(void)
{
	struct cc_store_config c = store();

	nothing();
	c.anonymous = true;
	request("anonymous: no signature", c, NULL, "uthorization:");
	c.anonymous = false;
	setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
	request("signed", c, "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=", "hush");
	setenv("AWS_SESSION_TOKEN", "tok1", 1);
	request("the session token is signed", c, SIGNED("x-amz-security-token"), NULL);
	request("and sent", c, "\r\nx-amz-security-token: tok1\r\n", NULL);
	c.requester_pays = true;
	request("requester pays is signed", c, SIGNED("x-amz-request-payer;x-amz-security-token"), NULL);
	request("and sent", c, "\r\nx-amz-request-payer: requester\r\n", NULL);
}

/* The token that the keys came with is refused at some moment: those who ask for objects never know. */
static void test_expiry(void)
{
	static const char expired[] = "<Error><Code>ExpiredToken</Code></Error>";
	static char one[256], two[256];
	struct cc_store_config c = store();
	struct cc_store *s;

	nothing();
	set_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/c");
	expiring(one, "ONE", 3600);
	expiring(two, "TWO", 3600);
	route(0, "GET /c ", NULL, 200, one);
	route(1, "GET /bucket/obj ", "Credential=ONE/", 200, "data");
	route(2, "GET /bucket/obj ", "Credential=TWO/", 200, "data");
	s = open_bucket(&c);
	ok(gets(s) && gets(s) && routes[1].served == 2 && routes[0].served == 1, "keys are used again %s", err);
	nap_ms(1100);
	routes[0].body = two;
	routes[1].body = expired;
	routes[1].status = 400;
	ok(gets(s) && routes[1].served == 3 && routes[2].served == 1 && routes[0].served == 2,
	   "refused once, loaded once, asked again %s", err);
	routes[2].body = expired;
	routes[2].status = 400;
	nap_ms(1100);
	ok(!gets(s) && strstr(err, "session token has expired") && routes[2].served == 3,
	   "and not for ever: %s", err);
	cc_store_close(s);
}

static bool stop_server(pthread_t thread)
{
	return !shutdown(listener, SHUT_RDWR) && !pthread_join(thread, NULL) && !close(listener);
}

int main(void)
{
	pthread_t thread;

	make_temp_dir(dir);
	signal(SIGPIPE, SIG_IGN);
	nothing();
	test_process("as a child");
	if (cc_spawner_start())
		httpd_fatal("spawner");
	test_process("by the spawner");
	thread = start_server();
	test_order();
	test_check();
	test_profile();
	test_settings();
	test_web_identity();
	test_web_identity_of_profile();
	test_container();
	test_instance();
	test_times();
	test_renewal();
	test_refusal();
	test_no_keys();
	test_requests();
	test_expiry();
	ok(stop_server(thread), "the end");
	remove_tree(dir);
	return tap_done();
}
