#!/usr/bin/env bash
# Changes the library in every small way that cargo-mutants knows, one at a time, and requires that a test fails each time, or that
# docs/mutants.md explains why none can. Two hours on two cores, so .ci/run leaves it out. Installs what is missing.
#   ci/mutants.sh -f src/table/probe.rs    the mutants of one file; other arguments go to cargo mutants as well
# .cargo/mutants.toml says what is changed and what is run. The report is left in target/mutants.out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

if [[ $(cargo mutants --version 2>/dev/null) != "cargo-mutants 27."* ]]; then
    cargo install cargo-mutants --version '^27.1' --locked
fi

# Without debugging information each of them is compiled in half the time.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
mkdir -p "$target"
# 2: some survived. 3: some ran into the time limit, which is as good as a failed test.
status=0
cargo mutants --no-times --colors never --output "$target" "$@" || status=$?
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

tested=$(cat "$target"/mutants.out/{caught,timeout,missed}.txt | wc -l)
missed=$(sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$target/mutants.out/missed.txt" | sort -u)
explained=$(sed -n 's/^- `\(.*\)`: .*/\1/p' docs/mutants.md | sort -u)
unexplained=$(comm -23 <(printf '%s\n' "$missed") <(printf '%s\n' "$explained") | sed '/^$/d')
if [ "$tested" -eq 0 ] || [ -n "$unexplained" ]; then
    printf 'error: of %s mutants that were tested, no test fails for these, and docs/mutants.md does not explain them:\n%s\n' \
        "$tested" "$unexplained" >&2
    exit 1
fi
echo "$tested mutants: a test fails for each, or it is explained"
