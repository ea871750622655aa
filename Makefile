# Ingot. `make run` and `make test` are all a new user needs; `make help` lists the rest.
CC      ?= gcc
BUILD   ?= build/release
BIN     ?= bin
OPT     ?= -O2
PACKAGES = jansson libpcre2-8 libxxhash libutf8proc libcurl libcrypto
PKG_OK  := $(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo yes)
CFLAGS   = -std=gnu11 -D_GNU_SOURCE $(OPT) -g -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -Wshadow \
           -Wstrict-prototypes -Wmissing-prototypes -pthread -I. $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(EXTRA)
LDLIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread $(EXTRA)

# Folders of the library, lowest level first (ARCHITECTURE.md).
FOLDERS  = base llm perf cluster
LIB_SRC := $(foreach d,$(FOLDERS),$(wildcard $(d)/*.c))
CLI_SRC := $(wildcard cli/*.c)
TOOLS   := $(patsubst tools/%.c,$(BIN)/ingot-%,$(wildcard tools/*.c))
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
LIB      = $(BUILD)/libingot.a
obj      = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all run test bench debug asan hostile fuzz lint install clean help deps
all: deps-check $(BIN)/ingot $(TOOLS)

help:
	@sed -n 's/^## //p' Makefile

.PHONY: deps-check
deps-check:
	@$(if $(PKG_OK),:,scripts/deps)
ifneq ($(PKG_OK),yes)
# Libraries were missing when this Makefile was read: install them, then read it again with their flags.
run test bench debug asan hostile fuzz lint install $(BIN)/ingot $(TOOLS): deps-check
	@$(MAKE) --no-print-directory PKG_RETRY=1 $@
else

# Kernels for one instruction set each; chosen at run time by what the processor offers.
$(BUILD)/%_avx2.o:   ISA = -mavx2 -mfma -mf16c -O3
$(BUILD)/%_avx512.o: ISA = -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vbmi -O3
$(BUILD)/%_amx.o:    ISA = -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mamx-tile -mamx-int8 -O3

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ISA) -MMD -MP -c $< -o $@

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	ar rcs $@ $^

$(BIN)/ingot: $(call obj,$(CLI_SRC)) $(LIB)
	@mkdir -p $(@D)
	$(CC) $^ -o $@ $(LDLIBS)

$(BIN)/ingot-%: $(BUILD)/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $^ -o $@ $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $^ -o $@ $(LDLIBS) -lcmocka

## make run      a real model writes text on the virtual system, with the report under it
run: all
	@scripts/run

## make test     every test; the last line is "N passed, N failed"
test: all $(TESTS)
	@BIN=$(BIN) tests/run $(TESTS)

## make bench    host speed against this machine's limit (docs/performance.md)
bench: all
	@$(BIN)/ingot bench

## make debug    unoptimised programs in bin/debug
debug:
	@$(MAKE) --no-print-directory BUILD=build/debug BIN=bin/debug OPT=-O0 all

## make asan     the tests under AddressSanitizer and UBSan
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan BIN=bin/asan OPT=-O1 EXTRA="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" test

## make hostile  the tests with tiny buffers, and every allocation failing in turn
hostile:
	@$(MAKE) --no-print-directory BUILD=build/hostile BIN=bin/hostile OPT=-O1 EXTRA="-DINGOT_HOSTILE -fsanitize=address,undefined -fno-sanitize-recover=all" all test
	@BIN=bin/hostile tests/hostile

## make fuzz     every reader of outside bytes under libFuzzer (FUZZ_SECONDS each, default 60)
fuzz:
	@tests/fuzz/run

## make lint     clang-tidy and cppcheck
lint:
	@scripts/lint

## make install  to PREFIX (default /usr/local)
PREFIX ?= /usr/local
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/ingot
	install -m 755 $(BIN)/ingot $(DESTDIR)$(PREFIX)/bin/
	cp -r data $(DESTDIR)$(PREFIX)/share/ingot/
endif

clean:
	rm -rf build bin

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
