"""Runs the commands that the documents name: see ci/advertised.sh."""

import argparse
import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from documents import FILES, ROOT, Findings, blocks, doc_comments, documents, read, rounds, spans

# Within which a server says where it listens, answers, and stops.
DEADLINE = 120

ADDRESS = r"http://(?:localhost|127\.0\.0\.1)"

FORM = ("application/x-www-form-urlencoded", b"user=ada&password=engine")
JSON = ("application/json", json.dumps({"user": "ada", "password": "engine"}).encode())
# What begins a session of the Model Context Protocol.
PARAMS = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "ci", "version": "0"}}
MCP = ("application/json", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": PARAMS}).encode())


class Ends:
    """An example that ends by itself, well, and says so."""

    def __init__(self, says, arguments=None):
        self.says, self.arguments = says, arguments

    def run(self, command):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0 or self.says not in done.stdout:
            raise Failure(f"it ended with status {done.returncode}, and was to say {self.says!r}", done.stdout)


class Serves:
    """An example that is a server: it says where it listens, a login gets a cookie, and then it is stopped.

    What is no login and gets no cookie has another `path`, brings the id in the header `gets`, and `sends` a header.
    """

    def __init__(
        self,
        login,
        arguments=(),
        stop=signal.SIGINT,
        status=0,
        says=ADDRESS + r":(\d+)",
        path="/login",
        gets="Set-Cookie",
        sends=None,
    ):
        self.login, self.arguments, self.stop, self.status, self.says = login, list(arguments), stop, status, says
        self.path, self.gets, self.sends = path, gets, sends or {}
        # What the example's own documentation has curl send to it.
        self.curls = []

    def run(self, command):
        environment = dict(os.environ, PORT="0")
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines, said = queue.Queue(), []
        threading.Thread(target=lambda: [lines.put(line) for line in server.stdout], daemon=True).start()
        try:
            port = self.port(lines, said)
            self.request(port)
            if self.stop:
                server.send_signal(self.stop)
            else:
                server.stdin.close()
            status = server.wait(DEADLINE)
            if status != self.status:
                raise Failure(f"it ended with status {status} when it was stopped, not {self.status}", "".join(said))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(str(error), "".join(said)) from error
        finally:
            server.kill()
            server.wait()

    def port(self, lines, said):
        end = time.monotonic() + DEADLINE
        while True:
            try:
                said.append(lines.get(timeout=max(0, end - time.monotonic())))
            except queue.Empty:
                raise Failure("it does not say where it listens", "".join(said)) from None
            if found := re.search(self.says, said[-1]):
                return int(found[1])

    def request(self, port):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for what, path, kind, body in [(f"a request for {self.path}", self.path, *self.login), *self.curls]:
            headers = {"Content-Type": kind, **self.sends}
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
            try:
                with opener.open(request, timeout=DEADLINE) as answer:
                    given = answer.headers[self.gets]
            except urllib.error.HTTPError as error:
                told = error.read().decode(errors="replace")
                raise Failure(f"{what} is answered with status {error.code}", told) from error
            if path == self.path and not given:
                raise Failure(f"{what} gets no {self.gets}", "")


class Failure(Exception):
    def __init__(self, why, output):
        super().__init__(f"{why}\n{output}" if output else why)


# How each example, or program of verify/, is run, once for each list of arguments; `None`: with those of the document.
EXAMPLES = {
    "guide": [Ends("everything held")],
    # Ten minutes are too long here. One wave up and down takes about as long as this, without optimisation.
    "soak": [Ends("verdict: everything held", ["--minutes", "0.03"])],
    "server": [Serves(FORM)],
    "axum_login": [Serves(FORM, ["127.0.0.1:0"])],
    "hyper": [Serves(JSON, ["127.0.0.1:0"])],
    "dbsc": [Serves(FORM, ["127.0.0.1:0"], gets="Secure-Session-Registration")],
    "mcp": [
        Serves(
            MCP,
            ["127.0.0.1:0"],
            path="/mcp",
            gets="Mcp-Session-Id",
            sends={"Authorization": "Bearer ada-token"},
        )
    ],
    # It leaves the signal to the system.
    "tower_sessions": [Serves(FORM, status=-signal.SIGINT)],
    "actix": [Serves(FORM)],
    "handover": [Ends("no request has failed, nobody was logged out, and every logout held", ["proof", "1", "1000"])],
    "restart": [Ends("everything held")],
    "snapshot": [Ends("everything held", ["demo"])],
    # A hundredth of the size.
    "figures": [Ends("look-up of a restored session", ["2000"])],
    # It ends with its standard input.
    "load": [Serves(FORM, [kind], stop=None, says=r"^(\d+)$") for kind in ("cloakroom", "memory", "tower-sessions")],
}

# What is run by another script of .ci/run, in other words: the script, and the line of it that stands for the command.
ELSEWHERE = {
    "cargo bench -p cloakroom-benches --bench operations": (
        "bench",
        "cargo test -p cloakroom-benches --bench operations",
    ),
    "cargo build --profile measure -p cloakroom-benches --bin compare": (
        "bench",
        "cargo build -p cloakroom-benches --bin compare",
    ),
    "cargo run --release -p cloakroom-benches --no-default-features --features engines --bin engines redb 1000000": (
        "persist",
        'cargo run -p cloakroom-benches --no-default-features --features engines --bin engines "$engine" 50000',
    ),
    # On ports that are free.
    "bash adapters/tower/examples/shared.sh": ("shared", "bash adapters/tower/examples/shared.sh"),
    "cargo build --release -p cloakroom-benches --no-default-features --features shared --bin shared": (
        "shared",
        "cargo build -p cloakroom-benches --no-default-features --features shared --bin shared",
    ),
    # At a hundredth of its size.
    "target/release/shared run *": ("shared", '"$target/debug/shared" run'),
    "cargo run --release -p cloakroom-benches --no-default-features --features sqlite --bin disk": (
        "persist",
        "cargo run -p cloakroom-benches --no-default-features --features sqlite --bin disk 400 1",
    ),
    # The whole of it takes minutes; the tests explore the same.
    "cargo run --release -p shared-model*": ("shared-model", "cargo run -q --release -p shared-model -- age-from-the-answer"),
    "cargo run --release -p cloakroom-redis --example figures*": (
        "redis",
        'cargo run -p cloakroom-redis --example figures "redis://127.0.0.1:$port" 100',
    ),
    # Each with its own arguments, up to where it would begin to measure.
    "target/measure/compare *": ("bench", '"$compare" "${words[@]}" --help >/dev/null'),
}

# What is not run, and why.
NOT_RUN = {
    ".ci/run": "it is what runs this",
    "ci/load.sh 3 4": "takes half a minute of a machine that has nothing else to do; its servers are run here",
    "ci/load.sh": "the same",
    "ci/mutants.sh": "takes hours",
    "ci/instructions.sh bless": "changes the baseline that the same script is run to check",
    "benches/shared-writes.sh": "builds all peers once more, three minutes; ci/bench.sh compiles the library for it",
}


def commands():
    """What the documents and the examples' own documentation tell people to run, and where."""
    texts = {name: read(name) for name in documents()}
    texts |= {name: doc_comments(name) for name in FILES if name.endswith(".rs") and re.search("examples/|^verify/", name)}
    found = {}
    for name, text in texts.items():
        for line in "\n".join(blocks(text, {"sh", "bash", "console", "shell"})).replace("\\\n", " ").splitlines():
            found.setdefault(normal(line), name)
        for span in spans(text):
            if re.match(r"(cargo \w|bash \S|\.ci/run\b|(ci|benches)/[\w-]+\.sh\b|target/\S+/\w+ )", span):
                found.setdefault(normal(span), name)
    found.pop("", None)
    return found


def normal(command):
    command = re.sub(r"\s#.*|^#.*", "", command)
    return re.sub(r"^\$ |^bash (?=ci/)", "", " ".join(command.split()))


def example_of(command):
    """The example that a command runs, and the package that it names; `None` for another command."""
    words = shlex.split(command)
    if words[:2] != ["cargo", "run"] or "--bin" in words:
        return None
    package = words[words.index("-p") + 1] if "-p" in words else None
    return (words[words.index("--example") + 1] if "--example" in words else package), package


def package_of(path):
    """The name of the package that this example belongs to."""
    folder = re.split(r"examples/|src/main\.rs", path)[0]
    return re.search(r'^name = "(.*)"', read(folder + "Cargo.toml"), re.M)[1]


def example_in(path):
    """The example whose source this is, if it is the one in which it begins."""
    found = re.fullmatch(r"(?:(?:adapters/[\w-]+|persist)/)?examples/(?:(\w+)\.rs|(\w+)/main\.rs)|verify/(\w+)/src/main\.rs", path)
    return found and (found[1] or found[2] or found[3])


def target_of(example, path):
    """How cargo is told of it."""
    return ["--bin" if path.startswith("verify/") else "--example", example]


def request_of(command):
    """What curl would send, for the few options that the documents give it; `None` for another one."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-H", default="Content-Type: application/x-www-form-urlencoded")
    parser.add_argument("-d", default="")
    parser.add_argument("url")
    try:
        given, unknown = parser.parse_known_args(shlex.split(command)[1:])
    except argparse.ArgumentError:
        return None
    kind, url = re.fullmatch(r"Content-Type: (.+)", given.H), re.fullmatch(ADDRESS + r":3000(/.*)", given.url)
    return (f"`{command}`", url[1], kind[1], given.d.encode()) if kind and url and not unknown else None


def script_lines(name):
    path = ROOT / (f"ci/{name}.sh" if name != ".ci/run" else name)
    return [line.strip() for line in path.read_text().splitlines()] if path.exists() else []


def run_by_a_script(command, scripts):
    """The script of .ci/run that runs this very command."""
    if (script := re.fullmatch(r"ci/([\w-]+)\.sh", command)) and script[1] in scripts:
        return f"ci/{script[1]}.sh"
    for name in [".ci/run", *scripts]:
        for line in script_lines(name):
            if re.sub(r"^(step \w+ )?(bash ci/with-tests )?", "", line) == command:
                return name
    return None


def elsewhere(command, scripts):
    for pattern, (name, line) in ELSEWHERE.items():
        if command == pattern or pattern.endswith("*") and command.startswith(pattern[:-1]):
            return pattern, name in scripts and any(line in other for other in script_lines(name))
    return None, False


def main():
    scripts, _ = rounds()
    findings, used = Findings(), set()
    # All of them, for some are named in short, after another one.
    examples = {example: path for path in FILES if (example := example_in(path))}
    for command, where in sorted(commands().items()):
        pattern, there = elsewhere(command, scripts)
        if command.startswith("curl "):
            ways, request = EXAMPLES.get(example_in(where), []), request_of(command)
            findings.require(request and ways, f"{where}: nobody knows what `{command}` is sent to")
            for way in ways if request else []:
                way.curls.append(request)
            how = f"sent to {example_in(where)}"
        elif pattern:
            used.add(pattern)
            script = ELSEWHERE[pattern][0]
            findings.require(there, f"{where}: ci/{script}.sh, of .ci/run, no longer has what stands for `{command}`")
            how = f"as ci/{script}.sh"
        elif found := example_of(command):
            example, package = found
            findings.require(example in EXAMPLES, f"{where}: ci/advertised.py says not how to run `{command}`")
            owner = examples.get(example) and package_of(examples[example])
            findings.require(owner and package in (None, owner), f"{where}: no such example: `{command}`")
            how = "run here"
        elif command in NOT_RUN:
            used.add(command)
            how = f"not run: {NOT_RUN[command]}"
            findings.require(True, "")
        else:
            how = run_by_a_script(command, scripts)
            findings.require(how, f"{where}: nobody runs `{command}`")
        print(f"{where}: {command}: {how}")
    for stale in sorted((NOT_RUN.keys() | ELSEWHERE.keys()) - used - {".ci/run"}):
        findings.require(False, f"ci/advertised.py tells of `{stale}`, which no document names")

    for example in examples.keys() ^ EXAMPLES.keys():
        findings.require(False, f"ci/advertised.py should tell of exactly the examples that there are: {example}")
    if "--list" in sys.argv[1:] or findings.found:
        findings.conclude("commands")
        return

    # All at once, without `--release` and without `-p`: so nothing is built that the tests have not built. (That its
    # package alone is enough for an example, adapters/tower/tests and ci/package.sh see to.)
    targets = {example: target_of(example, path) for example, path in examples.items()}
    build = ["cargo", "build", "--quiet", *(word for example in sorted(examples) for word in targets[example])]
    if subprocess.run(build, cwd=ROOT).returncode != 0:
        sys.exit(f"error: `{shlex.join(build)}` fails")
    for example in sorted(examples):
        for way in EXAMPLES[example]:
            command = [
                "cargo",
                "run",
                "--quiet",
                *targets[example],
                *(["--", *way.arguments] if way.arguments else []),
            ]
            began = time.monotonic()
            try:
                way.run(command)
                findings.require(True, "")
                print(f"ran `{shlex.join(command)}` ({time.monotonic() - began:.1f} s)", flush=True)
            except Failure as failure:
                findings.require(False, f"`{shlex.join(command)}`: {failure}")
    findings.conclude("commands and runs of examples")


main()
