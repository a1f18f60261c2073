"""Finds lines of sources and documents that are longer than 120 columns: see ci/format.sh."""

import re

from documents import FILES, Findings, read

MOST = 120
# Made by `compare`.
GENERATED = "benches/results/"
COMMENT = re.compile(r"\s*//[/!]? ?")
URL = re.compile(r"https?://\S+")


def may_be_long(line, is_source):
    """Whether it is a row of a table, or long by an address only. In a source, that is so in comments."""
    text = line
    if is_source:
        comment = COMMENT.match(line)
        if not comment:
            return False
        text = line[comment.end() :]
    return text.lstrip().startswith("|") or bool(URL.search(text)) and len(URL.sub("", line)) <= MOST


findings = Findings()
for name in FILES:
    if not name.endswith((".rs", ".md")) or name.startswith(GENERATED):
        continue
    for number, line in enumerate(read(name).split("\n"), 1):
        fits = len(line) <= MOST or may_be_long(line, name.endswith(".rs"))
        findings.require(fits, f"{name}:{number} has {len(line)} columns, over {MOST}")
findings.conclude(f"lines of at most {MOST} columns")
