# ~/.bash_profile of a login node, for release 5 of the C suite.

export PATH="$HOME/bin:$PATH"

if command -v oidc-agent-service >/dev/null 2>&1; then
    eval `oidc-agent-service use` > /dev/null
fi

# One account for all sessions; the password is asked for in the first one.
if ! oidc-add --loaded 2> /dev/null | grep -q '^demo$'; then
    oidc-add --lifetime 86400 demo || echo "no tokens in this session" >&2
fi

alias token='oidc-token demo'
export OIDC_ISS=$(oidc-token -i demo)
