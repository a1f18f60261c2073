#!/usr/bin/env bash
# Checks that every contender keeps the contract, that the comparison runs from end to end at a thousandth of its size (each scene for each contender, then
# tables, charts and the verdict), and that the benchmarks of single operations run. It measures nothing. Three minutes on two cores from scratch.
# The comparison itself: benches/README.md
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

fail() {
    echo "error: $*" >&2
    exit 1
}

# Without debug information: it would be a third of the build.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
bash ci/with-tests cargo test -p cloakroom-benches --lib --bins
cargo test -p cloakroom-benches --bench operations

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
compare=$target/debug/compare
cargo build -p cloakroom-benches --bin compare

# Interrupted after a while, and gone on with: the result is that of a run in one go.
run=("$compare" run --extent smoke --out "$out")
timeout --signal=KILL 2 "${run[@]}" && fail "the run was to be interrupted"
some=$(wc -l <"$out/figures.jsonl")
"${run[@]}" && fail "figures were overwritten"
"${run[@]}" --resume >"$out/said" || { cat "$out/said"; fail "the run failed"; }

# A line for the machine, then one for each scene and clock of each contender. Fifteen are stores, one cannot evict, one only looks up.
contenders=$("$compare" contenders | wc -l)
expected=$((1 + 4 * contenders + 3 * (contenders - 1) + (contenders - 2) + 2 * contenders + contenders - 1))
lines=$(wc -l <"$out/figures.jsonl")
[ "$lines" -eq "$expected" ] || fail "$lines lines of figures, not $expected"
[ "$some" -gt 0 ] && [ "$some" -lt "$lines" ] || fail "the interrupted run left $some lines of $lines"
for file in bar.md tables.md scaling-hot.svg uniform-large.svg eviction-latency.svg; do
    [ -s "$out/$file" ] || fail "no $file"
done
if grep "not measured" "$out/bar.md"; then
    fail "a row of the bar was not measured"
fi
# It takes the arguments that the documents give it.
while read -r -a words; do
    "$compare" "${words[@]}" --help >/dev/null || fail "the documents call it with: ${words[*]}"
done < <(sed -n 's/^target\/measure\/compare \([^#]*\).*/\1/p' ./*.md docs/*.md benches/*.md | tr -d '[]"')
"$compare" report "$out" --reference papaya >/dev/null || fail "no report beside another reference"
# What counts writes to shared lines (benches/shared-writes.sh) compiles.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/count-writes RUSTFLAGS="--cfg cloakroom_count_writes" cargo check -p cloakroom

echo "$lines lines of figures for $contenders contenders, complete"
