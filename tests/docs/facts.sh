#!/bin/bash
# SPDX-License-Identifier: MIT
# Says what of the numbers and paths in the man pages is not so, or is not in the list
# of facts (facts.txt says how that is made); and which package or line of /proc in the
# documents is not there.
#
#   facts.sh [FACTS [DIRECTORY]]	DIRECTORY: with the man pages
set -u
facts=${1:-$(dirname "$0")/facts.txt}
facts=$(realpath "$facts")
cd "$(dirname "$0")/../.." || exit 1
man=${2:-libuser/man}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# The text of a page in one line, without examples, prototypes and what roff needs.
text_of() {
	sed -E -e '/^\.EX/,/^\.EE/d' -e '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/d' \
		-e "/^(\.\\\\\"|'|\.TH|\.IP)/d" -e 's/^\.[A-Za-z]+ ?//' \
		-e 's/\\f[A-Z]//g; s/\\-/-/g; s/\\\(aq/'"'"'/g; s/\\\((dq|bu)//g; s/"//g' \
		-e 's/ *\([1-9]\)//g' "$1" | tr '\n\t' '  ' | tr -s ' '
}

# Every macro that stands for a value, whichever file it is in.
macros() {
	sed -nE 's,^#define[ 	]+([A-Z][A-Z0-9_]+)[ 	]+([^/\\]+)(/.*)?$,#define \1 \2,p' \
		libuser/*.[ch] libuser/kmod/*.[ch] libuser/memfd/*.[ch] libuser/examples/*.h
}

# holds WHAT: what a fact claims is so
holds() {
	local file=${1%%: *}

	if [[ $1 == *": "* && $file == */* ]]; then
		grep -qF -- "${1#*: }" "$file"
		return
	fi
	{
		printf '#include <%s.h>\n' stddef shmring ../../tools/tool
		macros
		echo "_Static_assert($1, \"\");"
	} | "${CC:-cc}" -w -std=gnu11 -fsyntax-only -Ikmod/uapi -Ilibuser/include -x c - 2>/dev/null
}

# check PAGE: takes what the facts have of it out of its text, and looks at the rest
check() {
	local page=$1 name text left where words what
	name=$(basename "$page")
	text=$(text_of "$page")
	left=$text
	while IFS=$'\t' read -r where words what; do
		[[ $where == "$name" || $where == '*' ]] || continue
		if [[ $text == *"$words"* ]]; then
			left=${left//"$words"/}
			holds "$what" || echo "$name: \"$words\" is not so: $what"
		elif [ "$where" = "$name" ]; then
			echo "$name: does not say \"$words\" any more"
		fi
	done < <(grep -P '^[^#\t]+\t' "$facts")
	grep -oP '(?<![\w.])([2-9]|\d{2,}[KMG]?)\b[^.:,]{0,20}' <<<"$left" |
		sed "s/^/$name: no fact has the number: /"
	grep -oE '(^| )/(dev|proc|sys|etc|usr|lib|run)/[^ ,;:]*' <<<"$left" |
		sed "s/^/$name: no fact has the path: /"
}

# What pkg-config is asked for has to be installed.
packages() {
	local document package

	for document in "$man"/*.[1-9] docs/*.md README.md; do
		sed 's/\\-/-/g; s/^\.[A-Z] //' "$document" | grep -oE 'pkg-config [^)`]*' | grep -oE '[a-z]+ ?$' |
			while read -r package; do
				[ -f "libuser/$package.pc.in" ] || echo "$document: no $package.pc"
			done
	done
}

# The columns of /proc/shmring and the lines of fdinfo are those that shmring(4) lists.
shown() {
	diff <(
		sed -nE 's/.*seq_puts\(m, "(name .*)\\n".*/\1/p' kmod/proc.c | xargs -n 1
		sed -nE 's/.*seq_printf\(m, "([a-z-]*):.*/\1/p' kmod/query.c
	) <(
		sed -n '/^\.I \/proc\/shmring/,/^\.RE/p' "$man/shmring.4" |
			grep -A 1 '^\.TP' | sed -E 's/\\-/-/g; s/^\.RI //; s/ ", " /\n/' | grep -E '^[a-z]'
		sed -n '/^\.I \/proc\/PID\/fdinfo/,/^\.TP/p' "$man/shmring.4" |
			sed -nE 's/\\-/-/; s/^\.IR? ([a-z-]+)( ,)?$/\1/p'
	) | sed 's/^/shmring.4: \/proc: /'
}

packages
shown
for page in "$man"/*.[1-9]; do
	grep -q '^\.so ' "$page" || check "$page"
done
