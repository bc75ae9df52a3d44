#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Do the documents agree with the code? Man pages render without warnings, name all that exists
and nothing else, have each error that the headers give, and examples that compile; README.md has
the examples that are tested elsewhere.

  check.py    (CC: the compiler; LIB: a directory with libshmring, which runs programs too)

CHECKS, at the end, lists what is checked. Each check yields what is wrong.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from difflib import unified_diff
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import facts  # noqa: E402
from errnos import errors_of_functions  # noqa: E402
from facts import CC, DOCUMENTS, read  # noqa: E402
from pages import MAN, ROOT, man_pages, markdown_examples, without_fonts  # noqa: E402
from results import Results  # noqa: E402

LIB = Path(os.environ.get("LIB", ROOT / "build/libuser"))
EXAMPLES = sorted(ROOT.glob("libuser/examples/*.c"))
STANDARDS = "c11 c17 c2x c++11 c++14 c++17 c++20 c++2b".split()
UAPI = read("kmod/uapi/linux/shmring.h")
HEADERS = sorted(ROOT.glob("libuser/include/**/*.h"))
ERRORS = errors_of_functions("".join(h.read_text(encoding="utf-8") for h in HEADERS))

ALL = man_pages()
PAGES = [p for p in ALL if not p.link]
SECTION3 = [p for p in PAGES if p.name.endswith(".3")]
BY_NAME = {p.name: p for p in ALL}


def run(*command, **options):
    return subprocess.run(list(map(str, command)), text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def differences(want, got):
    """The lines that only one of the two has."""
    lines = unified_diff(sorted(want), sorted(got), "missing", "too many", n=0, lineterm="")
    return [line for line in lines if not line.startswith("@@")]


# ----------------------------------------------------------------- compilers

LIBURING = run(CC, "-xc", "-E", "-", input="#include <liburing.h>\n").returncode == 0
INCLUDED = "errno fcntl poll signal stdbool stdint stdio stdlib string sys/epoll sys/socket " \
    "sys/wait time unistd shmring shmring/hub shmring/group" + " shmring_uring" * LIBURING


def can_compile(text):
    return LIBURING or "#include <shmring_uring.h>" not in text


def as_program(text, where):
    """Adds the headers to a fragment, and leaves a program as it is."""
    if re.search(r"^int main", text, re.M):
        return text
    return "".join(f"#include <{h}.h>\n" for h in INCLUDED.split()) + f'#line 1 "{where}"\n' + text


def compile_c(text, *output, cc=CC, std="gnu11", more=()):
    language = "c++" if "++" in std else "c"
    return run(cc, f"-std={std}", "-Wall", "-Wextra", "-Werror", *more, f"-I{ROOT}/kmod/uapi",
               f"-I{ROOT}/libuser/include", f"-x{language}", "-", "-xnone",
               *(output or ["-c", "-o", "/dev/null"]), input=text).stdout.splitlines()


# -------------------------------------------------------------- the man pages

def rendering():
    for page in PAGES:
        yield from run("groff", "-t", "-man", "-Tutf8", "-ww", "-z", page.path).stdout.splitlines()
        if re.search(" +$", page.text, re.M):
            yield f"{page.name}: space at the end of a line"
        if not re.search("SPDX-License-Identifier: MIT$", page.text[:200], re.M):
            yield f"{page.name}: no SPDX line"


def sections():
    want = ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS", "NOTES", "EXAMPLES",
            "SEE ALSO"]
    return [f"{p.name}: {p.sections()}" for p in SECTION3 if p.sections() != want]


def links():
    for link in ALL:
        if link.link and link.link not in BY_NAME:
            yield f"{link.name}: no target"
        elif link.link and link.path.stem not in BY_NAME[link.link].names():
            yield f"{link.name}: not in the NAME of {link.link}"
    for page in PAGES:
        for name in page.names():
            if name + page.path.suffix not in BY_NAME:
                yield f"{page.name}: {name}{page.path.suffix} is missing"


def references():
    for page in PAGES:
        for name, section in set(re.findall(r"(shmring[a-z_]*)\(([1-9])\)", page.plain)):
            if f"{name}.{section}" not in BY_NAME:
                yield f"{page.name}: {name}({section}) does not exist"


def functions():
    yield from differences(ERRORS, {f for page in SECTION3 for f in page.functions()})
    for page in SECTION3:
        yield from (f"{page.name}: {line}" for line in differences(page.names(), page.functions()))


def synopses():
    """A prototype or structure that differs from the header's does not compile."""
    for page in filter(lambda p: can_compile(p.text), SECTION3):
        if not re.search(r"\);$", page.synopsis(), re.M):
            yield f"{page.name}: no prototype"
        yield from compile_c(as_program(page.synopsis(), page.name))


def errors_documented():
    for function, errors in ERRORS.items():
        page = BY_NAME.get(function + ".3")
        page = BY_NAME.get(page.link, page) if page else None
        for error in sorted(errors - (page.errors() if page else set())):
            yield f"{function}: {error} is not in ERRORS"


def errors_true():
    for page in SECTION3:
        want = set().union(*(ERRORS.get(f, set()) for f in page.functions()))
        for error in sorted(page.errors() - want):
            yield f"{page.name}: its header does not have {error}"


def abi_documented():
    page = BY_NAME["shmring.4"].plain
    for error in sorted({"E2BIG", *re.findall(r"\bE[A-Z][A-Z0-9]+\b", UAPI)}):
        if not re.search(rf"^\.BR? .*\b{error}\b", page, re.M):
            yield f"shmring.4: no {error}"
    for request in re.findall(r"define (SHMRING_IOC_(?!TYPE)[A-Z_]+)", UAPI):
        if not re.search(rf"^\.B {request}$", page, re.M):
            yield f"shmring.4: no {request}"


def command():
    """The command's options are in a table in tools/args.c, its verbs are tools/cmd_*.c."""
    options = re.findall(r"""^\t\{ \{ "([a-z-]+)",.*'(.)'""", read("tools/args.c"), re.M)
    if not options:
        yield "no options found in tools/args.c"
    verbs = [f"verb {file.stem[4:]}" for file in ROOT.glob("tools/cmd_*.c")]
    page = BY_NAME["shmring.1"].plain
    yield from differences(
        verbs + [f"-{short} --{long}" for long, short in options],
        [" ".join(pair) for pair in re.findall(r'^\.BR (-.) ", " (--[a-z-]+)', page, re.M)] +
        [f"verb {verb}" for verb in re.findall(r'^\.BI "shmring ([a-z]+) ', page, re.M)])


# ------------------------------------------------------------- all documents

def identifiers():
    """Names of shmring in the text, other than names of files: the sources must have them."""
    places = "kmod/*.[ch] kmod/*/*.[ch] kmod/uapi/linux/*.h libuser/*.[ch] libuser/*/*.[ch] " \
        "libuser/include/shmring/*.h tests/vm/*.sh"
    sources = [file for place in places.split() for file in ROOT.glob(place)]
    known = {f.stem for f in ROOT.glob("libuser/include/*.h")}
    known.update(*(re.findall(r"\w+", f.read_text(encoding="utf-8")) for f in sources))
    for path in [p.path for p in PAGES] + DOCUMENTS:
        text = without_fonts(path.read_text(encoding="utf-8"))
        names = re.findall(r"\b(?:__shmring_|shmring_|SHMRING_)[A-Za-z0-9_]*[A-Za-z0-9]", text)
        for name in sorted(set(names) - known):
            yield f"{path.name}: {name} does not exist"


def document_links():
    for document in DOCUMENTS:
        for path in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            if not (document.parent / path).exists():
                yield f"{document.name}: {path} is not there"


def true_facts():
    yield from facts.wrong_facts()
    yield from facts.wrong_packages()
    yield from facts.wrong_proc_lines()


# ------------------------------------------------------------- what is built

def symbols():
    """A program that runs keeps running: names are added to this list, none is taken away."""
    exported = run("nm", "-D", "--defined-only", LIB / "libshmring.so").stdout.splitlines()
    got = [line.split()[2] for line in exported if line.split()[1] != "A"]
    return differences(read("libuser/libshmring.symbols").splitlines(), got)


def man_examples():
    for page in filter(lambda p: can_compile(p.text), [*SECTION3, BY_NAME["shmring.7"]]):
        if not page.examples():
            yield f"{page.name}: no example"
        for block in page.examples():
            if re.search("^[.']", block, re.M):
                yield f"{page.name}: a request inside an example"
            yield from compile_c(as_program(block, page.name))


def man_program():
    programs = [b for b in BY_NAME["shmring.7"].examples() if re.search("^int main", b, re.M)]
    if not programs:
        yield "shmring.7: no complete program"
        return
    with tempfile.TemporaryDirectory() as folder:
        complaints = compile_c(programs[-1], LIB / "libshmring.a", "-pthread",
                               "-o", f"{folder}/program")
        yield from complaints
        if not complaints:
            ended = run("timeout", "60", f"{folder}/program",
                        env=dict(os.environ, SHMRING_BACKEND="memfd"))
            if ended.returncode or ended.stdout != "line 0\nline 1\nline 2\n":
                yield f"exit status {ended.returncode}: {ended.stdout}"


def standards():
    """README.md's programs are two of these, as readme_examples() sees."""
    strict = ("-Wconversion", "-Wmissing-field-initializers", "-D_GNU_SOURCE")
    compilers = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
    for source in [ROOT / "tests/docs/structs.c", *EXAMPLES]:
        text = f'#line 1 "{source}"\n' + source.read_text(encoding="utf-8")
        for cc in compilers if can_compile(text) else ():
            for std in STANDARDS:
                yield from compile_c(text, "-fsyntax-only", f"-I{source.parent}", cc=cc, std=std,
                                     more=strict)


def readme_examples():
    """README.md may leave the SPDX line of an example out."""
    programs = [e.read_text(encoding="utf-8") for e in EXAMPLES]
    programs += [p.partition("\n")[2] for p in programs]
    same = 0
    for block in markdown_examples(read("README.md")):
        same += block in programs
        if block not in programs and re.search("^int main", block, re.M):
            yield f"README.md: not in libuser/examples: {block.partition(chr(10))[0]}"
    if same < 2:
        yield "README.md: not both programs of libuser/examples"


def readme_code():
    for block in markdown_examples(read("README.md")):
        yield from compile_c(as_program(block, "README.md"))


NO_GROFF = not shutil.which("groff") and "no groff"
NO_LIB = not (LIB / "libshmring.so").exists() and f"no {LIB}/libshmring.so (make lib)"
CHECKS = [  # what, how, and why not
    ("pages render without warnings", rendering, NO_GROFF),
    ("section 3 pages have all sections, in order", sections),
    ("each name has its page, and each link its target", links),
    ("cross references exist", references),
    ("each function of the headers has a page, and each page only such", functions),
    ("synopses agree with the headers", synopses),
    ("each error in the headers is in its function's page", errors_documented),
    ("... and the pages have no others", errors_true),
    ("each request and error of the ABI is in shmring.4", abi_documented),
    ("names, numbers and paths in the pages are so", true_facts),
    ("... and would not be believed otherwise", facts.believed_facts),
    ("identifiers in the documents exist", identifiers),
    ("shmring.1 has the options and verbs of the command", command),
    ("the library exports what is recorded, with versions", symbols, NO_LIB),
    ("links between the documents lead somewhere", document_links),
    ("docs/threats.md names tests that are there", facts.wrong_threats),
    ("... and would not be believed otherwise", facts.believed_threats),
    ("examples in the man pages compile", man_examples),
    ("the program in shmring.7 runs", man_program, NO_LIB),
    ("structs and examples compile from C11 to C23 and C++11 to C++23", standards),
    ("README.md has the examples", readme_examples),
    ("code in README.md compiles", readme_code),
]


def main():
    results = Results()
    if not LIBURING:
        results.skip("shmring_uring.3 and what includes liburing", "no liburing")
    for name, check, *reasons in CHECKS:
        if any(reasons):
            results.skip(name, reasons[0])
        else:
            results.check(name, check())
    results.end()


if __name__ == "__main__":
    main()
