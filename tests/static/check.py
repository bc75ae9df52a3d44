#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks by compilers and checkers, which run no program; then, whether each checker finds
its planted fault in planted.c. Each function returns what is wrong.

  check.py
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
from results import Results  # noqa: E402
from vm.common import variables  # noqa: E402

BUILD = TOP / "build/static"
INCLUDES = ["-Ikmod/uapi", "-Ilibuser/include"]
PLANTED = ["tests/static/planted.c"]
ABI = "kmod/uapi/linux/shmring.h"


def run(*command, text=None):
    """The output of a command, and how it ended if badly."""
    ended = subprocess.run(list(map(str, command)), cwd=TOP, input=text, text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    bad = [f"exit status {ended.returncode}"] if ended.returncode else []
    return ended.stdout.splitlines() + bad


def files(*globs):
    return sorted(str(p.relative_to(TOP)) for g in globs for p in TOP.glob(g))


def committed(*globs):
    """The files of the repository, also those that are not committed yet."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", *globs)
    return [name for name in listed if (TOP / name).is_file()]


MODULE = files("kmod/*.[ch]", "kmod/compat/*.h")
LIBRARY = files("libuser/*.c", "libuser/kmod/*.c", "libuser/memfd/*.c")


# ---------------------------------------------------------------- the module


def module(name, *settings):
    """Builds the module anew; warnings, and whether it is there."""
    where = variables("kernel.sh", name)
    if not where:
        return [f"no kernel {name}"]
    folder = BUILD / f"kmod-{where['RELEASE']}-{where['ARCH']}"
    shutil.rmtree(folder, ignore_errors=True)
    said = run("make", "-s", "modules", f"BUILD={BUILD}", f"KDIR={where['KDIR']}",
               f"ARCH={where['ARCH']}", "KBUILD_MODPOST_WARN=1", *settings)
    bad = [line for line in said if re.search(r"(warning|error):|\*\*\*|undefined!", line)
           and "pahole version differs" not in line
           and (where["IMAGE"] or "modpost" not in line)]  # which knows no symbols then
    return bad if (folder / "kmod/shmring.ko").exists() else bad + ["it is not built"]


def checkpatch(sources):
    """The newest kernel's; compat.h is there to ask for the version."""
    folder = Path(variables("kernel.sh", "src-7.3").get("KDIR", "no kernel"))
    makefile = (folder / "Makefile").read_text(encoding="utf-8")
    source = re.search("^include (.*)/Makefile$", makefile, re.M)[1]
    return run("perl", f"{source}/scripts/checkpatch.pl", "--no-tree", "--strict", "--terse",
               "--no-summary", "--ignore", "LINUX_VERSION_CODE", "-f", *sources)


def coccinelle(rule, sources):
    """The lines that a rule marks."""
    return run("spatch", "--very-quiet", "--no-includes",
               "--sp-file", f"tests/static/{rule}.cocci", *sources)


# What there is of the module to attack: what, a pattern, and how often it may be there.
SURFACE = [
    ("lines of the module", "^", None),
    ("... without comments and blank lines", r"^\s*[^\s/*]", None),
    ("lock classes", r"_(MUTEX|SPIN_LOCK)[A-Z_]*\(|mutex_init\(|spin_lock_init\(|"
     r"init_waitqueue_head\(|init_rwsem\(", None),
    ("asynchronous callbacks", r"(timer_(setup|init)|hrtimer_(init|setup)|"
     r"INIT_(DELAYED_)?WORK|queue_work|schedule_work|call_rcu|kfree_rcu|irq_work|tasklet|"
     r"task_work_add|kthread_|register_[a-z_]*(notifier|shrinker))", 0),
    # fence.c wakes pollers after a grace period, once for a side of a ring; not on x86.
    ("work after a grace period, initialized and queued", r"(INIT_RCU_WORK|queue_rcu_work)\(", 2),
    ("pointers of user space that are kept",
     r"^\s.*__user[^()]*;|(->|\.)[a-z_]+ = [^;]*\buarg\b", 0),
]
OF_THE_ABI = [
    ("ioctls", r"^#define SHMRING_IOC_[A-Z_]+\s+_IO", None),
    ("commands of io_uring", r"^#define SHMRING_URING_[A-Z_]+\s+_IO", None),
]


def surface(sources, patterns=tuple(SURFACE), quiet=True):
    wrong = []
    for what, pattern, allowed in patterns:
        found = [f"{source}: {line}" for source in sources
                 for line in (TOP / source).read_text(encoding="utf-8").splitlines()
                 if re.search(pattern, line)]
        if not quiet:
            print(f"# {what}: {len(found)}")
        if allowed is not None and len(found) != allowed:
            wrong += [f"{what}: {len(found)}, not {allowed}", *found]
    return wrong


# --------------------------------------------------------------- the library


def headers(language, *flags):
    """The public headers compile alone. Those of liburing want _GNU_SOURCE since 2.9."""
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-D_GNU_SOURCE"]
    return [line
            for header in ("linux/shmring", "shmring/barrier", "shmring", "shmring_uring")
            for line in run("gcc", "-x", language, "-fsyntax-only", *strict, *flags, *INCLUDES, "-",
                            text=f"#include <{header}.h>\n")]


def padding():
    """Of a 32-bit program and a 64-bit kernel both must see the same."""
    return run("gcc", "-x", "c", "-fsyntax-only", "-Wpadded", "-Werror", "-Ikmod/uapi", "-",
               text="#include <linux/shmring.h>\n")


def holes(sources):
    """Of the structures in the sources, as pahole sees them."""
    with tempfile.NamedTemporaryFile(suffix=".o") as compiled:
        run("gcc", "-g", "-fno-eliminate-unused-debug-types", "-Ikmod/uapi", "-x", "c", "-c",
            "-o", compiled.name, *sources)
        said = run("pahole", compiled.name)
    if not any(line.startswith("struct") for line in said):
        return ["pahole found no structure", *said]
    return [line for line in said if re.search("XXX|holes:|padding:", line)]


def analyzer(sources):
    return [line for source in sources for line in run(
        "gcc", "-std=gnu11", "-fanalyzer", *INCLUDES, "-c", "-o", "/dev/null", source)]


def tidy(sources):
    noise = r"\d+ warnings? (generated|treated)|Suppressed|\[\d+/\d+\] Proc|Use -header-filter"
    said = run("clang-tidy", "--quiet", *sources, "--", "-std=gnu11", *INCLUDES)
    return [line for line in said if not re.match(noise, line)]


def models_sites():
    """The code has the accesses that the models assume."""
    said = run("perl", "tests/model/sites.pl")
    return [line for line in said if not re.match(r"ok - |\d+ passed, 0 failed$", line)]


def all_shell():
    return run("shellcheck", *committed("*.sh", ".ci/run"))


def all_text():
    return run("codespell", "-L", "te,bu",
               *committed("*.md", "*.[ch]", "*.sh", "*.py", "libuser/man/*"))


# ------------------------------------------------------------------- the run


def check_all(results):
    """What each of them says is wrong."""
    results.check("module, Linux 6.1, W=1 and sparse", module("debian-6.1", "W=1", "C=2"))
    results.check("module, Linux 6.12, W=1 and sparse", module("debian-6.12", "W=1", "C=2"))
    results.check("module, Linux 7.3, W=1", module("src-7.3", "W=1"))
    results.skip("module, Linux 7.3, sparse",
                 "sparse 0.6.4, the newest that Debian 12 and 13 have, is too old for its headers")
    results.check("module, Linux 7.3, User Mode Linux, W=1", module("uml", "W=1"))
    results.check("checkpatch --strict", checkpatch([*MODULE, ABI]))
    results.check("headers, C11", headers("c", "-std=c11"))
    results.check("headers, C++11", headers("c++", "-std=c++11"))
    results.check("the ABI has no padding", padding())
    results.check("the ABI has no holes, pahole", holes([ABI]))
    for rule in "double_fetch", "nospec", "pointers":
        results.check(f"coccinelle, {rule}", coccinelle(rule, files("kmod/*.[ch]")))
    results.check("gcc -fanalyzer", analyzer(LIBRARY))
    results.check("clang-tidy", tidy(LIBRARY))
    surface([ABI], OF_THE_ABI, quiet=False)
    results.check("a small surface", surface(MODULE, quiet=False))
    results.check("the code has the barriers that the models assume", models_sites())
    results.check("each planted fault fits its file",
                  run("python3", "tests/mutants/run.py", "--check"))
    results.check("shellcheck", all_shell())
    results.check("codespell", all_text())


def check_checkers(results):
    """Each of them can fail."""
    for name, said, pattern in (
            ("pahole sees a hole", holes(PLANTED), "XXX 7 bytes hole"),
            ("coccinelle sees two fetches of user space", coccinelle("double_fetch", PLANTED),
             r"^-.*copy_from_user\(to, from, sizeof"),
            ("coccinelle sees two loads of a position", coccinelle("double_fetch", PLANTED),
             "^-.*> 8"),
            ("coccinelle sees a plain load of a position", coccinelle("double_fetch", PLANTED),
             r"^-.*\(long\)\*side"),
            ("coccinelle sees an index of the caller's", coccinelle("nospec", PLANTED),
             "^-.*table.side->index"),
            ("coccinelle sees a copy of such an index", coccinelle("nospec", PLANTED),
             "^-.*table.i"),
            ("coccinelle sees an address printed", coccinelle("pointers", PLANTED), "^-.*%px"),
            ("gcc -fanalyzer sees a double free", analyzer(PLANTED), "Wanalyzer-double-free"),
            ("clang-tidy sees a vain comparison", tidy(PLANTED), "misc-redundant-expression"),
            ("a callback is counted", surface(PLANTED), "asynchronous callbacks: [1-9]"),
            ("a pointer that is kept is counted", surface(PLANTED), "are kept: [1-9]")):
        seen = any(re.search(pattern, line) for line in said)
        results.check(name, [] if seen else [f"it is blind to: {pattern}", *said])


def main():
    results = Results()
    check_all(results)
    check_checkers(results)
    results.end()


if __name__ == "__main__":
    main()
