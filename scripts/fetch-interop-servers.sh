#!/bin/bash
# Fetches the OpenID providers of `make interop` into .tools/interop: each by the ordinary client of its registry, at a pinned
# version, verified by checksums that lie in this repository. Says what could not be had; with CI=true that is an error.
# What is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$PWD/.tools/interop
. scripts/fetching.sh

# Whether something was made of just these files as they are now: `note_made_of` wrote down of what it was made.
is_made_of() {
    local made=$1
    shift
    cat "$@" | sha256sum | cmp --silent - "$made.made-of"
}

note_made_of() {
    local made=$1
    shift
    cat "$@" | sha256sum >"$made.made-of"
}

# Keycloak, from Maven Central. What it builds of itself for a kind of database is kept with it, and so is the database as it
# is after the first start: making one takes longer than everything else in a start.
keycloak_version=26.7.3
keycloak_sha256=77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47
keycloak=$place/keycloak-$keycloak_version
fetch_keycloak() {
    [ ! -e "$keycloak/first-database" ] || return 0
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
        make_keycloak_database || missing "Keycloak $keycloak_version" Keycloak
}

# With the administrator that tests/src/servers/keycloak.rs knows.
make_keycloak_database() {
    rm -rf "$keycloak/unfinished-database"
    KC_HTTP_HOST=127.0.0.1 KC_HTTP_MANAGEMENT_PORT=0 KC_CACHE=local PASSWORD="of this run only" \
        quietly "$keycloak/bin/kc.sh" bootstrap-admin user --optimized --username admin --password:env=PASSWORD \
        "--db-url=jdbc:h2:file:$keycloak/unfinished-database/database;NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE" &&
        mv "$keycloak/unfinished-database" "$keycloak/first-database"
}

# A program of a Go module: tests/interop/NAME has go.mod and go.sum, which pin everything it is made of.
fetch_go_program() {
    local name=$1 package=$2 directory=$PWD/tests/interop/$1 program=$place/$1
    if [ -x "$program" ] && is_made_of "$program" "$directory"/go.*; then
        return
    fi
    if ! have go || ! have cc; then
        missing "go (1.26 or later) and a C compiler" "$name"
        return
    fi
    say "$name from the Go module proxy; compiling takes minutes"
    quietly env -C "$directory" go build -mod=readonly -tags sqlite -ldflags "-s -w" -o "$program" "$package" &&
        note_made_of "$program" "$directory"/go.* || missing "$name" "$name"
}

# Django and what it needs, from PyPI, in a virtual environment: exactly what tests/interop/django/requirements.txt lists.
fetch_django() {
    local requirements=$PWD/tests/interop/django/requirements.txt environment=$place/django
    if is_made_of "$environment" "$requirements"; then
        return
    fi
    if ! have python3 || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        missing "python3 (3.10 or later) with venv" Django
        return
    fi
    say "Django and django-oauth-toolkit from PyPI"
    rm -rf "$environment"
    quietly python3 -m venv "$environment" &&
        quietly "$environment/bin/pip" install --disable-pip-version-check --require-hashes --only-binary :all: \
            --requirement "$requirements" &&
        note_made_of "$environment" "$requirements" || missing "Django" Django
}

mkdir -p "$place"
fetch_keycloak
fetch_go_program hydra github.com/ory/hydra/v2
fetch_go_program dex github.com/dexidp/dex/cmd/dex
fetch_django
all_or_no_ci
