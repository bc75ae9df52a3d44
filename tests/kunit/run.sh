#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the KUnit tests, in a guest, and says how each case ended.
#
#   run.sh SHMRING.KO SHMRING_KUNIT.KO
#
# Exit status: 1 if a case failed, or if one that was planned did not end; 77 if
# this kernel has no KUnit.
set -u

if [ $# -ne 2 ]; then
	sed -n 's/^#   \(run.sh\)/usage: \1/p' "$0" >&2
	exit 2
fi

if [ ! -d /sys/module/kunit ] && ! grep -q ' kunit_run_tests$' /proc/kallsyms; then
	echo "SKIP: this kernel has no KUnit"
	exit 77
fi

mark="shmring-kunit: run $$ of $(cat /proc/sys/kernel/random/uuid)"
trouble=0

insmod "$1" || exit 1
echo "<6>$mark" >/dev/kmsg
insmod "$2" || trouble=1

# KTAP: a plan of the suites, then for each its own, four columns in. Lines that
# are no result belong to the next one.
dmesg | sed 's/^\(<[0-9]*>\)*\[[^]]*\] \{0,1\}//' | awk -v mark="$mark" '
function missing(what) {
	print "not ok - " what
	failed++
}
function end_suite() {
	if (suite != "" && ended != planned)
		missing(suite ": " ended + 0 " of " planned + 0 " cases ended")
	suite = ""
}
index($0, mark) { started = 1; next }
!started { next }
/^1\.\.[0-9]+$/ { suites = substr($0, 4) + 0; next }
/^    # Subtest: / {
	end_suite()
	suite = $3
	planned = ended = 0
	seen++
	notes = ""
	next
}
/^    1\.\.[0-9]+$/ { planned = substr($0, 8) + 0; next }
/^    (not )?ok [0-9]+ / {
	ended++
	line = $0
	ok = sub(/^    ok [0-9]+ (- )?/, "", line)
	sub(/^    not ok [0-9]+ (- )?/, "", line)
	if (!ok) {
		failed++
		print "not ok - " suite "." line
		printf "%s", notes
	} else {
		if (line ~ /# SKIP/)
			skipped++
		else
			passed++
		print "ok - " suite "." line
	}
	notes = ""
	next
}
/^(not )?ok [0-9]+ / { end_suite(); next }
/^    (KTAP|# module:|# [a-z]+: pass:)/ || /^(KTAP|#)/ { next }
{ notes = notes "    " $0 "\n" }
END {
	end_suite()
	if (!started)
		missing("the kernel log does not go back to the start of the run")
	if (seen + 0 != suites + 0 || !suites)
		missing(seen + 0 " of " suites + 0 " suites began")
	if (!(passed + failed))
		missing("no case ran")
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0
}' || trouble=1

rmmod shmring_kunit || trouble=1
rmmod shmring || trouble=1
exit $trouble
