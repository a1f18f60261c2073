"""Compares the documents with the sources: see ci/claims.sh."""

import re
from os.path import normpath
from pathlib import PurePosixPath as Path

from documents import FILES, Findings, doc_comments, documents, read, rounds, spans

WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
FOLDERS = {str(folder) + "/" for name in FILES for folder in Path(name).parents}
CODE = [name for name in FILES if name.endswith((".rs", ".sh", ".py", ".toml", ".js", ".lua", ".json", ".html"))]
CODE += [name for name in FILES if name.startswith(("ci/", ".ci/")) and name not in CODE]
findings = Findings()
require = findings.require


def number(text):
    text = text.lower().replace(",", "").replace("_", "")
    return WORDS.index(text) if text in WORDS else int(text)


def sources(folder):
    """The Rust sources of a folder, without their tests."""
    names = [name for name in FILES if name.startswith(folder) and name.endswith(".rs") and "/tests/" not in name]
    return {name: read(name).split("\n#[cfg(all(test, not(loom)))]\nmod tests {")[0] for name in names}


def all_of(pattern, texts):
    return {found for text in texts for found in re.findall(pattern, text, re.M)}


def constant(path, name, sources_of=read):
    """The value of a Rust constant: a product or a shift of whole numbers."""
    value = re.search(
        rf"\bconst {name}: \w+ = (?:if MODEL {{ \w+ }} else {{ )?([\d_ *<]+)(?: }})?;", sources_of(path)
    )[1]
    return eval(value.replace("_", ""), {})  # Digits and operators only, as the pattern says.


def script(name):
    return read(f"ci/{name}.sh")


# What is counted.

LIBRARY = sources("src/")
PATCHES = {Path(name).stem: read(name) for name in FILES if re.fullmatch(r"verify/planted/[a-z-]+\.patch", name)}
RULES = set(PATCHES)
TAGS = all_of(r'\bordered\(\s*"([A-Z]\d+)"', LIBRARY.values())
STEPS = all_of(
    r'\bstep\("([^"]+)"\)', [text for name, text in LIBRARY.items() if name.startswith("src/table/")]
)
SCENARIOS = read("loom-tests/tests/scenarios.rs")
WIDE = re.search(r"^// With one preemption less.*?\{\n    1:\n(.*?)^}", SCENARIOS, re.M | re.S)[1]
NOTICED = [rule for rule, patch in PATCHES.items() if re.search("^Shuttle: yes$", patch, re.M)]
CONTENDERS = re.search(r"^contenders! \{\n(.*?)^\}", read("benches/src/contenders/mod.rs"), re.M | re.S)[
    1
].splitlines()
ROOM, CONFIG = "src/store/room.rs", "src/config.rs"
SEARCHED = constant(ROOM, "ENTRIES_SEARCHED_WHEN_FULL")
FOR_THE_BOUND = constant(ROOM, "ENTRIES_SEARCHED_FOR_THE_BOUND")
SAMPLE = constant("src/table/ops/room.rs", "SAMPLE")
MOST_SHARDS = constant(CONFIG, "MOST_SHARDS")
LARGE = number(re.search(r"LARGE: usize = (\d+) \* 1024;", read("src/memory/cache.rs"))[1])
BATCH = number(re.search(r"const BATCH: usize = if MODEL .*? else \{\n    (\d+)\n\};", read("src/memory/batch.rs"), re.S)[1])
SCHEDULES = number(re.search(r"unwrap_or\((\d+_\d+)\)", read("verify/shuttle/tests/support/schedules.rs"))[1])
RUST = number(re.search(r'^rust-version = "1\.(\d+)"', read("Cargo.toml"), re.M)[1])
# Of the workspace as a whole, with the crate that needs the latest.
RUST_OF_ALL = number(re.search(r'^rust-version = "1\.(\d+)"', read("persist/Cargo.toml"), re.M)[1])
OTHERS = len(CONTENDERS) - 2  # But for cloakroom itself, and the floor.
N = r"(\d[\d,]*|[a-z]+)"

# Where, in which words, and how many there are. Each sentence has to be there, and each of its numbers to be this one.
COUNTS = [
    ("docs/verification.md", rf"applies each of the {N} patches", len(RULES)),
    ("docs/verification.md", rf"relaxes each of the {N} memory orderings", len(TAGS)),
    ("docs/verification.md", rf"atomic steps of each operation, {N} of them named", len(STEPS)),
    ("docs/verification.md", rf"The widest {N} scenarios", len(WIDE.strip().splitlines())),
    ("docs/verification.md", rf"that its schedules notice {N} of the broken", len(NOTICED)),
    ("docs/verification.md", rf"Each runs {N} schedules", SCHEDULES),
    ("ci/shuttle.sh", rf"more schedules for each test \({N} when not given\)", SCHEDULES),
    ("README.md", rf"Measured beside {N} other designs", OTHERS),
    ("docs/performance.md", rf"# {N} other designs and the machine's limit", OTHERS),
    ("CHANGELOG.md", rf"Benchmarks against {N} other designs", OTHERS),
    ("README.md", r"Nothing but Rust \(1\.(\d+) or later\)", RUST_OF_ALL),
    ("README.md", r"crates but `cloakroom-persist` need 1\.(\d+)", RUST),
    (CONFIG, rf"more than {N} count as \d", MOST_SHARDS),
    (CONFIG, rf"count as {N}\. More of them spread", MOST_SHARDS),
    (CONFIG, rf"Beyond {N} nothing was measured", MOST_SHARDS),
    ("docs/design.md", rf"up to {N} shards", MOST_SHARDS),
    (CONFIG, rf"More than {N} MiB counts as", constant(CONFIG, "MOST_BYTES") >> 20),
    (CONFIG, rf"[Uu]p to {N} sessions(?: are looked at first|, of a sample)", SEARCHED),
    (CONFIG, rf"up to {N} sessions are looked at then", FOR_THE_BOUND),
    (CONFIG, rf"of a sample of at least {N}", SAMPLE),
    ("docs/design.md", rf"examines up to {N} entries", SEARCHED),
    ("docs/design.md", rf"is bounded \({N} sessions", SEARCHED),
    ("docs/design.md", rf"sessions, {N} for a new session", FOR_THE_BOUND),
    ("docs/performance.md", rf"as they are retired only from {N} KB on", LARGE),
    ("docs/design.md", rf"A full batch \({N} objects", BATCH),
    ("docs/design.md", rf"moves a chunk of {N} slots", constant("src/table/structure/array.rs", "CHUNK")),
]


def counts():
    for document, pattern, there in COUNTS:
        text = " ".join(re.sub(r"^\s*(?:///?|//!) ?", "", line) for line in read(document).splitlines())
        found = re.findall(re.sub(r" ", r"\\s+", pattern), text)
        require(found, f"{document} has no sentence any more like: {pattern}")
        for told in found:
            require(number(told) == there, f"{document} tells of {told} where there are {there}: {pattern}")


# What is cited.

# Made by what the documents tell of, or on other machines.
ELSEWHERE = {"figures.jsonl", "target/", "fuzz/artifacts/"}
# Names of other people's code.
FOREIGN = {"unlink_chunk"}


# A file with one of these endings, or a folder with a slash behind it.
PATH = re.compile(
    r"(?:^| )((?:[\w.*-]+/)*[\w*-]+\.(?:rs|sh|md|py|toml|lua|svg|png|json|supp)|(?:[\w.*-]+/)+)(?=[ :]|$)"
)


def is_there(path, document):
    path = path.removeprefix("./")
    if any(path.startswith(other) for other in ELSEWHERE):
        return True
    known = FOLDERS if path.endswith("/") else FILES
    if "*" in path:
        pattern = re.escape(path).replace(r"\*", "[^/]*")
        return any(re.search(rf"(^|/){pattern}$", name) for name in known)
    beside = normpath(f"{Path(document).parent}/{path}") + ("/" if path.endswith("/") else "")
    return path in known or beside in known or any(name.endswith("/" + path) for name in known)


def citations():
    texts = {name: read(name) for name in documents()}
    texts |= {name: doc_comments(name) for name in FILES if name.endswith(".rs")}
    words = all_of(r"\w+", [read(name) for name in CODE])
    for document, text in texts.items():
        for span in spans(text):
            for path in PATH.findall(span):
                require(is_there(path, document), f"{document}: there is no `{path}`")
            # Names of tests, calls, settings and variables.
            if document.endswith(".md") and re.fullmatch(r"(?:\w+::)*[A-Za-z]+(?:_\w+)+", span):
                for name in span.split("::"):
                    require(name in words | FOREIGN, f"{document}: nothing is named `{name}`")
        if document.endswith(".md"):
            for target in re.findall(r"\]\((?!\w+:|#)([^)#]+)[^)]*\)", text):
                there = is_there(target, document) or is_there(target + "/", document)
                require(there, f"{document}: a link leads to {target}, which is not there")
    # Each line of the list of mutants begins with a file.
    for path in all_of(r"^- `(src/[^:]+):", [read("docs/mutants.md")]):
        require(path in FILES, f"docs/mutants.md: there is no {path}")


def lists():
    """What is listed is what there is."""
    cells = [
        line.split("|")[1:-1] for line in read("docs/orderings.md").splitlines() if re.match(r"\| [A-Z]\d+ ", line)
    ]
    same("docs/orderings.md", sorted(cell[0].strip() for cell in cells), "the orderings in the sources", sorted(TAGS))
    models = sorted((cell[0].strip(), cell[-1].strip(" `")) for cell in cells)
    weakened = sorted(re.findall(r"^([A-Z]\d+) +(\w+)$", script("orderings"), re.M))
    same("docs/orderings.md", models, "the models of ci/orderings.sh", weakened)
    switches = {span for span in spans(read("docs/design.md")) for span in span.split() if span in RULES}
    same("docs/design.md", sorted(switches), "the patches of verify/planted/", sorted(RULES))
    for rule, patch in PATCHES.items():
        named = [re.search(rf"^{key}: (\w+)$", patch, re.M) for key in ("Binary", "Model")]
        require(all(named), f"verify/planted/{rule}.patch names no model or no file of it")
        if all(named):
            name = f"loom-tests/tests/{named[0][1]}.rs"
            there = name in FILES and re.search(rf"\b{named[1][1]}\b", read(name))
            require(there, f"verify/planted/{rule}.patch: there is no {named[1][1]} in {name}")
    tables = re.findall(r"^//! \|((?: `\w+`,?)+) \|", read("src/table/mod.rs"), re.M)
    modules = re.findall(r"^mod (\w+);", re.sub(r"#\[cfg.*\]\nmod \w+;", "", read("src/table/mod.rs")), re.M)
    same("src/table/mod.rs", sorted(re.findall(r"\w+", " ".join(tables))), "its modules", sorted(modules))
    releases = re.findall(r"^## \[\d.*?(?=^## |^\[)", read("CHANGELOG.md"), re.M | re.S)
    first = releases[-1] if releases else "### Changed"
    require("### Changed" not in first, "CHANGELOG.md: the first release has nothing that was changed")


def same(document, told, what, there):
    told, there = list(told), list(there)
    require(told == there, f"{document} differs from {what}: {sorted(set(told) ^ set(there)) or 'one is told twice'}")


def settings():
    """Each setting of a store has a row in the README, and no other one has."""
    fields = re.findall(r"^    pub (\w+): ", re.search(r"^pub struct SessionConfig \{(.*?)^\}", read(CONFIG), re.M | re.S)[1], re.M)
    table = re.search(r"^## Settings$.*?(?=^## )", read("README.md"), re.M | re.S)[0]
    names = [name for row in re.findall(r"^\| (`[^|]*)\|", table, re.M) for name in spans(row)]
    same("README.md, the table of settings", sorted(names), "the fields of `SessionConfig`", sorted(fields))


# Who runs what, and for how long.

AMOUNT = r"(?:about )?(\d+|half an?|some|an?|" + "|".join(WORDS[1:]) + r")"
TIME = re.compile(rf"{AMOUNT} (?P<unit>second|minute|hour)s?(?: and (?P<half>a half))?|(?P<bare>seconds|hours)", re.I)


def duration(text):
    """The first duration in a text, in one way of writing."""
    found = TIME.search(text)
    if not found:
        return None
    if found["bare"]:
        return found["bare"].lower()
    amount = found[1].lower()
    amount = {"a": "1", "an": "1", "half a": "1/2", "half an": "1/2"}.get(amount, amount)
    amount = str(WORDS.index(amount)) if amount in WORDS else amount
    return f"{amount}{' 1/2' if found['half'] else ''} {found['unit'].lower()}"


def scripts():
    run, by_hand = rounds()
    rows = re.findall(r"^\| `ci/([\w-]+)\.sh` \| (.*) \|$", read("docs/verification.md"), re.M)
    same(
        "docs/verification.md, the table of durations",
        sorted(name for name, _ in rows),
        "the scripts of ci/",
        sorted(Path(name).stem for name in FILES if re.fullmatch(r"ci/[\w-]+\.sh", name)),
    )
    for name, told in rows:
        if name in run + by_hand:
            head = " ".join(re.match(r"#!.*\n((?:#.*\n)+)", script(name))[1].replace("#", "").split())
            own = [duration(sentence) for sentence in re.split(r"(?<=[.:;,]) ", head) if TIME.search(sentence)]
            complaint = f"ci/{name}.sh says that it takes {own}, docs/verification.md {duration(told)}"
            require(duration(told) in own, complaint)
            left_out = "not a part of `.ci/run`" in told
            require((name in by_hand) == left_out, f"docs/verification.md: does .ci/run run ci/{name}.sh?")
    but = " and ".join(f"`{name}`" for name in by_hand)
    for document in ["README.md", "docs/verification.md"]:
        text = " ".join(read(document).split())
        require(f"`.ci/run` runs all of them but {but}" in text, f"{document}: .ci/run runs all but {but}")


# The layers.


def layers():
    section = re.search(r"^## Layers$.*?(?=^## )", read("docs/design.md"), re.M | re.S)[0]
    rows = re.findall(r"^\| (\d) \| (.*?) \|", section, re.M)
    of = {}
    for layer, files in rows:
        for name in spans(files):
            require(name not in of, f"docs/design.md: {name} is on two layers")
            of[name] = int(layer)
            there = f"src/{name}" in (FOLDERS if name.endswith("/") else FILES) or name in FOLDERS
            require(there, f"docs/design.md: there is no src/{name} for layer {layer}")
    layer = {Path(name).stem: number for name, number in of.items()}
    require("#![deny(unsafe_code)]" in read("src/lib.rs"), "src/lib.rs does not deny unsafe code")
    for name, text in LIBRARY.items():
        module = Path(name).parts[1].removesuffix(".rs")
        if name in ("src/lib.rs", "src/shared_writes.rs"):
            continue
        require(module in layer, f"docs/design.md: {name} is on no layer")
        if module not in layer:
            continue
        code = re.sub(r"^\s*//.*$", "", text, flags=re.M)
        for other in all_of(r"\bcrate::(\w+)", [code]) & layer.keys():
            complaint = f"docs/design.md: {name}, on layer {layer[module]}, imports {other}, on {layer[other]}"
            require(layer[other] <= layer[module], complaint)
        low = layer[module] in (1, 2)
        allows = "allow(unsafe_code" in text and name not in ("src/attributes/mod.rs", "src/id/mod.rs")
        require(low or not allows, f"{name}, on layer {layer[module]}, allows unsafe code")
        strong = re.search(r"Ordering::(Acquire|Release|AcqRel|SeqCst)", code)
        require(low or not strong, f"{name}, on layer {layer[module]}, has a memory ordering")
    epoch = [name for name, text in LIBRARY.items() if re.search(r"^[^/]*\bcrossbeam_epoch\b", text, re.M)]
    require(epoch == ["src/memory/epoch.rs"], f"docs/design.md: not only epoch.rs names crossbeam_epoch: {epoch}")


for check in (counts, citations, lists, settings, scripts, layers):
    check()
findings.conclude("claims hold")
