#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh: is what the documents say so? Man pages render without warnings, name
# what exists and all of it, have each error that the headers give, and examples
# that compile; README.md has the examples that are tested elsewhere.
#
# LIB, a directory with libshmring.a, links and runs the programs too.

set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
man=$root/libuser/man
header=$root/libuser/include/shmring.h
fast=$root/libuser/include/shmring/fast.h
run=$root/libuser/include/shmring/run.h
uring=$root/libuser/include/shmring_uring.h
uapi=$root/kmod/uapi/linux/shmring.h
CC=${CC:-cc}
LIB=${LIB:-$root/build/libuser}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

passed=0 failed=0 skipped=0

# ok/not ok for WHAT: failed if the file $tmp/out has anything in it.
verdict()
{
	if [ -s "$tmp/out" ]; then
		failed=$((failed + 1))
		echo "not ok $1"
		sed 's/^/# /' "$tmp/out"
	else
		passed=$((passed + 1))
		echo "ok $1"
	fi
	: > "$tmp/out"
}

skip()
{
	skipped=$((skipped + 1))
	echo "SKIP $1: $2"
}

# The text of a page with the fonts taken out: "shmring_fd (3)" is "shmring_fd(3)".
plain()
{
	sed -e 's/\\f[A-Z]//g' -e 's/ (\([1-9]\))/(\1)/g' -e 's/\\-/-/g' "$1"
}

compile()	# SOURCE OUTPUT-OPTIONS...
{
	source=$1
	shift
	"$CC" -std=gnu11 -Wall -Wextra -Werror -I"$root/kmod/uapi" -I"$root/libuser/include" \
		"$source" "$@" >> "$tmp/out" 2>&1
}

# Of these pages, those whose headers are installed.
needed()
{
	for page in $1; do
		[ "$liburing" = no ] && grep -q '#include <shmring_uring.h>' "$page" || echo "$page"
	done
}

# What a fragment may take as given.
prelude()
{
	for h in errno fcntl poll signal stdbool stdint stdio stdlib string sys/epoll \
		 sys/socket sys/wait time unistd shmring; do
		echo "#include <$h.h>"
	done
	[ "$liburing" = no ] || echo "#include <shmring_uring.h>"
	echo "#line 1 \"$1\""
}

check_rendering()
{
	for page in $pages; do
		groff -t -man -Tutf8 -ww -z "$page" 2>> "$tmp/out"
		grep -nE ' +$' "$page" >> "$tmp/out"
		head -2 "$page" | grep -q 'SPDX-License-Identifier: MIT$' || echo "$page: no SPDX line"
	done >> "$tmp/out"
	verdict "pages render without warnings"
}

check_sections()
{
	for page in $section3; do
		got=$(sed -n 's/^\.SH //p' "$page" | paste -sd,)
		[ "$got" = "NAME,SYNOPSIS,DESCRIPTION,RETURN VALUE,ERRORS,NOTES,EXAMPLES,SEE ALSO" ] ||
			echo "$page: $got"
	done >> "$tmp/out"
	verdict "section 3 pages have all sections, in order"
}

# The names in the NAME section of a page.
names_of()
{
	sed -n '/^\.SH NAME/,/^\.SH SYN/{/^\./d;p}' "$1" | tr -d ' \n' | sed 's/\\-.*//' |
		tr ',' '\n' | sed '/^$/d'
}

check_links()
{
	for page in $links; do
		target=$man/$(sed -n 's,^\.so man3/,,p' "$page")
		name=$(basename "$page" .3)
		if [ ! -f "$target" ]; then
			echo "$page: no target"
		elif ! names_of "$target" | grep -qx "$name"; then
			echo "$page: not in the NAME of $target"
		fi
	done >> "$tmp/out"
	for page in $pages; do
		section=${page##*.}
		for name in $(names_of "$page"); do
			[ -f "$man/$name.$section" ] || echo "$page: $name.$section is missing"
		done
	done >> "$tmp/out"
	verdict "each name has its page, and each link its target"
}

check_references()
{
	for page in $pages; do
		plain "$page" | grep -oE 'shmring[a-z_]*\([1-9]\)' | sort -u |
		while IFS='()' read -r name section _; do
			[ -f "$man/$name.$section" ] || echo "$page: $name($section) does not exist"
		done
	done >> "$tmp/out"
	verdict "cross references exist"
}

# The functions in the synopsis of a page.
functions_of()
{
	awk -f "$here/synopsis.awk" "$1" | grep -oE 'shmring_[a-z_]+\(' | tr -d '('
}

check_functions()
{
	awk -f "$here/errnos.awk" "$header" "$fast" "$run" "$uring" | cut -d' ' -f1 | sort -u > "$tmp/functions"
	[ -s "$tmp/functions" ] || echo "no functions found in the headers" >> "$tmp/out"
	for page in $section3; do
		functions_of "$page"
	done | sort -u > "$tmp/documented"
	diff "$tmp/functions" "$tmp/documented" >> "$tmp/out"
	for page in $section3; do
		names_of "$page" | sort > "$tmp/names"
		functions_of "$page" | sort | diff "$tmp/names" - | sed "s,^,$page: ,"
	done >> "$tmp/out"
	verdict "each function of the headers has a page, and each page only such"
}

# A prototype or structure that differs from the header's does not compile.
check_synopses()
{
	for page in $(needed "$section3"); do
		awk -f "$here/synopsis.awk" "$page" > "$tmp/synopsis" 2>> "$tmp/out"
		grep -q ');$' "$tmp/synopsis" || echo "$page: no prototype" >> "$tmp/out"
		{ prelude "$page"; cat "$tmp/synopsis"; } > "$tmp/synopsis.c"
		compile "$tmp/synopsis.c" -c -o "$tmp/synopsis.o"
	done
	verdict "synopses agree with the headers"
}

# The page of $1 says $2 in its ERRORS.
documents()
{
	page=$man/$1.3
	target=$(sed -n 's,^\.so man3/,,p' "$page" 2> /dev/null)
	plain "$man/${target:-$1.3}" 2> /dev/null | sed -n '/^\.SH ERRORS/,/^\.SH NOTES/p' |
		grep -qE -- "^\.BR? .*-$2( |\"|\$)"
}

check_errors()
{
	awk -f "$here/errnos.awk" "$header" "$fast" "$run" "$uring" | sort -u > "$tmp/errors"
	while read -r function error; do
		[ -z "$error" ] || documents "$function" "$error" ||
			echo "$function: $error is not in ERRORS"
	done < "$tmp/errors" >> "$tmp/out"
	verdict "each error in the headers is in its function's page"

	for page in $section3; do
		functions_of "$page" | sed 's/$/ /' > "$tmp/functions"
		grep -Ff "$tmp/functions" "$tmp/errors" | cut -d' ' -f2 | sort -u > "$tmp/names"
		plain "$page" | sed -n '/^\.SH ERRORS/,/^\.SH NOTES/{/^\.BR\{0,1\} -E/p}' |
			grep -oE 'E[A-Z][A-Z0-9]+' | sort -u | comm -23 - "$tmp/names" |
			sed "s,^,$page: its header does not have ,"
	done >> "$tmp/out"
	verdict "... and the pages have no others"

	grep -oE '\bE[A-Z][A-Z0-9]+\b' "$uapi" | grep -vx E2BIG | sort -u > "$tmp/errors"
	echo E2BIG >> "$tmp/errors"
	while read -r error; do
		grep -qE "^\.BR? .*\b$error\b" "$man/shmring.4" || echo "shmring.4: no $error"
	done < "$tmp/errors" >> "$tmp/out"
	grep -oE 'define SHMRING_IOC_[A-Z_]+' "$uapi" | cut -d' ' -f2 | grep -v _TYPE |
	while read -r request; do
		grep -qx "\.B $request" "$man/shmring.4" || echo "shmring.4: no $request"
	done >> "$tmp/out"
	verdict "each request and error of the ABI is in shmring.4"
}

check_facts()
{
	"$here/facts.sh" > "$tmp/out" 2>&1
	verdict "names, numbers and paths in the pages are so"
	{
		printf 'shmring.7\tup to 63 visible ASCII characters\tSHMRING_NAME_MAX == 63\n'
		printf '*\t/dev/shmring\tkmod/main.c: /dev/never\n'
		printf 'shmring.4\tnever said\t1\n'
	} > "$tmp/facts"
	"$here/facts.sh" "$tmp/facts" > "$tmp/got" 2>&1
	for complaint in 'is not so: SHMRING_NAME_MAX' 'is not so: kmod/main.c' 'not say "never said"' \
		'no fact has the number: 400' 'no fact has the path:  */proc/shmring'; do
		grep -q "$complaint" "$tmp/got" || echo "not noticed: $complaint" >> "$tmp/out"
	done
	verdict "... and would not be believed otherwise"
}

# Names of ours in the text, that are no file's: the sources have to have them.
check_identifiers()
{
	cat "$root"/kmod/*.[ch] "$root"/kmod/*/*.[ch] "$root"/libuser/*.[ch] "$root"/libuser/*/*.[ch] "$header" "$fast" "$run" "$uring" "$uapi" \
		"$root"/tests/vm/*.sh \
		> "$tmp/sources" 2> /dev/null
	for document in $pages "$root"/docs/*.md "$root/README.md"; do
		[ -f "$document" ] || continue
		plain "$document" | grep -oE '\b(__shmring_|shmring_|SHMRING_)[A-Za-z0-9_]*[A-Za-z0-9]' |
			sort -u | while read -r name; do
			grep -qw "$name" "$tmp/sources" || [ -e "$root/libuser/include/$name.h" ] ||
				echo "$document: $name does not exist"
		done
	done >> "$tmp/out"
	verdict "identifiers in the documents exist"
}

# The command's options are in a table in tools/args.c, its verbs are tools/cmd_*.c.
check_command()
{
	{
		sed -nE 's/^\t\{ \{ "([a-z-]+)",.*'"'(.)'"'.*/-\2 --\1/p' "$root/tools/args.c"
		for verb in "$root"/tools/cmd_*.c; do
			basename "$verb" .c | sed 's/^cmd_/verb /'
		done
	} | sort > "$tmp/want"
	grep -q '^-' "$tmp/want" || echo "no options found in tools/args.c" >> "$tmp/out"
	plain "$man/shmring.1" | sed -nE \
		-e 's/^\.BR (-.) ", " (--[a-z-]+).*/\1 \2/p' \
		-e 's/^\.BI "shmring ([a-z]+) .*/verb \1/p' | sort > "$tmp/got"
	diff "$tmp/want" "$tmp/got" >> "$tmp/out"
	verdict "shmring.1 has the options and verbs of the command"
}

# A program that runs keeps running: names are added to this list, none is taken away.
check_symbols()
{
	if [ ! -f "$LIB/libshmring.so" ]; then
		skip "the library exports what is recorded" "no $LIB/libshmring.so (make lib)"
		return
	fi
	nm -D --defined-only "$LIB/libshmring.so" | awk '$2 != "A" { print $3 }' |
		LC_ALL=C sort | diff "$root/libuser/libshmring.symbols" - >> "$tmp/out"
	verdict "the library exports what is recorded, with versions"
}

check_md_links()
{
	for document in "$root"/docs/*.md "$root/README.md"; do
		[ -f "$document" ] || continue
		grep -oE '\]\([^)#:]+\)' "$document" | sed 's/^](//;s/)$//' | while read -r path; do
			[ -e "$(dirname "$document")/$path" ] || echo "$document: $path is not there"
		done
	done >> "$tmp/out"
	verdict "links between the documents lead somewhere"
}

check_threats()
{
	"$root/tests/docs/threats.sh" > "$tmp/out" 2>&1
	verdict "docs/threats.md names tests that are there"
	sed '/^| M1 /d' "$root/docs/threats.md" > "$tmp/threats.md"
	# shellcheck disable=SC2016 # no command
	echo '| M1 | | | `system/abi_load:never_there` `tests/never_there` |' >> "$tmp/threats.md"
	echo '| M2 | | | none |' >> "$tmp/threats.md"
	"$root/tests/docs/threats.sh" "$tmp/threats.md" > "$tmp/got"
	for complaint in 'has no never_there' 'tests/never_there is not' 'no test: ' '52 rows'; do
		grep -q "$complaint" "$tmp/got" || echo "not noticed: $complaint" >> "$tmp/out"
	done
	verdict "... and would not be believed otherwise"
}

check_examples()
{
	for page in $(needed "$section3") "$man/shmring.7"; do
		rm -rf "$tmp/blocks" && mkdir "$tmp/blocks"
		awk -v dir="$tmp/blocks" -f "$here/blocks.awk" "$page" 2>> "$tmp/out"
		[ -f "$tmp/blocks/1.c" ] || echo "$page: no example" >> "$tmp/out"
		for block in "$tmp"/blocks/*.c; do
			[ -f "$block" ] || continue
			if grep -q '^int main' "$block"; then
				cp "$block" "$tmp/example.c"
				cp "$block" "$tmp/program.c"
			else
				{ prelude "$page"; cat "$block"; } > "$tmp/example.c"
			fi
			compile "$tmp/example.c" -c -o "$tmp/example.o"
		done
	done
	[ -f "$tmp/program.c" ] || echo "shmring.7: no complete program" >> "$tmp/out"
	verdict "examples in the man pages compile"
}

check_program()
{
	if [ ! -f "$LIB/libshmring.a" ]; then
		skip "the program in shmring.7 runs" "no $LIB/libshmring.a (make lib)"
		return
	fi
	compile "$tmp/program.c" "$LIB/libshmring.a" -pthread -o "$tmp/program"
	if [ ! -s "$tmp/out" ]; then
		printf 'line 0\nline 1\nline 2\n' > "$tmp/want"
		SHMRING_BACKEND=memfd timeout 60 "$tmp/program" > "$tmp/got" 2>> "$tmp/out" ||
			echo "exit status $?" >> "$tmp/out"
		diff "$tmp/want" "$tmp/got" >> "$tmp/out"
	fi
	verdict "the program in shmring.7 runs"
}

# compiled STANDARD SOURCE...: by both compilers, without a warning
compiled()
{
	case $1 in *++*) language=c++ ;; *) language=c ;; esac
	std=$1
	shift
	for cc in gcc clang; do
		command -v $cc > /dev/null || continue
		for source; do
			$cc -std="$std" -x $language -fsyntax-only -Wall -Wextra -Wconversion \
				-Wmissing-field-initializers -Werror -D_GNU_SOURCE -I"$root/kmod/uapi" \
				-I"$root/libuser/include" "$source" 2>&1
		done
	done >> "$tmp/out"
}

# README.md's programs are two of the examples, as check_readme() sees.
check_standards()
{
	for std in c11 c17 c2x c++11 c++14 c++17 c++20 c++2b; do
		for source in "$here/structs.c" $(needed "$(echo "$root"/libuser/examples/*.c)"); do
			compiled "$std" "$source"
		done
	done
	verdict "structs and examples compile from C11 to C23 and C++11 to C++23"
}

# README.md may leave the SPDX line of an example out.
same_as_example()
{
	for example in "$root"/libuser/examples/*.c; do
		cmp -s "$1" "$example" && return
		sed 1d "$example" | cmp -s "$1" - && return
	done
	return 1
}

check_readme()
{
	if [ ! -f "$root/README.md" ]; then
		echo "README.md is not there" > "$tmp/out"
		verdict "README.md has the examples"
		return
	fi
	rm -rf "$tmp/blocks" && mkdir "$tmp/blocks"
	awk -v dir="$tmp/blocks" -f "$here/blocks.awk" "$root/README.md" 2>> "$tmp/out"
	same=0
	for block in "$tmp"/blocks/*.c; do
		[ -f "$block" ] || continue
		if same_as_example "$block"; then
			same=$((same + 1))
		elif grep -q '^int main' "$block"; then
			echo "README.md: the program $(basename "$block" .c) is not in libuser/examples" \
				>> "$tmp/out"
		fi
	done
	[ "$same" -ge 2 ] || echo "README.md: not both programs of libuser/examples" >> "$tmp/out"
	verdict "README.md has the examples"

	for block in "$tmp"/blocks/*.c; do
		[ -f "$block" ] || continue
		if grep -q '^int main' "$block"; then
			cp "$block" "$tmp/example.c"
		else
			{ prelude README.md; cat "$block"; } > "$tmp/example.c"
		fi
		compile "$tmp/example.c" -c -o "$tmp/example.o"
	done
	verdict "code in README.md compiles"
}

: > "$tmp/out"
liburing=yes
echo '#include <liburing.h>' | "$CC" -x c -E - > /dev/null 2>&1 || liburing=no
[ "$liburing" = yes ] || skip "shmring_uring.3 agrees with its header" "no liburing"
pages='' links='' section3=''
for page in "$man"/*.[1-9]; do
	if grep -q '^\.so ' "$page"; then
		links="$links $page"
	else
		pages="$pages $page"
		case $page in *.3) section3="$section3 $page" ;; esac
	fi
done

if command -v groff > /dev/null; then
	check_rendering
else
	skip "pages render without warnings" "no groff"
fi
check_sections
check_links
check_references
check_functions
check_synopses
check_errors
check_facts
check_identifiers
check_command
check_symbols
check_md_links
check_threats
check_examples
check_program
check_standards
check_readme

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
