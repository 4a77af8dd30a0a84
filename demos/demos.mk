# SPDX-License-Identifier: MIT
# The demos: services that know nothing of aftershock, a load generator, and one folder for each question asked of them.

DEMO_SERVICE_PKGS := libmicrohttpd libcurl libcjson libpq hiredis
DEMO_SERVICE_LIBS = $$($(PKG_CONFIG) --libs $(DEMO_SERVICE_PKGS)) -lm -lpthread
DEMO_SERVICE := $(B)/demos/service/service
DEMO_LOAD := $(B)/demos/load/load
DEMO_SERVICE_OBJ := $(call obj,$(wildcard demos/service/*.c))
DEMO_LOAD_OBJ := $(call obj,$(wildcard demos/load/*.c)) $(B)/demos/service/trace_context.o

# pkg-config runs in the recipe, not when make starts: `deps` may have installed it a moment ago.
$(DEMO_SERVICE_OBJ): ALL_CFLAGS += $$($(PKG_CONFIG) --cflags $(DEMO_SERVICE_PKGS))
$(DEMO_LOAD_OBJ): ALL_CFLAGS += $$($(PKG_CONFIG) --cflags libevent)
$(DEMO_SERVICE_OBJ) $(DEMO_LOAD_OBJ): | deps

$(DEMO_SERVICE): $(DEMO_SERVICE_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEMO_SERVICE_LIBS)
$(DEMO_LOAD): $(DEMO_LOAD_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $$($(PKG_CONFIG) --libs libevent) -lm

demos-build: $(DEMO_SERVICE) $(DEMO_LOAD)

# Each demo is a folder; `make demo-FOLDER` runs it. How long it takes and what it asks:
DEMOS := reliability-patterns retry-storm cascading-failure recovery-patterns pattern-catalogue real-clients
DEMO_TIME_reliability-patterns := 2 min
DEMO_ASKS_reliability-patterns := What do timeout, retry, breaker, idempotency and bulkhead do, each alone and all together?
DEMO_TIME_retry-storm := 1 min
DEMO_ASKS_retry-storm := What do three retry strategies do to a backend that is out for ten seconds?
DEMO_TIME_cascading-failure := 3 min
DEMO_ASKS_cascading-failure := What does one hanging dependency do to a gateway, and what do timeout, breaker and fallback change?
DEMO_TIME_recovery-patterns := 50 min
DEMO_ASKS_recovery-patterns := What do retries, breakers, bulkheads, shedding, keys and an outbox change, and is an order lost when something dies?
DEMO_TIME_pattern-catalogue := 2 min
DEMO_ASKS_pattern-catalogue := Do sagas, event sourcing, pools, cached fallbacks, jitter and timeouts hold what is said of them?
DEMO_TIME_real-clients := 3 min
DEMO_ASKS_real-clients := What do curl, wget, urllib3, undici, opossum, nginx and HAProxy really do, and is it what they say?

.PHONY: demos-build demos demo $(DEMOS:%=demo-%)

demo: demo-retry-storm ## install what is missing, build, run the retry-storm demo and print its report (about a minute)

demos: ## list the demos: name, time, question
	@$(foreach d,$(DEMOS),printf '%-30s %-7s %s\n' 'make demo-$(d)' '$(DEMO_TIME_$(d))' '$(DEMO_ASKS_$(d))';)

$(DEMOS:%=demo-%): demo-%: all
	$(Q)tests/lib/deps build demo
	$(Q)demos/$*/run.py --build $(B) --out $(B)/demos/$*

UNIT_OBJ_test_demo_retry := $(B)/demos/service/retry.o
UNIT_OBJ_test_demo_breaker := $(B)/demos/service/breaker.o
UNIT_OBJ_test_demo_saga := $(B)/demos/service/saga.o
UNIT_OBJ_test_demo_events := $(B)/demos/service/events.o
UNIT_OBJ_test_demo_deadline := $(B)/demos/service/deadline.o
UNIT_OBJ_test_demo_bulkhead := $(B)/demos/service/bulkhead.o
UNIT_OBJ_test_demo_fallback := $(B)/demos/service/fallback.o
UNIT_OBJ_test_demo_drain := $(B)/demos/service/drain.o
# What reaches all that is configured is linked with everything but main().
DEMO_WHOLE := config admin metrics health outbox
$(foreach t,$(DEMO_WHOLE),$(eval UNIT_OBJ_test_demo_$(t) := $(filter-out %/main.o,$(DEMO_SERVICE_OBJ))))
$(foreach t,$(DEMO_WHOLE),$(eval UNIT_LIBS_test_demo_$(t) = $$(DEMO_SERVICE_LIBS)))
UNIT_OBJ_test_demo_values := $(B)/demos/service/values.o
UNIT_OBJ_test_demo_path := $(B)/demos/service/path.o
UNIT_OBJ_test_demo_workers := $(B)/demos/service/workers.o
UNIT_OBJ_test_demo_backpressure := $(B)/demos/service/backpressure.o
UNIT_OBJ_test_demo_limits := $(B)/demos/service/limits.o
UNIT_OBJ_test_demo_cache := $(B)/demos/service/cache.o
UNIT_OBJ_test_demo_trace := $(B)/demos/service/trace_context.o
UNIT_OBJ_test_demo_idempotency := $(patsubst %,$(B)/demos/service/%.o,idempotency idempotency_memory)
UNIT_OBJ_test_demo_store := $(patsubst %,$(B)/demos/service/%.o,store postgres redis guard breaker bulkhead)
UNIT_LIBS_test_demo_store := $$($(PKG_CONFIG) --libs libpq hiredis)
$(patsubst %,$(B)/tests/unit/%.o,test_demo_store test_demo_outbox): ALL_CFLAGS += $$($(PKG_CONFIG) --cflags libpq hiredis)
UNIT_OBJ_test_demo_idempotency_redis := $(patsubst %,$(B)/demos/service/%.o,idempotency idempotency_redis redis store guard breaker bulkhead)
UNIT_LIBS_test_demo_idempotency_redis := $$($(PKG_CONFIG) --libs hiredis)
UNIT_OBJ_test_demo_summary := $(patsubst %,$(B)/demos/load/%.o,summary progress)
UNIT_OBJ_test_demo_arrivals := $(B)/demos/load/arrivals.o
