// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Netlink messages, as the helper decodes them: a request of each kind is answered with what the input has.  Here
 * sendto() and recvmsg() are the kernel.
 *
 * Input: a byte for the command and one for flags, then datagrams, each behind two bytes of length.  With a flag the
 * messages get the request's type and sequence number, so that they are looked at at all.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel.h"
#include "channel-impl.h"
#include "chunkcache/journal.h"
#include "fuzz.h"

#define FAMILY	0x1f

enum { FLAG_MEND = 1, FLAG_ACK = 2, FLAG_CUT = 4 };

static struct fuzz_input answers;
static unsigned int flags;
static struct nlmsghdr asked;
static bool acked;
static struct cc_channel *c;

ssize_t sendto(int fd, const void *buf, size_t len, int send_flags, const struct sockaddr *to, socklen_t tolen)
{
	(void)fd; (void)send_flags; (void)to; (void)tolen;
	memcpy(&asked, buf, sizeof(asked));
	acked = false;
	return (ssize_t)len;
}

/* Headers of the messages of a datagram are made right, as far as they lie in it. */
static void mend_messages(char *buf, size_t size)
{
	for (size_t at = 0; size - at >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr *nlh = (void *)(buf + at);

		nlh->nlmsg_seq = asked.nlmsg_seq;
		if (nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			nlh->nlmsg_type = asked.nlmsg_type;
		if (nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > size - at)
			nlh->nlmsg_len = (uint32_t)(size - at);
		at += MNL_ALIGN(nlh->nlmsg_len);
		if (at > size)
			return;
	}
}

static size_t put_ack(char *buf)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = asked.nlmsg_flags & NLM_F_DUMP ? NLMSG_DONE : NLMSG_ERROR;
	nlh->nlmsg_flags = NLM_F_CAPPED;
	nlh->nlmsg_seq = asked.nlmsg_seq;
	memset(mnl_nlmsg_put_extra_header(nlh, sizeof(struct nlmsgerr)), 0, sizeof(struct nlmsgerr));
	return nlh->nlmsg_len;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int recv_flags)
{
	char *buf = msg->msg_iov->iov_base;
	uint16_t size;

	(void)fd; (void)recv_flags;
	*(struct sockaddr_nl *)msg->msg_name = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	if (!answers.left && (acked || !(flags & FLAG_ACK))) {
		errno = EAGAIN;
		return -1;
	}
	if (!answers.left) {
		acked = true;
		return (ssize_t)put_ack(buf);
	}
	fuzz_take(&answers, &size, sizeof(size));
	if (size > answers.left)
		size = (uint16_t)answers.left;
	fuzz_take(&answers, buf, size);
	if (flags & FLAG_MEND)
		mend_messages(buf, size);
	msg->msg_flags = flags & FLAG_CUT ? MSG_TRUNC : 0;
	return size;
}

/* ---- requests ---- */

static void check_disk(void *arg, const struct cc_disk_info *d)
{
	++*(unsigned int *)arg;
	fuzz_check(strnlen(d->name, sizeof(d->name)) < sizeof(d->name));
	fuzz_check(strnlen(d->store, sizeof(d->store)) < sizeof(d->store));
	if (d->is_volume)
		fuzz_check(d->term <= CC_LOG_TERM_MAX && d->handle <= UINT16_MAX &&
			   d->first_log + d->nr_logs >= d->first_log);
}

static void check_slot(void *arg, const struct chunkcache_slot_info *s)
{
	(void)s;
	++*(unsigned int *)arg;
}

static void check_stats(void *arg, const struct cc_channel_stats *s)
{
	++*(unsigned int *)arg;
	fuzz_check(strnlen(s->pool, sizeof(s->pool)) < sizeof(s->pool));
	fuzz_check(strnlen(s->disk, sizeof(s->disk)) < sizeof(s->disk));
}

static int ask_for_slots(unsigned int count)
{
	struct chunkcache_slot *slots = calloc(count, sizeof(*slots));
	uint32_t nr = 0;
	int r = cc_channel_slot_alloc(c, count, false, slots, &nr);

	fuzz_check(nr <= count);
	if (!r)
		r = cc_channel_slot_claim(c, slots, count);
	free(slots);
	return r;
}

static int ask_for_misses(unsigned int count)
{
	struct chunkcache_miss *misses = calloc(count, sizeof(*misses));
	uint32_t nr = 0, pending;
	int r = cc_channel_miss_get(c, true, count, misses, &nr, &pending);

	fuzz_check(nr <= count);
	free(misses);
	return r;
}

static int ask_for_map(void)
{
	struct cc_refusals *refusals = malloc(sizeof(*refusals));
	const struct chunkcache_map map = { 0 };
	int r = cc_channel_map(c, &map, 1, refusals);

	fuzz_check(refusals->nr <= CHUNKCACHE_MAP_BATCH_MAX);
	free(refusals);
	return r;
}

static int ask_for_session(void)
{
	static const uint8_t uuid[16];
	struct cc_attachment a;
	int r = cc_channel_attach(c, 0, uuid, &a);

	if (!r)
		fuzz_check(a.session && strnlen(a.pool_name, sizeof(a.pool_name)) < sizeof(a.pool_name));
	return r;
}

static int ask_for_slot(void)
{
	uint32_t gen;

	return cc_channel_slot_adopt(c, 7, &gen);
}

static int ask_for_journal(void)
{
	struct cc_journal_info i;
	int r = cc_channel_journal_get(c, &i);

	if (!r)
		fuzz_check(i.state <= CHUNKCACHE_JOURNAL_FAILED);
	return r;
}

static int ask(uint8_t command)
{
	unsigned int calls = 0;

	switch (command % 10) {
	case 0:
		return ask_for_session();
	case 1:
		return cc_channel_disk_get(c, check_disk, &calls);
	case 2:
		return ask_for_misses(4);
	case 3:
		return ask_for_slots(3);
	case 4:
		return ask_for_slot();
	case 5:
		return cc_channel_slot_get(c, check_slot, &calls);
	case 6:
		return cc_channel_stats_get(c, check_stats, &calls);
	case 7:
		return ask_for_journal();
	case 8:
		return ask_for_map();
	}
	return cc_channel_volume_fail(c, 1, "reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t command;
	int r;

	answers = (struct fuzz_input){ data, size };
	command = fuzz_take_u8(&answers);
	flags = fuzz_take_u8(&answers);
	r = ask(command);
	fuzz_check(r <= 0);
	if (r && r != -EBUSY)
		fuzz_check(*cc_channel_error(c) || r == -EPROTO);
	fuzz_check(strnlen(cc_channel_error(c), sizeof(c->error)) < sizeof(c->error));
	c->session = 0;
	return 0;
}

void fuzz_setup(void)
{
	c = calloc(1, sizeof(*c));
	c->cmd = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	c->bell = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	c->family = FAMILY;
	if (!c->cmd || !c->bell)
		abort();
}

/* ---- seeds ---- */

static char seed[8192] __attribute__((aligned(8)));

/* The message of an answer to command, behind its length. */
static struct nlmsghdr *begin(uint8_t command)
{
	struct nlmsghdr *nlh;

	memset(seed, 0, sizeof(seed));
	seed[4] = (char)command;
	seed[5] = FLAG_MEND | FLAG_ACK;
	nlh = mnl_nlmsg_put_header(seed + 8);
	nlh->nlmsg_type = FAMILY;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	return nlh;
}

static void end(const char *name, const struct nlmsghdr *nlh)
{
	uint16_t size = (uint16_t)nlh->nlmsg_len;

	memcpy(seed + 6, &size, sizeof(size));
	fuzz_seed(name, seed + 4, size + 4u);
}

static void seed_disks(void)
{
	struct nlmsghdr *nlh = begin(1);
	uint8_t bytes[32] = { 1 };

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, 1);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK_SECTORS, 2048);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, 1);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, "disk");
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_STORE, "main");
	mnl_attr_put(nlh, CHUNKCACHE_A_DIGEST, CHUNKCACHE_DIGEST_SIZE, bytes);
	end("disk", nlh);
	nlh = begin(1);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, 1);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK_SECTORS, 2048);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, 1);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, "disk");
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_STORE, "main");
	mnl_attr_put(nlh, CHUNKCACHE_A_VOLUME_UUID, 16, bytes);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME_STATE, 1);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME, 1);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_TERM, 2);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_FIRST_LOG, 100);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_NR_LOGS, 3);
	end("volume", nlh);
}

static void seed_arrays(void)
{
	static const uint8_t zeros[3 * sizeof(struct chunkcache_miss)];
	struct nlmsghdr *nlh = begin(2);

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_PENDING, 1);
	mnl_attr_put(nlh, CHUNKCACHE_A_MISSES, 2 * sizeof(struct chunkcache_miss), zeros);
	end("misses", nlh);
	nlh = begin(3);
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, 3 * sizeof(struct chunkcache_slot), zeros);
	end("slots", nlh);
	nlh = begin(5);
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOT_INFO, 2 * sizeof(struct chunkcache_slot_info), zeros);
	end("slot-info", nlh);
	nlh = begin(8);
	mnl_attr_put(nlh, CHUNKCACHE_A_REFUSED, 2 * sizeof(struct chunkcache_refused), zeros);
	end("refused", nlh);
}

static void seed_error(void)
{
	struct nlmsghdr *nlh = begin(9);
	struct nlmsgerr *e;

	nlh->nlmsg_len = MNL_NLMSG_HDRLEN;
	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));
	e->error = -EINVAL;
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "no such thing");
	end("error", nlh);
}

void fuzz_seeds(void)
{
	struct nlmsghdr *nlh = begin(0);
	uint64_t counters[CHUNKCACHE_STAT_MAX + 1] = { 0 };

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, 1);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_INSTANCE, 2);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_SLOT_SIZE, 1 << 20);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_NR_SLOTS, 100);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, "pool");
	end("attach", nlh);
	nlh = begin(6);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, "pool");
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, "disk");
	mnl_attr_put(nlh, CHUNKCACHE_A_STATS, sizeof(counters), counters);
	end("stats", nlh);
	nlh = begin(7);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_JOURNAL_STATE, 1);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_HEAD, 9);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, 4);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DIRTY_MAX, 10);
	end("journal", nlh);
	seed_disks();
	seed_arrays();
	seed_error();
}
