# SPDX-License-Identifier: Apache-2.0
# Verbs over meson. Each installs the Debian packages that it misses (tools/install-deps).

MESON := /usr/bin/meson
PYTHON := /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
BENCH_OPTIONS ?=
BEFORE ?= HEAD^
GCC := CC=gcc $(MESON) setup --werror --prefix $(PREFIX)
CLANG := CC=clang $(MESON) setup --werror

define built
@[ -f build/build.ninja ] || $(GCC) build >/dev/null
@[ -x build/evsd ] || echo "Building evs into build/: a minute or two on two CPUs"
@ninja -C build --quiet
endef

.DEFAULT_GOAL := all
.PHONY: all demo demo-vm demo-overlay test bench bench-quick lint format asan tsan fuzz cover install clean help

all: ## release build for this CPU into build/
	@tools/install-deps build
	@[ -f build/build.ninja ] || $(GCC) build
	@ninja -C build

demo: ## show the main job: two guests, traffic, what the switch knows of it
	@tools/install-deps build demo
	$(built)
	@$(PYTHON) tools/demo

demo-vm: ## two virtual machines on vhost-user ports, in a VLAN
	@tools/install-deps build demo vm
	$(built)
	@$(PYTHON) tools/demo-vm

demo-overlay: ## two hosts with two tenants each, in tunnels over an underlay
	@tools/install-deps build demo
	$(built)
	@$(PYTHON) tools/demo-overlay

test: ## build, clang + sanitizers, unit tests, lint, functional tests
	@tools/install-deps build test vm
	@$(PYTHON) tools/run-tests

bench: ## micro benchmarks, then evs beside OVS-DPDK and the commit before (BEFORE=REV, or BEFORE= for none; BENCH_OPTIONS: see bench/bench.py --help)
	@tools/install-deps build bench
	$(built)
	@$(MESON) test -C build --benchmark --verbose
	@ninja -C build --quiet bench/generator
	@mkdir -p build-bench
	@before=$(if $(BEFORE),$$(tools/build-before $(filter-out HEAD^,$(BEFORE)))) && \
		$(PYTHON) bench/bench.py $${before:+--also before=$$before} --json build-bench/result.json \
		--plot build-bench/result.png $(BENCH_OPTIONS)

bench-quick: ## the main scenarios, against the stored reference, in under two minutes
	@tools/install-deps build bench
	$(built)
	@mkdir -p build-bench && rm -f build-bench/quick.json
	@$(PYTHON) bench/bench.py --repeat 1 --against limit --json build-bench/quick.json \
		--scenario p2p-null --scenario 'flows-1*k' --scenario l2-1k --scenario acl-10k --scenario ipv6-10k \
		--scenario 'vxlan-??cap' --scenario vm-vm
	@$(PYTHON) tools/bench-compare --tolerance 0.25 bench/reference.json build-bench/quick.json

lint: ## format, layers, sizes, headers, hot symbols, spelling, shell scripts
	@tools/install-deps build test
	$(built)
	@tools/lint build

format: ## clang-format in place
	@tools/install-deps test
	@git ls-files '*.c' '*.h' | xargs clang-format -i

asan: ## unit and functional tests under AddressSanitizer and UBSan (clang)
	@tools/install-deps build test
	@$(PYTHON) tools/run-tests clang asan asan-functional

tsan: ## unit tests under ThreadSanitizer (clang)
	@tools/install-deps build test
	@$(PYTHON) tools/run-tests tsan

fuzz: ## each fuzz target for FUZZ_SECONDS (60); the corpus grows in tests/fuzz/corpus
	@tools/install-deps build test
	@[ -f build-fuzz/build.ninja ] || $(CLANG) build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C build-fuzz --quiet
	@tools/run-fuzz build-fuzz $(FUZZ_SECONDS)

cover: ## line coverage of the unit tests
	@tools/install-deps build cover
	@[ -f build-cover/build.ninja ] || $(GCC) build-cover -Dbuildtype=debug -Db_coverage=true >/dev/null
	@$(MESON) test -C build-cover --suite unit
	@gcovr -r . --object-directory build-cover -f src/ --print-summary

install: all ## into DESTDIR/PREFIX (/usr/local)
	@$(MESON) configure build --prefix $(PREFIX)
	@DESTDIR=$(DESTDIR) $(MESON) install -C build

clean: ## remove what the verbs made
	@rm -rf build build-asan build-tsan build-bench build-fuzz build-cover build-test build-vm

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
