# Ingot. `make run` and `make test` are all a new user needs; `make help` lists the rest.
ifeq ($(origin CC),default)
CC       = gcc
endif
# As many jobs as processors (make does not tell a makefile which -j it was given, so another number is JOBS=N).
ifeq ($(MAKELEVEL),0)
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
MAKEFLAGS += -j$(JOBS)
endif
BUILD   ?= build/release
BIN     ?= bin
OPT     ?= -O2
PACKAGES = jansson libpcre2-8 libxxhash libutf8proc libcurl libcrypto zlib sqlite3
PKG_OK  := $(shell command -v $(firstword $(CC)) >/dev/null && pkg-config --exists $(PACKAGES) cmocka 2>/dev/null && \
             echo yes)
CFLAGS   = -std=gnu11 -D_GNU_SOURCE $(OPT) -g -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -Wshadow \
           -Wstrict-prototypes -Wmissing-prototypes -pthread -I. $(PKG_CFLAGS) $(EXTRA)
LDLIBS   = $(PKG_LIBS) -lm -pthread $(EXTRA)

# Folders of the library, lowest level first (ARCHITECTURE.md).
FOLDERS  = base isa csl wse llm map host debug api perf audit cluster
LIB_SRC := $(foreach d,$(FOLDERS),$(wildcard $(d)/*.c))
CLI_SRC := $(wildcard cli/*.c)
TOOLS   := $(patsubst tools/%.c,$(BIN)/ingot-%,$(wildcard tools/*.c))
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
FUZZERS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
LIB      = $(BUILD)/libingot.a
say      = $(if $(V),,@echo '$(1)'; )# V=1 shows whole commands
obj      = $(patsubst %.c,$(BUILD)/%.o,$(1))

GOALS    = all wafer run test bench debug asan hostile fuzz fuzzers lint install
.PHONY: $(GOALS) clean help deps
.SECONDARY: # objects of tests are kept

ifneq ($(PKG_OK),yes)
# The compiler or a library was missing when this file was read: install them, then read it again.
define install_and_retry
	$(if $(PKG_RETRY),$(error still missing after scripts/deps: one of $(CC) $(PACKAGES) cmocka))
	@scripts/deps build
	+@$(MAKE) --no-print-directory PKG_RETRY=1 $@
endef
.NOTPARALLEL:
$(GOALS):
	$(install_and_retry)
$(BIN)/% $(BUILD)/%:
	$(install_and_retry)
else
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES))

all: $(BIN)/ingot $(TOOLS) wafer

# Kernels for one instruction set each; chosen at run time by what the processor offers.
AVX2   = -mavx2 -mfma -mf16c
AVX512 = $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni
KERNEL = -O3
$(BUILD)/%_avx2.o:   ISA = $(AVX2) $(KERNEL)
$(BUILD)/%_avx512.o: ISA = $(AVX512) -mavx512vbmi $(KERNEL)
$(BUILD)/%_amx.o:    ISA = $(AVX512) -mamx-tile -mamx-bf16 $(KERNEL)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(CFLAGS) $(ISA) -MMD -MP -c $< -o $@

$(LIB): $(call obj,$(LIB_SRC))
	@rm -f $@
	$(call say,ar $@)ar rcs $@ $^

$(BIN)/ingot: $(call obj,$(CLI_SRC)) $(LIB)
	@mkdir -p $(@D)
	$(call say,ld $@)$(CC) $^ -o $@ $(LDLIBS)

$(BIN)/cslc: $(BUILD)/cslc/main.o $(LIB)
	@mkdir -p $(@D)
	$(call say,ld $@)$(CC) $^ -o $@ $(LDLIBS)

# What Python loads: the wafer's part of the library, of which only the calls of include/ingot.h are visible.
SO_SRC  := $(foreach d,base isa csl wse host debug api,$(wildcard $(d)/*.c))
$(BUILD)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc -fPIC $<)$(CC) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@

$(BIN)/libingot.so: $(patsubst %.c,$(BUILD)/pic/%.o,$(SO_SRC))
	@mkdir -p $(@D)
	$(call say,ld $@)$(CC) -shared $^ -o $@ -Wl,--as-needed $(LDLIBS)

$(BIN)/cs_python: scripts/cs_python
	@mkdir -p $(@D)
	$(call say,cp $@)install -m 755 $< $@

## make wafer    cslc, cs_python and libingot.so only
wafer: $(BIN)/cslc $(BIN)/cs_python $(BIN)/libingot.so

$(BIN)/ingot-%: $(BUILD)/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,ld $@)$(CC) $^ -o $@ $(LDLIBS)

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIB)
	$(call say,ld $@)$(CC) $^ -o $@ $(LDLIBS) -fsanitize=fuzzer

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIB)
	$(call say,ld $@)$(CC) $^ -o $@ $(LDLIBS) -lcmocka

## make run      a real model writes text on the virtual system, with the report under it
run: all
	@BIN=$(BIN) scripts/run

## make test     every test; the last line is "N passed, N failed"
test: all $(TESTS)
	@scripts/deps pull || echo "test: without python3 and pip the tests of downloads are skipped"
	@BIN=$(BIN) tests/run $(TESTS)

## make bench    host speed against this machine's limit (docs/performance.md)
bench: all
	@BIN=$(BIN) scripts/bench

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Vector kernels are all loads: these checks would make one file compile for minutes, and ASan sees the same mistakes.
SANITIZE_KERNEL = -O1 -g0 -fno-sanitize=null,alignment,object-size,pointer-overflow
VARIANT  = +@$(MAKE) --no-print-directory BUILD=build/$@ BIN=bin/$@

## make debug    unoptimised programs in bin/debug
debug:
	$(VARIANT) OPT=-O0 all

## make asan     the tests under AddressSanitizer and UBSan
asan:
	$(VARIANT) OPT=-O1 KERNEL="$(SANITIZE_KERNEL)" EXTRA="$(SANITIZE)" test

## make hostile  the tests with tiny buffers, and every allocation failing in turn
hostile:
	$(VARIANT) OPT=-O1 KERNEL="$(SANITIZE_KERNEL)" EXTRA="-DINGOT_HOSTILE $(SANITIZE)" test
	@BIN=bin/hostile tests/hostile

## make fuzz     every reader of outside bytes under libFuzzer (FUZZ_SECONDS each, default 60)
fuzz:
	@tests/fuzz/run
fuzzers: $(FUZZERS)

## make lint     clang-tidy and cppcheck
lint:
	@scripts/lint

## make install  to PREFIX (default /usr/local)
PREFIX ?= /usr/local
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include \
	    $(DESTDIR)$(PREFIX)/share/ingot
	install -m 755 $(BIN)/ingot $(BIN)/cslc $(BIN)/cs_python $(TOOLS) $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(BIN)/libingot.so $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/ingot.h $(DESTDIR)$(PREFIX)/include/
	cp -r data kernels lib python $(DESTDIR)$(PREFIX)/share/ingot/
endif

## make deps     the packages that building, testing and running need
deps:
	@scripts/deps build pull

## make clean    removes build/ and bin/
clean:
	rm -rf build bin

help:
	@sed -n 's/^## //p' Makefile

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
