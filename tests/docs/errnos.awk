# SPDX-License-Identifier: MIT
# From the headers of the library: "function errno" for each error that the comment in front of a
# function says it returns; where that is "as shmring_other()", for those of the
# other too.

/^\/\*/ { comment = "" }
/^\/\*/, /\*\// { comment = comment " " $0; next }

# A function: a declaration, or an inline one, that starts in the first column.
/^[A-Za-z_].*[ *]shmring_[a-z_]+\(/ && !/^(typedef|struct|enum) [a-z_]+ \{/ {
	name = $0
	sub(/\(.*/, "", name)
	sub(/.*[ *]/, "", name)
	functions[name] = 1
	if (!sub(/.*Returns/, "", comment))
		comment = ""
	n = split(comment, word, /[^A-Za-z_()]+/)
	for (i = 1; i <= n; i++) {
		if (word[i] ~ /^\(?E[A-Z][A-Z0-9]+\)?$/)
			own[name] = own[name] " " word[i]
		if (word[i] == "as" && word[i + 1] ~ /^shmring_[a-z_]+\(\)$/)
			like[name] = like[name] " " substr(word[i + 1], 1, length(word[i + 1]) - 2)
	}
	comment = ""
}

function print_errors(name, from, depth,	i, n, list)
{
	n = split(own[from], list, " ")
	for (i = 1; i <= n; i++)
		print name, list[i]
	n = split(like[from], list, " ")
	for (i = 1; depth && i <= n; i++)
		print_errors(name, list[i], depth - 1)
}

END {
	for (name in functions) {
		print name
		print_errors(name, name, 3)
	}
}
