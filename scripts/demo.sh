#!/bin/sh
# From nothing to a token: builds the programs, starts a provider of its own, makes an encrypted account, loads it into
# an agent, prints a token with its claims and its remaining life, and leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."

step() {
    printf '\n==> %s\n' "$*"
}

show() {
    printf '$ %s\n' "$*"
    "$@"
}

step "Building the agent, the client and a small provider"
started=$(date +%s)
cargo build --bin oidc-agent --bin oidc --bin demo-provider --bin make-account
bin=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug
echo "took $(($(date +%s) - started)) s"

place=$(mktemp -d "${TMPDIR:-/tmp}/oidc-demo.XXXXXX")
provider=
agent=
clean_up() {
    trap - EXIT
    [ -z "$agent" ] || "$bin/oidc-agent" --kill >/dev/null || true
    [ -z "$provider" ] || kill "$provider" || true
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Nothing of the person's own agent and accounts is used.
mkdir -m 700 "$place/home" "$place/accounts" "$place/run" "$place/tmp"
unset OIDC_SOCK OIDCD_PID OIDC_USER_CONFIG OIDC_REMOTE_SOCK
export HOME="$place/home" OIDC_CONFIG_DIR="$place/accounts" XDG_RUNTIME_DIR="$place/run" TMPDIR="$place/tmp"

step "Starting a provider, with a client and a login that exist already"
mkfifo "$place/provider.out" "$place/provider.in"
"$bin/demo-provider" --seed demo <"$place/provider.in" >"$place/provider.out" &
provider=$!
# The provider ends when its standard input does.
exec 4>"$place/provider.in" 5<"$place/provider.out"
read -r where <&5
read -r account <&5
echo "$where"

step "Making an encrypted account file"
OIDC_ENCRYPTION_PW=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export OIDC_ENCRYPTION_PW
printf %s "$account" | "$bin/make-account"
show ls -l "$OIDC_CONFIG_DIR/demo"

step "Starting the agent"
printf '$ eval "$(oidc-agent)"\n'
eval "$("$bin/oidc-agent")"
agent=$OIDCD_PID

step "Loading the account; its password comes from the environment"
show "$bin/oidc" add --pw-env demo

step "Asking for a token"
show "$bin/oidc" token demo

step "What the token says, and whether the provider signed it"
show "$bin/oidc" inspect --account demo --verify

step "Leaving nothing behind"
clean_up
[ ! -e "$place" ]
echo "Done."
