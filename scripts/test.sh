#!/bin/sh
# Builds the programs, fetches what the interoperability tests need, runs every test.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-test-tools.sh
cargo build --workspace --bins
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace "$@"
else
    cargo test --workspace "$@"
fi
