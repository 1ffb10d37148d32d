# SPDX-License-Identifier: GPL-2.0-or-later
#
# dm-chunkcache: `make` builds module, helper and tools into build/;
# `make help` lists the rest.  Tests and the demo are in tests/tests.mk.

VERSION := 0.1.0
BUILD   ?= build
KVER    ?= $(shell uname -r)
KDIR    ?= /lib/modules/$(KVER)/build

CC       ?= cc
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	    -Wno-unused-parameter -Werror
PKGS     := libmnl libcurl libcrypto liburing libzstd jansson devmapper blkid
CPPFLAGS += -D_GNU_SOURCE -DCHUNKCACHE_VERSION='"$(VERSION)"' \
	    -Iinclude -Iinclude/uapi -Ihelper/lib
# The helper's parts and their tests see each other; what both programs share sees itself only.
PARTS     = $(if $(filter-out helper/lib/%,$(filter helper/% tests/unit/% tests/fuzz/% tests/bench/volume/%,$<)),-Ihelper)
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANITIZE) -pthread \
	     $(shell pkg-config --cflags $(PKGS))
LDLIBS   = $(shell pkg-config --libs $(PKGS)) -lm -pthread

# What both programs are made of, and what only the helper and its tests are.
HELPER_SRC := $(shell find helper -name '*.c')
LIB_SRC    := $(filter helper/lib/%,$(HELPER_SRC))
LIB_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(LIB_SRC))
HELPER_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out helper/main.c $(LIB_SRC),$(HELPER_SRC)))
CTL_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/*.c))
TTOOL_SRC  := $(wildcard tests/tools/*.c)
TTOOLS     := $(patsubst tests/tools/%.c,$(BUILD)/%,$(TTOOL_SRC))
# The simulator of replacement policies, with the module's own one in it, and its traces.
SIM_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/policy-sim*.c) \
		drivers/md/dm-chunkcache/policy.c drivers/md/dm-chunkcache/slot-list.c)
SIM        := $(BUILD)/policy-sim $(BUILD)/trace-gen
UNIT_SRC   := $(wildcard tests/unit/test-*.c)
UNITS      := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

.PHONY: all user module clean help unit
.DELETE_ON_ERROR:

all: user module

user: $(if $(wildcard helper/main.c),$(BUILD)/chunkcached) \
      $(if $(CTL_OBJ),$(BUILD)/chunkctl) $(TTOOLS) $(SIM)

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make                 module for the running kernel (KVER=, KDIR=), helper, tools
## make user            helper, tools and test tools only
## make module          the module only

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PARTS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libchunkcache.a: $(LIB_OBJ)
$(BUILD)/libchunkcached.a: $(HELPER_OBJ)
$(BUILD)/%.a:
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/chunkcached: $(BUILD)/helper/main.o $(BUILD)/libchunkcached.a $(BUILD)/libchunkcache.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/chunkctl: $(CTL_OBJ) $(BUILD)/libchunkcache.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(TTOOLS): $(BUILD)/%: $(BUILD)/tests/tools/%.o $(BUILD)/libchunkcache.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BUILD)/policy-sim: $(SIM_OBJ)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/trace-gen: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/trace-gen*.c))
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lm

$(BUILD)/bench-volume-helper: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/volume/*.c)) \
		$(BUILD)/libchunkcached.a $(BUILD)/libchunkcache.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(UNITS): $(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libchunkcached.a $(BUILD)/libchunkcache.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BUILD)/unit/test-kmsg: $(BUILD)/tools/kmsg.o
$(BUILD)/unit/test-import-pass: $(patsubst %,$(BUILD)/tools/%.o, \
	import-pass image-source image-format child cleanup workers progress say ui)
$(BUILD)/unit/test-policy: $(addprefix $(BUILD)/drivers/md/dm-chunkcache/, policy.o slot-list.o)

unit: $(UNITS) $(addprefix $(BUILD)/,cc-httpd cc-page cc-volcheck cc-volume) $(SIM) $(BUILD)/bench-volume-helper

# The module is built in a copy of its sources, one directory per kernel, so
# that several kernels can be built side by side and the tree stays clean.
MODDIR  = $(BUILD)/module-$(KVER)
MODSRC := Kbuild $(shell find drivers include -type f)

module: $(MODDIR)/dm-chunkcache.ko

$(MODDIR)/dm-chunkcache.ko: $(MODSRC)
	@mkdir -p $(MODDIR)
	@cp -a --parents $(MODSRC) $(MODDIR)
	$(MAKE) -C $(KDIR) M=$(abspath $(MODDIR)) CHUNKCACHE_VERSION=$(VERSION) $(KARGS) modules

# Where things go; DESTDIR is put before all of them.
prefix       ?= /usr/local
sbindir      ?= $(prefix)/sbin
includedir   ?= $(prefix)/include
mandir       ?= $(prefix)/share/man
bashdir      ?= $(prefix)/share/bash-completion/completions
unitdir      ?= $(prefix)/lib/systemd/system
generatordir ?= $(prefix)/lib/systemd/system-generators
rulesdir     ?= $(prefix)/lib/udev/rules.d
monitordir   ?= $(prefix)/share/dm-chunkcache/monitoring
sysconfdir   ?= /etc
INSTALL      ?= install

UNIT_FILES   := $(wildcard tools/systemd/*.service tools/systemd/*.target)
UDEV_RULES   := $(wildcard tools/udev/*.rules)
MONITORING   := $(wildcard tools/monitoring/*)
MAN_PAGES    := $(wildcard Documentation/man/*.[1-9])
# The programs are where they are installed to.
AT_SBINDIR    = sed 's|/usr/sbin/chunk|$(sbindir)/chunk|'

# What `install' makes, without DESTDIR; directories of the configuration stay at `uninstall'.
INSTALLED     = $(sbindir)/chunkcached $(sbindir)/chunkctl \
		$(generatordir)/chunkcache-generator $(bashdir)/chunkctl \
		$(includedir)/linux/dm-chunkcache.h \
		$(patsubst tools/systemd/%,$(unitdir)/%,$(UNIT_FILES)) \
		$(patsubst tools/udev/%,$(rulesdir)/%,$(UDEV_RULES)) \
		$(patsubst tools/monitoring/%,$(monitordir)/%,$(MONITORING)) \
		$(foreach m,$(MAN_PAGES),$(mandir)/man$(patsubst .%,%,$(suffix $m))/$(notdir $m))

.PHONY: install uninstall install-module

## make install         helper, chunkctl, units, udev rules, manuals, monitoring (DESTDIR=, prefix=/usr/local)
install: $(BUILD)/chunkcached $(BUILD)/chunkctl
	$(INSTALL) -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	$(INSTALL) -d -m 755 $(addprefix $(DESTDIR)$(sysconfdir)/chunkcache,/ /pools /disks /volumes)
	$(INSTALL) $(BUILD)/chunkcached $(BUILD)/chunkctl $(DESTDIR)$(sbindir)
	$(INSTALL) -m 644 tools/completion/chunkctl $(DESTDIR)$(bashdir)
	$(INSTALL) -m 644 $(UDEV_RULES) $(DESTDIR)$(rulesdir)
	$(INSTALL) -m 644 $(MONITORING) $(DESTDIR)$(monitordir)
	$(INSTALL) -m 644 include/uapi/linux/dm-chunkcache.h $(DESTDIR)$(includedir)/linux
	$(AT_SBINDIR) tools/systemd/chunkcache-generator | \
		$(INSTALL) /dev/stdin $(DESTDIR)$(generatordir)/chunkcache-generator
	for f in $(UNIT_FILES); do \
		$(AT_SBINDIR) $$f | $(INSTALL) -m 644 /dev/stdin \
			$(DESTDIR)$(unitdir)/$${f##*/} || exit 1; \
	done
	for f in $(MAN_PAGES); do \
		$(INSTALL) -m 644 $$f $(DESTDIR)$(mandir)/man$${f##*.}/ || exit 1; \
	done

## make install-module  the module, for the kernel it was built for (DESTDIR=, KVER=)
install-module: module
	$(MAKE) -C $(KDIR) M=$(abspath $(MODDIR)) $(KARGS) INSTALL_MOD_PATH=$(DESTDIR) modules_install

## make uninstall       what `make install' made, but no configuration
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
-include tools/deb.mk
-include tests/tests.mk
