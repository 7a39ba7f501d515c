#!/bin/sh
# Measures what `scripts/build.sh` built beside the C suite, and writes the table of docs/performance.md.
set -eu
cd "$(dirname "$0")/.."
stage=${1:?the directory that scripts/build.sh was given}
scripts/fetch-test-tools.sh
host=$(rustc -vV | sed -n 's/^host: //p')
# Like the agent, whose derivation it measures.
cargo rustc --profile dist --target "$host" -p oidc-tests --bin bench -- -C opt-level=3
OIDC_TESTS_BIN_DIR=$(realpath "$stage/bin")
export OIDC_TESTS_BIN_DIR
exec "${CARGO_TARGET_DIR:-target}/$host/dist/bench"
