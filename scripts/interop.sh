#!/bin/sh
# Fetches the OpenID providers and what drives them, builds the programs, and walks through everything at each provider.
# Arguments are names of providers; without any, all are run.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-test-tools.sh
scripts/fetch-interop-servers.sh
cargo build --workspace --bins
exec "${CARGO_TARGET_DIR:-target}/debug/interop" "$@"
