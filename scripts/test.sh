#!/bin/sh
# Builds the programs, fetches what the interoperability tests need, runs every test.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-test-tools.sh
cargo build --workspace --bins

# Tests that lack something note it here, since test runners hide what a passing test prints.
OIDC_TESTS_NOT_RUN=$(mktemp)
export OIDC_TESTS_NOT_RUN
trap 'rm -f "$OIDC_TESTS_NOT_RUN"' EXIT

status=0
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --profile "$([ -n "${CI:-}" ] && echo ci || echo default)" "$@" || status=$?
else
    cargo test --workspace "$@" || status=$?
fi
sort -u "$OIDC_TESTS_NOT_RUN" >&2
exit $status
