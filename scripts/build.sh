#!/bin/sh
# Builds the programs people run, and their man pages and completions, and puts them into the directory named.
set -eu
cd "$(dirname "$0")/.."
stage=${1:?a directory}
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --profile dist --target "$host" -p oidc-agent
# Static, so that it starts in the time of /bin/true.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist --target "$host" -p oidc-client
built=${CARGO_TARGET_DIR:-target}/$host/dist

rm -rf "$stage"
mkdir -p "$stage/bin" "$stage/man"
cp "$built/oidc-agent" "$built/oidc" "$stage/bin"
for what in man bash zsh fish; do "$stage/bin/oidc" generate "$what" "$stage/$what"; done
"$stage/bin/oidc-agent" --man-page >"$stage/man/oidc-agent.1"
