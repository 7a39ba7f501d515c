#!/bin/sh
# Installs what `make build` left in STAGE below PREFIX, and notes each file in PREFIX/share/oidc-agent/installed, which
# `--uninstall` reads. Accounts and settings of people are never touched.
#   scripts/install.sh STAGE PREFIX UNITDIR
#   scripts/install.sh --uninstall PREFIX
set -eu
cd "$(dirname "$0")/.."
root=${DESTDIR:-}

if [ "$1" = --uninstall ]; then
    list=$root$2/share/oidc-agent/installed
    [ -e "$list" ] || {
        echo "uninstall: $list does not exist: nothing was installed there" >&2
        exit 1
    }
    while IFS= read -r file; do rm -f "$root$file"; done <"$list"
    rm -f "$list"
    find "$root$2/share/oidc-agent" -depth -type d -empty -delete
    exit
fi

stage=$1 prefix=$2 unit_directory=$3
list=$root$prefix/share/oidc-agent/installed
mkdir -p "$root$prefix/share/oidc-agent"
: >"$list.new"

# put MODE DIRECTORY FILE...
put() {
    mode=$1 directory=$2
    shift 2
    install -d "$root$directory"
    for file in "$@"; do
        install -m "$mode" "$file" "$root$directory"
        echo "$directory/${file##*/}" >>"$list.new"
    done
}

put 0755 "$prefix/bin" "$stage/bin/oidc-agent" "$stage/bin/oidc"
# Every name the C suite's users type; all of them are the one client program.
for name in oidc-add oidc-token oidc-gen oidc-agent-service oidc-keychain oidc-prompt oidc-tokensh; do
    ln -sf oidc "$root$prefix/bin/$name"
    echo "$prefix/bin/$name" >>"$list.new"
done
# What git, Bazel, cargo and HTCondor look for.
for name in git-credential-oidc oidc-credential-helper cargo-credential-oidc condor_credential_storer_oidc; do
    ln -sf oidc "$root$prefix/bin/$name"
    echo "$prefix/bin/$name" >>"$list.new"
done
put 0644 "$prefix/share/man/man1" "$stage"/man/*.1
put 0644 "$prefix/share/bash-completion/completions" "$stage"/bash/*
put 0644 "$prefix/share/zsh/site-functions" "$stage"/zsh/*
put 0644 "$prefix/share/fish/vendor_completions.d" "$stage"/fish/*
put 0644 "$prefix/share/oidc-agent/issuer.config.d" contrib/issuer.config.d/*
put 0644 "$prefix/share/oidc-agent/environment.d" contrib/systemd/environment.d/*
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
for unit in oidc-agent.service oidc-agent.socket; do
    sed "s|@BINDIR@|$prefix/bin|" "contrib/systemd/user/$unit" >"$units/$unit"
done
put 0644 "$unit_directory" "$units"/*
# Not enabled and for administrators to copy: what runs for whom is theirs to say.
system=$(mktemp -d)
desktop=$(mktemp -d)
trap 'rm -rf "$units" "$system" "$desktop"' EXIT
sed "s|@BINDIR@|$prefix/bin|" "contrib/systemd/system/oidc-agent@.service" >"$system/oidc-agent@.service"
put 0644 "$prefix/share/oidc-agent/systemd" "$system"/*
# Browsers hand a login back to it; X sessions without systemd start the agent by the other, which goes to /etc/X11/Xsession.d.
for file in oidc-gen.desktop 91oidc-agent; do
    sed "s|@BINDIR@|$prefix/bin|g" "contrib/desktop/$file" >"$desktop/$file"
done
put 0644 "$prefix/share/applications" "$desktop/oidc-gen.desktop"
put 0644 "$prefix/share/oidc-agent/Xsession.d" "$desktop/91oidc-agent"
# Only a cache that is rebuilt tells browsers of it.
if [ -z "$root" ] && command -v update-desktop-database >/dev/null; then
    update-desktop-database -q "$prefix/share/applications" || true
fi
mv "$list.new" "$list"
