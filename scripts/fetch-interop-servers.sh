#!/bin/bash
# Fetches the OpenID providers of `make interop` into .tools/interop: each by the ordinary client of its registry, at a pinned
# version, verified by checksums that lie in this repository. Says what could not be had; with CI=true that is an error.
# What is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/.tools/interop
failed=0

say() {
    echo "fetch-interop-servers: $*"
}

missing() {
    say "MISSING: $1; $2 will not be run" >&2
    failed=1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# A command whose output is shown only where it fails.
quietly() {
    "$@" >"$log" 2>&1 && return
    {
        say "FAILED: $*"
        tail -n 20 "$log"
    } >&2
    return 1
}

# Keycloak, from Maven Central. What it builds of itself for a kind of database is kept with it.
keycloak_version=26.7.3
keycloak_sha256=77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47
keycloak=$place/keycloak-$keycloak_version
fetch_keycloak() {
    [ ! -e "$keycloak/.ready" ] || return 0
    if ! have java || ! have mvn; then
        missing "java (17 or later) and mvn" Keycloak
        return
    fi
    local archive=$place/keycloak-quarkus-dist-$keycloak_version.tar.gz
    say "Keycloak $keycloak_version from Maven Central"
    rm -rf "$keycloak"
    quietly mvn --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        "-Dartifact=org.keycloak:keycloak-quarkus-dist:$keycloak_version:tar.gz" "-DoutputDirectory=$place" &&
        echo "$keycloak_sha256  $archive" | quietly sha256sum --check &&
        tar -xzf "$archive" -C "$place" &&
        rm "$archive" &&
        quietly "$keycloak/bin/kc.sh" build --db=dev-file &&
        touch "$keycloak/.ready" || missing "Keycloak $keycloak_version" Keycloak
}

# A program of a Go module: tests/interop/NAME has go.mod and go.sum, which pin everything it is made of.
fetch_go_program() {
    local name=$1 package=$2 directory=$PWD/tests/interop/$1 program=$place/$1
    # A file that is older than its lock files was made of something else.
    if [ -x "$program" ] && [ "$program" -nt "$directory/go.sum" ] && [ "$program" -nt "$directory/go.mod" ]; then
        return
    fi
    if ! have go; then
        missing "go (1.26 or later)" "$name"
        return
    fi
    say "$name from the Go module proxy; compiling takes minutes"
    quietly env -C "$directory" go build -mod=readonly -tags sqlite -ldflags "-s -w" -o "$program" "$package" ||
        missing "$name" "$name"
}

mkdir -p "$place"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fetch_keycloak
fetch_go_program hydra github.com/ory/hydra/v2
fetch_go_program dex github.com/dexidp/dex/cmd/dex

if [ "$failed" = 1 ] && [ "${CI:-}" = true ]; then
    exit 1
fi
