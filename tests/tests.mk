# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests, demo, benchmark.  Each part ends with `N passed, N failed, N skipped`;
# .ci/run adds them up.

.PHONY: setup check check-unit check-vm check-vm-6.1 check-vm-newest check-uml check-debug \
	check-kcsan check-crash check-mutants check-model check-s3 check-install lint demo bench bench-fetch \
	bench-boot fuzz fuzzers

SANITIZERS := -fsanitize=address,undefined -fno-omit-frame-pointer

# What is enough of a kernel when 6.12 has seen every case (`make check-vm-6.1` runs all)
QUICK_6_1    := 1 2 5 7 8 10 11 15 28 29 211 218
QUICK_NEWEST := 2 5 7 10 11 28 211

## make setup           install what build and tests need (Debian 12, root)
setup:
	@tests/setup.sh build vm kernels

## make check           unit tests, black-box cases on 6.12, some on 6.1 and on the newest kernel
check: setup
	@failed=0; \
	for part in check-unit check-vm check-vm-quick-6.1 check-vm-quick-newest; do \
		echo "== $$part"; \
		$(MAKE) --no-print-directory $$part || failed=1; \
	done; exit $$failed

## make check-unit      unit tests with AddressSanitizer and UBSan
check-unit:
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/asan \
		SANITIZE="$(SANITIZERS)" unit \
		$(addprefix $(BUILD)/asan/,chunkctl chunkcached cc-kernel cc-mkimage cc-volcheck cc-volume cc-shim.so)
	@BUILD=$(BUILD)/asan tests/run-unit \
		$(patsubst $(BUILD)/%,$(BUILD)/asan/%,$(UNITS)) $(wildcard tests/unit/*.sh)

# Fuzzers are built with clang, whose library they end in; all that they test is instrumented.
FUZZ_CC   ?= clang
FUZZ_SAN  := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz-*.c)
FUZZERS   := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(FUZZ_SRC))

## make fuzz            feed parsers with what nobody would write (SECONDS=20 each; FUZZ="commit http": those only)
fuzz: SECONDS = 20
fuzz:
	@tests/setup.sh build fuzz
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/fuzz CC="$(FUZZ_CC)" SANITIZE="$(FUZZ_SAN)" fuzzers
	@BUILD=$(BUILD)/fuzz tests/fuzz/run $(SECONDS) $(FUZZ)

fuzzers: $(FUZZERS)

$(FUZZERS): $(BUILD)/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/fuzz.o $(BUILD)/libchunkcached.a $(BUILD)/libchunkcache.a
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BUILD)/fuzz-config: $(BUILD)/tools/disk-config.o
$(BUILD)/fuzz-chunk-list: $(patsubst %,$(BUILD)/tools/%.o,ask chunk-list recording say)
$(BUILD)/fuzz-image-info: $(patsubst %,$(BUILD)/tools/%.o,ask image-info say)

## make check-model     search the models of volumes (all of them: tests/model/run all)
check-model:
	$(call run-part,model,tests/model/run)

## make check-s3        signed requests to a real S3 server, radosgw on the loopback
check-s3: user
	$(call run-part,build s3,tests/s3/run)

## make check-vm        black-box cases in a VM with Debian's 6.12 (ALL=1: also those that check-uml has)
check-vm:
	@failed=0; tests/vm/selftest 6.12 || failed=1; \
	tests/vm/run-cases -k 6.12 $(if $(ALL),--all) || failed=1; exit $$failed

## make check-vm-6.1    all of them with Debian's 6.1
check-vm-6.1:
	@tests/vm/run-cases -k 6.1 --all

## make check-vm-newest all of them with the newest kernel for Debian's stable release
check-vm-newest:
	@tests/vm/run-cases -k newest --all

.PHONY: check-vm-quick-6.1 check-vm-quick-newest
check-vm-quick-6.1:
	@tests/vm/run-cases -k 6.1 $(QUICK_6_1)

check-vm-quick-newest:
	@tests/vm/run-cases -k newest $(QUICK_NEWEST)

## make check-uml       cases in user-mode Linux with KASAN, lockdep, kmemleak (ALL=1: also those that check-vm has)
check-uml:
	@tests/setup.sh build vm debug
	@failed=0; tests/vm/detect/run uml || failed=1; \
	tests/vm/run-cases -k uml $(if $(ALL),--all) || failed=1; \
	tests/kill/run 1 1 1 || failed=1; exit $$failed

## make check-debug     those with several CPUs, in qemu, with the same (builds a kernel once)
check-debug:
	@tests/setup.sh build vm debug
	@failed=0; tests/vm/detect/run debug || failed=1; \
	tests/vm/run-cases -k debug --all || failed=1; exit $$failed

## make check-kcsan     with the data-race detector (builds a kernel once)
check-kcsan:
	@tests/setup.sh build vm debug
	@failed=0; tests/vm/detect/run kcsan || failed=1; \
	tests/vm/run-cases -k kcsan --all || failed=1; exit $$failed

# run-part GROUPS,PROGRAM : for parts that live in a directory of their own
run-part = @[ -x $(2) ] || { echo "$(2) is not there"; exit 1; }; \
	tests/setup.sh $(1) && $(2)

## make check-mutants   plant known bugs; the case each one names must fail
check-mutants:
	$(call run-part,build vm debug,tests/mutants/run)

## make check-crash     500 power cuts of volumes and 500 of the read cache, 200 lost hosts, 200 kills of the
##                      helper, 156 of hosts, each recovered and judged (hours)
check-crash:
	@tests/setup.sh build vm debug
	@failed=0; tests/vm/run-cases -j 1 --long -k uml 191 231 232 || failed=1; \
	tests/kill/run 100 50 6 || failed=1; exit $$failed

## make check-install   packages in a Debian system that boots: an operator's day
check-install: user
	$(call run-part,build vm demo deb,tests/install/run)

## make lint            checkpatch, sparse, cppcheck and rules of our own
lint:
	$(call run-part,build kernels debug lint,tests/lint/run)

## make demo            a disk from a store (STORE=s3: radosgw), a volume whose host dies (VOLUME=1)
demo:
	$(call run-part,build vm kernels demo $(filter s3,$(STORE)),tests/demo/$(if $(VOLUME),volume,run))

## make bench-fetch     the fetch engine against a store like S3, curl and openssl
bench-fetch:
	$(call run-part,build fetch vm kernels,tests/bench/fetch/run)

## make bench-boot      how long guests with cold disks wait for what is fetched ahead of them
bench-boot:
	$(call run-part,build vm kernels,tests/bench/boot/run)

## make bench-volume    what writes through a volume cost, beside other systems
bench-volume:
	$(call run-part,build vm kernels bench,tests/bench/volume/run)

## make bench           costs of a hit beside other systems; writes build/bench.json
bench:
	$(call run-part,build vm kernels bench,tests/bench/run)

# The scripted server is more than one file.
HTTPD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/tools/httpd/*.c))
$(BUILD)/cc-httpd: $(HTTPD_OBJ)
$(BUILD)/unit/test-store-model: $(BUILD)/tests/tools/httpd/model.o
$(BUILD)/cc-httpd $(BUILD)/cc-quantiles $(BUILD)/unit/test-store-model: LDLIBS += -lm

# The kernel's side in user space: readers, and what makes a helper talk to them.
KERNEL_OBJ := $(patsubst %,$(BUILD)/tests/tools/kernel/%.o,front stub stub-netlink)
$(BUILD)/cc-kernel $(BUILD)/cc-replay: $(KERNEL_OBJ)
$(BUILD)/cc-replay $(BUILD)/cc-playback $(BUILD)/unit/test-trace: $(BUILD)/tests/tools/replay/trace.o

# The scripted client of the netlink protocol, by subject.
$(BUILD)/cc-nl: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/tools/nl/*.c))

# The judge of what a disk holds after a crash.
VOLCHECK_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/tools/volcheck/*.c))
MARK_OBJ     := $(BUILD)/tests/tools/crash/mark.o
$(BUILD)/cc-volcheck: $(VOLCHECK_OBJ) $(MARK_OBJ)

# What a power cut may leave.
$(BUILD)/cc-crash: $(patsubst %,$(BUILD)/tests/tools/crash/%.o,record image scene)

# What is preloaded into programs under test.
SHIMS := $(BUILD)/cc-shim.so $(BUILD)/cc-clock.so $(BUILD)/cc-kill.so $(BUILD)/cc-mark.so
$(BUILD)/cc-shim.so: tests/tools/kernel/shim.c tests/tools/kernel/stub.h
$(BUILD)/cc-clock.so: tests/tools/clock/shim.c tests/tools/clock/clock.h
$(BUILD)/cc-kill.so: tests/tools/kill/shim.c include/uapi/linux/dm-chunkcache.h
$(BUILD)/cc-mark.so: tests/tools/mark/shim.c tests/tools/crash/mark.c tests/tools/crash/mark.h
user: $(BUILD)/cc-kill.so $(BUILD)/cc-mark.so
$(SHIMS):
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -fsanitize%,$(ALL_CFLAGS)) -shared -fPIC -o $@ $(filter %.c,$^) -ldl $(if $(findstring mark,$@),-ldevmapper)
