# shellcheck shell=sh
# What the scripts that fetch tools share; they source it. What could not be had is said, and with CI=true it is an error:
# such a script ends with `all_or_no_ci`.
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() {
    echo "$(basename "$0" .sh): $*"
}

# What is missing, and what will not be run without it.
missing() {
    say "MISSING: $1; ${2:-tests that need it} will not be run" >&2
    failed=1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# A command whose output is shown only where it fails.
quietly() {
    "$@" >"$log" 2>&1 && return
    tell_failure "$@"
    return 1
}

tell_failure() {
    {
        say "FAILED: $*"
        tail -n 20 "$log"
    } >&2
}

all_or_no_ci() {
    [ "$failed" = 0 ] || [ "${CI:-}" != true ]
}
