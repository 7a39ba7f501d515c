#!/bin/sh
# Runs every fuzz target for SECONDS_EACH seconds (600), one after the other, and stops at the first finding.
# Works with the stable compiler: the sanitizer coverage it needs is behind a switch there.
set -eu
cd "$(dirname "$0")/../fuzz"
export RUSTC_BOOTSTRAP=1
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
seeds() {
    case $1 in
    vault) echo ../tests/fixtures/accounts/ok ../tests/fixtures/accounts/bad ;;
    framing | message) echo ../tests/fixtures/ipc ;;
    *) ;;
    esac
    [ ! -d "../tests/fixtures/decoders/$1" ] || echo "../tests/fixtures/decoders/$1"
}
for target in ${TARGETS:-account agent_state beside client_key config custom_parameters destination distinguished_name files framing getopt git_credential helper_hosts issuer_data message provider_metadata redirected token vault}; do
    mkdir -p "corpus/$target"
    echo "fuzz: $target"
    # shellcheck disable=SC2046 # a list of folders
    cargo fuzz run --sanitizer none "$target" "corpus/$target" $(seeds "$target") -- \
        -max_total_time="${SECONDS_EACH:-600}" -print_final_stats=1
done
