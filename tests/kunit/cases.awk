# SPDX-License-Identifier: MIT
# Each KUnit case in a kernel log that has the line MARK before them, and the totals:
#
#   awk -v mark=MARK -f cases.awk
#
# KTAP: a plan of the suites, then for each its own, four columns in. Lines that are no
# result belong to the next one.

function result(verdict, name) {
	print verdict " - " name
	count[verdict]++
}
function end_suite() {
	if (suite != "" && ended != planned)
		result("not ok", suite ": " ended + 0 " of " planned + 0 " cases ended")
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
	verdict = $1 == "ok" ? "ok" : "not ok"
	sub(/^    (not )?ok [0-9]+ (- )?/, "")
	result(verdict, suite "." $0)
	if (verdict != "ok")
		printf "%s", notes
	skipped += / # SKIP/
	notes = ""
	next
}
/^(not )?ok [0-9]+ / { end_suite(); next }
/^    (KTAP|# module:|# [a-z]+: pass:)/ || /^(KTAP|#)/ { next }
{ notes = notes "    " $0 "\n" }
END {
	end_suite()
	if (!started)
		result("not ok", "the kernel log goes back to the start of the run")
	if (seen + 0 != suites + 0 || !suites)
		result("not ok", seen + 0 " of " suites + 0 " suites began")
	printf "%d passed, %d failed, %d skipped\n", count["ok"] - skipped,
		count["not ok"], skipped
}
