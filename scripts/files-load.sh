#!/bin/sh
# A thousand managed files with tokens of a minute for ten minutes, read all the time: requests at the provider, CPU and memory of
# the agent, and the least that a reader found left. Arguments that shorten it: MINUTES FILES TOKENS SECONDS, such as `1 100 100 60`.
set -eu
cd "$(dirname "$0")/.."
cargo build --release -p oidc-agent -p oidc-client
cargo build --release -p oidc-tests --bin files-load
exec "${CARGO_TARGET_DIR:-target}/release/files-load" "$@"
