#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which errors the library's headers give for each function.

  errnos.py HEADER...    prints them as rows of a table in C
"""
import re
import sys

# A comment, or a function that is declared or defined in the first column.
COMMENT_OR_FUNCTION = re.compile(
    r"^/\*(?P<comment>.*?)\*/|^[A-Za-z_][^(\n]*[ *](?P<function>shmring_[a-z_]+)\(", re.M | re.S)


def errors_of_functions(headers):
    """{function: {errors}}: the errors that the comment in front of the function says it
    returns; where the comment says "as shmring_other()", those of the other function too."""
    own, like, comment = {}, {}, ""
    for found in COMMENT_OR_FUNCTION.finditer(headers):
        if found["function"] is None:
            comment = found["comment"]
            continue
        returns = comment.partition("Returns")[2]
        own[found["function"]] = set(re.findall(r"\b(E[A-Z][A-Z0-9]+)\b", returns))
        like[found["function"]] = re.findall(r"\bas[\s*]+(shmring_[a-z_]+)\(\)", returns)
        comment = ""

    def all_errors(function, depth=3):
        others = like.get(function, []) if depth else []
        return own.get(function, set()).union(*(all_errors(o, depth - 1) for o in others))

    return {function: all_errors(function) for function in own}


def main(paths):
    headers = "".join(open(path, encoding="utf-8").read() for path in paths)
    for function, errors in errors_of_functions(headers).items():
        for error in sorted(errors):
            print(f'{{ "{function}", {error} }},')


if __name__ == "__main__":
    main(sys.argv[1:])
