# SPDX-License-Identifier: MIT
# What `make test` builds and runs. A unit test is tests/unit/test_X.c, linked with everything below cli/; a test of code
# elsewhere adds its objects as UNIT_OBJ_test_X and its libraries as UNIT_LIBS_test_X. Victims are plain programs that the
# library goes into. tests/integration and tests/conformance hold executable scripts that speak TAP.

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
VICTIMS := $(patsubst %.c,$(B)/%,$(wildcard tests/victims/*.c))
BENCHES := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
SCRIPTS := $(sort $(wildcard tests/fuzz/*.t)) $(sort $(wildcard tests/integration/*.t)) $(sort $(wildcard tests/conformance/*.t))
# With a sanitizer (SAN=) it is in everything that is ours, victims and the library in them too: what runs programs of others is left out.
SANE := $(addprefix tests/conformance/,calls.t corners.t cuts.t guest.t holds.t threads.t victims.t)
SAN_ENV := TSAN_OPTIONS=halt_on_error=1:suppressions=$(abspath tests/lib/tsan.supp)
TESTS ?= $(UNIT) $(if $(SAN),$(SANE),$(SCRIPTS))
JOBS ?= 1
SIDE_JOBS ?= $(shell nproc)
FIRST_JOBS ?= $(shell expr $(SIDE_JOBS) + 1)
WAIT_JOBS ?= 4
FUZZ_SECONDS ?= 60

UNIT_OBJ_test_liverun := $(addprefix $(B)/cli/,liverun.o rundir.o faultlog.o)
UNIT_OBJ_test_elf := $(B)/cli/elf.o
UNIT_OBJ_test_names := $(B)/preload/names.o

.PHONY: tests-build fuzz
.SECONDARY: $(UNIT:%=%.o)
.SECONDEXPANSION:

$(UNIT): $(B)/tests/unit/%: $(B)/tests/unit/%.o $$(UNIT_OBJ_$$*) $(HOUSE)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(HOUSE) $(UNIT_LIBS_$*) $(TOOL_LIBS)

# What they test is optimized; they are read by the compiler more often than run.
$(UNIT:%=%.o): ALL_CFLAGS += -O0

$(VICTIMS): $(B)/tests/victims/%: tests/victims/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lpthread

tests-build: all $(UNIT) $(VICTIMS) $(FUZZERS) $(BENCHES)

# First what can run side by side: unit tests, which only compute, and scripts that take their time from the run files and wait now and then, so that
# there is one more of them than processors. Then scripts that mostly wait, for timeouts and rates: four of them at once take a third of the machine.
# Then those that measure time and take less than half a processor each, with one for each. All others one at a time. The longest first, after the unit
# tests. Scripts find the build under test through the environment; without it they use build/release.
PATIENT := $(addprefix tests/integration/,hostile.t report_html.t demo_cascading_failure.t) tests/fuzz/fuzz.t \
	$(addprefix tests/integration/,demo_stores.t infer_timeout.t report_faces.t report_compare.t report_formats.t)
WAITING := $(addprefix tests/conformance/,connects.t throttle.t connect_clients.t python_clients.t suites.t cpython.t victims.t throttle_ways.t \
	late_requests.t other_clients.t node_clients.t resolve.t curl_retry.t throttle_at.t names.t answers_at.t hang_at.t corners.t) \
	$(addprefix tests/integration/,demo_retry_storm.t infer_links.t demo_service.t watch.t)
PAIRED := $(addprefix tests/conformance/,alarms.t cuts.t guest_rules.t sets.t http_framing.t cut_programs.t holds.t cuts_at.t crowds.t many.t \
	bad_input.t ends.t families.t pipelines.t fast_open.t goodbyes.t guest.t) $(addprefix tests/integration/,demo_real_clients.t demo_pattern_catalogue.t \
	demo_reliability_patterns.t infer_retry.t bursts.t fault.t infer_findings.t demo_load.t demo_ends.t infer_bulkhead.t run_file.t run_signals.t \
	coverage.t infer_backpressure.t)
SIDE_BY_SIDE = $(filter $(B)/%,$(TESTS)) $(filter $(TESTS),$(PATIENT))
AT_REST = $(filter $(TESTS),$(WAITING))
IN_PAIRS = $(filter $(TESTS),$(PAIRED))
ALONE = $(filter-out $(SIDE_BY_SIDE) $(AT_REST) $(IN_PAIRS),$(TESTS))
PROVE = prove --timer -e ''
# What failed is told once more at the end: of a long output that is often all that is kept.
test: private SHELL := /bin/bash
test: deps-test tests-build ## build everything and run all tests (JOBS=2, TESTS='a.t b.t', MUST_RUN=1: a skip is a failure)
	$(Q)exec 2> >(tee $(B)/tests/stderr >&2); export AFTERSHOCK_BUILD=$(abspath $(B)) LC_ALL=C.UTF-8 $(if $(SAN),$(SAN_ENV)); \
		{ $(if $(SIDE_BY_SIDE),$(PROVE) -j$(FIRST_JOBS) $(SIDE_BY_SIDE) &&) $(if $(AT_REST),$(PROVE) -j$(WAIT_JOBS) $(AT_REST) &&) \
		$(if $(IN_PAIRS),$(PROVE) -j$(SIDE_JOBS) $(IN_PAIRS) &&) $(if $(ALONE),$(PROVE) -j$(JOBS) $(ALONE),true); } || \
		{ sleep 1; grep -A 10 -E 'failed at|^Traceback' $(B)/tests/stderr | cut -c1-1000; exit 1; }

# ---- fuzzing: tests/fuzz/fuzz_X.c with libFuzzer; tests/fuzz/corpus/X is its corpus, of which `make test` runs every input ----
FUZZ_SRC_fuzz_wire := record/wire.c record/protocol.c
FUZZ_SRC_fuzz_assembler := $(wildcard record/assembl*.c) $(FUZZ_SRC_fuzz_wire)

$(FUZZERS): $(B)/%: %.c $(BASE) $(PLAN) $$(FUZZ_SRC_$$(notdir $$*)) $(wildcard base/*.h plan/*.h record/*.h) | deps-test
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D) && if echo 'int LLVMFuzzerTestOneInput(void){return 0;}' | $(CLANG) -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null; then \
		$(CLANG) -g -O1 -std=gnu11 -D_GNU_SOURCE -I. -fsanitize=fuzzer,address,undefined -o $@ $(filter %.c,$^) -lcjson -lm; fi

fuzz: $(FUZZERS) ## fuzz the parsers, FUZZ_SECONDS each; what is found new stays below build/
	$(Q)for f in $^; do mkdir -p $$f.corpus && \
		$$f -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 $$f.corpus tests/fuzz/corpus/$${f##*fuzz_} || exit 1; done

# ---- mutants: whether the unit tests see a detector that is wrong in one operator or number ----
.PHONY: mutants
mutants: $(UNIT:%=%.o) $(HOUSE) ## change the detectors in many places and see that unit tests notice (DETECTORS='retry hedging', N=4, SEED=1, JOBS=2)
	$(Q)AFTERSHOCK_BUILD=$(abspath $(B)) CC='$(CC)' MUTANT_CFLAGS='$(filter-out -MMD -MP,$(ALL_CFLAGS))' MUTANT_LIBS='$(TOOL_LIBS)' \
		DETECTORS='$(DETECTORS)' N='$(N)' SEED='$(SEED)' JOBS='$(JOBS)' V='$(V)' tests/mutants/mutants.py

# ---- lint: layers, licences, what must not be in the tree; each header compiles alone ----
lint: check-headers ## check layers, licence lines, forbidden text and that each header stands alone
	$(Q)tests/lib/deps demo && tests/lib/lint

# Not alone: tables that their user expands (#error without a definition), and headers of eBPF programs.
HEADERS = $(filter-out ebpf/kernel.h %.bpf.h,$(shell grep -L '^#error' $(wildcard $(addsuffix /*.h,$(LAYERS) $(wildcard analyzer/*)))))
LAYERS := base plan record preload ebpf analyzer cli tests/lib
check-headers: $(HEADERS:%=$(B)/headers/%.ok)

$(B)/headers/%.ok: % | deps
	$(call say,HEADER)
	$(Q)mkdir -p $(@D) && echo '#include "$<"' | $(CC) $(ALL_CFLAGS) -MF $@.d -MT $@ -Werror -fsyntax-only -x c - && touch $@

# ---- benchmarks: each prints its table; what can be set in the environment is said at the top of each script ----
$(BENCHES): $(B)/tests/bench/%: tests/bench/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -o $@ $< -lpthread $(BENCH_LIBS_$(@F))

BENCH_LIBS_synth := -lsqlite3 -lm

.PHONY: bench-preload bench-accuracy bench-trace bench-analyzer bench-demo-load bench-demo-service
bench-preload: all $(BENCHES) ## what the library costs, beside libfiu, HAProxy and strace (ten minutes)
	$(Q)tests/lib/deps bench && AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/preload.py

bench-accuracy: all $(BENCHES) ## how far delays are from what was asked for, beside a peer that really is slow (two minutes)
	$(Q)AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/accuracy.py

bench-trace: all $(BENCHES) ## what it costs to be traced, beside bpftrace, perf trace and strace (ten minutes; root)
	$(Q)tests/lib/deps bench && AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/trace.py

bench-analyzer: all $(BENCHES) ## how long a report takes, beside a bare scan of the run file (three minutes, 3 GB of temporary space)
	$(Q)AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/analyzer.py

bench-demo-load: all ## what the demos' load generator sees and costs, beside wrk and hey (a minute and a half)
	$(Q)tests/lib/deps bench && AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/demo_load.py

bench-demo-service: all ## what one core does for the demo service, at 16 to 2,000 connections (half a minute)
	$(Q)tests/lib/deps bench && AFTERSHOCK_BUILD=$(abspath $(B)) tests/bench/demo_service.py
