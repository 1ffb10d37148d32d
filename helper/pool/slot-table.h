/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slot table on the pool device: which chunk a slot may hold, for the next helper or the next life of
 * the pool.  It is a hint, see chunkcache/format.h: written lazily after the kernel took a slot as VALID,
 * never flushed, and believed only where the kernel's own instance and generation agree.
 */
#ifndef CC_SLOT_TABLE_H
#define CC_SLOT_TABLE_H

#include "chunkcache/format.h"
#include "pooldev.h"

/* What is known of a slot. */
struct cc_slot_record {
	uint8_t id[CC_ID_SIZE];
	uint64_t domain;		/* cc_domain_key() */
	uint64_t instance;
	uint32_t gen;
};

struct cc_slot_table;

/* The first 8 bytes of the SHA-256 of a domain's name, as one number. */
uint64_t cc_domain_key(const char *domain);

void cc_table_entry_encode(const struct cc_slot_record *r, struct cc_table_entry *ret_entry);
/* -ENOENT: the entry says nothing; -EILSEQ: its checksum is wrong; -EINVAL: unknown flags. */
int cc_table_entry_decode(const struct cc_table_entry *e, struct cc_slot_record *ret_record);

/* Calls fn for each entry that decodes.  Blocking; 0 or -errno of the device or of no memory. */
typedef void cc_slot_table_fn(void *arg, uint32_t slot, const struct cc_slot_record *r);
int cc_slot_table_load(struct cc_pooldev *pd, cc_slot_table_fn *fn, void *arg);

/* What is known of slot now, false if nothing. */
typedef bool cc_slot_record_fn(void *arg, uint32_t slot, struct cc_slot_record *ret_record);
int cc_slot_table_open(struct cc_pooldev *pd, cc_slot_record_fn *fn, void *arg,
		       struct cc_slot_table **ret_table);
/* Nothing may be in flight. */
void cc_slot_table_close(struct cc_slot_table *t);
/* The record of slot has changed: write it within a second or so. */
void cc_slot_table_mark(struct cc_slot_table *t, uint32_t slot, uint64_t now_ns);
/* Start what is due, or with force all that is dirty; returns when to be called again. */
uint64_t cc_slot_table_step(struct cc_slot_table *t, uint64_t now_ns, bool force);
/* Nothing dirty, nothing in flight. */
bool cc_slot_table_clean(const struct cc_slot_table *t);

#endif
