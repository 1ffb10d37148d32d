/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: each change of a slot's state, a miss's life, volumes, pages of the journal. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM chunkcache

#if !defined(CC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define CC_TRACE_H

#include <linux/tracepoint.h>
#include "types.h"

/* For tools that read the format from outside of the kernel: names there, numbers in events. */
TRACE_DEFINE_ENUM(CC_SLOT_FREE);
TRACE_DEFINE_ENUM(CC_SLOT_FILLING);
TRACE_DEFINE_ENUM(CC_SLOT_VALID);
TRACE_DEFINE_ENUM(CC_SLOT_DYING);
TRACE_DEFINE_ENUM(CC_SLOT_BAD);
TRACE_DEFINE_ENUM(CC_SLOT_GONE);
TRACE_DEFINE_ENUM(CC_SLOT_LOG);

#define cc_show_slot_state(s) __print_symbolic(s,	\
	{ CC_SLOT_FREE, "FREE" },			\
	{ CC_SLOT_FILLING, "FILLING" },			\
	{ CC_SLOT_VALID, "VALID" },			\
	{ CC_SLOT_DYING, "DYING" },			\
	{ CC_SLOT_BAD, "BAD" },				\
	{ CC_SLOT_GONE, "GONE" },			\
	{ CC_SLOT_LOG, "LOG" })

TRACE_EVENT(chunkcache_slot,
	TP_PROTO(u32 slot, u32 gen, u8 from, u8 to),
	TP_ARGS(slot, gen, from, to),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, gen)
		__field(u8, from)
		__field(u8, to)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->gen = gen;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("slot=%u gen=%u %s -> %s", __entry->slot, __entry->gen,
		  cc_show_slot_state(__entry->from), cc_show_slot_state(__entry->to))
);

TRACE_EVENT(chunkcache_miss,
	TP_PROTO(u64 disk, u64 chunk, u64 cookie, const char *what),
	TP_ARGS(disk, chunk, cookie, what),
	TP_STRUCT__entry(
		__field(u64, disk)
		__field(u64, chunk)
		__field(u64, cookie)
		__field(const char *, what)	/* a string constant */
	),
	TP_fast_assign(
		__entry->disk = disk;
		__entry->chunk = chunk;
		__entry->cookie = cookie;
		__entry->what = what;
	),
	TP_printk("disk=%llu chunk=%llu cookie=%llx %s", __entry->disk, __entry->chunk,
		  __entry->cookie, __entry->what)
);

/* Volumes: log chunks, cuts, commits, room.  place is a real one; 0: it is not about one. */
TRACE_EVENT(chunkcache_volume,
	TP_PROTO(u64 disk, u64 place, const char *what),
	TP_ARGS(disk, place, what),
	TP_STRUCT__entry(
		__field(u64, disk)
		__field(u64, place)
		__field(const char *, what)	/* a string constant */
	),
	TP_fast_assign(
		__entry->disk = disk;
		__entry->place = place;
		__entry->what = what;
	),
	TP_printk("disk=%llu place=%llx %s", __entry->disk, __entry->place, __entry->what)
);

/* A page write has ended; error is a negative errno. */
TRACE_EVENT(chunkcache_journal,
	TP_PROTO(u64 page, u32 version, u16 records, u64 tail, int error),
	TP_ARGS(page, version, records, tail, error),
	TP_STRUCT__entry(
		__field(u64, page)
		__field(u64, tail)
		__field(u32, version)
		__field(int, error)
		__field(u16, records)
	),
	TP_fast_assign(
		__entry->page = page;
		__entry->tail = tail;
		__entry->version = version;
		__entry->error = error;
		__entry->records = records;
	),
	TP_printk("page=%llu version=%u records=%u tail=%llu error=%d", __entry->page,
		  __entry->version, __entry->records, __entry->tail, __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
