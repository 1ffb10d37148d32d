/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the store knows of a volume: its log, read to the end, and what all that counts adds up to, which block is
 * at which place and where the bytes of that are.  Blocks on the store; used by one thread at a time.
 */
#ifndef CC_VOLUME_STATE_H
#define CC_VOLUME_STATE_H

#include "checkpoint.h"
#include "volume-log.h"

struct cc_volume_state {
	struct cc_volume_log log;
	struct cc_vmap *map;		/* NULL until the log was read */
	struct cc_pieces pieces;
	struct cc_root root;		/* of the last checkpoint; all 0: none */
	unsigned int since_checkpoint;	/* commits */
	uint64_t map_bytes;		/* that the last checkpoint put; 0: not known, or none */
	uint64_t drop_ns;		/* when what is dead was looked for; 0: not yet */
};

/* Reads nothing yet: cc_volume_log_read() and all that follows go to log. */
void cc_volume_state_init(struct cc_volume_state *s, struct cc_store *store, const uint8_t volume[16],
			  const uint8_t self[16], const char *host);
void cc_volume_state_free(struct cc_volume_state *s);
/* An empty map, for so many bytes, that takes no more than a quarter of the host's memory; as cc_vmap_open(). */
int cc_volume_state_open_map(struct cc_volume_state *s, uint64_t size, char *err, size_t errlen);
/* The volume in whose directory the bytes of place are. */
const uint8_t *cc_volume_state_origin(const struct cc_volume_state *s, uint64_t place);
/*
 * Puts what changed of the map and appends a CHECKPOINT; as cc_volume_log_append().  What is dead leaves the
 * pieces; last: with nobody who reads, as before CLOSE.
 */
int cc_volume_state_checkpoint(struct cc_volume_state *s, bool last, char *err, size_t errlen);

/*
 * The bytes of nr pieces of one log chunk of volume, each checked by its SHA-256, into buf of a whole log chunk; the
 * rest of it is zeros.  -EIO; -EBADMSG: they are not what they should be, or missing.  Any thread.
 */
int cc_pieces_read(struct cc_store *store, const uint8_t volume[16], const struct cc_piece *pieces, size_t nr,
		   void *buf, size_t size, char *err, size_t errlen);

#endif
