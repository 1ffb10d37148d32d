/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all fuzzers share.  Each is a file fuzz-NAME.c with LLVMFuzzerTestOneInput() for the parser of one format:
 * beside what the sanitizers see it checks what the format's rules promise.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Before the first input; a fuzzer may have it. */
void fuzz_setup(void) __attribute__((weak));
/* For formats that are no text: makes inputs to begin with, each by fuzz_seed(). */
void fuzz_seeds(void) __attribute__((weak));
void fuzz_seed(const char *name, const void *data, size_t size);

/* A promise; broken, it ends the run with the input kept. */
#define fuzz_check(good) ((good) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #good))
void fuzz_broken(const char *file, int line, const char *what) __attribute__((noreturn));

/* A refusal's reason is one line. */
void fuzz_check_reason(const char *err);

/* malloc()ed to the byte, so that a read past the end is seen. */
void *fuzz_copy(const void *data, size_t size);

/* What of an input was not taken yet. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* size bytes, of which those that are not there are zeros. */
void fuzz_take(struct fuzz_input *in, void *to, size_t size);
uint8_t fuzz_take_u8(struct fuzz_input *in);
uint32_t fuzz_take_u32(struct fuzz_input *in);

/* A file with this content; the same for each call.  Valid until the next one. */
const char *fuzz_file(const void *data, size_t size);
int fuzz_file_fd(void);

#endif
