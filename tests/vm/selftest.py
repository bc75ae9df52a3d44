#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shows that boot.py notices what it is there to notice: runs it on guests
that fail in each way, and on one that does not.

  selftest.py [KERNEL]    (default: uml)
"""
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from results import Results  # noqa: E402

RESULTS = Results()


def boot(command, *options):
    return subprocess.Popen(
        [HERE / "boot.py", "-n", "-k", *(sys.argv[1:] or ["uml"]), "-t", "60", *options,
         "--", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def check(text, good, said):
    RESULTS.check(text, [] if good else ["it said:", *said.splitlines()])


def expect(text, status, command, *options):
    """A guest that runs the command makes boot.py exit so. Returns what it says."""
    with boot(command, *options) as booted:
        said = booted.stdout.read()
    check(f"{text} ({booted.returncode})", booted.returncode == status, said)
    return said


def good_runs():
    expect("a good run passes", 0, "true")
    said = expect("so does one with output", 0, "echo out; echo error >&2")
    check("which arrives, and nothing else", said == "out\nerror\n", said)
    expect("the command's status is the result", 3, "exit 3")
    expect("harmless log lines pass", 0,
           'echo "shmring: debugging: no warning, no bug" >/dev/kmsg')


def reports():
    """All of what a kernel may print, in one guest: each line must be among those that boot.py
    shows, and one is enough."""
    said = expect("a report in the kernel log fails", 121,
                  f'while read -r line; do echo "$line" >/dev/kmsg; done <{HERE}/reports.txt')
    listed = (HERE / "reports.txt").read_text(encoding="utf-8").splitlines()
    for report in listed:
        check(f"found: {report}", report in said, said)
    one = f"echo '{listed[0]}' >/dev/kmsg"
    expect("one report is enough", 121, one)
    expect("a report outranks the command's status", 121, f"{one}; exit 3")


def bad_ends():
    began = time.monotonic()
    said = expect("a hang is ended", 124, "sleep 1000", "-t", "12")
    check("in time", time.monotonic() - began <= 20, said)
    check("and explained", re.search("hang: .*sleep 1000", said), said)
    expect("a panic fails", 125, "echo c >/proc/sysrq-trigger; sleep 60")
    expect("an early power-off fails", 125, "busybox poweroff -f")
    expect("a kernel that does not exist is refused", 122, "true", "-k", "none")
    with boot("echo up; sleep 20; echo alive") as booted:
        said = booted.stdout.readline()
        booted.terminate()
        said += booted.stdout.read()
    check(f"a signal ends a guest ({booted.returncode})",
          said == "up\n" and booted.returncode == 143, said)


if __name__ == "__main__":
    good_runs()
    reports()
    bad_ends()
    RESULTS.end()
