#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints what the suite reaches of kmod/ and libuser/, and why it does not reach the rest.

  report.py REASONS DIR		(DIR: what was built to count, and has)

REASONS: a line "FILE FUNCTION: WHY", then, indented, the lines of it that are not
reached, as they are in the source. WHY may be "as above", or start with "seldom": the
line is reached in some runs.

Exit status: 1 if a line is not reached and has no reason, or has one and is reached.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

PARTS = "kmod/", "libuser/"


class Source:
    """The text of a file, and the function that each line is in."""

    def __init__(self, name):
        self.functions, self.lines = [], open(name, encoding="utf-8").read().splitlines()
        function = ""
        for line in self.lines:
            start = re.match(r"[a-z_][^;=]*?(\w+)\(", line)
            if start and not line.endswith(";"):
                function = start[1]
            self.functions.append(function)

    def key(self, name, number):
        return name, self.functions[number - 1], self.lines[number - 1].strip()


def counts_in(gcda):
    """The output of gcov for a file of counts: the lines of each source in kmod/ and libuser/."""
    out = subprocess.run(["gcov", "-j", "-t", "-b", gcda], capture_output=True, check=True)
    said = json.loads(out.stdout)
    for f in said["files"]:
        path = os.path.relpath(os.path.join(said["current_working_directory"], f["file"]))
        path = re.sub("^build/coverage/kmod-[^/]*/", "", path)  # kbuild's copy
        if re.match("(kmod|libuser)/(?!examples/)", path):
            yield path, f["lines"]


def read_coverage(top):
    """By file: the counts of the lines, by number, and of the branches, by line and branch."""
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    for gcda in pathlib.Path(top).rglob("*.gcda"):
        for name, found in counts_in(gcda):
            text = open(name, encoding="utf-8").read().splitlines()
            for line in found:
                number = line["line_number"]
                if text[number - 1].strip() == "}":
                    continue
                lines[name][number] += line["count"]
                for i, branch in enumerate(b for b in line["branches"] if not b["throw"]):
                    branches[name][number, i] += branch["count"]
    return lines, branches


def read_reasons(name):
    """By file, function and text of a line: why it is not reached."""
    reasons, file, function, why = {}, "", "", ""
    for line in open(name, encoding="utf-8").read().splitlines():
        if re.match(r"\s+\S", line):
            reasons[file, function, line.strip()] = why
        elif line and not line.startswith("#"):
            place, text = line.split(": ", 1)
            why = why if text == "as above" else text
            file, function = place.split()
    return reasons


def share(counts):
    reached = sum(1 for n in counts if n)
    return f"{reached:5}/{len(counts):<5} {100 * reached / max(len(counts), 1):5.1f} %"


def table(lines, branches):
    def row(name, files):
        print(f"{name:34}", share([n for f in files for n in lines[f].values()]),
              share([n for f in files for n in branches[f].values()]), sep="  ")

    print(f"{'':34}  {'lines':19}  branches")
    for part in PARTS:
        files = sorted(f for f in lines if f.startswith(part))
        for f in files:
            row(f, [f])
        row("all of " + part, files)


def main(reasons_name, top):
    lines, branches = read_coverage(top)
    reasons = read_reasons(reasons_name)
    table(lines, branches)
    used, bad = set(), 0
    for part in PARTS:
        if not any(n for f in lines if f.startswith(part) for n in lines[f].values()):
            print(f"*** nothing was counted of {part}")
            bad += 1
    print("\nnot reached:")
    for name in sorted(lines):
        source = Source(name)
        for number in sorted(n for n in lines[name] if not lines[name][n]):
            key = source.key(name, number)
            used.add(key)
            bad += key not in reasons
            print(f"{name}:{number}: {key[2]}\n\t{reasons.get(key, '*** NO REASON ***')}")
    for key, why in reasons.items():
        if key not in used and not why.startswith("seldom"):
            print("*** REACHED, or not there any more:", *key)
            bad += 1
    print(f"\n{bad} faults: lines without a reason, reasons without a line")
    return bad > 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
