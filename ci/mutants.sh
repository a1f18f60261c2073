#!/usr/bin/env bash
# Changes the library in every small way that cargo-mutants knows, one at a time, and requires that a test fails each time, or that
# docs/mutants.md explains why none can. Hours on two cores, so .ci/run leaves it out. Installs what is missing.
#   ci/mutants.sh -f src/table/structure/probe.rs    the mutants of one file; other arguments go to cargo mutants as well
# .cargo/mutants.toml says what is changed and what is run. The report is left in target/mutants.out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

if [[ $(cargo mutants --version 2>/dev/null) != "cargo-mutants 27."* ]]; then
    cargo install cargo-mutants --version '^27.1' --locked
fi

# Tests that take a second or more without optimisation. They are run for those only that survive the others.
slow=(suspended clock_abuse the_limit_holds_at_every_instant long_keys_and_values sums_add_up a_steady_population merging_is a_draft_is)

# Most of a mutant's time goes into compiling it. Without debugging information that takes half of it; optimised it takes two to three times as long.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 PROPTEST_CASES=${PROPTEST_CASES:-64}

# One failed test is enough: the others of its binary are not waited for, nor is one that hangs.
mkdir -p "$target"
runner=$target/fail-fast
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec "$@" -Zunstable-options --fail-fast\n' >"$runner"
chmod +x "$runner"
host=$(rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)
export "CARGO_TARGET_${host}_RUNNER=$runner"

# mutants ARGUMENTS...
mutants() {
    # 2: some survived. 3: some ran into the time limit, which is as good as a failed test.
    local status=0
    cargo mutants --no-times --colors never --output "$target" "$@" || status=$?
    case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
}

mutants "$@" -- -- "${slow[@]/#/--skip=}"
tested=$(cat "$target"/mutants.out/{caught,timeout,missed}.txt | wc -l)
if [ -s "$target/mutants.out/missed.txt" ]; then
    mutants --iterate "$@"
fi

# A line of the list explains one mutant. Where several of a file are described alike, there is a line for each.
missed=$(sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' "$target/mutants.out/missed.txt" | sort)
explained=$(sed -n 's/^- `\(.*\)`: .*/\1/p' docs/mutants.md | sort)
unexplained=$(comm -23 <(printf '%s\n' "$missed") <(printf '%s\n' "$explained") | sed '/^$/d')
if [ "$tested" -eq 0 ] || [ -n "$unexplained" ]; then
    printf 'error: of %s mutants that were tested, no test fails for these, and docs/mutants.md does not explain them:\n%s\n' \
        "$tested" "$unexplained" >&2
    exit 1
fi
echo "$tested mutants: a test fails for each, or it is explained"
