# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# Packages from Debian suites that this machine's apt does not have enabled,
# fetched through a private apt state. Nothing is installed and the system's
# own sources and lists are left alone. Sourced; needs common.sh.

: "${cache:?}"
apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine itself installs Debian from. apt reads its own
# configuration for us, so one-line and deb822 sources both work.
apt_mirror() {
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		awk -v c="$codename" '$1 == c && $2 == "main" { print $3; exit }'
}

# A SUITE may be SUITE-ARCH, as in bookworm-i386: that architecture's packages, which
# dpkg need not know.
apt_arch_of() {
	case ${1##*-} in
	i386 | arm64 | riscv64 | s390x) echo "${1##*-}" ;;
	*) echo amd64 ;;
	esac
}

# apt_in SUITE COMMAND...: apt-get or apt-cache on the private state of SUITE
apt_in() {
	apt_dir=$cache/apt/$1
	apt_arch=$(apt_arch_of "$1")
	apt_tool=$2
	shift 2
	"$apt_tool" -qq -o Dir::Etc::sourcelist="$apt_dir/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$apt_dir/lists" \
		-o Dir::State::status=/dev/null \
		-o Dir::Cache="$apt_dir/cache" \
		-o APT::Architecture="$apt_arch" -o APT::Architectures="$apt_arch" \
		-o APT::Sandbox::User= \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# apt_open SUITE: makes sure that the package list of SUITE is there
apt_open() {
	[ ! -e "$cache/apt/$1/ready" ] || return 0
	(
		lock "apt-$1"
		[ ! -e "$cache/apt/$1/ready" ] || exit 0
		apt_uri=$(apt_mirror)
		[ -n "$apt_uri" ] ||
			die "no Debian mirror in this machine's apt" \
				"configuration; add one to /etc/apt/sources.list"
		[ -e $apt_keyring ] ||
			die "$apt_keyring is missing;" \
				"install debian-archive-keyring"
		mkdir -p "$cache/apt/$1/lists/partial" \
			"$cache/apt/$1/cache/archives/partial"
		echo "deb [signed-by=$apt_keyring] $apt_uri ${1%-"$(apt_arch_of "$1")"} main" \
			>"$cache/apt/$1/sources.list"
		stage "package list of $1" apt_in "$1" apt-get update
		touch "$cache/apt/$1/ready"
	)
}

# apt_newest SUITE REGEX: the package with the highest version in its name
apt_newest() {
	apt_in "$1" apt-cache search --names-only "^$2\$" | cut -d ' ' -f 1 |
		sort -V | tail -n 1
}

# apt_unpack SUITE DIR PACKAGE...: downloads and unpacks into DIR
apt_unpack() {
	apt_suite=$1
	apt_dest=$2
	shift 2
	mkdir -p "$apt_dest" "$apt_dest.debs"
	(cd "$apt_dest.debs" && stage "download $*" \
		apt_in "$apt_suite" apt-get download "$@") ||
		die "if the mirror has newer packages now, remove $cache/apt"
	for apt_deb in "$apt_dest.debs"/*.deb; do
		stage "unpack $(basename "$apt_deb")" \
			dpkg -x "$apt_deb" "$apt_dest"
	done
	rm -r "$apt_dest.debs"
}
