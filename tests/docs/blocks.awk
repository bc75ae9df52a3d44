# SPDX-License-Identifier: MIT
# Write each C example of a file to DIR/1.c, DIR/2.c ...: of a man page what is
# between .EX and .EE under EXAMPLES, of Markdown what is between ```c and ```.

function start() { file = dir "/" ++nr ".c"; printf "" > file }

/^\.SH/ { examples = ($0 == ".SH EXAMPLES") }
/^\.EX/ && examples { start(); next }
/^```c$/ { start(); next }
/^(\.EE|```)/ { file = ""; next }
file && /^\.|^'/ { print FILENAME ":" FNR ": a request inside an example" > "/dev/stderr" }
file {
	if (FILENAME !~ /\.md$/) {
		gsub(/\\-/, "-")
		gsub(/\\\(aq/, "'")
		gsub(/\\\(dq/, "\"")
		gsub(/\\e/, "\\")
	}
	print > file
}
