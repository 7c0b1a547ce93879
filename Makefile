# SPDX-License-Identifier: GPL-3.0-or-later
GO ?= go
STATIC = CGO_ENABLED=1 $(GO) build -trimpath -tags 'netgo osusergo' -ldflags '-s -w -linkmode external -extldflags -static'

.PHONY: build
build:
	$(STATIC) -o bin/syd ./cmd/syd
