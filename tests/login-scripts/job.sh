#!/bin/bash
# A batch job with a token that stays fresh (release 5).
set -eu

transfer() {
    token=$(cat "$BEARER_TOKEN_FILE")
    test -n "$token" && echo "transferred with ${#token} bytes of token"
}
export -f transfer

oidc-tokensh --oidc demo --minsecs 60 -- bash -c 'transfer && transfer'
