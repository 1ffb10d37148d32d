/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The helper's code for volumes at work in one process, with one volume "v", over kernel.h and a store.  One thread. */
#ifndef CC_BENCH_WORK_H
#define CC_BENCH_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

extern const uint8_t bench_uuid[16];

/* The one of all that follows; endpoint NULL: a directory. */
struct cc_store *bench_store_open(char *url, char *endpoint);
void bench_store_close(void);
/* The volume's first object. */
void bench_volume_create(uint64_t blocks);

void bench_work_start(void);
/* Until more(), which is asked every few ms, says no. */
void bench_work_run(bool (*more)(uint64_t now_ns));
void bench_work_stop(void);

#endif
