#!/bin/sh
# Format, clippy, documentation, dependencies: fastest first, everything an error.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
# The fuzz targets are a workspace of their own; that they compile is all that is asked here.
cargo check --manifest-path fuzz/Cargo.toml --quiet --locked
# Documentation for who works on it: private items and links to them included.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --quiet

deny=$(command -v cargo-deny || echo .tools/bin/cargo-deny)
if [ ! -x "$deny" ]; then
    echo "lint: building cargo-deny once, into .tools"
    cargo install cargo-deny --locked --root .tools --quiet
fi
"$deny" --log-level error check bans licenses sources
# The advisory database is a git repository; a machine that cannot reach it must say so instead of passing quietly.
if ! "$deny" --log-level error check advisories; then
    if "$deny" --log-level error --offline check advisories 2>&1 | grep -q 'error\[vulnerability\]'; then
        exit 1
    fi
    echo "lint: NOT RUN: advisories (the advisory database could not be fetched)" >&2
fi
