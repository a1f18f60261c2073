#!/usr/bin/env bash
# Checks that every contender keeps the contract, that the comparison runs from end to end at a thousandth of its size (each scene for each contender, then
# tables, charts and the verdict), and that the benchmarks of single operations run. It measures nothing. Three minutes on two cores from scratch.
# For the comparison itself, see benches/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

fail() {
    echo "error: $*" >&2
    exit 1
}

# Debug information would take a third of the build time.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
bash ci/with-tests cargo test -p cloakroom-benches --lib --bins
cargo test -p cloakroom-benches --bench operations

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
compare=$target/debug/compare
cargo build -p cloakroom-benches --bin compare

# A run that is interrupted and continued has the same result as an uninterrupted one.
run=("$compare" run --extent smoke --out "$out")
timeout --signal=KILL 2 "${run[@]}" && fail "the run ended before it was interrupted"
some=$(wc -l <"$out/figures.jsonl")
"${run[@]}" && fail "figures were overwritten"
"${run[@]}" --resume >"$out/said" || { cat "$out/said"; fail "the run failed"; }

# A line for the machine, then one for each variant of a scene and each contender with the operations of the scene. One contender can only look up, and
# another one cannot evict.
contenders=$("$compare" contenders | wc -l)
look_ups=4 others=3 evictions=1 look_ups_with_instant=2 others_with_instant=1 others_with_ids=1
expected=$((1 + (look_ups + look_ups_with_instant) * contenders + (others + others_with_instant + others_with_ids) * (contenders - 1) + evictions * (contenders - 2)))
lines=$(wc -l <"$out/figures.jsonl")
[ "$lines" -eq "$expected" ] || fail "$lines lines of figures, not $expected"
[ "$some" -gt 0 ] && [ "$some" -lt "$lines" ] || fail "the interrupted run left $some lines of $lines"
for file in bar.md tables.md scaling-hot.svg scaling-churn.svg uniform-large.svg eviction-latency.svg; do
    [ -s "$out/$file" ] || fail "no $file"
done
if grep "not measured" "$out/bar.md"; then
    fail "a row of the bar was not measured"
fi
for column in "ids from a user-space generator" "bytes half left" "bytes in all"; do
    grep -q "| .*$column" "$out/tables.md" || fail "no column of tables.md is headed: $column"
done
# The program accepts the arguments that the documents show.
while read -r -a words; do
    "$compare" "${words[@]}" --help >/dev/null || fail "the documents call it with: ${words[*]}"
done < <(sed -n 's/^target\/measure\/compare \([^#]*\).*/\1/p' ./*.md docs/*.md benches/*.md | tr -d '[]"')
"$compare" report "$out" --reference papaya >/dev/null || fail "no report with another reference"
# cloakroom compiles with the atomics that count writes (benches/shared-writes.sh).
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/count-writes RUSTFLAGS="--cfg cloakroom_count_writes" cargo check -p cloakroom

echo "$lines lines of figures for $contenders contenders, complete"
