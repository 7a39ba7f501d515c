#!/bin/sh
# Builds the programs people run, and their man pages and completions, and puts them into the directory named.
set -eu
cd "$(dirname "$0")/.."
stage=${1:?a directory}
host=$(rustc -vV | sed -n 's/^host: //p')
# The last crate decides how everything is optimised at link time; see the profile.
cargo rustc --profile dist --target "$host" -p oidc-agent --bin oidc-agent -- -C opt-level=3
# Static, so that it starts in the time of /bin/true.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist-client --target "$host" -p oidc-client
built=${CARGO_TARGET_DIR:-target}/$host

rm -rf "$stage"
mkdir -p "$stage/bin" "$stage/man"
cp "$built/dist/oidc-agent" "$built/dist-client/oidc" "$stage/bin"
for what in man bash zsh fish; do "$stage/bin/oidc" generate "$what" "$stage/$what"; done
"$stage/bin/oidc-agent" --man-page >"$stage/man/oidc-agent.1"
