# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make build   bin/syd and bin/sydtest
#   make arm64   the same for arm64, into bin/arm64, on any architecture
#   make demo    builds, then shows real programs under syd and the suite's smoke run
#   make test    what a change must pass, in a few minutes
#   make stress  and what takes longer: the specs that load the machine or wait
#                for long, and what syd's threads really call (make syscalls)
#   make slow    all specs, those that take minutes, too
#   make bench   cost ratios to native
#   make kernels the suite in guests with other kernels; KERNELS='debian:6.12
#                debian:6.12:arm64 host' for others than the ten of the grid,
#                KERNELFLAGS=--smoke for a first look
#   make syscalls  what syd's threads really call, against their filters

GO     ?= go
STATIC  = -trimpath -tags 'netgo osusergo'
# sydtest's own tests start it again and again, as a program:
# they run as it is built.
RACED   = $(shell $(GO) list ./... | grep -v '/cmd/sydtest$$')

# A cross build needs arm64's libseccomp, which goes here.
ARM64   = $(CURDIR)/.cache/arm64

.PHONY: build arm64 demo test stress lint unit suite slow bench kernels syscalls deps test-deps fixtures cross clean

build: deps fixtures
	CGO_ENABLED=1 $(GO) build $(STATIC) -ldflags '-s -w -linkmode external -extldflags -static' -o bin/syd ./cmd/syd
	CGO_ENABLED=0 $(GO) build $(STATIC) -ldflags '-s -w' -o bin/sydtest ./cmd/sydtest

arm64:
	@.ci/deps arm64
	@.ci/arm64 $(ARM64)
	@$(MAKE) --no-print-directory -C fixtures arm64
	CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc CGO_CFLAGS='-O2 -g -I$(ARM64)/usr/include' CGO_LDFLAGS=-L$(ARM64)/usr/lib/aarch64-linux-gnu \
		$(GO) build $(STATIC) -ldflags '-s -w -linkmode external -extldflags -static' -o bin/arm64/syd ./cmd/syd
	CGO_ENABLED=0 GOARCH=arm64 $(GO) build $(STATIC) -ldflags '-s -w' -o bin/arm64/sydtest ./cmd/sydtest

demo: build
	@.ci/demo

test: test-deps lint unit suite

stress: syscalls
	bin/sydtest run --syd bin/syd --label stress
	@if [ "$$(id -u)" = 0 ]; then set -x; bin/sydtest run --syd bin/syd --user nobody --label 'PTH-03'; fi

lint: fixtures
	@test -z "$$(gofmt -l cmd conformance fixtures syd)" || { gofmt -d cmd conformance fixtures syd; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	.ci/tidy

unit: build
	$(GO) test -race -short $(RACED)
	CGO_ENABLED=0 $(GO) test -short ./cmd/sydtest

suite: build cross
	bin/sydtest run --syd bin/syd --label '!stress'
	@if [ "$$(id -u)" = 0 ]; then set -x; bin/sydtest run --syd bin/syd --user nobody --label '!stress && !PTH-03'; fi

slow: build
	CGO_ENABLED=0 $(GO) test -timeout 60m ./cmd/sydtest
	bin/sydtest run --syd bin/syd --slow
	@if [ "$$(id -u)" = 0 ]; then set -x; bin/sydtest run --syd bin/syd --slow --user nobody; fi

syscalls: build test-deps
	$(GO) test ./syd/filter -run Inventory -inventory -v -count 1

bench: build
	bin/sydtest bench --syd bin/syd

# Guests of arm64 need builds for it.
GUESTS  = $(if $(KERNELS),$(if $(filter %:arm64,$(KERNELS)),arm64),arm64)

kernels: build $(GUESTS)
	@.ci/deps kernels
	@for arch in $(GUESTS); do .ci/deps guests-$$arch; done
	@mkdir -p reports
	bin/sydtest kernels --syd bin/syd $(KERNELS:%=--kernel %) $(KERNELFLAGS) --json reports/kernels.json --html reports/kernels.html

deps:
	@.ci/deps build
test-deps:
	@.ci/deps test
fixtures: deps
	@$(MAKE) --no-print-directory -j $(shell nproc) -C fixtures
cross: test-deps
	@$(MAKE) --no-print-directory -j $(shell nproc) -C fixtures cross

clean:
	rm -rf bin
	$(MAKE) -C fixtures clean
