#!/bin/sh
# Builds everything optimised and measures it beside the C suite.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-test-tools.sh
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --profile dist --target "$host" -p oidc-tests --bin bench
exec "${CARGO_TARGET_DIR:-target}/$host/dist/bench"
