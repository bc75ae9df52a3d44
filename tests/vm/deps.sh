#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs the Debian packages that a kind of work needs and that are missing.
#
#   deps.sh GROUP...    (packages.txt has the groups; gcc-N: that compiler)
#
# shellcheck source-path=SCRIPTDIR disable=SC1091,SC2154
set -eu
here=$(dirname "$0")
. "$here/../lib.sh"
. "$here/common.sh"

packages() { # packages GROUP
	case $1 in
	gcc-[0-9]*) echo "$1" ;;
	*) sed "s/RELEASE/$(uname -r)/" "$here/packages.txt" | awk -v group="$1" '
		$1 == group { $1 = ""; print; found = 1 }
		END { exit !found }' ;;
	esac
}

# how: what makes a command root's; nothing does here
how() {
	if [ "$(id -u)" -eq 0 ]; then
		echo env
	elif command -v sudo >/dev/null; then
		echo sudo env
	else
		return 1
	fi
}

installed() {
	# shellcheck disable=SC2016 # for dpkg-query
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install PACKAGE...: one apt at a time; what apt starts does not inherit the lock
install() (
	lock packages
	$root apt-get update -q 9>&- &&
		$root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" 9>&-
)

[ $# -gt 0 ] || usage
missing=
for group; do
	wanted=$(packages "$group") || die "no group $group; $here/packages.txt has the groups"
	for package in $wanted; do
		case " $missing " in
		*" $package "*) ;;
		*) installed "$package" || missing="$missing $package" ;;
		esac
	done
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null ||
	die "this is no Debian; what its packages hold has to be here:$missing"
root=$(how) || die "neither root nor sudo; run as root: apt-get install$missing"
say "installing$missing"
# shellcheck disable=SC2086 # several packages
install $missing || die "apt could not install$missing"
