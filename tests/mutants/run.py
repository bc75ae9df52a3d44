#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Do the tests notice faults? Plants one small fault after the other in a copy of the tree, runs
the tests that are to notice it, and prints which did.

  run.py [NAME...]    only faults whose name contains one of these
  run.py --check      plants nothing: does each fault fit its file?

faults.txt has the faults. Before anything is planted, all of these tests must pass on the
copy as it is. A fault that survives, no longer fits its file or keeps it from being built
fails the run. MUTANTS_DIR: the copy, and all that is built of it. FAULTS: another list.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from results import Results  # noqa: E402
from vm.common import variables  # noqa: E402

FAULTS = Path(os.environ.get("FAULTS", TOP / "tests/mutants/faults.txt"))
WORK = Path(os.environ.get("MUTANTS_DIR", TOP / "build/mutants")).resolve()
TREE, LOG = WORK / "tree", WORK / "log"
LIMIT = 40  # seconds, for a single test program; ten times what it takes


class Noticed(Exception):
    """A test failed."""


class CannotBuild(Exception):
    """The code under test could not be built."""


# ---------------------------------------------------------------- the faults


class Fault:
    """A text that goes, and the text that comes in its place."""

    def __init__(self, name, file, tests):
        self.name, self.file, self.tests = name, file, tests.split()
        self.old = self.new = None

    def planted(self, top):
        """The text of the file with the fault in it. The old text must be there exactly once,
        whatever its white space, and must change. Raises ValueError otherwise."""
        text = (top / self.file).read_text(encoding="utf-8")
        if self.old is None or self.new is None:
            raise ValueError("is not complete")
        pattern = r"\s+".join(map(re.escape, self.old.split()))
        count = len(re.findall(pattern, text))
        if count != 1:
            raise ValueError(f'stale: "{self.old}" is {count} times in {self.file}')
        new_text = re.sub(pattern, lambda _: self.new, text)
        if new_text == text:
            raise ValueError(f"stale: {self.file} stays the same")
        return new_text


def read_faults():
    faults = {}
    fault = None
    for number, line in enumerate(FAULTS.read_text(encoding="utf-8").splitlines(), 1):
        head = re.fullmatch(r"(\S+) \| (\S+) \| (\S.*)", line)
        if line.startswith("-") and fault and fault.old is None:
            fault.old = line[1:].removeprefix(" ")
        elif line.startswith("+") and fault and fault.new is None:
            fault.new = line[1:].removeprefix(" ")
        elif head and head[1] not in faults:
            fault = faults[head[1]] = Fault(*head.groups())
        elif line and not line.startswith("#"):
            sys.exit(f"{FAULTS}: line {number}: {line}")
    return list(faults.values())


# ------------------------------------------------ how a test builds and runs


def run(*command, log="test", **environment):
    """Runs a command in the copy, with its output in a log; returns its exit status."""
    with open(LOG / log, "a", encoding="utf-8") as out:
        return subprocess.run(
            list(map(str, command)), cwd=TREE, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=dict(os.environ, **environment), check=False).returncode


def expect_good(*command, **environment):
    if status := run(*command, **environment):
        raise Noticed(f"exit status {status}")


def read_log(name):
    return (LOG / name).read_text(encoding="utf-8", errors="replace")


def make(*arguments):
    (LOG / "build").unlink(missing_ok=True)
    if run("make", "-s", *arguments, log="build"):
        errors = re.findall(".*error.*", read_log("build"))
        raise CannotBuild(errors[0] if errors else arguments)


def unit_tests(names, folder, **settings):
    for name in names:
        program = WORK / folder / f"{name}_test"
        make("-C", "tests/unit", f"O={WORK / folder}", program,
             *(f"{k}={v}" for k, v in settings.items()))
        expect_good("timeout", "-k", 5, LIMIT, program, TSAN_OPTIONS="halt_on_error=1")


def build_system(names, folder="build/tests/system", *settings):
    make("lib")
    make("-C", "tests/system", *settings, *(f"../../{folder}/{name}" for name in names))
    return [f"{folder}/{name}" for name in names]


def module(kernel):
    """Builds the module for a kernel, and returns its folder."""
    is_ = variables("kernel.sh", kernel)
    if not is_:
        raise CannotBuild(f"no kernel {kernel}")
    make("modules", "KUNIT=1", f"KDIR={is_['KDIR']}", f"ARCH={is_['ARCH']}",
         f"BUILD={TREE}/build/{kernel}")
    return f"build/{kernel}/kmod-{is_['RELEASE']}-{is_['ARCH']}"


def guest(kernel, seconds, command, *files, scan=False):
    given = [word for file in files for word in ("-i", f"{file}:/tmp/{Path(file).name}")]
    expect_good("tests/vm/boot.py", *([] if scan else ["-n"]), "-t", seconds, "-k", kernel,
                "-l", LOG / "kernel", *given, "--", command)


def system_tests(kernel, names, scan=False):
    programs = " ".join(build_system(names))
    ko = module(kernel) + "/shmring.ko"
    guest(kernel, 50 + 15 * len(names),
          f"insmod {ko} && SHMRING_REQUIRE=kmod SHMRING_MESSAGES=5000 SHMRING_KO={ko} "
          f"tests/runtests.sh -t {LIMIT} {programs} && "
          "{ rmmod shmring || { echo 'not ok - rmmod'; false; }; }", scan=scan)


def kcsan_system_tests(names):
    """In a guest of its own files, with KCSAN and two CPUs; its shell starts in /tmp."""
    ko = module("kcsan") + "/shmring.ko"
    programs = build_system(names, "build/system-static", "STATIC=1", "O=../../build/system-static")
    guest("kcsan", 60 + 200 * len(names),
          "insmod shmring.ko && SHMRING_REQUIRE=kmod SHMRING_MESSAGES=2000000 "
          f"SHMRING_KO=shmring.ko tests/runtests.sh -t 200 {' '.join(names)} && rmmod shmring",
          ko, *programs)


def kunit(kernel, seconds):
    folder = module(kernel)
    modules = [f"{folder}/kmod/shmring.ko", f"{folder}/tests/kunit/shmring_kunit.ko"]
    if kernel == "kcsan":
        guest(kernel, seconds, "tests/guest.sh kunit shmring.ko shmring_kunit.ko", *modules)
    else:
        guest(kernel, seconds, f"tests/guest.sh kunit {' '.join(modules)}")


def memfd_tests(names):
    programs = build_system(names)
    expect_good("tests/runtests.sh", "-t", LIMIT, *programs, SHMRING_BACKEND="memfd")


def tool_tests():
    program = f"{TREE}/build/tools/shmring"
    make("lib")
    make("-C", "tools", f"O={TREE}/build/tools", program)
    expect_good("timeout", "-k", 5, LIMIT, "tests/tool/run.sh", program, "memfd")


# What a fault may name as its tests: KIND[:NAME,NAME]. The debug kernel has one CPU, KASAN,
# lockdep and kmemleak; uml has two CPUs.
KINDS = {
    "unit": lambda names: unit_tests(names, "unit"),  # tests/unit, with gcc
    "tsan": lambda names: unit_tests(names, "tsan", SAN="thread"),
    "asan": lambda names: unit_tests(names, "asan", SAN="address,undefined"),
    "memfd": memfd_tests,  # tests/system on the memfd backend, here
    "tool": lambda names: tool_tests(),  # the command, likewise
    "sites": lambda names: expect_good("perl", "tests/model/sites.pl"),  # the models' barriers
    "kunit": lambda names: kunit("uml", 120),  # all of tests/kunit
    "system": lambda names: system_tests("uml-debug", names),  # tests/system on the module
    "leaks": lambda names: system_tests("uml-debug", names, scan=True),  # with kmemleak's scan
    "smp": lambda names: system_tests("uml", names),
    "kcsan": kcsan_system_tests,
    "kcsan_kunit": lambda names: kunit("kcsan", 600),
}


def run_test(kind, names):
    """Raises Noticed or CannotBuild unless all is well."""
    (LOG / "test").unlink(missing_ok=True)
    KINDS[kind](names)


def split_test(test):
    kind, _, names = test.partition(":")
    return kind, names.split(",") if names else []


# ------------------------------------------------------------------- the run


def copy_tree():
    """Copies only files that differ, so that little is built anew."""
    LOG.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, text=True,
                            stdout=subprocess.PIPE, check=True).stdout
    for name in filter(lambda n: (TOP / n).is_file(), listed.splitlines()):
        source, copy = TOP / name, TREE / name
        if not copy.is_file() or source.read_bytes() != copy.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def how_noticed(noticed):
    """The tests that failed, or how the run ended."""
    log = read_log("test")
    failed = re.findall(r"^not ok (?:[0-9]+ )?- (.*)", log, re.M)
    reports = re.findall("BUG: .*|WARNING: .*|unreferenced object.*|Kernel panic.*|time is up.*|"
                         ".*Sanitizer.*", log)
    return "; ".join(failed[:2]) or (reports or [str(noticed)])[0]


def baseline(faults, results):
    """Does every test that will be used pass without a fault?"""
    wanted = {}
    for kind, names in (split_test(test) for fault in faults for test in fault.tests):
        wanted.setdefault(kind, set()).update(names)
    for kind, names in sorted(wanted.items()):
        what = f"{kind}:{','.join(sorted(names))}".rstrip(":")
        start = time.monotonic()
        try:
            run_test(kind, sorted(names))
        except (Noticed, CannotBuild) as why:
            log = read_log("test" if isinstance(why, Noticed) else "build")
            results.fail(f"nothing planted, and {what} fails: {why}", log.splitlines()[-40:])
            return False
        print(f"ok - nothing planted: {what} ({time.monotonic() - start:.0f} s)", flush=True)
    return True


def try_fault(fault, results):
    """Plants the fault, tests, takes it out again. Was it noticed?"""
    start = time.monotonic()
    try:
        text = fault.planted(TREE)
    except ValueError as why:
        results.fail(f"{fault.name}: {why}")
        return False
    try:
        (TREE / fault.file).write_text(text, encoding="utf-8")
        for test in fault.tests:
            run_test(*split_test(test))
        results.fail(f"{fault.name} survives {' '.join(fault.tests)} "
                     f"({time.monotonic() - start:.0f} s)")
    except Noticed as noticed:
        results.ok(f"{fault.name}: {test.partition(':')[0]}: {how_noticed(noticed)} "
                   f"({time.monotonic() - start:.0f} s)")
        return True
    except CannotBuild as why:
        results.fail(f"{fault.name}: cannot be built: {why}")
    finally:
        shutil.copy(TOP / fault.file, TREE / fault.file)
    return False


def main(words):
    faults = [f for f in read_faults() if not words or any(word in f.name for word in words)]
    if not faults:
        sys.exit("no such fault")
    os.environ["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    copy_tree()
    results = Results()
    if baseline(faults, results):
        caught = sum(try_fault(fault, results) for fault in faults)
        print(f"\nmutation score: {caught} of {len(faults)}")
    results.end()


def check():
    """Says which faults do not fit their files."""
    bad = []
    for fault in read_faults():
        try:
            fault.planted(TOP)
        except ValueError as why:
            bad.append(f"{fault.name}: {why}")
        bad += [f"{fault.name}: no test {test}" for test in fault.tests
                if split_test(test)[0] not in KINDS]
    sys.exit("\n".join(bad) if bad else 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    main(sys.argv[1:])
