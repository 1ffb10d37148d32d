/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects of a volume's log in host byte order: encoding, and the checks that decide whether bytes of a store
 * are such an object at all (chunkcache/volume.h).  Knows no store.
 */
#ifndef CC_COMMIT_H
#define CC_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/dm-chunkcache.h>
#include "chunkcache/format.h"
#include "chunkcache/volume.h"

/* Part of a log chunk, and where its bytes are: in a pack, or (pack_term 0) in the commit of that number. */
struct cc_piece {
	uint64_t place;			/* of its first block, with CC_PLACE_DATA */
	uint32_t count;			/* blocks; 0: of this log chunk nothing is needed any more (pieces.h) */
	uint32_t pack_term;
	bool dead;			/* of none of its blocks was the volume, at the last checkpoint */
	uint64_t commit;
	uint64_t offset;		/* of its bytes in that object */
	uint8_t sha256[CC_ID_SIZE];	/* of its bytes */
	uint8_t pack[CC_ID_SIZE];
};

struct cc_commit {
	enum cc_commit_type type;
	uint32_t term, chunk_shift;
	uint64_t number, size, time, upto, nonce;
	uint8_t digest[CC_ID_SIZE];	/* its own */
	uint8_t before[CC_ID_SIZE];
	uint8_t volume[16], owner[16];
	uint8_t base[CC_ID_SIZE];
	uint8_t map[CC_ID_SIZE];
	uint64_t map_number;
	uint32_t map_term;
	char host[CC_VOLUME_HOST_MAX + 1];
	struct cc_piece *pieces;
	uint32_t nr_pieces;
	/* volume: 0 */
	struct chunkcache_record *records;
	uint32_t nr_records;
};

/* Where the bytes of pieces begin in an object with so many. */
uint64_t cc_commit_data_offset(uint32_t nr_pieces, uint32_t nr_records);
/*
 * The object, malloc()ed, and its digest in c->digest.  data: bytes of the pieces in it, whose offsets are from
 * cc_commit_data_offset() on.  -ENOMEM; -E2BIG.
 */
int cc_commit_encode(struct cc_commit *c, const void *data, size_t data_size, void **ret_object, size_t *ret_size);
/* Bytes of all but the data, as the object's first have bytes tell; at most CC_COMMIT_HEAD_MAX, 0: not known. */
size_t cc_commit_head_size(const void *object, size_t have);
/*
 * Checks every rule of volume.h that the head of one object of size bytes can be held to; have: those given, at least
 * the head.  -EILSEQ: checksum or digest; -EINVAL: what can't be, by name; -ENOMEM.  On success release with
 * cc_commit_free().
 */
int cc_commit_decode(const void *object, size_t have, uint64_t size, struct cc_commit *ret, char *err, size_t errlen);
/* pieces and records. */
void cc_commit_free(struct cc_commit *c);
const char *cc_commit_type_name(enum cc_commit_type type);

/* For commits and maps, whose pieces are alike; number: of the commit, for those without a pack, 0: they tell it. */
void cc_piece_encode(const struct cc_piece *p, bool in_map, struct cc_commit_piece *to);
/* The name of the first rule broken, or NULL.  prev: the one before, or NULL; term: the highest that can be. */
const char *cc_piece_decode(const struct cc_commit_piece *from, uint64_t number, uint32_t chunk_shift, uint32_t term,
			    const struct cc_piece *prev, struct cc_piece *to);

#endif
