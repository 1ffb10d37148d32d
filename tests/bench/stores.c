// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plugin for qemu's TCG (API version 1): which 64-byte lines code of kernel modules stores to, by
 * CPU and instruction, between two marks that cc-bench -m executes; not what push and call store.
 * Owns no judgement: `report` picks the module and looks for lines that two CPUs stored to.
 *
 *	-plugin stores.so,out=FILE
 *
 * Writes, when the machine ends, a line for each pair of instruction and line of a CPU:
 * `CPU PC LINE COUNT`, hexadecimal but for CPU and COUNT; LINE is a virtual address / 64.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "plugin.h"

const int qemu_plugin_version = 1;

/* Modules lie there on x86-64 with 4-level paging and without KASLR. */
#define MODULES_START	0xffffffffc0000000ULL
#define MODULES_END	0xffffffffff000000ULL

#define MAX_CPUS	8
#define TABLE_SIZE	(1u << 20)

/* Of one CPU, whose thread alone writes it: open addressing. */
struct entry {
	uint64_t pc, line, count;
};

static struct entry *tables[MAX_CPUS];
static uint64_t lost[MAX_CPUS];		/* stores that found no room */
static atomic_bool active;
static FILE *out;

static void on_mark(unsigned int cpu, void *arg)
{
	atomic_store(&active, (uintptr_t)arg == MARK_BEGIN);
}

static void on_store(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *arg)
{
	uint64_t pc = (uintptr_t)arg, line = vaddr / 64, i, tries;
	struct entry *e;

	if (!atomic_load_explicit(&active, memory_order_relaxed) || cpu >= MAX_CPUS)
		return;
	/* Asked for stores only, qemu 7.2 tells of loads as well. */
	if (!qemu_plugin_mem_is_store(info))
		return;
	i = (pc * 0x9e3779b97f4a7c15ULL ^ line * 0xd1342543de82ef95ULL) >> 44;
	for (tries = 0; tries < 64; tries++, i++) {
		e = &tables[cpu][i % TABLE_SIZE];
		if (!e->count) {
			e->pc = pc;
			e->line = line;
		}
		if (e->pc == pc && e->line == line) {
			e->count++;
			return;
		}
	}
	lost[cpu]++;
}

/*
 * push and call: they store to the stack and nowhere else.  Left out not only for that: qemu 7.2
 * ends a block after a call with its callback still set, so that what it stores when it then
 * delivers an interrupt would be taken for the call's doing.
 */
static bool is_push(const struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn), *end = code + qemu_plugin_insn_size(insn);
	unsigned int reg;

	if ((*code & 0xf0) == 0x40 && code + 1 < end)	/* REX */
		code++;
	reg = code + 1 < end ? code[1] >> 3 & 7 : 0;
	return (*code & 0xf8) == 0x50 || *code == 0x68 || *code == 0x6a || *code == 0xe8 ||
	       (*code == 0xff && (reg == 2 || reg == 6));
}

static void look_at(struct qemu_plugin_insn *insn)
{
	uint64_t pc = qemu_plugin_insn_vaddr(insn);
	void *mark = (void *)(uintptr_t)mark_of(insn);

	if (mark)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, mark);
	if (pc >= MODULES_START && pc < MODULES_END && !is_push(insn))
		qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_W, (void *)(uintptr_t)pc);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++)
		look_at(qemu_plugin_tb_get_insn(tb, i));
}

static void on_exit_of_machine(qemu_plugin_id_t id, void *arg)
{
	unsigned int cpu;
	size_t i;

	atomic_store(&active, false);
	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		for (i = 0; i < TABLE_SIZE; i++)
			if (tables[cpu][i].count)
				fprintf(out, "%u %" PRIx64 " %" PRIx64 " %" PRIu64 "\n", cpu,
					tables[cpu][i].pc, tables[cpu][i].line, tables[cpu][i].count);
		if (lost[cpu])
			fprintf(out, "lost %u %" PRIu64 "\n", cpu, lost[cpu]);
	}
	fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	unsigned int cpu;

	out = open_out(argc, argv);
	if (!out)
		return -1;
	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		tables[cpu] = calloc(TABLE_SIZE, sizeof(*tables[cpu]));
		if (!tables[cpu])
			return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_machine, NULL);
	return 0;
}
