/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All pools with their disks and volumes as JSON, as `chunkctl stat --json` prints them: from dm's status and
 * table lines, and, when asked, from the helpers.
 */
#ifndef CTL_SCAN_H
#define CTL_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#define CTL_ASK_SECONDS 5		/* how long a helper may take */

/*
 * *ret_pools: an array of pools, each with arrays "disks" and "volumes"; those whose pool was removed by
 * force are in a pool with the name null.  *ret_unreadable: there are devices whose status has an unknown
 * form; a message was printed.  0 or -errno of ctl_dm_list().
 */
int ctl_scan(json_t **ret_pools, bool *ret_unreadable);
/* Adds "helper", its answer to stat, or "helper_error", to each pool; and "helper_pid". */
void ctl_scan_helpers(json_t *pools, unsigned int seconds);
/* Adds to each disk what sysfs has besides the status line. */
void ctl_scan_sysfs(json_t *pools);
/* Leaves only the pool, or the pool with only the disk or volume, that has the name; false: there is none. */
bool ctl_scan_narrow(json_t *pools, const char *name);
/* The disk of that name and its pool, borrowed; NULL: none. */
json_t *ctl_scan_disk(json_t *pools, const char *name, json_t **ret_pool);
/* The same of a volume. */
json_t *ctl_scan_volume(json_t *pools, const char *name, json_t **ret_pool);

/*
 * How long misses waited, in microseconds: the q-quantile (0 to 1) of a histogram as of sysfs's
 * wait_histogram_us, in the middle of its bucket; 0 if there were none.
 */
#define CTL_NR_WAIT 32
double ctl_wait_quantile(const uint64_t n[CTL_NR_WAIT], double q);
/* Out of the disk's member; zeros for what is not there. */
void ctl_wait_histogram(const json_t *disk, uint64_t ret_n[CTL_NR_WAIT]);

#endif
