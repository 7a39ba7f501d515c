#!/bin/sh
# Builds the programs, fetches what the interoperability tests need, runs every test. Arguments go to the test runner.
# The last line counts what passed, what failed and what this machine could not run.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-test-tools.sh
cargo build --workspace --bins
cargo build -p oidc-agent --features fault-points --bin oidc-agent-with-fault-points

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# Tests that lack something note it here, since test runners hide what a passing test prints.
export OIDC_TESTS_NOT_RUN="$place/not-run"
: >"$OIDC_TESTS_NOT_RUN"
# The output goes through a pipe, which takes the colours of a terminal away.
[ ! -t 1 ] || export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-always}"

run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --no-fail-fast \
            --profile "$([ "${CI:-}" = true ] && echo ci || echo default)" "$@"
    else
        cargo test --workspace --no-fail-fast "$@"
    fi
}

{ run_tests "$@" 2>&1 && echo 0 >"$place/status" || echo $? >"$place/status"; } | tee "$place/output"
sort -u "$OIDC_TESTS_NOT_RUN" | tee "$place/not-run.sorted"
scripts/count-tests.sh "$place/output" "$place/not-run.sorted"
exit "$(cat "$place/status")"
