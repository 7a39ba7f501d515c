#!/bin/sh
# An agent of its own for one script, ended with it (releases 4 and 5).

eval $(oidc-agent --lifetime 3600 --no-autoload) > /dev/null
trap 'eval $(oidc-agent --kill) > /dev/null' EXIT

oidc-add --pw-cmd="cat $HOME/.oidc-password" demo > /dev/null || exit 1
eval $(oidc-token --env demo)

echo "issuer $OIDC_ISS, $((OIDC_EXP - $(date +%s))) seconds left, agent $OIDCD_PID"
oidc-agent --status --json | jq -r '.loaded_accounts[]'
oidc-add -R > /dev/null
