# ~/.zlogin: one agent for all logins, with two accounts (release 4 and 5).

if [[ -o interactive || -n $FORCE_LOGIN ]]; then
  eval $(oidc-keychain --lifetime 36000 --accounts demo other) && echo "keychain ready"
fi

token() { oidc-token --time=300 ${1:-demo}; }
