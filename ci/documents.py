"""What ci/advertised.py and ci/claims.py have in common: the documents, and what is set like code in them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.M | re.S)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def tracked():
    """Every file of the repository, as it is: those that are new, and not those that are ignored or gone."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(name for name in names if (ROOT / name).is_file())


FILES = tracked()


def read(name):
    return (ROOT / name).read_text()


def documents():
    return [name for name in FILES if name.endswith(".md")]


def doc_comments(name):
    """The documentation in a Rust source, as Markdown."""
    lines = re.findall(r"^\s*//[/!] ?(.*)$", read(name), re.M)
    return "\n".join(lines)


def spans(markdown):
    """What is set like code within a sentence."""
    # Fences become paragraphs of their own, so that no span goes across one.
    text = FENCE.sub("\n\n", markdown)
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*[|*-] )", text)
    return [" ".join(span.split()) for paragraph in paragraphs for span in SPAN.findall(paragraph)]


def blocks(markdown, languages):
    """The text of each fenced block in one of these languages."""
    return [body for _, language, body in FENCE.findall(markdown) if language.split(",")[0].strip() in languages]


def rounds():
    """The scripts that .ci/run runs, and those that it leaves out."""
    run = read(".ci/run")
    arrays = [re.search(rf"^{name}=\((.*?)\)$", run, re.M | re.S)[1] for name in ("rounds", "by_hand")]
    return [array.replace('"', "").split() for array in arrays]


class Findings:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self):
        self.found = []
        self.checked = 0

    def require(self, holds, complaint):
        self.checked += 1
        if not holds:
            self.found.append(complaint)

    def conclude(self, what):
        for complaint in self.found:
            print(f"error: {complaint}", file=sys.stderr)
        if not self.checked:
            print("error: nothing was checked", file=sys.stderr)
        if self.found or not self.checked:
            sys.exit(1)
        print(f"{self.checked} {what}")
