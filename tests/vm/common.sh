# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the scripts share that prepare kernels, compilers and whole systems: the cache
# folder, its locks, and packages from any Debian suite. Sourced, after lib.sh.
# shellcheck disable=SC2034,SC2154 # used by those who source this; lib.sh's

cache=${SHMRING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shmring}
case $cache in
*[[:space:]:,]*)
	die "the cache folder's name must do without spaces, colons and commas: $cache;" \
		"set SHMRING_CACHE to another"
	;;
esac

# lock NAME: one at a time; released when this (sub)shell ends
lock() {
	mkdir -p "$cache/lock"
	exec 9>"$cache/lock/$1"
	flock -n 9 || {
		say "waiting for another process that prepares $1"
		flock 9
	}
}

# begin DIR: true if DIR is still to be made; then it is empty and locked. It is complete
# with the file `ready`.
begin() {
	[ ! -e "$1/ready" ] || return 1
	lock "$(echo "${1#"$cache"/}" | tr / -)"
	[ ! -e "$1/ready" ] || return 1
	rm -rf "$1"
	mkdir -p "$1"
}

# stage TEXT COMMAND...: runs COMMAND with its output in a log file; says what
# it is doing, that it is still alive every 15 s, and how long it took.
stage() {
	stage_text=$1
	shift
	mkdir -p "$cache/log"
	stage_log=$cache/log/$(echo "$stage_text" | tr -c 'A-Za-z0-9._\n' '-' | cut -c 1-80).log
	stage_start=$(date +%s)
	say "$stage_text ..."
	(
		waited=0
		while sleep 1 && kill -0 $$ 2>/dev/null; do
			waited=$((waited + 1))
			[ $((waited % 15)) -ne 0 ] || say "$stage_text: ${waited} s"
		done
	) >/dev/null 9>&- &
	stage_ticker=$!
	stage_status=0
	"$@" >"$stage_log" 2>&1 || stage_status=$?
	kill $stage_ticker 2>/dev/null || :
	wait $stage_ticker 2>/dev/null || :
	if [ $stage_status -ne 0 ]; then
		tail -n 20 "$stage_log" >&2
		die "$stage_text failed ($stage_status), see $stage_log"
	fi
	say "$stage_text: done in $(($(date +%s) - stage_start)) s"
}

codename() {
	# shellcheck disable=SC1091
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# module_for KERNEL [SETTING...]: builds the module, from the top of the repository; sets
# what kernel.sh prints, and ko, the folder of the module
module_for() {
	described=$(tests/vm/kernel.sh "$1") && eval "$described" || return
	shift
	make -s modules KDIR="$KDIR" ARCH="$ARCH" "$@" || return
	ko=build/kmod-$RELEASE-$ARCH
}

# ------------------------------------------------------------------- packages
#
# From suites that this machine's apt does not have enabled, through a private apt state.
# Nothing is installed, and the system's own sources and lists are left alone.

apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine itself installs Debian from. apt reads its own
# configuration for us, so one-line and deb822 sources both work.
apt_mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v c="$(codename)" '$1 == c && $2 == "main" { print $3; exit }'
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
apt_open() (
	apt_new=$cache/apt/$1
	begin "$apt_new" || exit 0
	apt_uri=$(apt_mirror)
	[ -n "$apt_uri" ] || die "no Debian mirror in this machine's apt configuration;" \
		"add one to /etc/apt/sources.list"
	[ -e $apt_keyring ] || die "$apt_keyring is missing; install debian-archive-keyring"
	mkdir -p "$apt_new/lists/partial" "$apt_new/cache/archives/partial"
	echo "deb [signed-by=$apt_keyring] $apt_uri ${1%-"$(apt_arch_of "$1")"} main" >"$apt_new/sources.list"
	stage "package list of $1" apt_in "$1" apt-get update
	touch "$apt_new/ready"
)

# apt_newest SUITE REGEX: the package with the highest version in its name
apt_newest() {
	apt_in "$1" apt-cache search --names-only "^$2\$" | cut -d ' ' -f 1 | sort -V | tail -n 1
}

# apt_unpack SUITE DIR PACKAGE...: downloads and unpacks into DIR
apt_unpack() {
	apt_suite=$1
	apt_dest=$2
	shift 2
	apt_open "$apt_suite"
	mkdir -p "$apt_dest" "$apt_dest.debs"
	(cd "$apt_dest.debs" && stage "download $*" apt_in "$apt_suite" apt-get download "$@") ||
		die "if the mirror has newer packages now, remove $cache/apt"
	for apt_deb in "$apt_dest.debs"/*.deb; do
		stage "unpack $(basename "$apt_deb")" dpkg -x "$apt_deb" "$apt_dest"
	done
	rm -r "$apt_dest.debs"
}

# unpacked DIR SUITE PACKAGE...: makes sure that they are there, with nothing else
unpacked() (
	begin "$1" || exit 0
	unpacked_dir=$1 unpacked_suite=$2
	shift 2
	apt_unpack "$unpacked_suite" "$unpacked_dir" "$@"
	touch "$unpacked_dir/ready"
)
