# SPDX-License-Identifier: MIT
# What `make test` builds and runs. A unit test is tests/unit/test_X.c, linked with everything below cli/; a test of code
# elsewhere adds its objects as UNIT_OBJ_test_X and its libraries as UNIT_LIBS_test_X. Victims are plain programs without
# sanitizers: the library goes into them. tests/integration and tests/conformance hold executable scripts that speak TAP.

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
VICTIMS := $(patsubst %.c,$(B)/%,$(wildcard tests/victims/*.c))
SCRIPTS := $(sort $(wildcard tests/integration/*.t)) $(sort $(wildcard tests/conformance/*.t))
TESTS ?= $(UNIT) $(SCRIPTS)
JOBS ?= 1
FUZZ_SECONDS ?= 60

UNIT_OBJ_test_elf := $(B)/cli/elf.o

.PHONY: tests-build fuzz
.SECONDARY: $(UNIT:%=%.o)
.SECONDEXPANSION:

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $$(UNIT_OBJ_$$*) $(HOUSE)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(HOUSE) $(UNIT_LIBS_$*) $(TOOL_LIBS)

$(VICTIMS): $(B)/tests/victims/%: tests/victims/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -o $@ $< -lpthread

tests-build: all $(UNIT) $(VICTIMS)

# The scripts find the build under test through the environment; without it they use build/release.
test: deps-test tests-build ## build everything and run all tests (JOBS=2, TESTS='a.t b.t', MUST_RUN=1: a skip is a failure)
	$(Q)AFTERSHOCK_BUILD=$(abspath $(B)) LC_ALL=C.UTF-8 prove --timer -j$(JOBS) -e '' $(TESTS)

# ---- fuzzing: tests/fuzz/fuzz_X.c with libFuzzer, its corpus beside it ----
$(B)/tests/fuzz/%: tests/fuzz/%.c $(BASE)
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D) && $(CLANG) -g -O1 -std=gnu11 -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined -o $@ $(filter %.c,$^)

fuzz: $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c)) ## fuzz the parsers, FUZZ_SECONDS each
	$(Q)for f in $^; do mkdir -p $$f.corpus && $$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $$f.corpus || exit 1; done

# ---- lint: layers, licences, what must not be in the tree; each header compiles alone ----
lint: check-headers ## check layers, licence lines, forbidden text and that each header stands alone
	$(Q)tests/lib/deps demo && tests/lib/lint

# Not alone: tables that their user expands (#error without a definition), and headers of eBPF programs.
HEADERS = $(filter-out ebpf/kernel.h %.bpf.h,$(shell grep -L '^#error' $(wildcard $(addsuffix /*.h,$(LAYERS)))))
LAYERS := base plan record preload ebpf analyzer cli tests/lib
check-headers: $(HEADERS:%=$(B)/headers/%.ok)

$(B)/headers/%.ok: % | deps
	$(call say,HEADER)
	$(Q)mkdir -p $(@D) && echo '#include "$<"' | $(CC) $(ALL_CFLAGS) -MF $@.d -MT $@ -Werror -fsyntax-only -x c - && touch $@
