// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plugin for qemu's translator: how many instructions of the guest's were executed where, between the
 * marks of cc-bench -m.  Owns no judgement: `report` makes functions of the addresses.
 *
 *	-plugin insns.so,out=FILE
 *
 * Writes at each end mark `window`, then a line for each block of code that ran: `PC INSNS`,
 * PC in hexadecimal.  For one CPU.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "plugin.h"

const int qemu_plugin_version = 1;

/* Blocks as they were translated; qemu keeps a pointer to count. */
struct block {
	struct block *next;
	uint64_t pc, insns, count;
};

static struct block *blocks;
static FILE *out;

static void on_begin(unsigned int cpu, void *arg)
{
	struct block *b;

	for (b = blocks; b; b = b->next)
		b->count = 0;
}

static void on_end(unsigned int cpu, void *arg)
{
	struct block *b;

	fprintf(out, "window\n");
	for (b = blocks; b; b = b->next)
		if (b->count)
			fprintf(out, "%" PRIx64 " %" PRIu64 "\n", b->pc, b->count * b->insns);
	fflush(out);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof(*b));
	struct qemu_plugin_insn *insn;
	uint32_t mark;
	size_t i;

	if (!b)
		abort();
	b->insns = qemu_plugin_tb_n_insns(tb);
	b->pc = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &b->count, 1);
	for (i = 0; i < b->insns; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		mark = mark_of(insn);
		if (mark)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark == MARK_BEGIN ?
							       on_begin : on_end,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	out = open_out(argc, argv);
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
