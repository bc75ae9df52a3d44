# SPDX-License-Identifier: MIT
# From a man page: its synopsis as C. A structure becomes struct doc_NAME, and
# assertions that it is laid out like struct NAME.

# The arguments of a .B or .BI line: words, or "several words".
function arguments(line, separator,	out, n, word)
{
	for (n = 0; line != ""; n++) {
		sub(/^ +/, "", line)
		if (line ~ /^"/) {
			match(line, /^"[^"]*"?/)
			word = substr(line, 2, RLENGTH - 2)
		} else {
			match(line, /^[^ ]+/)
			word = substr(line, 1, RLENGTH)
		}
		line = substr(line, RLENGTH + 1)
		out = out (n ? separator : "") word
	}
	return out
}

/^\.SH/ { inside = ($0 == ".SH SYNOPSIS"); next }
!inside { next }
/^\.BI / { text = arguments(substr($0, 5), "") }
/^\.B / { text = arguments(substr($0, 4), " ") }
!/^\.BI? / { next }

text ~ /^struct [a-z_]+ \{$/ {
	split(text, words, " ")
	tag = words[2]
	nr = 0
	text = "struct doc_" tag " {"
}
tag && text ~ /;$/ && text != "};" {
	member = text
	sub(/(\[.*\])?;$/, "", member)
	sub(/.*[ *]/, "", member)
	members[nr++] = member
}
{ print text }
tag && text == "};" {
	printf "_Static_assert(sizeof(struct doc_%s) == sizeof(struct %s), \"size\");\n", tag, tag
	for (i = 0; i < nr; i++)
		printf "_Static_assert(offsetof(struct doc_%s, %s) == offsetof(struct %s, %s), \"%s\");\n",
			tag, members[i], tag, members[i], members[i]
	tag = ""
}
