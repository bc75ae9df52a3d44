# SPDX-License-Identifier: MIT
"""Are the numbers, paths, packages and tests in the documents right? Each function yields
those that are not."""
import os
import re
import subprocess
from itertools import chain

from pages import MAN, ROOT, man_pages, without_fonts

CC = os.environ.get("CC", "cc")
FACTS = ROOT / "tests/docs/facts.txt"
THREATS = ROOT / "docs/threats.md"
THREAT_ROWS = 52
DOCUMENTS = [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def macros():
    """Every macro that stands for a value, whichever file it is in."""
    sources = chain.from_iterable(ROOT.glob("libuser/" + g) for g in (
        "*.[ch]", "kmod/*.[ch]", "memfd/*.[ch]", "examples/*.h"))
    pattern = re.compile(r"^#define[ \t]+([A-Z][A-Z0-9_]+)[ \t]+([^/\\\n]+)(?:/.*)?$", re.M)
    return "".join(f"#define {name} {value}\n" for source in sources
                   for name, value in pattern.findall(source.read_text(encoding="utf-8")))


def holds(claim, definitions):
    """Is it so? "FILE: TEXT", or an expression in C."""
    file, _, words = claim.partition(": ")
    if words and "/" in file:
        return words in read(file)
    program = "".join(f"#include <{h}.h>\n" for h in ("stddef", "shmring", "../../tools/tool"))
    program += definitions + f'_Static_assert({claim}, "");\n'
    return subprocess.run(
        [CC, "-w", "-std=gnu11", "-fsyntax-only", "-Ikmod/uapi", "-Ilibuser/include", "-xc", "-"],
        input=program, text=True, capture_output=True, check=False, cwd=ROOT).returncode == 0


def wrong_facts(facts=FACTS.read_text(encoding="utf-8")):
    """facts.txt against the sources and the pages, and the numbers and paths of the pages
    against facts.txt."""
    rows = [line.split("\t") for line in facts.splitlines() if line and line[0] != "#"]
    definitions = macros()
    for page in (p for p in man_pages() if not p.link):
        prose = left = page.prose()
        for where, words, claim in rows:
            if where in (page.name, "*") and words in prose:
                left = left.replace(words, "")
                if not holds(claim, definitions):
                    yield f'{page.name}: "{words}" is not so: {claim}'
            elif where == page.name:
                yield f'{page.name}: does not say "{words}" any more'
        for number in re.findall(r"(?<![\w.])(?:[2-9]|\d{2,}[KMG]?)\b[^.:,]{0,20}", left):
            yield f"{page.name}: no fact has the number: {number}"
        for path in re.findall(r"(?:^| )(/(?:dev|proc|sys|etc|usr|lib|run)/[^ ,;:]*)", left):
            yield f"{page.name}: no fact has the path: {path}"


def wrong_packages():
    """The packages that pkg-config is asked for must be in the lists to install."""
    for document in [*MAN.glob("*.[1-9]"), *DOCUMENTS]:
        text = without_fonts(document.read_text(encoding="utf-8"))
        text = re.sub(r"^\.[A-Z] ", "", text, flags=re.M)
        for package in re.findall(r"pkg-config [^)`\n]*?([a-z]+) ?(?=[)`\n])", text):
            if not (ROOT / f"libuser/{package}.pc.in").exists():
                yield f"{document.name}: no {package}.pc"


def wrong_proc_lines():
    """The columns of /proc/shmring and the lines of fdinfo are those that shmring(4) lists."""
    page = read("libuser/man/shmring.4").replace(r"\-", "-")
    columns = re.search(r'seq_puts\(m, "(name .*)\\n"', read("kmod/proc.c"))
    shown = (columns[1].split() if columns else []) + \
        re.findall(r'seq_printf\(m, "([a-z-]*):', read("kmod/query.c"))
    table = "".join(re.findall(r"^\.I /proc/shmring.*?^\.RE", page, re.M | re.S))
    fdinfo = "".join(re.findall(r"^\.I /proc/PID/fdinfo.*?^\.TP", page, re.M | re.S))
    listed = [name for line in re.findall(r"^\.TP\n(?:\.RI )?([a-z].*)", table, re.M)
              for name in line.split(' ", " ')] + \
        re.findall(r"^\.IR? ([a-z-]+)(?: ,)?$", fdinfo, re.M)
    if shown != listed:
        yield f"/proc shows {' '.join(shown)}"
        yield f"shmring.4 has {' '.join(listed)}"


def wrong_threats(text=THREATS.read_text(encoding="utf-8")):
    """Yields each test that is missing or that no code calls, each missing file, and each row
    that names neither."""
    named = r"`((?:system|kunit|unit)/[a-z_0-9]+):([a-z_0-9]+)`"
    path = r"`(tests/[a-z_0-9./]+)`"
    for name, function in sorted(set(re.findall(named, text))):
        file = ROOT / f"tests/{name}.c"
        # A function is named where it is defined, and where it is called or listed.
        if not file.exists():
            yield f"tests/{name}.c is not there"
        elif len(re.findall(rf"^.*\b{function}\b", file.read_text(encoding="utf-8"), re.M)) < 2:
            yield f"tests/{name}.c has no {function}, or does not call it"
    for file in sorted(set(re.findall(path, text))):
        if not (ROOT / file).exists():
            yield f"{file} is not there"
    rows = re.findall(r"^\| [MCIWDR][0-9]+ .*", text, re.M)
    for row in rows:
        if not re.search(f"{named}|{path}", row):
            yield f"no test: {row}"
    if len(rows) != THREAT_ROWS:
        yield f"{len(rows)} rows, not {THREAT_ROWS}"


# ------------------------------------------------- would something false be noticed?

def believed_facts():
    """Which of three planted falsehoods and two missing facts go unnoticed?"""
    said = "\n".join(wrong_facts(
        "shmring.7\tup to 63 visible ASCII characters\tSHMRING_NAME_MAX == 63\n"
        "*\t/dev/shmring\tkmod/main.c: /dev/never\n"
        "shmring.4\tnever said\t1\n"))
    return unsaid(said, ["is not so: SHMRING_NAME_MAX", "is not so: kmod/main.c",
                         'not say "never said"', "no fact has the number: 400",
                         "no fact has the path: /proc/shmring"])


def believed_threats():
    """Which of four planted faults go unnoticed?"""
    text = re.sub(r"^\| M1 .*\n", "", THREATS.read_text(encoding="utf-8"), flags=re.M)
    text += "| M1 | | | `system/abi_load:never_there` `tests/never_there` |\n| M2 | | | none |\n"
    return unsaid("\n".join(wrong_threats(text)), [
        "has no never_there", "tests/never_there is not", "no test: ", "53 rows"])


def unsaid(said, complaints):
    return [f"not noticed: {c}" for c in complaints if c not in said]
