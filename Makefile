# Thin: each target is a command or two. `make demo` and `make test` are the ones to start with.
PREFIX ?= /usr/local
DESTDIR ?=
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
DIST := $(or $(CARGO_TARGET_DIR),target)/$(HOST)/dist
# Every name the C suite's users type; all of them are the one client program.
NAMES := oidc-add oidc-token oidc-gen

.PHONY: demo test lint bench build install fuzz

demo:
	scripts/demo.sh

test:
	scripts/test.sh

lint:
	scripts/lint.sh

bench: build
	scripts/bench.sh

fuzz:
	scripts/fuzz.sh

# The programs people run: optimised, and the client static, so that it starts in the time of /bin/true.
build:
	cargo build --profile dist --target $(HOST) -p oidc-agent
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist --target $(HOST) -p oidc-client

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(DIST)/oidc-agent $(DIST)/oidc $(DESTDIR)$(PREFIX)/bin
	for name in $(NAMES); do ln -sf oidc $(DESTDIR)$(PREFIX)/bin/$$name; done
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/oidc-agent
	cp -R contrib/. $(DESTDIR)$(PREFIX)/share/oidc-agent/
	$(DIST)/oidc generate man $(DESTDIR)$(PREFIX)/share/man/man1
