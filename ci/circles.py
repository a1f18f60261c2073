"""Finds modules that import each other, in the sources of every crate: see ci/claims.sh.

Compared are the modules of one parent: no circle of imports may lead from one of them back to it. A parent and the modules within it
may import each other, because they are one subject.
"""

import re
from collections import defaultdict
from pathlib import Path

from documents import FILES, Findings, read

# Folders with the sources of one crate each, and those with one crate per folder or file in them.
CRATES = ["src", "adapters/tower/src", "adapters/tower-sessions/src", "adapters/actix-session/src", "adapters/dbsc/src", "benches/src"]
CRATES += ["codec/src", "persist/src", "redis/src", "verify/shared-model/src"]
CRATES += ["benches/src/bin/compare", "benches/src/bin/shared-writes", "verify/soak/src", "verify/shuttle/src"]
ROOTS = ("lib", "main", "mod")


def modules(crate):
    """The sources of a crate by the path of their module."""
    found = {}
    others = [other for other in CRATES if other.startswith(crate + "/")]
    for name in FILES:
        if name.startswith(crate + "/") and name.endswith(".rs") and not any(name.startswith(o + "/") for o in others):
            parts = name[len(crate) + 1 : -len(".rs")].split("/")
            if parts[-1] in ROOTS:
                parts.pop()
            found[tuple(parts)] = re.sub(r"//.*", "", read(name))
    return found


def expanded(tree, prefix=()):
    """The paths of a `use` tree."""
    tree = tree.strip()
    nested = re.fullmatch(r"([\w:]*?)(?:::)?\{(.*)\}", tree, re.S)
    if not nested:
        yield (*prefix, *re.split("::", tree.split(" as ")[0].strip()))
        return
    prefix = (*prefix, *filter(None, nested[1].split("::")))
    depth, start = 0, 0
    for position, character in enumerate(nested[2] + ","):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            if nested[2][start:position].strip():
                yield from expanded(nested[2][start:position], prefix)
            start = position + 1


def imports(module, text, known):
    """The modules of the same crate that a module names."""
    uses = re.compile(r"\buse\s+([^;]+);")
    paths = [path for use in uses.findall(text) for path in expanded(use)]
    paths += [tuple(path.split("::")) for path in re.findall(r"\b(?:crate|super)(?:::\w+)+", uses.sub("", text))]
    for path in paths:
        at = module
        if path[0] == "crate":
            at, path = (), path[1:]
        elif path[0] == "self":
            path = path[1:]
        elif path[0] != "super" and (*module, path[0]) not in known:
            continue
        while path and path[0] == "super":
            at, path = at[:-1], path[1:]
        target = (*at, *path)
        while target not in known and target:
            target = target[:-1]
        if target in known and target != module:
            yield target


def circles(edges):
    """Groups of nodes each of which leads to each other."""
    reached = {}

    def reach(node):
        seen, todo = set(), [node]
        while todo:
            for other in edges[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    for node in list(edges):
        reached[node] = reach(node)
    return {frozenset(o for o in reached[n] if n in reached.get(o, ())) for n in reached if n in reached[n]}


findings, compared = Findings(), 0
for crate in CRATES:
    known = modules(crate)
    findings.require(known, f"{crate} has no sources")
    parents = {module[:length] for module in known for length in range(len(module))}
    named = {module: set(imports(module, text, known)) for module, text in known.items()}
    for parent in sorted(parents):
        edges, depth = defaultdict(set), len(parent)
        for module, targets in named.items():
            for target in targets:
                if module[:depth] == parent == target[:depth] and min(len(module), len(target)) > depth:
                    if module[depth] != target[depth]:
                        edges[module[depth]].add(target[depth])
                        edges[target[depth]]
        compared += len(edges)
        for circle in circles(edges):
            where = "/".join((crate, *parent))
            findings.require(False, f"{where}: these import each other: {', '.join(sorted(circle))}")
findings.require(compared > 50, "the modules were not found")
findings.conclude("modules import no circle")
