# SPDX-License-Identifier: MIT
"""Counts and prints results for the suite's Python programs; lib.sh does it for the shell."""
import sys


class Results:
    """One line for each test, then a last line with the totals."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def ok(self, name):
        self.passed += 1
        print(f"ok - {name}", flush=True)

    def fail(self, name, why=()):
        self.failed += 1
        print(f"not ok - {name}", *(f"    {line}" for line in why), sep="\n", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"ok - {name} # SKIP {reason}", flush=True)

    def check(self, name, complaints):
        """Passes if there are no complaints."""
        complaints = list(complaints)
        if complaints:
            self.fail(name, complaints)
        else:
            self.ok(name)

    def end(self):
        """Prints the totals, and ends the program."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(self.failed > 0 or self.passed == 0)
