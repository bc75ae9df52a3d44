#!/bin/sh
# SPDX-License-Identifier: MIT
# In a clean Debian, with this tree in /src: what README.md says about installing, and
# what a distribution does. Run by run.sh, as root.
# shellcheck disable=SC1091,SC2086,SC2154 # sourced; several words; what lib.sh sets
set -u
cd /src || exit 1
. tests/lib.sh
version=$(cat VERSION)
jobs=-j$(nproc)
triplet=
scratch

install_packages() {
	quietly env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# The packages that README.md names for the library
named() { sed -n 's/^    apt install \(make gcc libc6-dev .*\)/\1/p' README.md; }

says() { grep -q "$1" "$tmp/log"; }

compiled() { grep -q -e ' -c -o ' "$tmp/log"; }

# all_files: of this system, but for what is not shmring's to leave alone
all_files() {
	find / -xdev \( -path /src -o -path /tmp -o -path /proc -o -path /dev \
		-o -path /var/cache/ldconfig \) -prune -o -print | sort
}

same_files() { # same_files BEFORE
	all_files | diff "$1" - >"$tmp/diff" || { head -n 20 "$tmp/diff"; return 1; }
}

# The two programs of README.md, without anything of /src
build_programs() { # build_programs DIR FLAG...
	mkdir "$1" && (
		cd "$1" && shift &&
			awk '/^```/ { file = /^```c$/ ? ++n ".c" : ""; next } file { print >file }' \
				/src/README.md || exit
		for name in producer consumer; do
			source=$(grep -l "^/\* $name NAME" ./*.c) || exit
			# shellcheck disable=SC2046 # several flags
			cc "$source" -o $name $(pkg-config --cflags --libs libshmring) "$@" || exit
		done
	)
}

# Three lines go through a ring while both run: a producer that ends before there is a
# consumer takes the ring with it.
run_programs() ( # run_programs DIR
	export SHMRING_BACKEND=memfd
	ring=/installed.$$ out=$1/out
	mkfifo "$1/in" && : >"$out"
	"$1/producer" $ring <"$1/in" &
	producer=$!
	exec 3>"$1/in"
	until stdbuf -o0 timeout 60 "$1/consumer" $ring >"$out" 2>"$1/err"; do
		grep -q 'no such ring' "$1/err" && kill -0 $producer || exit 1
		sleep 0.1
	done 3>&- &
	consumer=$!
	printf 'line 0\nline 1\nline 2\n' >&3
	tries=0
	while [ "$(wc -l <"$out")" -lt 3 ] && [ $tries -lt 600 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	exec 3>&-
	wait $producer && wait $consumer &&
		[ "$(tr '\n' , <"$out")" = 'line 0,line 1,line 2,' ]
)

loads() { # loads PROGRAM LIBRARY
	ldd "$1" | grep -q "libshmring.so.0 => $2 "
}

versions_agree() {
	# shellcheck disable=SC2046 # several flags
	cc tests/install/version.c -o "$tmp/version" $(pkg-config --cflags --libs libshmring) &&
		[ "$("$tmp/version")" = "$version" ] &&
		[ "$(pkg-config --modversion libshmring)" = "$version" ] &&
		shmring --version | grep -qF "shmring $version " &&
		grep -q "^\.TH .*\"shmring $version\"" /usr/local/share/man/man7/shmring.7 &&
		[ "$(readlink -f /usr/local/lib/libshmring.so)" = /usr/local/lib/libshmring.so."$version" ]
}

symbols_are_recorded() {
	nm -D --defined-only /usr/local/lib/libshmring.so.0 | awk '$2 != "A" { print $3 }' |
		LC_ALL=C sort | diff libuser/libshmring.symbols -
}

# ------------------------------------------------------------------ README.md's way

as_readme_says() {
	# shellcheck disable=SC2046 # several packages
	check "a compiler" install_packages $(named | sed 's/pkg-config//')
	check "make, with nothing else" quietly make $jobs
	check "... says that liburing is left out" says 'left out.*liburing'
	check "... says what the benchmark is left without" says 'left out.* ck libqb dpdk boost'
	# shellcheck disable=SC2046
	check "what README.md names" install_packages $(named)
	all_files >"$tmp/before"
	check "make install" quietly make install
	check "README.md's programs are built" build_programs "$tmp/programs"
	check "... find the library" loads "$tmp/programs/producer" /usr/local/lib/libshmring.so.0
	check "... and run" run_programs "$tmp/programs"
	check "one version everywhere" versions_agree
	check "the recorded symbols" symbols_are_recorded
	check "make uninstall" quietly make uninstall
	check "... leaves nothing" same_files "$tmp/before"
}

own_prefix() {
	export PKG_CONFIG_PATH=/opt/shmring/lib/pkgconfig
	check "make install PREFIX=/opt/shmring" quietly make install PREFIX=/opt/shmring
	check "... says that the loader does not look there" says '^note:'
	check "programs from there are built" \
		build_programs "$tmp/opt" -Wl,-rpath,/opt/shmring/lib
	check "... and run" run_programs "$tmp/opt"
	check "make uninstall PREFIX=/opt/shmring" quietly make uninstall PREFIX=/opt/shmring
	check "... leaves nothing" same_files "$tmp/before"
	unset PKG_CONFIG_PATH
}

# --------------------------------------------------------------- a distribution's way

cppflags='-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wdate-time -D_FORTIFY_SOURCE=2'
cflags='-g -O2 -fstack-protector-strong -Wformat -Werror=format-security'
ldflags='-Wl,-z,relro -Wl,-z,now -Wl,--as-needed'

by_environment() {
	CPPFLAGS=$cppflags CFLAGS=$cflags CXXFLAGS=$cflags LDFLAGS=$ldflags \
		quietly make $jobs BUILD="$tmp/environment"
}

by_arguments() {
	quietly make $jobs BUILD="$tmp/arguments" CPPFLAGS="$cppflags" CFLAGS="$cflags" \
		CXXFLAGS="$cflags" LDFLAGS="$ldflags"
}

# of_flags BUILD: each program and the library are linked with theirs
of_flags() {
	for file in libuser/libshmring.so tools/shmring tools/bench; do
		readelf -d "$1/$file" | grep -q 'BIND_NOW\|Flags:.* NOW' ||
			{ echo "    $file is not"; return 1; }
	done
}

no_warnings() { ! grep -i 'warning\|redefined' "$tmp/log"; }

staged_well() {
	! find "$tmp/stage" ! -type d | sed "s,^$tmp/stage,," |
		grep -v "^/usr/\(bin\|include\|lib/$triplet\|share/man\)/" &&
		[ -x "$tmp/stage/usr/bin/shmring" ] &&
		[ -e "$tmp/stage/usr/lib/$triplet/libshmring.so.$version" ] &&
		grep -qx "libdir=\${prefix}/lib/$triplet" \
			"$tmp/stage/usr/lib/$triplet/pkgconfig/libshmring.pc"
}

nothing_staged() { [ -z "$(ls "$tmp/stage")" ]; }

as_distributions_do() {
	triplet=$(cc -dumpmachine)
	set -- BUILD="$tmp/arguments" PREFIX=/usr LIBDIR=/usr/lib/"$triplet" DESTDIR="$tmp/stage"
	for way in environment arguments; do
		check "flags of a distribution, by $way" by_$way
		check "... without a warning" no_warnings
		check "... reach all that is linked" of_flags "$tmp/$way"
	done
	check "make install DESTDIR=..." quietly make install "$@"
	check "... builds nothing anew" eval '! compiled'
	check "... puts all where it is told" staged_well
	check "... and nothing elsewhere" same_files "$tmp/before"
	check "make uninstall DESTDIR=..." quietly make uninstall "$@"
	check "... leaves nothing" nothing_staged
}

check "apt's lists" quietly apt-get update -q
as_readme_says
own_prefix
as_distributions_do
verdict
