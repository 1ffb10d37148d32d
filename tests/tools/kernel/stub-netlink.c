// SPDX-License-Identifier: GPL-2.0-or-later
/* The stub's messages, as linux/dm-chunkcache.h has them, over a unix socket; see stub.h. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stub-impl.h"

#define SLOT_INFO_BATCH 1024

/* One request: what it says, and what is said to it. */
struct request {
	struct stub *s;
	struct stub_conn *conn;
	const struct nlmsghdr *nlh;
	const struct nlattr *tb[CHUNKCACHE_A_MAX + 1];
	struct chunkcache_refused refused[CHUNKCACHE_MAP_BATCH_MAX];
	uint32_t nr_refused;
};

/* ---- sending ---- */

static void send_message(struct stub_conn *c, const struct nlmsghdr *nlh)
{
	/* Who can't be reached is gone: the next read says so. */
	if (send(c->fd, nlh, nlh->nlmsg_len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		perror("stub: send");
}

static struct nlmsghdr *begin(struct stub *s, uint8_t cmd, uint32_t seq, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(s->send);
	struct genlmsghdr *g;

	nlh->nlmsg_type = STUB_FAMILY;
	nlh->nlmsg_seq = seq;
	nlh->nlmsg_flags = flags;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = CHUNKCACHE_GENL_VERSION;
	return nlh;
}

static struct nlmsghdr *begin_reply(struct request *q)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(q->nlh);

	return begin(q->s, g->cmd, q->nlh->nlmsg_seq, q->nlh->nlmsg_flags & NLM_F_DUMP ? NLM_F_MULTI : 0);
}

/* The end of each answer; error is 0 or a negative errno. */
static void send_ack(struct request *q, int error)
{
	bool dump = q->nlh->nlmsg_flags & NLM_F_DUMP && !error;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(q->s->send);

	nlh->nlmsg_type = dump ? NLMSG_DONE : NLMSG_ERROR;
	nlh->nlmsg_seq = q->nlh->nlmsg_seq;
	nlh->nlmsg_flags = dump ? NLM_F_MULTI : NLM_F_CAPPED;
	if (dump) {
		*(int *)mnl_nlmsg_put_extra_header(nlh, sizeof(int)) = 0;
	} else {
		struct nlmsgerr *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));

		e->error = error;
		e->msg = *q->nlh;
	}
	send_message(q->conn, nlh);
}

void stub_send_bell(struct stub *s)
{
	struct nlmsghdr *nlh;

	for (int i = 0; i < STUB_MAX_CONNS; i++) {
		struct stub_conn *c = &s->conns[i];

		if (c->fd < 0 || c->port != s->bell_port)
			continue;
		nlh = begin(s, CHUNKCACHE_CMD_DOORBELL, 0, 0);
		mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, s->session);
		mnl_attr_put_u32(nlh, CHUNKCACHE_A_PENDING, s->pending);
		send_message(c, nlh);
	}
}

/* ---- attributes ---- */

static int take_attr(const struct nlattr *attr, void *data)
{
	struct request *q = data;

	if (mnl_attr_get_type(attr) <= CHUNKCACHE_A_MAX)
		q->tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static int get_u32(const struct request *q, int type, uint32_t *ret)
{
	if (!q->tb[type] || mnl_attr_get_payload_len(q->tb[type]) != sizeof(*ret))
		return -EINVAL;
	*ret = mnl_attr_get_u32(q->tb[type]);
	return 0;
}

static int get_u64(const struct request *q, int type, uint64_t *ret)
{
	if (!q->tb[type] || mnl_attr_get_payload_len(q->tb[type]) != sizeof(*ret))
		return -EINVAL;
	*ret = mnl_attr_get_u64(q->tb[type]);
	return 0;
}

static int get_count(const struct request *q, uint32_t max, uint32_t *ret)
{
	int r = get_u32(q, CHUNKCACHE_A_COUNT, ret);

	return r ? r : *ret < 1 || *ret > max ? -ERANGE : 0;
}

/* Between min and max records of size bytes; they are 4-byte aligned only, which x86 and arm64 take. */
static int get_records(const struct request *q, int type, size_t size, uint32_t min, uint32_t max,
		       const void **ret, uint32_t *ret_nr)
{
	/* Attributes are aligned to 4 bytes, records want 8; a request has one array but for SLOT_DONE's slot. */
	static uint64_t copies[2][CHUNKCACHE_MAP_BATCH_MAX * sizeof(struct chunkcache_map) / 8];
	uint32_t len = q->tb[type] ? mnl_attr_get_payload_len(q->tb[type]) : 0;
	uint64_t *copy = copies[type == CHUNKCACHE_A_MAPS];

	if (len % size)
		return -EINVAL;
	if (len / size < min || len / size > max)
		return -ERANGE;
	if (len)
		memcpy(copy, mnl_attr_get_payload(q->tb[type]), len);
	*ret = len ? copy : NULL;
	*ret_nr = len / size;
	return 0;
}

static void refuse(struct request *q, uint32_t index, int error)
{
	if (error)
		q->refused[q->nr_refused++] = (struct chunkcache_refused){ index, error };
}

static void send_refused(struct request *q)
{
	struct nlmsghdr *nlh = begin_reply(q);

	if (q->nr_refused)
		mnl_attr_put(nlh, CHUNKCACHE_A_REFUSED, q->nr_refused * sizeof(q->refused[0]), q->refused);
	send_message(q->conn, nlh);
}

/* ---- commands: 0 or a negative errno; the acknowledgement is sent by who calls them ---- */

static int do_attach(struct request *q)
{
	struct stub *s = q->s;
	uint32_t version, bell;
	struct nlmsghdr *nlh;
	int r;

	r = get_u32(q, CHUNKCACHE_A_VERSION, &version);
	if (!r)
		r = get_u32(q, CHUNKCACHE_A_BELL_PORT, &bell);
	if (r)
		return r;
	if (version != CHUNKCACHE_PROTOCOL_VERSION)
		return -EPROTO;
	if (s->session)
		return -EBUSY;
	if (!q->tb[CHUNKCACHE_A_POOL_UUID] || mnl_attr_get_payload_len(q->tb[CHUNKCACHE_A_POOL_UUID]) != 16)
		return -EINVAL;
	if (memcmp(mnl_attr_get_payload(q->tb[CHUNKCACHE_A_POOL_UUID]), s->uuid, 16))
		return -ESTALE;
	s->session = ++s->last_session;
	s->stats.sessions++;
	s->owner = q->conn;
	s->bell_port = bell;
	s->armed = false;
	nlh = begin_reply(q);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, s->session);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_INSTANCE, s->instance);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_SLOT_SIZE, s->c.slot_size);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_NR_SLOTS, s->c.nr_slots);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, s->c.pool_name);
	send_message(q->conn, nlh);
	return 0;
}

static int do_detach(struct request *q)
{
	stub_session_end(q->s);
	return 0;
}

static int do_disk_get(struct request *q)
{
	for (uint64_t i = 0; i < q->s->nr_disks; i++) {
		const struct stub_disk *d = q->s->disks[i];
		struct nlmsghdr *nlh = begin_reply(q);

		mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, d->id);
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, d->name);
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_STORE, d->store);
		mnl_attr_put(nlh, CHUNKCACHE_A_DIGEST, sizeof(d->digest), d->digest);
		mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK_SECTORS, d->sectors);
		mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, d->state);
		send_message(q->conn, nlh);
	}
	return 0;
}

static int do_disk_state(struct request *q)
{
	struct stub_disk *d;
	uint32_t state;
	uint64_t id;
	int r;

	r = get_u64(q, CHUNKCACHE_A_DISK, &id);
	if (!r)
		r = get_u32(q, CHUNKCACHE_A_DISK_STATE, &state);
	if (r)
		return r;
	d = stub_disk_find(q->s, id);
	if (!d)
		return -ENOENT;
	d->state = state;
	if (q->tb[CHUNKCACHE_A_REASON])
		snprintf(d->reason, sizeof(d->reason), "%.*s",
			 (int)mnl_attr_get_payload_len(q->tb[CHUNKCACHE_A_REASON]),
			 (const char *)mnl_attr_get_payload(q->tb[CHUNKCACHE_A_REASON]));
	return 0;
}

static int do_miss_get(struct request *q)
{
	struct chunkcache_miss misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct stub *s = q->s;
	uint32_t count, n, pending = 0;
	struct nlmsghdr *nlh;
	int r = get_count(q, CHUNKCACHE_MISS_BATCH_MAX, &count);

	if (r)
		return r;
	n = stub_pull(s, q->tb[CHUNKCACHE_A_ALL], count, misses);
	if (n < count) {
		pending = s->pending & ~(CHUNKCACHE_PENDING_MISS | CHUNKCACHE_PENDING_HINT);
		s->pending = 0;
		s->armed = !n && !pending;
	}
	nlh = begin_reply(q);
	mnl_attr_put(nlh, CHUNKCACHE_A_MISSES, n * sizeof(misses[0]), misses);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_PENDING, pending);
	send_message(q->conn, nlh);
	return 0;
}

static uint32_t alloc_named(struct request *q, const struct chunkcache_slot *wanted, uint32_t nr,
			    struct chunkcache_slot *granted)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nr; i++) {
		struct stub_slot *slot = stub_slot_adopt(q->s, wanted[i].slot);

		if (slot)
			granted[n++] = (struct chunkcache_slot){ wanted[i].slot, slot->gen };
	}
	return n;
}

static int do_slot_alloc(struct request *q)
{
	struct chunkcache_slot granted[CHUNKCACHE_SLOT_BATCH_MAX];
	const struct chunkcache_slot *wanted = NULL;
	uint32_t count = 0, n = 0;
	struct nlmsghdr *nlh;
	int r;

	if (q->tb[CHUNKCACHE_A_SLOTS])
		r = get_records(q, CHUNKCACHE_A_SLOTS, sizeof(*wanted), 1, CHUNKCACHE_SLOT_BATCH_MAX,
				(const void **)&wanted, &count);
	else
		r = get_count(q, CHUNKCACHE_SLOT_BATCH_MAX, &count);
	if (r)
		return r;
	if (wanted)
		n = alloc_named(q, wanted, count, granted);
	while (!wanted && n < count) {
		struct stub_slot *slot = stub_slot_alloc(q->s, q->tb[CHUNKCACHE_A_PREFETCH]);

		if (!slot)
			break;
		granted[n++] = (struct chunkcache_slot){ slot - q->s->slots, slot->gen };
	}
	nlh = begin_reply(q);
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, n * sizeof(granted[0]), granted);
	send_message(q->conn, nlh);
	return 0;
}

static int do_slot_done(struct request *q)
{
	const struct chunkcache_slot *name;
	const struct chunkcache_map *maps;
	struct stub_slot *slot;
	uint32_t one, nr;
	int r;

	r = get_records(q, CHUNKCACHE_A_SLOTS, sizeof(*name), 1, 1, (const void **)&name, &one);
	if (!r)
		r = get_records(q, CHUNKCACHE_A_MAPS, sizeof(*maps), 0, CHUNKCACHE_MAP_BATCH_MAX,
				(const void **)&maps, &nr);
	if (r)
		return r;
	slot = stub_slot_filling(q->s, name);
	if (!slot)
		return -ESTALE;
	stub_slot_done(q->s, slot, q->tb[CHUNKCACHE_A_PREFETCH]);
	for (uint32_t i = 0; i < nr; i++)
		refuse(q, i, stub_map(q->s, &maps[i], true));
	send_refused(q);
	return 0;
}

static int do_slot_release(struct request *q)
{
	const struct chunkcache_slot *names;
	uint32_t nr;
	int r = get_records(q, CHUNKCACHE_A_SLOTS, sizeof(*names), 1, CHUNKCACHE_SLOT_BATCH_MAX,
			    (const void **)&names, &nr);

	for (uint32_t i = 0; !r && i < nr; i++) {
		struct stub_slot *slot = stub_slot_filling(q->s, &names[i]);

		if (slot)
			stub_slot_release(q->s, slot, q->tb[CHUNKCACHE_A_BAD]);
		else
			refuse(q, i, ESTALE);
	}
	send_refused(q);
	return r;
}

static int do_slot_keep(struct request *q)
{
	const struct chunkcache_slot *names;
	struct stub *s = q->s;
	uint32_t nr;
	int r = get_records(q, CHUNKCACHE_A_SLOTS, sizeof(*names), 1, CHUNKCACHE_SLOT_BATCH_MAX,
			    (const void **)&names, &nr);

	for (uint32_t i = 0; !r && i < nr; i++) {
		struct stub_slot *slot = names[i].slot < s->c.nr_slots ? &s->slots[names[i].slot] : NULL;

		if (!slot || slot->seen) {
			refuse(q, i, EBUSY);
			continue;
		}
		cc_list_del(&slot->node);
		cc_list_add_tail(&s->kept, &slot->node);
	}
	send_refused(q);
	return r;
}

static int do_slot_get(struct request *q)
{
	static struct chunkcache_slot_info info[SLOT_INFO_BATCH];
	struct stub *s = q->s;
	uint32_t n = 0;

	for (uint32_t i = 0; i <= s->c.nr_slots; i++) {
		const struct stub_slot *slot = &s->slots[i];

		if (n == SLOT_INFO_BATCH || (n && i == s->c.nr_slots)) {
			struct nlmsghdr *nlh = begin_reply(q);

			mnl_attr_put(nlh, CHUNKCACHE_A_SLOT_INFO, n * sizeof(info[0]), info);
			send_message(q->conn, nlh);
			n = 0;
		}
		if (i < s->c.nr_slots && slot->seen)
			info[n++] = (struct chunkcache_slot_info){
				.session = slot->state == CHUNKCACHE_SLOT_FILLING ? s->session : 0,
				.slot = i, .gen = slot->gen, .state = slot->state,
			};
	}
	return 0;
}

static void send_stats(struct request *q, const char *disk, const uint64_t *n)
{
	struct nlmsghdr *nlh = begin_reply(q);

	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, q->s->c.pool_name);
	if (disk)
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, disk);
	else
		mnl_attr_put_u32(nlh, CHUNKCACHE_A_UNDRAINED, 0);
	mnl_attr_put(nlh, CHUNKCACHE_A_STATS, (CHUNKCACHE_STAT_MAX + 1) * sizeof(*n), n);
	send_message(q->conn, nlh);
}

static int do_stats_get(struct request *q)
{
	uint64_t n[CHUNKCACHE_STAT_MAX + 1] = { 0 };
	struct stub *s = q->s;

	for (uint32_t i = 0; i < s->c.nr_slots; i++)
		n[CHUNKCACHE_STAT_SLOTS_FREE + s->slots[i].state]++;
	n[CHUNKCACHE_STAT_FILLS] = s->stats.fills;
	n[CHUNKCACHE_STAT_EVICTIONS] = s->stats.evictions;
	n[CHUNKCACHE_STAT_DOORBELLS] = s->stats.doorbells;
	n[CHUNKCACHE_STAT_MESSAGES] = s->stats.messages;
	send_stats(q, NULL, n);
	for (uint64_t i = 0; i < s->nr_disks; i++)
		send_stats(q, s->disks[i]->name, s->disks[i]->n);
	return 0;
}

/* A pool without a journal, whatever its device has: there are no volumes here. */
static int do_journal_get(struct request *q)
{
	struct nlmsghdr *nlh = begin_reply(q);

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_JOURNAL_STATE, CHUNKCACHE_JOURNAL_NONE);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_HEAD, 0);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, 0);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DIRTY_MAX, 0);
	send_message(q->conn, nlh);
	return 0;
}

static int do_map(struct request *q)
{
	const struct chunkcache_map *maps;
	uint32_t nr;
	int r = get_records(q, CHUNKCACHE_A_MAPS, sizeof(*maps), 1, CHUNKCACHE_MAP_BATCH_MAX,
			    (const void **)&maps, &nr);

	for (uint32_t i = 0; !r && i < nr; i++)
		refuse(q, i, stub_map(q->s, &maps[i], false));
	send_refused(q);
	return r;
}

static int find_miss(struct request *q, uint64_t disk, uint64_t chunk, uint64_t cookie,
		     struct stub_miss **ret)
{
	*ret = stub_miss_find(q->s, disk, chunk);
	return !*ret ? -ENOENT : (*ret)->m.cookie != cookie ? -ESTALE : 0;
}

static int do_miss_data(struct request *q)
{
	const struct nlattr *data = q->tb[CHUNKCACHE_A_DATA];
	uint64_t disk, chunk, cookie;
	uint32_t offset = 0, len = data ? mnl_attr_get_payload_len(data) : 0;
	struct stub_miss *m;
	int r;

	r = get_u64(q, CHUNKCACHE_A_DISK, &disk);
	if (!r)
		r = get_u64(q, CHUNKCACHE_A_CHUNK, &chunk);
	if (!r)
		r = get_u64(q, CHUNKCACHE_A_COOKIE, &cookie);
	if (!r)
		r = get_u32(q, CHUNKCACHE_A_OFFSET, &offset);
	if (!r && (!len || len > CHUNKCACHE_DATA_MAX || len % 512 || offset % 512))
		r = -EINVAL;
	if (!r && (offset >= q->s->c.slot_size || len > q->s->c.slot_size - offset))
		r = -ERANGE;
	if (!r)
		r = find_miss(q, disk, chunk, cookie, &m);
	if (!r)
		stub_miss_data(q->s, m, offset, mnl_attr_get_payload(data), len,
			       q->tb[CHUNKCACHE_A_LAST]);
	return r;
}

static int do_miss_fail(struct request *q)
{
	const struct chunkcache_fail *fails;
	uint32_t nr;
	int r = get_records(q, CHUNKCACHE_A_FAILS, sizeof(*fails), 1, CHUNKCACHE_MAP_BATCH_MAX,
			    (const void **)&fails, &nr);

	for (uint32_t i = 0; !r && i < nr; i++) {
		const struct chunkcache_fail *f = &fails[i];
		struct stub_miss *m;
		int error = -find_miss(q, f->disk, f->chunk, f->cookie, &m);

		if (!error && (!f->class || f->class > CHUNKCACHE_FAIL_OTHER || f->reserved))
			error = EINVAL;
		refuse(q, i, error);
		if (!error)
			stub_miss_fail(q->s, m, f->class);
	}
	send_refused(q);
	return r;
}

static int (*const commands[CHUNKCACHE_CMD_MAX + 1])(struct request *q) = {
	[CHUNKCACHE_CMD_ATTACH] = do_attach,
	[CHUNKCACHE_CMD_DETACH] = do_detach,
	[CHUNKCACHE_CMD_DISK_GET] = do_disk_get,
	[CHUNKCACHE_CMD_DISK_STATE] = do_disk_state,
	[CHUNKCACHE_CMD_MISS_GET] = do_miss_get,
	[CHUNKCACHE_CMD_SLOT_ALLOC] = do_slot_alloc,
	[CHUNKCACHE_CMD_SLOT_DONE] = do_slot_done,
	[CHUNKCACHE_CMD_SLOT_RELEASE] = do_slot_release,
	[CHUNKCACHE_CMD_SLOT_KEEP] = do_slot_keep,
	[CHUNKCACHE_CMD_SLOT_GET] = do_slot_get,
	[CHUNKCACHE_CMD_MAP] = do_map,
	[CHUNKCACHE_CMD_MISS_DATA] = do_miss_data,
	[CHUNKCACHE_CMD_MISS_FAIL] = do_miss_fail,
	[CHUNKCACHE_CMD_STATS_GET] = do_stats_get,
	[CHUNKCACHE_CMD_JOURNAL_GET] = do_journal_get,
};

/* Who may send it: as in the kernel, but that everybody is privileged here. */
static int check_sender(const struct request *q, uint8_t cmd)
{
	uint64_t session;
	int r;

	if (cmd == CHUNKCACHE_CMD_ATTACH || cmd == CHUNKCACHE_CMD_SLOT_GET || cmd == CHUNKCACHE_CMD_STATS_GET)
		return 0;
	if (!q->s->session || q->s->owner != q->conn)
		return -ENOTCONN;
	r = get_u64(q, CHUNKCACHE_A_SESSION, &session);
	return r ? r : session != q->s->session ? -ESTALE : 0;
}

/* As the kernel without memory for a reply: nothing was changed, and the bell is not armed. */
static bool lacks_memory(struct stub *s, uint8_t cmd)
{
	bool can = cmd == CHUNKCACHE_CMD_DISK_STATE ||
		   (cmd == CHUNKCACHE_CMD_MISS_GET && !cc_list_empty(&s->new_misses));

	return can && s->failed[cmd]++ < s->c.no_memory;
}

static void serve_command(struct request *q)
{
	uint8_t cmd = ((const struct genlmsghdr *)mnl_nlmsg_get_payload(q->nlh))->cmd;
	int r = -EOPNOTSUPP;

	q->s->stats.messages++;
	if (cmd <= CHUNKCACHE_CMD_MAX && commands[cmd]) {
		mnl_attr_parse(q->nlh, sizeof(struct genlmsghdr), take_attr, q);
		r = check_sender(q, cmd);
		if (!r && lacks_memory(q->s, cmd))
			r = -ENOMEM;
		else if (!r)
			r = commands[cmd](q);
	}
	send_ack(q, r);
}

/* The only question to the controller of families is ours: which number it has. */
static void serve_family(struct request *q)
{
	struct nlmsghdr *nlh = begin(q->s, CTRL_CMD_NEWFAMILY, q->nlh->nlmsg_seq, 0);

	nlh->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, STUB_FAMILY);
	mnl_attr_put_u32(nlh, CTRL_ATTR_VERSION, CHUNKCACHE_GENL_VERSION);
	send_message(q->conn, nlh);
	if (q->nlh->nlmsg_flags & NLM_F_ACK)
		send_ack(q, 0);
}

/* ---- connections ---- */

static void serve_message(struct stub *s, struct stub_conn *c, size_t size)
{
	static struct request q;

	q = (struct request){ .s = s, .conn = c, .nlh = (const struct nlmsghdr *)s->recv };
	if (!mnl_nlmsg_ok(q.nlh, size))
		return;
	if (q.nlh->nlmsg_type == STUB_PORT)
		c->port = q.nlh->nlmsg_pid;
	else if (q.nlh->nlmsg_type == GENL_ID_CTRL)
		serve_family(&q);
	else
		serve_command(&q);
}

static void close_conn(struct stub *s, struct stub_conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->port = 0;
	if (s->owner == c)
		stub_session_end(s);
}

static void serve_conn(struct stub *s, struct stub_conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, s->recv, sizeof(s->recv), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_conn(s, c);
			return;
		}
		serve_message(s, c, n);
	}
}

static void accept_conn(struct stub *s)
{
	int size = 1 << 20, fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < STUB_MAX_CONNS; i++) {
		struct stub_conn *c = &s->conns[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		if (c->fd >= 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e))
			break;
		c->fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

int stub_fd(const struct stub *s)
{
	return s->epoll_fd;
}

void stub_serve(struct stub *s)
{
	struct epoll_event events[STUB_MAX_CONNS];
	int n = epoll_wait(s->epoll_fd, events, STUB_MAX_CONNS, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			serve_conn(s, events[i].data.ptr);
		else
			accept_conn(s);
	}
}

static int listen_on(struct stub *s, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct epoll_event e = { .events = EPOLLIN };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	unlink(path);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->epoll_fd < 0 || s->listener < 0 ||
	    bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(s->listener, 8) ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listener, &e))
		return -errno;
	return 0;
}

int stub_open(const struct stub_config *c, struct stub **ret_stub)
{
	struct stub *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->epoll_fd = s->listener = -1;
	s->c = *c;
	memcpy(s->uuid, c->uuid, sizeof(s->uuid));
	s->slots = calloc(c->nr_slots, sizeof(*s->slots));
	if (!s->slots)
		goto err;
	if (getrandom(&s->instance, sizeof(s->instance), 0) != sizeof(s->instance)) {
		r = -errno;
		goto err;
	}
	cc_list_init(&s->free);
	cc_list_init(&s->kept);
	cc_list_init(&s->new_misses);
	cc_list_init(&s->sent_misses);
	for (uint32_t i = 0; i < c->nr_slots; i++)
		cc_list_add_tail(&s->free, &s->slots[i].node);
	for (int i = 0; i < STUB_MAX_CONNS; i++)
		s->conns[i].fd = -1;
	r = listen_on(s, c->socket);
	if (r)
		goto err;
	*ret_stub = s;
	return 0;
err:
	stub_close(s);
	return r;
}

void stub_close(struct stub *s)
{
	if (!s)
		return;
	for (int i = 0; i < STUB_MAX_CONNS; i++)
		if (s->listener >= 0 && s->conns[i].fd >= 0)
			close(s->conns[i].fd);
	if (s->listener >= 0) {
		close(s->listener);
		unlink(s->c.socket);
	}
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	for (uint64_t i = 0; i < s->nr_disks; i++) {
		free(s->disks[i]->map);
		free(s->disks[i]->misses);
		free(s->disks[i]);
	}
	free(s->disks);
	free(s->slots);
	free(s);
}
