# SPDX-License-Identifier: MIT
# aftershock. `make help` lists the targets. Everything built goes to build/$(FLAVOUR)/.

PREFIX ?= /usr/local
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
SAN ?=
comma := ,
FLAVOUR := $(if $(SAN),$(subst $(comma),-,$(SAN)),release)
B := build/$(FLAVOUR)
VERSION := 0.1.0

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(patsubst $(B)/%,%,$@))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) -I. -I$(B) -D_GNU_SOURCE -DAFTERSHOCK_VERSION='"$(VERSION)"' -MMD -MP \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_LDFLAGS := $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))

# ---- rooms: every .c of a room belongs to it ----
obj = $(patsubst %.c,$(B)/%.o,$(1))
BASE := $(wildcard base/*.c)
PLAN := $(wildcard plan/*.c)
RECORD := $(wildcard record/*.c)
EBPF := $(filter-out %.bpf.c,$(wildcard ebpf/*.c))
ANALYZER := $(wildcard analyzer/*.c analyzer/*/*.c)
CLI := $(wildcard cli/*.c)
PRELOAD := $(wildcard preload/*.c)
GUEST := base/clock.c base/addr.c base/glob.c base/host.c $(wildcard base/http1*.c) base/pace.c base/service.c \
	plan/decide.c record/journal_writer.c record/protocol.c
TOOL_LIBS := -lbpf -lcjson -lsqlite3 -lm -lpthread

HOUSE := $(B)/libhouse.a
TOOL := $(B)/aftershock
GUEST_LIB := $(B)/libaftershock.so

.DEFAULT_GOAL := all
.PHONY: all test demo install uninstall clean help lint deps deps-test check-headers FORCE
.DELETE_ON_ERROR:

all: deps $(TOOL) $(GUEST_LIB) demos-build ## build the command, the library and the demo services

$(B)/%.o: %.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<

# The guest is built apart: position independent, nothing exported that is not said. Its calls are made up of many small functions, which
# gcc puts together at the link; what it sets to zero is short, and `rep stos` takes longer to begin than to do that.
SHORT := unrolled_loop:256:noalign$(comma)libcall:-1:noalign
GUEST_FLAGS := -U_FORTIFY_SOURCE -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector -fno-plt
ifeq ($(SAN)$(findstring clang,$(CC)),)
GUEST_FLAGS += -flto=auto $(if $(findstring x86_64,$(shell uname -m)),-mmemset-strategy=$(SHORT) -mmemcpy-strategy=$(SHORT))
endif
$(B)/guest/%.o: %.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(GUEST_FLAGS) -c -o $@ $<

$(HOUSE): $(call obj,$(BASE) $(PLAN) $(RECORD) $(EBPF) $(ANALYZER))
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(TOOL): $(call obj,$(CLI)) $(HOUSE)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TOOL_LIBS)

$(GUEST_LIB): $(patsubst %.c,$(B)/guest/%.o,$(PRELOAD) $(GUEST)) $(B)/exports.map
	$(call say,LINK)
	$(Q)$(CC) -shared $(CFLAGS) $(GUEST_FLAGS) $(ALL_LDFLAGS) -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete \
		-Wl,--version-script=$(B)/exports.map -Wl,-soname,libaftershock.so -o $@ $(filter %.o,$^) -ldl

# What the guest exports is what its table of calls says, and nothing else.
$(B)/exports.map: preload/calls.h
	$(call say,GEN)
	$(Q)mkdir -p $(@D) && { echo '{ global:'; echo '#include "$<"' | $(CC) -E -P -I. -D'CALL(ret, name, ...)=name;' -x c -; \
		echo 'local: *; };'; } > $@

# ---- eBPF: object, then skeleton; no vmlinux.h (ebpf/kernel.h has the few structs, relocated by libbpf) ----
ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
$(B)/ebpf/%.bpf.o: ebpf/%.bpf.c $(wildcard ebpf/*.h) base/hist.h base/peer.h
	$(call say,BPF)
	$(Q)mkdir -p $(@D) && $(CLANG) -target bpf -g -O2 -D__TARGET_ARCH_$(ARCH) -I. -idirafter /usr/include/$(shell uname -m)-linux-gnu \
		-Wall -Wno-missing-declarations -c -o $@ $<
$(B)/ebpf/%.skel.h: $(B)/ebpf/%.bpf.o
	$(call say,SKEL)
	$(Q)PATH=$$PATH:/usr/sbin:/sbin $(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@
$(call obj,$(EBPF)): $(patsubst ebpf/%.bpf.c,$(B)/ebpf/%.skel.h,$(wildcard ebpf/*.bpf.c))

# ---- the page of the HTML faces: our own parts and Debian's dygraphs, with hashes that let them run ----
DYGRAPHS ?= /usr/share/javascript/dygraphs
$(B)/analyzer/face/page_parts.h: $(wildcard analyzer/face/html/*) | deps
	$(call say,PAGE)
	$(Q)analyzer/face/html/assemble $(DYGRAPHS) $(@D)
$(B)/analyzer/face/page.o: $(B)/analyzer/face/page_parts.h

# ---- packages: silent and without network when nothing is missing ----
deps: ## install the Debian packages that the build needs (named first; sudo only when not root)
	$(Q)CC='$(CC)' tests/lib/deps build

deps-test: ## ... and those that the tests need
	$(Q)CC='$(CC)' tests/lib/deps build test

$(call obj,$(BASE) $(PLAN) $(RECORD) $(EBPF) $(ANALYZER) $(CLI)) $(patsubst %.c,$(B)/guest/%.o,$(PRELOAD) $(GUEST)): | deps
$(patsubst %.bpf.c,$(B)/%.bpf.o,$(wildcard ebpf/*.bpf.c)): | deps

# ---- install ----
MANUALS := $(wildcard cli/*.1)

install: all ## install under PREFIX (default /usr/local), staged below DESTDIR
	$(Q)install -D -m 755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/aftershock
	$(Q)install -D -m 755 $(GUEST_LIB) $(DESTDIR)$(PREFIX)/lib/aftershock/libaftershock.so
	$(Q)for m in $(MANUALS); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man1/$${m##*/} || exit 1; done

uninstall: ## remove what install put there
	$(Q)rm -f $(DESTDIR)$(PREFIX)/bin/aftershock $(DESTDIR)$(PREFIX)/lib/aftershock/libaftershock.so \
		$(patsubst cli/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(MANUALS))
	$(Q)rmdir $(DESTDIR)$(PREFIX)/lib/aftershock 2>/dev/null || true

clean: ## remove everything that was built
	$(Q)rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(filter %Makefile %.mk,$(MAKEFILE_LIST)) | sort | expand -t 16
	@echo 'Variables: PREFIX DESTDIR CC CLANG CFLAGS SAN=address,undefined V=1 B=build/DIR'

-include demos/demos.mk tests/tests.mk

-include $(shell find build -name '*.d' 2>/dev/null)
