// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages of the journal; see journal-page.h. */
#include "journal-page.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "chunkcache/format.h"
#include "crc32c.h"
#include "place.h"

_Static_assert(sizeof(struct cc_journal_page) <= CC_JOURNAL_PAGE, "a page has room for its records");
_Static_assert(sizeof(struct cc_journal_record) == 32, "size of a record");
_Static_assert(sizeof(struct chunkcache_record) == 32, "size of a record in host byte order");

#define NR_BLOCKS_MAX	(CC_IMAGE_SIZE_MAX / CC_BLOCK_SIZE)

static uint32_t page_crc(const void *buf)
{
	uint8_t copy[CC_JOURNAL_PAGE];

	memcpy(copy, buf, sizeof(copy));
	((struct cc_journal_page *)copy)->crc = 0;
	return cc_crc32c(copy, sizeof(copy));
}

static bool is_zero(const uint8_t *p, size_t len)
{
	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

static bool head_is_good(const struct cc_journal_head *h)
{
	return h->number && h->number <= CC_JOURNAL_NUMBER_MAX && h->prev < h->number && h->tail &&
	       h->tail <= h->number && h->version && h->count <= CC_JOURNAL_RECORDS;
}

int cc_journal_page_check(const void *buf, const uint8_t uuid[16], struct cc_journal_head *ret_head)
{
	const struct cc_journal_page *p = buf;
	struct cc_journal_head h;

	if (memcmp(p->magic, CC_JOURNAL_MAGIC, sizeof(p->magic)))
		return -ENODATA;
	if (le32toh(p->crc) != page_crc(buf))
		return -EILSEQ;
	if (memcmp(p->pool_uuid, uuid, sizeof(p->pool_uuid)))
		return -ESTALE;
	if (le16toh(p->version_of_format) != CC_JOURNAL_VERSION)
		return -EPROTO;
	h.instance = le64toh(p->instance);
	h.number = le64toh(p->number);
	h.prev = le64toh(p->prev);
	h.tail = le64toh(p->tail);
	h.version = le32toh(p->version);
	h.count = le16toh(p->count);
	if (!head_is_good(&h) || !is_zero(p->reserved, sizeof(p->reserved)))
		return -EINVAL;
	*ret_head = h;
	return 0;
}

static bool blocks_fit(const struct chunkcache_record *r)
{
	return r->count && r->block <= NR_BLOCKS_MAX - r->count;
}

static bool run_fits_log(uint64_t place, uint32_t count)
{
	return cc_place_is_data(place) && cc_place_block(place) + (uint64_t)count - 1 <= CC_PLACE_BLOCK_MASK;
}

static bool record_is_good(const struct chunkcache_record *r)
{
	if (r->reserved || !r->volume || (r->arg && r->type != CC_JOURNAL_RELOCATE))
		return false;
	switch (r->type) {
	case CC_JOURNAL_VOLUME:
		return r->count && r->count <= CC_LOG_TERM_MAX;
	case CC_JOURNAL_OPEN:
		return r->block < CC_NR_SLOTS_MAX && !(r->place & ~CC_PLACE_LOG_KEY & ~CC_PLACE_DATA);
	case CC_JOURNAL_WRITE:
		return blocks_fit(r) && cc_place_is_guest(r->place) && run_fits_log(r->place, r->count);
	case CC_JOURNAL_ZERO:
		return blocks_fit(r) && cc_place_is_guest(r->place) && !cc_place_is_data(r->place);
	case CC_JOURNAL_RELOCATE:
		return blocks_fit(r) && !cc_place_is_guest(r->place) && run_fits_log(r->place, r->count) &&
		       run_fits_log(r->arg, r->count);
	case CC_JOURNAL_CUT:
	case CC_JOURNAL_COMMITTED:
		return cc_place_is_guest(r->place);
	case CC_JOURNAL_FORGET:
		return true;
	}
	return false;
}

int cc_journal_page_record(const void *buf, unsigned int i, struct chunkcache_record *ret_record)
{
	const struct cc_journal_record *from = &((const struct cc_journal_page *)buf)->record[i];
	struct chunkcache_record r = {
		.type = from->type, .reserved = from->reserved, .volume = le16toh(from->volume),
		.count = le32toh(from->count), .block = le64toh(from->block), .place = le64toh(from->place),
		.arg = le64toh(from->arg),
	};

	if (!record_is_good(&r))
		return -EINVAL;
	*ret_record = r;
	return 0;
}

void cc_journal_page_encode(const struct cc_journal_head *head, const uint8_t uuid[16],
			    const struct chunkcache_record *records, void *buf)
{
	struct cc_journal_page *p = buf;

	memset(buf, 0, CC_JOURNAL_PAGE);
	memcpy(p->magic, CC_JOURNAL_MAGIC, sizeof(p->magic));
	memcpy(p->pool_uuid, uuid, sizeof(p->pool_uuid));
	p->version_of_format = htole16(CC_JOURNAL_VERSION);
	p->count = htole16(head->count);
	p->instance = htole64(head->instance);
	p->number = htole64(head->number);
	p->prev = htole64(head->prev);
	p->tail = htole64(head->tail);
	p->version = htole32(head->version);
	for (unsigned int i = 0; i < head->count; i++)
		p->record[i] = (struct cc_journal_record) {
			.type = records[i].type, .reserved = records[i].reserved,
			.volume = htole16(records[i].volume), .count = htole32(records[i].count),
			.block = htole64(records[i].block), .place = htole64(records[i].place),
			.arg = htole64(records[i].arg),
		};
	p->crc = htole32(page_crc(buf));
}
