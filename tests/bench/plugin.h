/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plugins here use of the interface to qemu's translator, version 1 (qemu 7.2): Debian's
 * qemu has it but no package has its header.  And the marks that cc-bench -m executes.
 */
#ifndef CC_BENCH_PLUGIN_H
#define CC_BENCH_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };
typedef void translate_cb(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void exec_cb(unsigned int cpu, void *arg);
typedef void mem_cb(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *arg);
typedef void end_cb(qemu_plugin_id_t id, void *arg);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_cb *cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb *cb,
					    enum qemu_plugin_cb_flags flags, void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb *cb,
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw, void *arg);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, end_cb *cb, void *arg);
/* Adds imm to *ptr at each execution. */
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op,
					      void *ptr, uint64_t imm);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

extern const int qemu_plugin_version;

#define MARK_BEGIN	0x0ccb0001u
#define MARK_END	0x0ccb0002u

/* nopl disp32(%rax) with one of these displacements, else 0 */
static inline uint32_t mark_of(const struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	uint32_t disp;

	if (qemu_plugin_insn_size(insn) != 7 || memcmp(code, "\x0f\x1f\x80", 3))
		return 0;
	memcpy(&disp, code + 3, sizeof(disp));
	return disp == MARK_BEGIN || disp == MARK_END ? disp : 0;
}

/* The file of the argument out=FILE; NULL, with a message, if there is none. */
static inline FILE *open_out(int argc, char **argv)
{
	FILE *out;

	for (; argc && strncmp(*argv, "out=", 4); argc--, argv++)
		;
	out = argc ? fopen(*argv + 4, "w") : NULL;
	if (!out)
		fprintf(stderr, "plugin: expected out=FILE, a file that can be written\n");
	return out;
}

#endif
