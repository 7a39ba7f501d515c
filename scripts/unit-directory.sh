#!/bin/sh
# Prints the directory in which systemd finds user units for programs below PREFIX (`man systemd.unit`): a system prefix and
# the person's own (~/.local) have one of their own; for any other prefix it is the one for local units.
set -eu
prefix=${1:?a prefix}
case $prefix in
/usr | /usr/local) echo "$prefix/lib/systemd/user" ;;
"${HOME:-/nonexistent}/.local") echo "${XDG_DATA_HOME:-$prefix/share}/systemd/user" ;;
*)
    if [ "$(id -u)" = 0 ]; then
        echo /etc/systemd/user
    else
        echo "${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user"
    fi
    ;;
esac
