// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scripted client of the module's netlink protocol: it can be a small, correct helper (serve),
 * do each step of one by hand, or send what no helper would.  Reads commands, one a line, and
 * stops with status 1 at the first one that ends other than the script says.  Each result
 * is an environment variable, so that later lines can use it as $name.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "content.h"
#include "superblock.h"
#include "linux/dm-chunkcache.h"

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
"  disks                  sets disk (the first), nr_disks, disk_NAME\n"
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
"  fail DISK CHUNK COOKIE notfound|corrupt|timeout|other|NUMBER\n"
"  slots [POOL]           prints all; sets slots_free .. slots_bad, gen_of_N state_of_N\n"
"  stats                  prints pools and disks\n"
"  serve MS [slots|data|bare] [all] [max=N]   be a helper for so long, or until N misses were\n"
"                         answered; all: also what was given to this session before;\n"
"                         bare: slots are mapped with what they hold\n"
"  churn DISK CHUNK COUNT [shuffle]   a slot for each of these chunks, with what it holds\n"
"  spread DISK CHUNK COUNT SLOT GEN   map all of these chunks to one slot\n"
"  raw CMD [dump] [ATTR=TYPE:VALUE]...   CMD, ATTR: name or number; TYPE: u8 u16 u32 u64 str hex\n"
"                         flag zeros (VALUE bytes) nest (empty nested attribute of VALUE bytes)\n"
"  is VALUE VALUE         fails if they differ\n"
"  session N              use this session number from now on\n"
"  reopen | netns | dropcap sys_admin|net_admin | rcvbuf BYTES\n"
"  sleep MS | echo TEXT | sh SHELL COMMAND\n";

#define BUF_SIZE	(256 * 1024)
#define MAX_ARGS	128
#define MAX_NAMED	64		/* records of a batch that get variables */

static struct content content = { .seed = 1, .size = 64 << 20, .chunk = 1 << 20 };
static bool quiet;
static struct mnl_socket *cmd_socket, *bell_socket;
static uint16_t family;
static uint32_t seq;
static uint64_t session;
static int pool_fd = -1;
static struct cc_pool_geometry geometry;
static char out_buf[BUF_SIZE], in_buf[BUF_SIZE];

/* Of the last reply, valid until the next request. */
static struct reply {
	char text[256];			/* extended ack */
	const struct nlattr *tb[CHUNKCACHE_A_MAX + 1];
	char copy[BUF_SIZE];		/* what tb points into */
	unsigned int nr_refused;
	int refused_error;		/* of all refused records; -1: they differ */
} reply;

/* ---- variables ---- */

static void set_u64(const char *name, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	setenv(name, text, 1);
}

static void set_indexed(const char *name, unsigned int i, uint64_t v)
{
	char full[64];

	if (i >= MAX_NAMED)
		return;
	snprintf(full, sizeof(full), "%s%u", name, i);
	set_u64(full, v);
}

/* Replace each $name of in. */
static void expand(const char *in, char *out, size_t len)
{
	char name[64];
	const char *v;
	size_t n = 0, k;

	while (*in && n + 1 < len) {
		if (*in != '$') {
			out[n++] = *in++;
			continue;
		}
		for (k = 0, in++; (isalnum(*in) || *in == '_') && k + 1 < sizeof(name); in++)
			name[k++] = *in;
		name[k] = 0;
		v = getenv(name);
		if (!v)
			die(name, "no such variable");
		n += snprintf(out + n, len - n, "%s", v);
		if (n >= len)
			die(name, "line too long");
	}
	out[n] = 0;
}

static uint64_t number(const char *s)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (end == s || *end || errno)
		die(s, "expected a number");
	return v;
}

static uint64_t disk_id(const char *s)
{
	char name[160];
	const char *v;

	if (isdigit(*s))
		return number(s);
	snprintf(name, sizeof(name), "disk_%s", s);
	v = getenv(name);
	if (!v)
		die(s, "no such disk seen yet");
	return number(v);
}

/* ---- sockets ---- */

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct timeval patience = { 30, 0 };	/* an ack that never comes is a failure */
	int on = 1;

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink socket", strerror(errno));
	mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return s;
}

static void open_sockets(void)
{
	if (cmd_socket)
		mnl_socket_close(cmd_socket);
	if (bell_socket)
		mnl_socket_close(bell_socket);
	cmd_socket = open_socket();
	bell_socket = open_socket();
}

static int on_attr(const struct nlattr *attr, void *arg)
{
	const struct nlattr **tb = arg;
	unsigned int type = mnl_attr_get_type(attr);

	if (type <= CHUNKCACHE_A_MAX)
		tb[type] = attr;
	return MNL_CB_OK;
}

static void take_refused(void)
{
	const struct nlattr *a = reply.tb[CHUNKCACHE_A_REFUSED];
	const struct chunkcache_refused *r;
	unsigned int i;

	if (!a)
		return;
	r = mnl_attr_get_payload(a);
	reply.nr_refused = mnl_attr_get_payload_len(a) / sizeof(*r);
	for (i = 0; i < reply.nr_refused; i++) {
		if (i && reply.refused_error != (int)r[i].error)
			reply.refused_error = -1;
		else
			reply.refused_error = r[i].error;
	}
}

static void take_reply(const struct nlmsghdr *nlh)
{
	memcpy(reply.copy, nlh, nlh->nlmsg_len);
	memset(reply.tb, 0, sizeof(reply.tb));
	mnl_attr_parse((struct nlmsghdr *)reply.copy, GENL_HDRLEN, on_attr, reply.tb);
	take_refused();
}

/* The errno of an ack or the end of a dump, and its text. */
static int take_ack(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	size_t skip = nlh->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(*err);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return err->error;
	if (nlh->nlmsg_type == NLMSG_ERROR && !(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - sizeof(err->msg);
	mnl_attr_for_each(attr, nlh, skip)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(reply.text, sizeof(reply.text), "%s", mnl_attr_get_str(attr));
	return err->error;
}

typedef void message_fn(const struct nlmsghdr *nlh);

/* Send, and take all answers. Each message of a dump goes to fn. */
static int transact(struct nlmsghdr *nlh, message_fn *fn)
{
	const struct nlmsghdr *in;
	int n;

	reply.text[0] = 0;
	reply.nr_refused = 0;
	reply.refused_error = 0;
	memset(reply.tb, 0, sizeof(reply.tb));
	if (mnl_socket_sendto(cmd_socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		n = mnl_socket_recvfrom(cmd_socket, in_buf, sizeof(in_buf));
		if (n < 0)
			return -errno;
		for (in = (void *)in_buf; mnl_nlmsg_ok(in, n); in = mnl_nlmsg_next(in, &n)) {
			if (in->nlmsg_seq != nlh->nlmsg_seq)
				continue;
			if (in->nlmsg_type == NLMSG_ERROR || in->nlmsg_type == NLMSG_DONE)
				return take_ack(in);
			if (nlh->nlmsg_flags & NLM_F_DUMP && fn)
				fn(in);
			else
				take_reply(in);
		}
	}
}

static struct nlmsghdr *request(uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out_buf);
	struct genlmsghdr *g;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++seq;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = CHUNKCACHE_GENL_VERSION;
	return nlh;
}

static int find_family(void)
{
	struct nlmsghdr *nlh = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	const struct nlattr *attr;
	int err;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CHUNKCACHE_GENL_NAME);
	err = transact(nlh, NULL);
	if (err)
		return err;
	mnl_attr_for_each(attr, (struct nlmsghdr *)reply.copy, GENL_HDRLEN)
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family = mnl_attr_get_u16(attr);
	return 0;
}

static int need_family(void)
{
	return family ? 0 : find_family();
}

/* A command of the attached helper. */
static struct nlmsghdr *command(uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh;

	/* without the module: a number that no family has */
	nlh = request(need_family() ? GENL_MAX_ID : family, cmd, flags);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, session);
	return nlh;
}

static uint64_t get_u64(int attr)
{
	return reply.tb[attr] ? mnl_attr_get_u64(reply.tb[attr]) : 0;
}

static uint32_t get_u32(int attr)
{
	return reply.tb[attr] ? mnl_attr_get_u32(reply.tb[attr]) : 0;
}

/* ---- the steps of a helper ---- */

static int cmd_pool(int argc, char **argv)
{
	char err[256];
	int ret;

	if (pool_fd >= 0)
		close(pool_fd);
	pool_fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (pool_fd < 0)
		return -errno;
	ret = cc_superblock_read(pool_fd, &geometry, err, sizeof(err));
	if (ret)
		snprintf(reply.text, sizeof(reply.text), "%.250s", err);
	return ret;
}

static void put_uuid(struct nlmsghdr *nlh, const char *hex)
{
	uint8_t uuid[16];
	unsigned int i, b;

	memcpy(uuid, geometry.uuid, 16);
	for (i = 0; hex && i < 16 && sscanf(hex + 2 * i, "%2x", &b) == 1; i++)
		uuid[i] = b;
	mnl_attr_put(nlh, CHUNKCACHE_A_POOL_UUID, 16, uuid);
}

static const char *option(int argc, char **argv, const char *name)
{
	size_t n = strlen(name);
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(argv[i], name, n) && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

static bool has(int argc, char **argv, const char *word)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return true;
	return false;
}

static uint32_t option_u32(int argc, char **argv, const char *name, uint32_t fallback)
{
	const char *v = option(argc, argv, name);

	return v ? number(v) : fallback;
}

static int cmd_attach(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	int err = need_family();

	if (err)
		return err;
	nlh = request(family, CHUNKCACHE_CMD_ATTACH, 0);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VERSION,
			 option_u32(argc, argv, "version", CHUNKCACHE_PROTOCOL_VERSION));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_POOL_FD, option_u32(argc, argv, "fd", pool_fd));
	put_uuid(nlh, option(argc, argv, "uuid"));
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_BELL_PORT,
			 option_u32(argc, argv, "bell", mnl_socket_get_portid(bell_socket)));
	err = transact(nlh, NULL);
	if (err)
		return err;
	session = get_u64(CHUNKCACHE_A_SESSION);
	set_u64("session", session);
	set_u64("instance", get_u64(CHUNKCACHE_A_INSTANCE));
	set_u64("slot_size", get_u32(CHUNKCACHE_A_SLOT_SIZE));
	set_u64("nr_slots", get_u64(CHUNKCACHE_A_NR_SLOTS));
	return 0;
}

static int cmd_detach(int argc, char **argv)
{
	return transact(command(CHUNKCACHE_CMD_DETACH, 0), NULL);
}

static int cmd_close(int argc, char **argv)
{
	int err = close(pool_fd) ? -errno : 0;

	pool_fd = -1;
	return err;
}

static unsigned int nr_disks;

static void on_disk(const struct nlmsghdr *nlh)
{
	char name[160];
	uint64_t id;

	take_reply(nlh);
	if (!reply.tb[CHUNKCACHE_A_DISK] || !reply.tb[CHUNKCACHE_A_DISK_NAME])
		return;
	id = get_u64(CHUNKCACHE_A_DISK);
	snprintf(name, sizeof(name), "disk_%s",
		 mnl_attr_get_str(reply.tb[CHUNKCACHE_A_DISK_NAME]));
	set_u64(name, id);
	set_indexed("diskid", nr_disks, id);
	set_indexed("diskstate", nr_disks, get_u32(CHUNKCACHE_A_DISK_STATE));
	if (!nr_disks++)
		set_u64("disk", id);
	if (!quiet)
		printf("disk %" PRIu64 " %s store %s sectors %" PRIu64 " state %u\n", id, name + 5,
		       reply.tb[CHUNKCACHE_A_STORE] ?
		       mnl_attr_get_str(reply.tb[CHUNKCACHE_A_STORE]) : "?",
		       get_u64(CHUNKCACHE_A_DISK_SECTORS), get_u32(CHUNKCACHE_A_DISK_STATE));
}

static int cmd_disks(int argc, char **argv)
{
	int err;

	nr_disks = 0;
	err = transact(command(CHUNKCACHE_CMD_DISK_GET, NLM_F_DUMP), on_disk);
	set_u64("nr_disks", nr_disks);
	return err;
}

static int send_state(uint64_t disk, uint32_t state, const char *reason)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_DISK_STATE, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, state);
	if (reason)
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_REASON, reason);
	return transact(nlh, NULL);
}

static int cmd_state(int argc, char **argv)
{
	bool refused = !strcmp(argv[2], "refused");

	return send_state(disk_id(argv[1]),
			  refused ? CHUNKCACHE_DISK_REFUSED : CHUNKCACHE_DISK_LOADED,
			  argc > 3 ? argv[3] : refused ? "test" : NULL);
}

static int pull(unsigned int count, bool all, const struct chunkcache_miss **ret, unsigned int *n)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_MISS_GET, 0);
	const struct nlattr *a;
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (all)
		mnl_attr_put(nlh, CHUNKCACHE_A_ALL, 0, NULL);
	err = transact(nlh, NULL);
	if (err)
		return err;
	a = reply.tb[CHUNKCACHE_A_MISSES];
	*ret = a ? mnl_attr_get_payload(a) : NULL;
	*n = a ? mnl_attr_get_payload_len(a) / sizeof(**ret) : 0;
	set_u64("pending", get_u32(CHUNKCACHE_A_PENDING));
	return 0;
}

static void show_miss(unsigned int i, const struct chunkcache_miss *m)
{
	set_indexed("disk", i, m->disk);
	set_indexed("chunk", i, m->chunk);
	set_indexed("cookie", i, m->cookie);
	set_indexed("offset", i, m->offset);
	set_indexed("len", i, m->len);
	set_indexed("flags", i, m->flags);
	if (!quiet)
		printf("miss disk %" PRIu64 " chunk %" PRIu64 " cookie %" PRIu64
		       " offset %u len %u flags %u age %u\n", (uint64_t)m->disk,
		       (uint64_t)m->chunk, (uint64_t)m->cookie, m->offset, m->len, m->flags,
		       m->age_ms);
}

static int cmd_misses(int argc, char **argv)
{
	const struct chunkcache_miss *m;
	unsigned int n, i;
	int err = pull(number(argv[1]), has(argc, argv, "all"), &m, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++)
		show_miss(i, &m[i]);
	set_u64("nr_misses", n);
	return 0;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static int cmd_waitmiss(int argc, char **argv)
{
	uint64_t end = now_ms() + number(argv[2]);
	unsigned int want = number(argv[1]), got = 0, n, i;
	const struct chunkcache_miss *m;
	int err;

	while (got < want) {
		err = pull(want - got, false, &m, &n);
		if (err)
			return err;
		for (i = 0; i < n; i++)
			show_miss(got++, &m[i]);
		if (got < want && now_ms() > end)
			return -ETIMEDOUT;
		if (!n)
			sleep_ms(5);
	}
	set_u64("nr_misses", got);
	return 0;
}

static int cmd_flood(int argc, char **argv)
{
	unsigned int i, n = number(argv[1]);
	struct nlmsghdr *nlh;

	for (i = 0; i < n; i++) {
		nlh = command(CHUNKCACHE_CMD_MISS_GET, 0);
		mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, number(argv[2]));
		if (mnl_socket_sendto(cmd_socket, nlh, nlh->nlmsg_len) < 0 && errno != ENOBUFS &&
		    errno != EAGAIN)
			return -errno;
	}
	return 0;
}

/* Also clears the error that an overrun left on the socket. */
static int cmd_drain(int argc, char **argv)
{
	unsigned int answers = 0, misses = 0, errors = 0;
	int fd = mnl_socket_get_fd(cmd_socket);
	const struct nlmsghdr *in;
	ssize_t got;
	int n;

	for (;;) {
		got = recv(fd, in_buf, sizeof(in_buf), MSG_DONTWAIT);
		if (got < 0 && errno == ENOBUFS) {
			errors++;
			continue;
		}
		if (got < 0)
			break;
		n = got;
		for (in = (void *)in_buf; mnl_nlmsg_ok(in, n); in = mnl_nlmsg_next(in, &n)) {
			answers++;
			if (in->nlmsg_type == NLMSG_ERROR) {
				errors += !!take_ack(in);
				continue;
			}
			take_reply(in);
			if (reply.tb[CHUNKCACHE_A_MISSES])
				misses += mnl_attr_get_payload_len(reply.tb[CHUNKCACHE_A_MISSES]) /
					  sizeof(struct chunkcache_miss);
		}
	}
	set_u64("drained", answers);
	set_u64("drained_misses", misses);
	set_u64("drained_errors", errors);
	return 0;
}

static int wait_bell(int ms)
{
	struct pollfd p = { mnl_socket_get_fd(bell_socket), POLLIN, 0 };
	struct nlmsghdr *nlh = (void *)in_buf;
	int n = poll(&p, 1, ms);

	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	n = mnl_socket_recvfrom(bell_socket, in_buf, sizeof(in_buf));
	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(nlh, n) || nlh->nlmsg_type != family)
		return -EPROTO;
	take_reply(nlh);
	set_u64("pending", get_u32(CHUNKCACHE_A_PENDING));
	set_u64("bell_session", get_u64(CHUNKCACHE_A_SESSION));
	return 0;
}

static int cmd_bell(int argc, char **argv)
{
	return wait_bell(number(argv[1]));
}

static int take_slots(void)
{
	const struct nlattr *a = reply.tb[CHUNKCACHE_A_SLOTS];
	const struct chunkcache_slot *s = a ? mnl_attr_get_payload(a) : NULL;
	unsigned int i, n = a ? mnl_attr_get_payload_len(a) / sizeof(*s) : 0;

	for (i = 0; i < n; i++) {
		set_indexed("slot", i, s[i].slot);
		set_indexed("gen", i, s[i].gen);
		if (!quiet)
			printf("slot %u gen %u\n", s[i].slot, s[i].gen);
	}
	set_u64("nr_slots_got", n);
	return 0;
}

static int cmd_alloc(int argc, char **argv)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, number(argv[1]));
	if (has(argc, argv, "prefetch"))
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	err = transact(nlh, NULL);
	return err ? err : take_slots();
}

static int send_named_slots(uint8_t cmd, int argc, char **argv)
{
	struct nlmsghdr *nlh = command(cmd, 0);
	struct chunkcache_slot slots[MAX_ARGS] = { 0 };
	int i;

	for (i = 1; i < argc; i++)
		slots[i - 1].slot = number(argv[i]);
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, (argc - 1) * sizeof(slots[0]), slots);
	return transact(nlh, NULL);
}

static int cmd_adopt(int argc, char **argv)
{
	int err = send_named_slots(CHUNKCACHE_CMD_SLOT_ALLOC, argc, argv);

	return err ? err : take_slots();
}

static int cmd_keep(int argc, char **argv)
{
	return send_named_slots(CHUNKCACHE_CMD_SLOT_KEEP, argc, argv);
}

/* A slot-sized aligned buffer, kept. */
static void *slot_buffer(void)
{
	static void *buf;

	if (!buf && posix_memalign(&buf, 4096, 1 << CC_CHUNK_SHIFT_MAX))
		die("memory", "none for a slot");
	return buf;
}

static int write_slot(uint32_t slot, const void *buf)
{
	size_t size = 1ULL << geometry.slot_shift;
	ssize_t n = pwrite(pool_fd, buf, size,
			   geometry.slots_offset + ((uint64_t)slot << geometry.slot_shift));

	return n < 0 ? -errno : (size_t)n < size ? -EIO : 0;
}

static void fill_content(uint64_t seed, uint64_t index, void *buf, size_t size)
{
	uint64_t content_nr = seed ? seed << 32 | index : 0, i;

	for (i = 0; i < size / SECTOR; i++)
		content_sector(content_nr, i, (uint64_t *)((char *)buf + i * SECTOR));
}

static int cmd_write(int argc, char **argv)
{
	fill_content(number(argv[2]), number(argv[3]), slot_buffer(), 1 << geometry.slot_shift);
	return write_slot(number(argv[1]), slot_buffer());
}

static int cmd_fill(int argc, char **argv)
{
	memset(slot_buffer(), number(argv[2]), 1 << geometry.slot_shift);
	return write_slot(number(argv[1]), slot_buffer());
}

static int send_done(struct chunkcache_slot slot, const struct chunkcache_map *maps,
		     unsigned int n, uint64_t key, bool prefetch)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_SLOT_DONE, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, key);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	if (n)
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, n * sizeof(*maps), maps);
	return transact(nlh, NULL);
}

static int cmd_done(int argc, char **argv)
{
	struct chunkcache_slot slot = { number(argv[1]), number(argv[2]) };
	struct chunkcache_map maps[MAX_ARGS] = { 0 };
	const char *key = option(argc, argv, "key");
	unsigned int n = 0;
	int i;

	for (i = 3; i + 1 < argc && strcmp(argv[i], "prefetch") && !strchr(argv[i], '='); i += 2)
		maps[n++] = (struct chunkcache_map){
			.disk = disk_id(argv[i]), .chunk = number(argv[i + 1]), .count = 1,
			.slot = slot.slot, .gen = slot.gen,
		};
	return send_done(slot, maps, n, key ? number(key) : slot.slot,
			 has(argc, argv, "prefetch"));
}

static int cmd_release(int argc, char **argv)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_SLOT_RELEASE, 0);
	struct chunkcache_slot slot = { number(argv[1]), number(argv[2]) };

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	if (has(argc, argv, "bad"))
		mnl_attr_put(nlh, CHUNKCACHE_A_BAD, 0, NULL);
	return transact(nlh, NULL);
}

static int send_map(const struct chunkcache_map *map)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_MAP, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, sizeof(*map), map);
	return transact(nlh, NULL);
}

static int cmd_map(int argc, char **argv)
{
	struct chunkcache_map map = {
		.disk = disk_id(argv[1]), .chunk = number(argv[2]), .count = 1,
		.slot = number(argv[3]), .gen = number(argv[4]),
		.flags = has(argc, argv, "mark") ? CHUNKCACHE_MAP_MARK : 0,
	};

	return send_map(&map);
}

static int cmd_hole(int argc, char **argv)
{
	struct chunkcache_map map = {
		.disk = disk_id(argv[1]), .chunk = number(argv[2]), .count = number(argv[3]),
		.flags = CHUNKCACHE_MAP_HOLE,
	};

	return send_map(&map);
}

static int send_data(uint64_t disk, uint64_t chunk, uint64_t cookie, uint32_t offset,
		     const void *buf, uint32_t len, bool last)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_MISS_DATA, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_CHUNK, chunk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_COOKIE, cookie);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_OFFSET, offset);
	mnl_attr_put(nlh, CHUNKCACHE_A_DATA, len, buf);
	if (last)
		mnl_attr_put(nlh, CHUNKCACHE_A_LAST, 0, NULL);
	return transact(nlh, NULL);
}

static int cmd_data(int argc, char **argv)
{
	uint32_t offset = number(argv[4]), len = number(argv[5]);
	uint64_t seed = number(argv[6]), index = number(argv[7]);
	uint64_t content_nr = seed ? seed << 32 | index : 0, pos;
	static char piece[65536] __attribute__((aligned(8)));

	if (len > 65000)
		die("data", "an attribute has at most 65000 bytes here");
	for (pos = 0; pos < len; pos += SECTOR)
		content_sector(content_nr, (offset + pos) / SECTOR, (uint64_t *)(piece + pos));
	return send_data(disk_id(argv[1]), number(argv[2]), number(argv[3]), offset, piece, len,
			 has(argc, argv, "last"));
}

static int cmd_fail(int argc, char **argv)
{
	static const char *const classes[] = { "", "notfound", "corrupt", "timeout", "other" };
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_MISS_FAIL, 0);
	struct chunkcache_fail f = {
		.disk = disk_id(argv[1]), .chunk = number(argv[2]), .cookie = number(argv[3]),
	};
	uint32_t i;

	for (i = 1; i <= CHUNKCACHE_FAIL_OTHER; i++)
		if (!strcmp(argv[4], classes[i]))
			f.class = i;
	if (!f.class)
		f.class = number(argv[4]);
	mnl_attr_put(nlh, CHUNKCACHE_A_FAILS, sizeof(f), &f);
	return transact(nlh, NULL);
}

/* ---- dumps ---- */

static const char *const slot_states[] = { "free", "filling", "valid", "dying", "bad" };
static unsigned int slot_counts[5];

static void on_slots(const struct nlmsghdr *nlh)
{
	const struct chunkcache_slot_info *s;
	const struct nlattr *a;
	unsigned int i, n;

	take_reply(nlh);
	a = reply.tb[CHUNKCACHE_A_SLOT_INFO];
	s = a ? mnl_attr_get_payload(a) : NULL;
	n = a ? mnl_attr_get_payload_len(a) / sizeof(*s) : 0;
	for (i = 0; i < n; i++) {
		uint32_t state = s[i].state < 5 ? s[i].state : 0;

		slot_counts[state]++;
		if (s[i].slot < MAX_NAMED) {
			set_indexed("gen_of_", s[i].slot, s[i].gen);
			set_indexed("state_of_", s[i].slot, s[i].state);
		}
		if (!quiet)
			printf("slot %u gen %u %s session %" PRIu64 "\n", s[i].slot, s[i].gen,
			       slot_states[state], (uint64_t)s[i].session);
	}
}

static int cmd_slots(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	char name[32];
	int err = need_family(), i;

	if (err)
		return err;
	memset(slot_counts, 0, sizeof(slot_counts));
	if (argc > 1) {
		nlh = request(family, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, argv[1]);
	} else {
		nlh = command(CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
	}
	err = transact(nlh, on_slots);
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "slots_%s", slot_states[i]);
		set_u64(name, slot_counts[i]);
	}
	return err;
}

static const char *const stat_names[] = {
	"hits", "misses", "coalesced", "holes", "read_sectors", "errors_notfound",
	"errors_corrupt", "errors_timeout", "errors_other", "retried", "requeued", "waiting",
	"oldest_ms", "mapped", "slots_free", "slots_filling", "slots_valid", "slots_dying",
	"slots_bad", "fills", "evictions", "epochs", "doorbells", "messages", "refused",
};

/* pool=NAME disk=NAME counter=value ...: for a shell's eyes. */
static void on_stats(const struct nlmsghdr *nlh)
{
	const struct nlattr *a;
	unsigned int i, n;
	uint64_t v;

	take_reply(nlh);
	printf("pool=%s disk=%s undrained=%u",
	       reply.tb[CHUNKCACHE_A_POOL_NAME] ?
	       mnl_attr_get_str(reply.tb[CHUNKCACHE_A_POOL_NAME]) : "?",
	       reply.tb[CHUNKCACHE_A_DISK_NAME] ?
	       mnl_attr_get_str(reply.tb[CHUNKCACHE_A_DISK_NAME]) : "-",
	       get_u32(CHUNKCACHE_A_UNDRAINED));
	a = reply.tb[CHUNKCACHE_A_STATS];
	n = a ? mnl_attr_get_payload_len(a) / sizeof(v) : 0;
	for (i = 0; i < n && i < sizeof(stat_names) / sizeof(stat_names[0]); i++) {
		memcpy(&v, (char *)mnl_attr_get_payload(a) + i * sizeof(v), sizeof(v));
		printf(" %s=%" PRIu64, stat_names[i], v);
		set_u64(stat_names[i], v);
	}
	putchar('\n');
}

static int cmd_stats(int argc, char **argv)
{
	int err = need_family();

	return err ? err : transact(request(family, CHUNKCACHE_CMD_STATS_GET, NLM_F_DUMP),
				    on_stats);
}

/* ---- a whole helper ---- */

static int serve_data(const struct chunkcache_miss *m, const char *chunk)
{
	uint32_t pos = m->offset, end = m->offset + m->len, n;
	int err;

	for (; pos < end; pos += n) {
		n = end - pos < CHUNKCACHE_DATA_MAX ? end - pos : CHUNKCACHE_DATA_MAX;
		err = send_data(m->disk, m->chunk, m->cookie, pos, chunk + pos, n, pos + n == end);
		if (err)
			return err;
	}
	return 0;
}

/* 1: no slot to be had. */
static int alloc_slot(struct chunkcache_slot *ret)
{
	struct nlmsghdr *nlh = command(CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	const struct nlattr *a;
	int err;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, 1);
	err = transact(nlh, NULL);
	if (err)
		return err;
	a = reply.tb[CHUNKCACHE_A_SLOTS];
	if (!a || mnl_attr_get_payload_len(a) < sizeof(*ret))
		return 1;
	memcpy(ret, mnl_attr_get_payload(a), sizeof(*ret));
	return 0;
}

/* chunk: its bytes, or NULL to leave the slot as it is.  1: no slot to be had. */
static int serve_slot(uint64_t disk, uint64_t chunk_nr, const char *chunk)
{
	struct chunkcache_map map = { .disk = disk, .chunk = chunk_nr, .count = 1 };
	struct chunkcache_slot slot;
	int err = alloc_slot(&slot);

	if (err)
		return err;
	if (chunk)
		err = write_slot(slot.slot, chunk);
	if (err)
		return err;
	map.slot = slot.slot;
	map.gen = slot.gen;
	err = send_done(slot, &map, 1, content_mix(disk << 40 ^ chunk_nr), false);
	return err ? err : reply.nr_refused ? 1 : 0;
}

static int serve_miss(const struct chunkcache_miss *m, bool slots)
{
	struct chunkcache_map hole = {
		.disk = m->disk, .chunk = m->chunk, .count = 1, .flags = CHUNKCACHE_MAP_HOLE,
	};
	char *chunk = slot_buffer();
	int err = 1;

	if (!content_number(&content, m->chunk) && m->chunk < content_nr_chunks(&content))
		return send_map(&hole);
	content_fill(&content, m->chunk * content.chunk, chunk, content.chunk);
	if (slots && !(m->flags & CHUNKCACHE_MISS_DATA))
		err = serve_slot(m->disk, m->chunk, chunk);
	if (err > 0)
		err = serve_data(m, chunk);
	return err;
}

/* As fast as can be: neither bytes nor a write.  What finds no slot is given again later. */
static int serve_bare(const struct chunkcache_miss *m)
{
	int err, tries = 0;

	while ((err = serve_slot(m->disk, m->chunk, NULL)) == 1 && tries++ < 1000)
		sleep_ms(1);
	return err == 1 ? -ENOSPC : err;
}

static int load_disks(void)
{
	unsigned int i;
	char name[32];
	int err = cmd_disks(0, NULL);

	for (i = 0; !err && i < nr_disks && i < MAX_NAMED; i++) {
		snprintf(name, sizeof(name), "diskstate%u", i);
		if (number(getenv(name)) == CHUNKCACHE_DISK_LOADED)
			continue;
		snprintf(name, sizeof(name), "diskid%u", i);
		err = send_state(number(getenv(name)), CHUNKCACHE_DISK_LOADED, NULL);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

enum serve_how { SERVE_SLOTS, SERVE_DATA, SERVE_BARE };

static int serve_one(const struct chunkcache_miss *m, enum serve_how how)
{
	int err;

	if (m->flags & CHUNKCACHE_MISS_HINT)
		return 0;
	err = how == SERVE_BARE ? serve_bare(m) : serve_miss(m, how == SERVE_SLOTS);
	/* the miss may have ended meanwhile */
	return err == -ENOENT || err == -ESTALE ? 0 : err;
}

static int serve_batch(enum serve_how how, bool all, uint64_t *served, bool *idle)
{
	struct chunkcache_miss batch[32];
	const struct chunkcache_miss *m;
	unsigned int n, i;
	uint32_t pending;
	int err = pull(32, all, &m, &n);

	if (err)
		return err;
	memcpy(batch, m ? m : batch, n * sizeof(*m));
	pending = number(getenv("pending"));
	if (pending & CHUNKCACHE_PENDING_DISK)
		err = load_disks();
	for (i = 0; !err && i < n; i++, (*served)++)
		err = serve_one(&batch[i], how);
	*idle = !n && !pending;
	return err;
}

static int cmd_serve(int argc, char **argv)
{
	uint64_t end = now_ms() + number(argv[1]), served = 0;
	const char *max = option(argc, argv, "max");
	bool idle = false, all = has(argc, argv, "all");
	enum serve_how how = has(argc, argv, "data") ? SERVE_DATA :
			     has(argc, argv, "bare") ? SERVE_BARE : SERVE_SLOTS;
	int err;

	if (how != SERVE_BARE && 1ULL << geometry.slot_shift != content.chunk)
		die("serve", "--chunk must be the pool's slot size");
	err = load_disks();
	while (!err && now_ms() < end && (!max || served < number(max))) {
		if (idle) {
			err = wait_bell(50);
			if (err == -ETIMEDOUT)
				err = 0;
		}
		if (!err)
			err = serve_batch(how, all, &served, &idle);
		all = false;
	}
	set_u64("served", served);
	return err;
}

/* ---- many at once ---- */

/* 0..n-1 in an order that is always the same. */
static uint64_t *permutation(uint64_t n, bool shuffle)
{
	uint64_t *p = calloc(n, sizeof(*p)), i, k, t;

	if (!p)
		die("churn", "no memory");
	for (i = 0; i < n; i++)
		p[i] = i;
	for (i = n; shuffle && i > 1; i--) {
		k = content_mix(i) % i;
		t = p[i - 1];
		p[i - 1] = p[k];
		p[k] = t;
	}
	return p;
}

static int cmd_churn(int argc, char **argv)
{
	uint64_t count = number(argv[3]), first = number(argv[2]), i;
	uint64_t *order = permutation(count, has(argc, argv, "shuffle"));
	struct chunkcache_miss m = { .disk = disk_id(argv[1]) };
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		m.chunk = first + order[i];
		err = serve_bare(&m);
	}
	free(order);
	return err;
}

static int cmd_spread(int argc, char **argv)
{
	static struct chunkcache_map maps[CHUNKCACHE_MAP_BATCH_MAX];
	uint64_t chunk = number(argv[2]), end = chunk + number(argv[3]);
	struct chunkcache_map map = {
		.disk = disk_id(argv[1]), .count = 1, .slot = number(argv[4]),
		.gen = number(argv[5]),
	};
	struct nlmsghdr *nlh;
	unsigned int n;
	int err = 0;

	while (!err && !reply.nr_refused && chunk < end) {
		for (n = 0; n < CHUNKCACHE_MAP_BATCH_MAX && chunk < end; n++) {
			map.chunk = chunk++;
			maps[n] = map;
		}
		nlh = command(CHUNKCACHE_CMD_MAP, 0);
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, n * sizeof(map), maps);
		err = transact(nlh, NULL);
	}
	return err;
}

/* ---- anything at all ---- */

static const char *const cmd_names[] = {
	"unspec", "attach", "detach", "doorbell", "disk_get", "disk_state", "miss_get",
	"slot_alloc", "slot_done", "slot_release", "slot_keep", "slot_get", "map", "miss_data",
	"miss_fail", "stats_get",
};

static const char *const attr_names[] = {
	"unspec", "pad", "version", "pool_fd", "pool_uuid", "pool_name", "bell_port", "session",
	"instance", "slot_size", "nr_slots", "pending", "disk", "disk_name", "disk_sectors",
	"disk_state", "store", "digest", "reason", "count", "all", "prefetch", "bad", "last",
	"chunk", "cookie", "offset", "key", "data", "misses", "slots", "maps", "fails", "refused",
	"slot_info", "stats", "undrained",
};

static unsigned int find_name(const char *const *names, unsigned int n, const char *s)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], s))
			return i;
	return number(s);
}

static size_t from_hex(const char *s, uint8_t *buf, size_t max)
{
	size_t n = 0;
	unsigned int b;

	for (; s[0] && s[1] && n < max && sscanf(s, "%2x", &b) == 1; s += 2)
		buf[n++] = b;
	return n;
}

static void put_raw(struct nlmsghdr *nlh, unsigned int type, const char *kind, const char *value)
{
	static uint8_t bytes[65536];
	uint64_t v = 0;

	memset(bytes, 0, sizeof(bytes));
	if (*kind == 'u')
		v = number(value);
	if (!strcmp(kind, "u8"))
		mnl_attr_put_u8(nlh, type, v);
	else if (!strcmp(kind, "u16"))
		mnl_attr_put_u16(nlh, type, v);
	else if (!strcmp(kind, "u32"))
		mnl_attr_put_u32(nlh, type, v);
	else if (!strcmp(kind, "u64"))
		mnl_attr_put_u64(nlh, type, v);
	else if (!strcmp(kind, "str"))
		mnl_attr_put_strz(nlh, type, value);
	else if (!strcmp(kind, "hex"))
		mnl_attr_put(nlh, type, from_hex(value, bytes, sizeof(bytes)), bytes);
	else if (!strcmp(kind, "zeros"))
		mnl_attr_put(nlh, type, number(value), bytes);
	else if (!strcmp(kind, "nest"))
		mnl_attr_put(nlh, type | NLA_F_NESTED, number(value), bytes);
	else if (!strcmp(kind, "flag"))
		mnl_attr_put(nlh, type, 0, NULL);
	else
		die(kind, "no such type of attribute");
}

static int cmd_raw(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	char *kind, *value;
	int i, err = need_family();

	if (err)
		return err;
	nlh = request(family, find_name(cmd_names, 16, argv[1]),
		      has(argc, argv, "dump") ? NLM_F_DUMP : 0);
	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "dump"))
			continue;
		kind = strchr(argv[i], '=');
		if (!kind)
			die(argv[i], "expected ATTR=TYPE:VALUE");
		*kind++ = 0;
		value = strchr(kind, ':');
		if (value)
			*value++ = 0;
		put_raw(nlh, find_name(attr_names, 37, argv[i]), kind, value ? value : "");
	}
	return transact(nlh, NULL);
}

/* ---- who we are ---- */

static int cmd_session(int argc, char **argv)
{
	session = number(argv[1]);
	return 0;
}

static int cmd_reopen(int argc, char **argv)
{
	open_sockets();
	return 0;
}

/* A new, empty network namespace; the family's number is kept to try it from there. */
static int cmd_netns(int argc, char **argv)
{
	int err = need_family();

	if (err)
		return err;
	if (unshare(CLONE_NEWNET))
		return -errno;
	open_sockets();
	return 0;
}

/* For good: from the effective, permitted and inheritable sets. */
static int cmd_dropcap(int argc, char **argv)
{
	int cap = !strcmp(argv[1], "sys_admin") ? CAP_SYS_ADMIN : CAP_NET_ADMIN;
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	d[0].effective &= ~(1u << cap);
	d[0].permitted &= ~(1u << cap);
	d[0].inheritable &= ~(1u << cap);
	if (syscall(SYS_capset, &h, d))
		return -errno;
	open_sockets();
	return 0;
}

static int cmd_rcvbuf(int argc, char **argv)
{
	int n = number(argv[1]);

	if (setsockopt(mnl_socket_get_fd(cmd_socket), SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)))
		return -errno;
	return 0;
}

static int cmd_sleep(int argc, char **argv)
{
	sleep_ms(number(argv[1]));
	return 0;
}

static int cmd_is(int argc, char **argv)
{
	if (!strcmp(argv[1], argv[2]))
		return 0;
	snprintf(reply.text, sizeof(reply.text), "%.100s is not %.100s", argv[1], argv[2]);
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

/* ---- the script ---- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	int min_args;
} commands[] = {
	{ "pool", cmd_pool, 1 }, { "attach", cmd_attach, 0 }, { "detach", cmd_detach, 0 },
	{ "close", cmd_close, 0 }, { "disks", cmd_disks, 0 }, { "state", cmd_state, 2 },
	{ "flood", cmd_flood, 2 }, { "drain", cmd_drain, 0 }, { "misses", cmd_misses, 1 },
	{ "waitmiss", cmd_waitmiss, 2 }, { "bell", cmd_bell, 1 },
	{ "alloc", cmd_alloc, 1 }, { "adopt", cmd_adopt, 1 }, { "keep", cmd_keep, 1 },
	{ "write", cmd_write, 3 }, { "fill", cmd_fill, 2 }, { "done", cmd_done, 2 },
	{ "release", cmd_release, 2 }, { "map", cmd_map, 4 }, { "hole", cmd_hole, 3 },
	{ "data", cmd_data, 7 }, { "fail", cmd_fail, 4 }, { "slots", cmd_slots, 0 },
	{ "stats", cmd_stats, 0 }, { "serve", cmd_serve, 1 }, { "churn", cmd_churn, 3 },
	{ "spread", cmd_spread, 5 }, { "raw", cmd_raw, 1 },
	{ "session", cmd_session, 1 }, { "reopen", cmd_reopen, 0 }, { "netns", cmd_netns, 0 },
	{ "dropcap", cmd_dropcap, 1 }, { "rcvbuf", cmd_rcvbuf, 1 }, { "sleep", cmd_sleep, 1 },
	{ "is", cmd_is, 2 }, { "echo", cmd_echo, 0 },
};

static int run(int argc, char **argv)
{
	size_t i;

	reply.text[0] = 0;
	reply.nr_refused = 0;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, argv[0]))
			continue;
		if (argc - 1 < commands[i].min_args)
			die(argv[0], "too few arguments; --help lists them");
		return commands[i].run(argc, argv);
	}
	die(argv[0], "no such command; --help lists them");
	return 0;
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
		return !err && reply.nr_refused &&
		       (!strcmp(want, "any") ||
			in_list(want, errno_name(-reply.refused_error)));
	return !err && !reply.nr_refused;
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
	set_u64("nr_refused", reply.nr_refused);
	good = judge(how, want, err);
	if (!quiet || !good) {
		fflush(stdout);
		fprintf(good ? stdout : stderr, "%s%s: %s%s%s%s", good ? "" : "cc-nl: FAILED: ",
			line, errno_name(err), reply.text[0] ? " (" : "", reply.text,
			reply.text[0] ? ")" : "");
		fprintf(good ? stdout : stderr, reply.nr_refused ? ", %u refused: %s\n" : "\n",
			reply.nr_refused,
			reply.refused_error < 0 ? "several reasons" : errno_name(-reply.refused_error));
		fflush(stdout);
	}
	return good;
}

static bool run_line(char *line)
{
	char expanded[8192], shown[8192], *argv[MAX_ARGS], *word, *save;
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
	expand(line, expanded, sizeof(expanded));
	strcpy(shown, expanded);
	for (word = strtok_r(expanded, " \t", &save); word && argc < MAX_ARGS;
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
		if (content_option(&content, opt, optarg))
			continue;
		switch (opt) {
		case 'c': text = optarg; break;
		case 'q': quiet = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	content_check(&content);
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_sockets();
	if (text)
		return run_text(text);
	if (argv[optind]) {
		f = fopen(argv[optind], "re");
		if (!f)
			die(argv[optind], strerror(errno));
	}
	return run_file(f);
}
