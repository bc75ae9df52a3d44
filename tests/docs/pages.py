# SPDX-License-Identifier: MIT
"""Reads the man pages: their names, sections, synopses and examples."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAN = ROOT / "libuser/man"


def without_fonts(text):
    """"shmring_fd (3)" is "shmring_fd(3)", whatever its font."""
    text = re.sub(r"\\f[A-Z]", "", text).replace(r"\-", "-")
    return re.sub(r" (\([1-9]\))", r"\1", text)


class Page:
    """A man page, or a link to one."""

    def __init__(self, path):
        self.path, self.name = path, path.name
        self.text = path.read_text(encoding="utf-8")
        self.plain = without_fonts(self.text)
        link = re.match(r"\.so man3/(\S+)", self.text)
        self.link = link and link[1]

    def sections(self):
        return re.findall(r"^\.SH (.*)", self.text, re.M)

    def section(self, title, text=None):
        """The lines of a section, without its title."""
        found = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", text or self.text, re.M | re.S)
        return found[1] if found else ""

    def names(self):
        """What the section NAME says that the page is about."""
        lines = [line for line in self.section("NAME").splitlines() if not line.startswith(".")]
        return [n for n in re.sub(r"\\-.*|\s", "", " ".join(lines)).split(",") if n]

    def synopsis(self):
        """The synopsis as C. A structure becomes struct doc_NAME, and assertions that it is
        laid out like struct NAME."""
        lines, tag, members = [], None, []
        for macro, rest in re.findall(r"^\.(BI?) (.*)", self.section("SYNOPSIS"), re.M):
            words = [quoted or word for quoted, word in re.findall(r'"([^"]*)"?|(\S+)', rest)]
            line = ("" if macro == "BI" else " ").join(words)
            start = re.fullmatch(r"struct ([a-z_]+) \{", line)
            member = re.search(r"([a-z_]+)(\[.*\])?;$", line)
            if start:
                tag, members = start[1], []
                line = f"struct doc_{tag} {{"
            elif tag and member:
                members.append(member[1])
            lines.append(line)
            if tag and line == "};":
                doc, real = f"struct doc_{tag}", f"struct {tag}"
                lines.append(f'_Static_assert(sizeof({doc}) == sizeof({real}), "size");')
                for m in members:
                    lines.append(
                        f'_Static_assert(offsetof({doc}, {m}) == offsetof({real}, {m}) && '
                        f'sizeof((({doc} *)0)->{m}) == sizeof((({real} *)0)->{m}), "{m}");')
                tag = None
        return "\n".join(lines) + "\n"

    def functions(self):
        """The functions in the synopsis."""
        return re.findall(r"shmring_[a-z_]+(?=\()", self.synopsis())

    def errors(self):
        """The errors that ERRORS lists."""
        entries = re.findall(r"^\.BR? .*", self.section("ERRORS", self.plain), re.M)
        return set(re.findall(r"-(E[A-Z][A-Z0-9]+)", "\n".join(entries)))

    def examples(self):
        """The examples as C: a request inside one would not be shown as it is written."""
        blocks = re.findall(r"^\.EX.*?\n(.*?)^\.EE", self.section("EXAMPLES"), re.M | re.S)
        for old, new in ((r"\-", "-"), (r"\(aq", "'"), (r"\(dq", '"'), (r"\e", "\\")):
            blocks = [block.replace(old, new) for block in blocks]
        return blocks

    def prose(self):
        """The text in one line, without examples, prototypes and what roff needs."""
        text = re.sub(r"^\.EX.*?^\.EE.*?$|^\.SH SYNOPSIS.*?^\.SH DESCRIPTION$", "", self.text,
                      flags=re.M | re.S)
        text = re.sub(r"^(\.\\\"|'|\.TH|\.IP).*|^\.[A-Za-z]+ ?", "", text, flags=re.M)
        text = re.sub(r'\\f[A-Z]|\\\((dq|bu)|"', "", text).replace(r"\-", "-").replace(r"\(aq", "'")
        return re.sub(r"\s+", " ", re.sub(r" *\([1-9]\)", "", text))


def man_pages():
    return [Page(path) for path in sorted(MAN.glob("*.[1-9]"))]


def markdown_examples(text):
    """What is between ```c and ```."""
    return re.findall(r"^```c\n(.*?)^```$", text, re.M | re.S)
