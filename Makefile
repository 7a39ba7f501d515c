# Thin: each target is a command or two. `make demo` and `make test` are the ones to start with.
PREFIX ?= /usr/local
override PREFIX := $(abspath $(PREFIX))
DESTDIR ?=
# Where `make build` leaves what `make install` copies, so that installing needs no compiler (`sudo make install`).
STAGE := target/install
# Where systemd looks for user units; see `man systemd.unit`.
UNITDIR ?= $(shell scripts/unit-directory.sh "$(PREFIX)")

.PHONY: demo test interop lint bench build install uninstall fuzz

demo:
	scripts/demo.sh

test:
	scripts/test.sh

# At OpenID providers that other people wrote; `scripts/interop.sh NAME...` for some of them,
# `scripts/interop.sh --serve NAME` to try one by hand.
interop:
	scripts/interop.sh

lint:
	scripts/lint.sh

bench: build
	scripts/bench.sh $(STAGE)

fuzz:
	scripts/fuzz.sh

# The programs people run, with their man pages and completions.
build:
	scripts/build.sh $(STAGE)

$(STAGE)/bin/oidc:
	scripts/build.sh $(STAGE)

install: $(STAGE)/bin/oidc
	DESTDIR="$(DESTDIR)" scripts/install.sh $(STAGE) "$(PREFIX)" "$(UNITDIR)"

# With the PREFIX and DESTDIR of `make install`; accounts are left alone.
uninstall:
	DESTDIR="$(DESTDIR)" scripts/install.sh --uninstall "$(PREFIX)"
