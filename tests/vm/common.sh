# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the scripts of this directory share: messages, stages, the cache folder.
# Sourced.

# shellcheck disable=SC2034  # used by those who source this
cache=${SHMRING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shmring}
prog=$(basename "$0")
case $cache in
*[[:space:]:,]*)
	echo "$prog: the cache folder's name must do without spaces, colons" \
		"and commas: $cache; set SHMRING_CACHE to another" >&2
	exit 1
	;;
esac

say() {
	echo "$prog: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# lock NAME: one at a time; released when this (sub)shell ends
lock() {
	mkdir -p "$cache/lock"
	exec 9>"$cache/lock/$1"
	flock -n 9 || {
		say "waiting for another process that prepares $1"
		flock 9
	}
}

# stage TEXT COMMAND...: runs COMMAND with its output in a log file; says what
# it is doing, that it is still alive every 15 s, and how long it took.
stage() {
	stage_text=$1
	shift
	mkdir -p "$cache/log"
	stage_log=$cache/log/$(echo "$stage_text" | tr -c 'A-Za-z0-9._\n' '-' |
		cut -c 1-80).log
	stage_start=$(date +%s)
	say "$stage_text ..."
	(
		waited=0
		while sleep 1 && kill -0 $$ 2>/dev/null; do
			waited=$((waited + 1))
			[ $((waited % 15)) -ne 0 ] ||
				say "$stage_text: ${waited} s"
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
