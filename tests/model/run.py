#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the models of the wake-up protocol: wait.pml, waitset.pml and work.pml with
Spin, the litmus tests with herd7; and the library against a hostile peer, with CBMC. README.md says what each is about.
A right model must hold in every case, and a model that is broken on purpose must be found
broken.

  run.py [NAME...]    only those whose name contains one of these

spin.txt, waitset.txt, work.txt and cbmc.txt list the searches. LONG=1: the largest, too, which
take a third of the time.
"""
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests"))
from results import Results  # noqa: E402
from vm.common import variables  # noqa: E402

BUILD = TOP / "build/model"
LIMIT = 900  # seconds, for a single search


class Unexpected(Exception):
    """A search that ended otherwise than it should: what, and lines that say why."""

    def __init__(self, what, why=()):
        super().__init__(what)
        self.what, self.why = what, list(why)


def run(*command, cwd=None, log=None):
    """Runs a command, whose output is also left in a log."""
    ended = subprocess.run(
        ["timeout", str(LIMIT), *map(str, command)], cwd=cwd, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if log:
        log.write_text(ended.stdout, encoding="utf-8")
    return ended


def table(name):
    """The lines of a file, in words."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and line[0] != "#"]


def fresh(name):
    """An empty folder for a search."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def expect(want, got, name, details, folder, why):
    """Removes the files of a search that ended as expected, and prints a line."""
    if got != want:
        raise Unexpected(f"{name} is {got} ({details}; see {folder.relative_to(TOP)})", why)
    shutil.rmtree(folder)
    return f"{name} is {want} ({details})"


# ---------------------------------------------------------------------- Spin


# What lists the searches of each model.
SPIN = {"wait.pml": "spin.txt", "waitset.pml": "waitset.txt", "work.pml": "work.txt"}


def spin(model, want, name, flags):
    folder, start = fresh(f"{want}-{name}"), time.monotonic()
    log = folder / "log"
    for step in (["spin", *flags, "-a", HERE / model],
                 "gcc -O2 -w -DSAFETY -DCOLLAPSE -DNOFAIR -DMEMLIM=8000 -o pan pan.c".split()):
        built = run(*step, cwd=folder, log=log)
        if built.returncode:
            raise Unexpected(f"spin: {name} cannot be built", built.stdout.splitlines())
    said = run("./pan", "-m100000", cwd=folder, log=log).stdout
    states = re.search(r"(\S+) states, stored", said)
    if re.search("^pan:1: (invalid end state|assertion violated)", said, re.M):
        got = "broken"
    elif re.search("errors: 0$", said, re.M) and not re.search(
            "Search not completed|search depth too small|out of memory", said):
        got = "right"
    else:
        got = "unfinished"
    details = f"{states[1] if states else 'no'} states, {time.monotonic() - start:.0f} s"
    return expect(want, got, f"spin: {name}", details, folder, [
        f"flags: {' '.join(flags)} (README.md says how to see the trail)",
        *re.findall("^pan:.*", said, re.M)])


# ------------------------------------------------------ tools of newer Debian suites


class Tool:
    """Unpacked to the cache, with the libraries of its own suite; or missing, and why."""

    def __init__(self, name, suite, *packages):
        script = '. tests/lib.sh; . tests/vm/common.sh; ' \
            'd=$cache/$1; shift; unpacked "$d" "$@" && echo "$d"'
        ended = subprocess.run(["sh", "-c", script, "model", name, suite, *packages], cwd=TOP,
                               text=True, check=False, capture_output=True)
        sys.stderr.write(ended.stderr)
        self.folder, self.missing = Path(ended.stdout.strip() or "."), None
        if ended.returncode:
            self.missing = f"no {name}: {(ended.stderr.splitlines() or ['?'])[-1]}"

    def command(self, program):
        libraries = next(self.folder.rglob("libc.so.6")).parent
        loader = next(p for p in self.folder.rglob("ld-linux-*.so.?"))
        return [loader, "--library-path", f"{libraries}:{self.folder}/usr/lib",
                self.folder / "usr/bin" / program]


# ---------------------------------------------------------------------- herd7


def memory_model():
    """The kernel's own model, from its newest source; None if there is none."""
    kdir = variables("kernel.sh", "src-7.3").get("KDIR")
    makefile = Path(kdir, "Makefile").read_text() if kdir else ""
    source = re.search("^include (.*)/Makefile$", makefile, re.M)
    model = Path(source[1], "tools/memory-model") if source else Path("nowhere")
    return model if (model / "linux-kernel.cfg").exists() else None


def herd(tool, lkmm, file):
    name = f"herd: {file.relative_to(HERE).with_suffix('')}"
    options = {"lkmm": ["-conf", "linux-kernel.cfg"], "c11": ["-model", "rc11.cat"]}
    want = re.search(r"^ \* Result: (.*)", file.read_text(), re.M)[1]
    said = run(*tool.command("herd7"), "-set-libdir", tool.folder / "usr/share/herdtools7/herd",
               *options.get(file.parent.name, []), file, cwd=lkmm).stdout
    got = re.search(r"^Observation \S+ (\S+)", said, re.M)
    got = got[1] if got else "no result"
    if re.search("^Flag.*(race|undef)", said, re.M):
        got = "Race"  # anything may happen
    if got != want or re.search("^Warning", said, re.M):
        raise Unexpected(f"{name}: {got} instead of {want}", said.splitlines()[-20:])
    return f"{name}: {got}"


# ----------------------------------------------------------------------- CBMC

# No access out of bounds in the library, whatever the other side writes.
CBMC_CHECKS = "--bounds-check --pointer-check --pointer-overflow-check --signed-overflow-check " \
    "--div-by-zero-check --undefined-shift-check --unwinding-assertions " \
    "--drop-unused-functions --no-standard-checks"
HEADER, RUN = "include/shmring/fast.h", "include/shmring/run.h"
COPY, RING = "copy.c", "ring.c"
# By the name of what is wrong: the library's file, a text that goes and what comes instead,
# and perhaps another such pair.
BREAKS = {
    "reread-length": (HEADER, r"\*len = \(size_t\)n;",
                      "*len = (size_t)__shmring_read_header(payload);"),
    "no-window": (HEADER, r"n <= avail - sizeof\(struct shmring_record\)", "1"),
    "wrap-off-by-8": (HEADER, r"r->payload \+ \(position & r->mask\)", r"\g<0> + r->capacity + 8"),
    "head-unchecked": (HEADER, r"head - old > r->c\.tail - r->c\.held \+ r->span - old", "0"),
    "tail-unchecked": (HEADER, r"tail - old > r->p\.head - r->p\.staged - old", "0"),
    "slots-uncounted": (HEADER, r"max > avail \|\| max \* stride > avail", "0"),
    "stage-beyond-reserved": (HEADER, r" \|\| (next >|head !=) r->p\.end", ""),
    "step-too-far": (HEADER, r"tail = r->c\.end;", "tail = r->c.end + 8;"),
    "stale-peek": (HEADER, r"(?ms)(^void __shmring_refuse_data.*?)r->c\.end = r->c\.tail;", r"\1"),
    "run-unchecked": (RUN, r"need <= \(uint64_t\)\(run->space_end - run->at\)", "1",
                      r"n > avail - sizeof\(struct shmring_record\)", "0"),
    "mark-unchecked": (HEADER, r"at \+ r->stride - \(r->c\.tail - r->c\.held\) > r->span", "0"),
    "unmarked": (HEADER, r"\(__shmring_has_marks\(r\)\)\n\s+__shmring_write_marks", r"(0)\n__shmring_write_marks"),
    "staged-unmarked": (HEADER, r"(?s)(old -= r->p\.staged;)(.*?)(__shmring_write_marks\()r, old, head",
                        r"\1\2\3r, head, head"),
    "size-unchecked": (COPY, "len > size", "0"),
    "misaligned": (RING, r" && !\(position & \(step - 1\)\)", ""),
}


def broken_library(fault, folder):
    """A copy of the library with one thing wrong."""
    library = folder / "libuser"
    shutil.copytree(TOP / "libuser", library)
    file, *pairs = BREAKS[fault]
    text = (library / file).read_text()
    for old, new in zip(pairs[::2], pairs[1::2]):
        text, count = re.subn(old, new, text)
        if not count:
            raise Unexpected(f"cbmc: {fault}: {old} is not in {file}")
    (library / file).write_text(text)
    return library


def cbmc(tool, file, function, fault=None):
    want = "broken" if fault else "right"
    folder, start = fresh(f"cbmc-{file}-{fault or want}-{function}"), time.monotonic()
    library = broken_library(fault, folder) if fault else TOP / "libuser"
    variant = {"slow": ["-DSLOW_PATH"], "marked": ["-DMARKS"]}.get(file, [])
    # A ring has up to four slots with marks, whose marks are written one by one.
    unwind = ["--unwind", "6" if file in ("marked", "bind") else "3"]
    # Prefetches touch nothing; theirs would be a loop to unwind.
    ended = run(*tool.command("goto-cc"), "-D_GNU_SOURCE", "-D__SHMRING_PREFETCH=0", *variant,
                *(f"-I{i}" for i in (library / "include", library, TOP / "kmod/uapi")),
                HERE / "cbmc/hostile.c", HERE / f"cbmc/{file}.c", "-o", folder / "program",
                log=folder / "log")
    if ended.returncode == 0:
        # look.c compares positions by their signed distance.
        conversions = [] if file == "slow" else ["--conversion-check"]
        ended = run(*tool.command("cbmc"), "--function", function, *CBMC_CHECKS.split(),
                    *unwind, *conversions, folder / "program", log=folder / "log")
    said = ended.stdout
    verdict = re.search("^VERIFICATION (.*)", said, re.M)
    verdict = verdict[1] if verdict else ""
    got = {"SUCCESSFUL": "right", "FAILED": "broken"}.get(verdict, "unfinished")
    # Not for a loop that was cut, or a function that was not there.
    if got == "broken" and re.search(r"\.(unwind|no-body)\..*FAILURE", said):
        got = "unfinished"
    counted = re.search(r"^\*\* (\d+ of \d+) failed", said, re.M)
    details = f"{counted[1] if counted else 'no'} properties fail, {time.monotonic() - start:.0f} s"
    name = f"cbmc: {file} {function}, {fault}," if fault else f"cbmc: {file} {function}"
    return expect(want, got, name, details, folder, re.findall(".*FAILURE$", said, re.M))


# ------------------------------------------------------------------------ all


def spin_jobs(_):
    for model, searches in SPIN.items():
        for want, name, *flags in table(searches):
            if want != "long" or os.environ.get("LONG"):
                want = "broken" if want == "broken" else "right"
                yield name, lambda a=(model, want, name, flags): spin(*a)


def cbmc_jobs(results):
    tool = Tool("cbmc", "trixie", *"cbmc minisat libc6 libstdc++6 libgcc-s1 zlib1g".split())
    if tool.missing:
        results.skip("cbmc: all", tool.missing)
        return
    for file, function, *faults in table("cbmc.txt"):
        for fault in [None, *faults]:
            yield f"cbmc-{file}-{fault or ''}-{function}", \
                lambda a=(file, function, fault): cbmc(tool, *a)


def herd_jobs(results):
    """Debian has herd7 in sid alone."""
    tool = Tool("herd", "sid", *"herdtools7 libc6 libstdc++6 libgcc-s1 libgmp10".split())
    if tool.missing:
        results.skip("herd: all", tool.missing)
        return
    lkmm = memory_model()
    if not lkmm:
        results.skip("herd: lkmm", "no kernel source")
    for file in sorted(HERE.glob("*/*.litmus")):
        if lkmm or file.parent.name != "lkmm":
            yield str(file.relative_to(HERE)), lambda file=file: herd(tool, lkmm, file)


def main(words):
    BUILD.mkdir(parents=True, exist_ok=True)
    results = Results()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = [pool.submit(job) for kind in (spin_jobs, cbmc_jobs, herd_jobs)
                   for name, job in kind(results)
                   if not words or any(word in name for word in words)]
        for ended in as_completed(started):
            try:
                results.ok(ended.result())
            except Unexpected as unexpected:
                results.fail(unexpected.what, unexpected.why)
    results.end()


if __name__ == "__main__":
    main(sys.argv[1:])
