#!/bin/sh
# Fetches what the interoperability tests need into .tools and tests/node, without touching the system where that is
# possible. Says what could not be had; with CI=true that is an error.
set -eu
cd "$(dirname "$0")/.."
tools=$PWD/.tools
debian=$tools/debian
lists=$tools/apt
. scripts/fetching.sh

# A command of the package manager; its output is shown only where it fails. Another program that uses the package
# manager, such as a machine's first update, is waited for: five minutes at most.
patiently() {
    tries=60
    while :; do
        "$@" >"$log" 2>&1 && return
        status=$?
        grep -q 'Could not get lock\|is another process using it' "$log" || break
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || break
        sleep 5
    done
    tell_failure "$@"
    return $status
}

# The npm provider: exactly the versions of the lock file, verified by its checksums.
fetch_node_packages() {
    if ! have node || ! have npm; then
        missing "node and npm (for the npm oidc-provider)"
        return
    fi
    have openssl || missing "openssl (for the npm oidc-provider's certificate)"
    installed=tests/node/node_modules/.package-lock.json
    if [ -e "$installed" ] && [ ! tests/node/package-lock.json -nt "$installed" ]; then
        return
    fi
    say "npm ci in tests/node"
    npm ci --prefix tests/node --no-audit --no-fund --loglevel=error || missing "the packages of tests/node"
    [ ! -d tests/node/node_modules ] || touch tests/node/node_modules/.package-lock.json
}

# Debian packages, unpacked below .tools: needs neither root nor a change of the system. A machine without package
# lists gets its own ones below .tools.
unpack() {
    have apt-get && have dpkg-deb || return 1
    mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial" "$debian"
    packages=$(mktemp -d "$tools/packages.XXXXXX")
    (
        cd "$packages"
        private="-o Dir::State::Lists=$lists/lists -o Dir::Cache=$lists/cache -o APT::Sandbox::User=root"
        apt-get download "$@" >/dev/null 2>&1 ||
            # shellcheck disable=SC2086 # a list of options
            { patiently apt-get $private update && patiently apt-get $private download "$@"; }
        for package in *.deb; do dpkg-deb -x "$package" "$debian"; done
    ) && status=0 || status=1
    rm -rf "$packages"
    return $status
}

is_right_c_suite() {
    # oidc-gen needs more libraries than the other clients.
    [ -x "$1/usr/bin/oidc-gen" ] &&
        [ "$(LD_LIBRARY_PATH=$1/usr/lib/$(uname -m)-linux-gnu "$1/usr/bin/oidc-gen" --version 2>/dev/null)" = "oidc-gen 4.2.6" ]
}

fetch_c_suite() {
    if { is_right_c_suite "" && ls /usr/lib/*/liboidc-agent.so.4 >/dev/null 2>&1; } || is_right_c_suite "$debian"; then
        return
    fi
    say "unpacking the C suite 4.2.6 into .tools"
    unpack oidc-agent-cli=4.2.6-1 liboidc-agent4=4.2.6-1 libcjson1 libsodium23 libseccomp2 \
        libmicrohttpd12 libqrencode4 || true
    is_right_c_suite "$debian" || missing "the C suite 4.2.6 (Debian 12: oidc-agent-cli, liboidc-agent4)"
}

# A storage server that takes tokens, and the library that it checks them with; they run from below .tools.
fetch_xrootd() {
    libraries=$debian/usr/lib/$(uname -m)-linux-gnu
    if ! LD_LIBRARY_PATH=$libraries "$debian/usr/bin/xrootd" -v >/dev/null 2>&1; then
        say "unpacking xrootd and scitokens-cpp into .tools"
        unpack xrootd-server xrootd-client xrootd-plugins xrootd-server-plugins xrootd-client-plugins \
            xrootd-scitokens-plugins libxrdapputils2 libxrdcl3 libxrdcrypto2 libxrdcryptolite2 libxrdhttputils2 \
            libxrdposix3 libxrdserver3 libxrdutils3 libxrdxml3 libtinyxml2.6.2v5 libscitokens0 scitokens-cpp || true
    fi
    LD_LIBRARY_PATH=$libraries "$debian/usr/bin/xrootd" -v >/dev/null 2>&1 &&
        [ -x "$debian/usr/bin/scitokens-verify" ] ||
        missing "xrootd 5.5 and scitokens-cpp (Debian 12: xrootd-server, xrootd-scitokens-plugins, scitokens-cpp)"
}

# Programs that do not work from another place: installed where root allows it, else asked for.
fetch_program() {
    have "$1" && return
    if [ "$(id -u)" = 0 ] && have apt-get; then
        say "installing $2"
        # Lists may be missing or old, so that the first try fails.
        apt-get install -y -qq "$2" >/dev/null 2>&1 ||
            { patiently apt-get update -qq && patiently apt-get install -y -qq "$2"; } || true
    fi
    have "$1" || missing "$1 (Debian package $2)"
}

# Readers and SDKs in Python, in an environment of their own.
fetch_python_packages() {
    python=$tools/python
    if ! have python3; then
        missing "python3 (for botocore, scitokens and htcondor)"
        return
    fi
    "$python/bin/python3" -c 'import botocore, scitokens, htcondor2' 2>/dev/null && return
    say "installing botocore, scitokens and htcondor into .tools/python"
    rm -rf "$python"
    quietly python3 -m venv "$python" &&
        quietly "$python/bin/pip" install --quiet --disable-pip-version-check \
            botocore==1.44.8 scitokens==1.9.7 htcondor==25.14.1 ||
        missing "the Python packages botocore, scitokens and htcondor"
}

mkdir -p "$tools"
fetch_node_packages
fetch_c_suite
fetch_xrootd
fetch_program strace strace
fetch_program gpg gnupg
fetch_program python3 python3
fetch_program git git
fetch_program rclone rclone
have kubectl || say "no kubectl: its helper is tried by the documented exchange alone" >&2
fetch_program chromium chromium
fetch_program chromedriver chromium-driver
fetch_program faketime faketime
fetch_python_packages
fetch_program dbus-daemon dbus
fetch_program gnome-keyring-daemon gnome-keyring
fetch_program secret-tool libsecret-tools
fetch_program zsh zsh
all_or_no_ci
