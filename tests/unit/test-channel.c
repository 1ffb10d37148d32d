// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers that no kernel would give: the channel refuses each, and takes nothing of it.  Here sendto() and
 * recvmsg() are the kernel.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel.h"
#include "tap.h"

#define FAMILY	0x1f
#define MAX_DATAGRAMS 8

/* Datagrams that the next request finds in its socket, with who sent them. */
static struct {
	char bytes[8192] __attribute__((aligned(8)));
	size_t size;
	uint32_t from;
	bool cut;
} queue[MAX_DATAGRAMS];
static unsigned int nr_queued, nr_read;
static struct nlmsghdr asked;

/* Called for each request: fills the queue. */
static void (*script)(void);

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	(void)fd; (void)flags; (void)to; (void)tolen;
	memcpy(&asked, buf, sizeof(asked));
	nr_queued = nr_read = 0;
	script();
	return (ssize_t)len;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl *from = msg->msg_name;
	size_t size;

	(void)fd; (void)flags;
	if (nr_read == nr_queued) {
		errno = EAGAIN;
		return -1;
	}
	size = queue[nr_read].size;
	memcpy(msg->msg_iov->iov_base, queue[nr_read].bytes, size);
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = queue[nr_read].from };
	msg->msg_flags = queue[nr_read].cut ? MSG_TRUNC : 0;
	nr_read++;
	return (ssize_t)size;
}

/* ---- what the kernel says ---- */

/* A message at the end of the last datagram, or of a new one. */
static struct nlmsghdr *say(bool new, uint16_t type, uint32_t seq)
{
	struct nlmsghdr *nlh;

	if (new) {
		memset(&queue[nr_queued], 0, sizeof(queue[0]));
		nr_queued++;
	}
	nlh = mnl_nlmsg_put_header(queue[nr_queued - 1].bytes + queue[nr_queued - 1].size);
	nlh->nlmsg_type = type;
	nlh->nlmsg_seq = seq;
	return nlh;
}

static void said(const struct nlmsghdr *nlh)
{
	queue[nr_queued - 1].size += nlh->nlmsg_len;
}

static struct nlmsghdr *reply_to(uint16_t type, uint32_t seq)
{
	struct nlmsghdr *nlh = say(true, type, seq);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	return nlh;
}

static struct nlmsghdr *reply(void)
{
	return reply_to(FAMILY, asked.nlmsg_seq);
}

static void ack_to(uint32_t seq, int error)
{
	struct nlmsghdr *nlh = say(true, NLMSG_ERROR, seq);
	struct nlmsgerr *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));

	nlh->nlmsg_flags = NLM_F_CAPPED;
	e->error = error;
	e->msg = asked;
	said(nlh);
}

static void ack(int error)
{
	ack_to(asked.nlmsg_seq, error);
}

static void done(void)
{
	struct nlmsghdr *nlh = say(true, NLMSG_DONE, asked.nlmsg_seq);

	*(int *)mnl_nlmsg_put_extra_header(nlh, sizeof(int)) = 0;
	said(nlh);
}

/* Two slots, as SLOT_ALLOC is answered. */
static struct nlmsghdr *slots(void)
{
	const struct chunkcache_slot two[] = { { 7, 1 }, { 8, 1 } };
	struct nlmsghdr *nlh = reply();

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(two), two);
	return nlh;
}

/* ---- the tests ---- */

static struct cc_channel *c;

/* A request for two slots, of which the answer is what the script says. */
static int alloc(void (*answer)(void), uint32_t *ret_nr)
{
	struct chunkcache_slot got[2];

	script = answer;
	*ret_nr = 77;
	return cc_channel_slot_alloc(c, 2, false, got, ret_nr);
}

static void refused(void (*answer)(void), int error, const char *what)
{
	uint32_t nr;
	int r = alloc(answer, &nr);

	ok(r == error && nr == 77 && *cc_channel_error(c), "%s: %d, %s", what, r, cc_channel_error(c));
}

static void good(void)
{
	said(slots());
	ack(0);
}

static void other_sequence(void)
{
	struct nlmsghdr *nlh = reply_to(FAMILY, asked.nlmsg_seq - 1);
	const struct chunkcache_slot bad = { 99, 9 };

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(bad), &bad);
	said(nlh);
	ack_to(asked.nlmsg_seq - 1, -EIO);
	good();
}

static void from_a_process(void)
{
	ack(-EIO);
	queue[0].from = 4711;
	good();
}

static void only_from_a_process(void)
{
	good();
	queue[0].from = queue[1].from = 4711;
}

static void nothing(void)
{
}

static void no_ack(void)
{
	said(slots());
}

static void only_ack(void)
{
	ack(0);
}

static void twice(void)
{
	said(slots());
	said(slots());
	ack(0);
}

static void attribute_twice(void)
{
	struct nlmsghdr *nlh = slots();

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, 0, NULL);
	said(nlh);
	ack(0);
}

static void other_type(void)
{
	struct nlmsghdr *nlh = slots();

	nlh->nlmsg_type = FAMILY + 1;
	said(nlh);
	ack(0);
}

static void half_a_record(void)
{
	struct nlmsghdr *nlh = reply();

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, 12, &(struct chunkcache_slot[2]){ { 0 } });
	said(nlh);
	ack(0);
}

static void too_many(void)
{
	const struct chunkcache_slot three[3] = { { 0 } };
	struct nlmsghdr *nlh = reply();

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(three), three);
	said(nlh);
	ack(0);
}

static void attribute_past_the_end(void)
{
	struct nlmsghdr *nlh = slots();
	struct nlattr *attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr));

	attr->nla_len += 8;
	said(nlh);
	ack(0);
}

static void attribute_of_no_length(void)
{
	struct nlmsghdr *nlh = slots();
	struct nlattr *attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct genlmsghdr));

	attr->nla_len = 0;
	said(nlh);
	ack(0);
}

static void no_header(void)
{
	said(say(true, FAMILY, asked.nlmsg_seq));
	ack(0);
}

/* As a signed number its length is below that of what was read. */
static void length_below_zero(void)
{
	slots()->nlmsg_len = 0xe4e4e4e4;
	queue[0].size = 64;
	ack(0);
}

static void message_past_the_end(void)
{
	struct nlmsghdr *nlh = slots();

	said(nlh);
	nlh->nlmsg_len += 100;
	ack(0);
}

static void cut_off(void)
{
	said(slots());
	queue[0].cut = true;
	ack(0);
}

static void overrun(void)
{
	said(slots());
	said(say(true, NLMSG_OVERRUN, asked.nlmsg_seq));
	ack(0);
}

static void positive(void)
{
	said(slots());
	ack(EBUSY);
}

static void short_error(void)
{
	struct nlmsghdr *nlh = say(true, NLMSG_ERROR, asked.nlmsg_seq);

	said(slots());
	mnl_nlmsg_put_extra_header(nlh, 2);
	said(nlh);
}

static void done_in_place_of_ack(void)
{
	said(slots());
	done();
}

/* An error whose text begins where the request that it quotes ends, says the request. */
static void error_text(uint32_t quoted, bool capped, size_t text_len)
{
	struct nlmsghdr *nlh = say(true, NLMSG_ERROR, asked.nlmsg_seq);
	struct nlmsgerr *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));
	struct nlattr *attr;

	nlh->nlmsg_flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
	e->error = -EINVAL;
	e->msg = asked;
	e->msg.nlmsg_len = quoted;
	attr = mnl_nlmsg_get_payload_tail(nlh);
	mnl_attr_put(nlh, NLMSGERR_ATTR_MSG, 6, "reason");
	attr->nla_len = (uint16_t)text_len;
	said(nlh);
}

static void with_text(void)
{
	error_text(asked.nlmsg_len, true, MNL_ATTR_HDRLEN + 6);
}

static void quoting_too_much(void)
{
	error_text(0xfffffff0, false, MNL_ATTR_HDRLEN + 6);
}

static void quoting_nothing(void)
{
	error_text(0, false, MNL_ATTR_HDRLEN + 6);
}

static void quoting_past_the_end(void)
{
	error_text(4000, false, MNL_ATTR_HDRLEN + 6);
}

static void text_past_the_end(void)
{
	error_text(asked.nlmsg_len, true, 6000);
}

static void test_answers(void)
{
	uint32_t nr;

	ok(!alloc(good, &nr) && nr == 2, "two slots");
	ok(!alloc(other_sequence, &nr) && nr == 2, "what belongs to another request is passed over");
	ok(!alloc(from_a_process, &nr) && nr == 2, "so is what is not the kernel's");
	refused(only_from_a_process, -ENOBUFS, "and nothing else came");
	refused(nothing, -ENOBUFS, "nothing came");
	refused(no_ack, -ENOBUFS, "the end is missing");
	refused(only_ack, -ENOBUFS, "only the end came");
	refused(twice, -EPROTO, "two answers");
	refused(attribute_twice, -EPROTO, "an attribute twice");
	refused(other_type, -EPROTO, "a message of another family");
	refused(half_a_record, -EPROTO, "half a record");
	refused(too_many, -EPROTO, "more than was asked for");
	refused(attribute_past_the_end, -EPROTO, "an attribute that ends behind its message");
	refused(attribute_of_no_length, -EPROTO, "an attribute shorter than its head");
	refused(no_header, -EPROTO, "a message without its second head");
	refused(message_past_the_end, -EPROTO, "a message that ends behind what was read");
	refused(length_below_zero, -EPROTO, "a message of 3 GiB");
	refused(cut_off, -ENOBUFS, "cut off");
	refused(overrun, -ENOBUFS, "overrun");
	refused(positive, -EPROTO, "an error that is none");
	refused(short_error, -EPROTO, "an error cut short");
	refused(done_in_place_of_ack, -EPROTO, "the end of a dump");
}

static void test_error_texts(void)
{
	refused(with_text, -EINVAL, "an error with its text");
	ok(!strcmp(cc_channel_error(c), "reason"), "which is kept");
	refused(quoting_too_much, -EINVAL, "one that quotes 4 GiB");
	refused(quoting_nothing, -EINVAL, "one that quotes less than a head");
	refused(quoting_past_the_end, -EINVAL, "one that quotes more than it has");
	refused(text_past_the_end, -EINVAL, "a text that ends behind its message");
	ok(strcmp(cc_channel_error(c), "reason"), "of which nothing is kept");
}

/* ---- volumes and the journal ---- */

static struct chunkcache_slot claim_answer[2] = { { 7, 5 }, { 8, 6 } };

static void claimed(void)
{
	struct nlmsghdr *nlh = reply();

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(claim_answer), claim_answer);
	said(nlh);
	ack(0);
}

static int claim(struct chunkcache_slot slots[2])
{
	slots[0] = (struct chunkcache_slot) { 7, 0 };
	slots[1] = (struct chunkcache_slot) { 8, 0 };
	script = claimed;
	return cc_channel_slot_claim(c, slots, 2);
}

static void test_claims(void)
{
	struct chunkcache_slot slots[2];

	ok(!claim(slots) && slots[0].gen == 5 && slots[1].gen == 6, "claim: generations come back");
	claim_answer[1].slot = 9;
	ok(claim(slots) == -EPROTO && !slots[0].gen, "claim: another slot than asked for");
	claim_answer[1] = (struct chunkcache_slot) { 8, 0 };
	ok(claim(slots) == -EPROTO && !slots[0].gen, "claim: no generation");
}

static uint32_t journal_state;

static void journal(void)
{
	struct nlmsghdr *nlh = reply();

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_JOURNAL_STATE, journal_state);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_HEAD, 9);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, 4);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DIRTY_MAX, 100);
	said(nlh);
	ack(0);
}

static void test_journal_get(void)
{
	struct cc_journal_info info = { .head = 77 };

	script = journal;
	journal_state = CHUNKCACHE_JOURNAL_FAILED + 1;
	ok(cc_channel_journal_get(c, &info) == -EPROTO && info.head == 77, "journal: a state that there is not");
	journal_state = CHUNKCACHE_JOURNAL_RUNNING;
	ok(!cc_channel_journal_get(c, &info) && info.head == 9 && info.tail == 4 && info.dirty_max == 100,
	   "journal: how far it is");
}

/* What the kernel says of a volume. */
static struct {
	uint32_t uuid_len, state, handle, term;
	uint64_t first_log;
	bool digest;
} volume;

static void volume_dump(void)
{
	const uint8_t zeros[32] = { 1 };
	struct nlmsghdr *nlh = reply();

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, 3);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK_SECTORS, 8);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, 0);
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_DISK_NAME, "vm1");
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_STORE, "main");
	mnl_attr_put(nlh, CHUNKCACHE_A_VOLUME_UUID, volume.uuid_len, zeros);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME_STATE, volume.state);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME, volume.handle);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_TERM, volume.term);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_FIRST_LOG, volume.first_log);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_NR_LOGS, 12);
	mnl_attr_put(nlh, CHUNKCACHE_A_DURABLE_STORE, 0, NULL);
	if (volume.digest)
		mnl_attr_put(nlh, CHUNKCACHE_A_DIGEST, 32, zeros);
	said(nlh);
	done();
}

static void take_info(void *arg, const struct cc_disk_info *d)
{
	*(struct cc_disk_info *)arg = *d;
}

static int list_volume(struct cc_disk_info *d)
{
	memset(d, 0, sizeof(*d));
	script = volume_dump;
	return cc_channel_disk_get(c, take_info, d);
}

#define BAD_VOLUME(field, value) do {						\
	volume = good_volume;							\
	volume.field = (value);							\
	ok(list_volume(&d) == -EPROTO && !d.id, "volume: " #field " = " #value);	\
} while (0)

static void test_volumes(void)
{
	const typeof(volume) good_volume = { .uuid_len = 16, .state = CHUNKCACHE_VOLUME_RUNNING, .handle = 5, .term = 2,
					     .first_log = 1024 };
	struct cc_disk_info d;

	volume = good_volume;
	ok(!list_volume(&d) && d.is_volume && d.durable_store && d.volume_uuid[0] == 1 && d.handle == 5 &&
	   d.term == 2 && d.first_log == 1024 && d.nr_logs == 12, "volume: all that is said of it");
	BAD_VOLUME(uuid_len, 15);
	BAD_VOLUME(uuid_len, 32);
	BAD_VOLUME(state, CHUNKCACHE_VOLUME_FAILED + 1);
	BAD_VOLUME(handle, 65536);
	BAD_VOLUME(handle, 0);
	BAD_VOLUME(term, 0);
	BAD_VOLUME(term, 1 << 18);
	BAD_VOLUME(first_log, UINT64_MAX);
	BAD_VOLUME(digest, true);
}

/* ---- the family ---- */

static uint16_t family_id = FAMILY;

static void family(void)
{
	struct nlmsghdr *nlh = reply_to(GENL_ID_CTRL, asked.nlmsg_seq);

	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, family_id);
	mnl_attr_put_u32(nlh, CTRL_ATTR_VERSION, 7);
	said(nlh);
	ack(0);
}

static void no_family(void)
{
	ack(-ENOENT);
}

static void family_unsaid(void)
{
	said(reply_to(GENL_ID_CTRL, asked.nlmsg_seq));
	ack(0);
}

static void family_from_a_process(void)
{
	family();
	queue[0].from = queue[1].from = 1;
}

static void not_opened(void (*answer)(void), int error, const char *what)
{
	struct cc_channel *other = NULL;
	int r;

	script = answer;
	r = cc_channel_open(&other);
	ok(r == error && !other, "%s: %d", what, r);
	if (!r)
		cc_channel_close(other);
}

int main(void)
{
	int r;

	not_opened(no_family, -ENOENT, "no module");
	not_opened(only_ack, -ENOBUFS, "a success that says nothing");
	not_opened(family_unsaid, -EPROTO, "a family without its number");
	not_opened(family_from_a_process, -ENOBUFS, "a family that a process made up");
	family_id = NLMSG_DONE;
	not_opened(family, -EPROTO, "a family with the number of a control message");
	family_id = FAMILY;
	script = family;
	r = cc_channel_open(&c);
	if (r) {
		printf("no netlink sockets here: %s\n", strerror(-r));
		return 77;
	}
	ok(cc_channel_protocol(c) == 7, "the protocol of the module");
	test_answers();
	test_error_texts();
	test_claims();
	test_journal_get();
	test_volumes();
	cc_channel_close(c);
	return tap_done();
}
