#!/usr/bin/env bash
# Fuzzes what takes arbitrary input, each target of fuzz/: first its seeds, then FUZZ_SECONDS of mutants of them (15 when not given), with
# AddressSanitizer. Four minutes on two cores from scratch. Needs a nightly compiler and cargo-fuzz, and installs what is missing.
#   FUZZ_SECONDS=3600 ci/fuzz.sh operations    one target, for an hour
# What has been found so far is kept under target/ and gone on from; what crashes is left in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
seconds=${FUZZ_SECONDS:-15}
targets=("$@")
[ $# -gt 0 ] || targets=(id cookie operations attributes snapshot directory)

# Not in the workspace, so no other script looks at it.
cargo fmt --manifest-path fuzz/Cargo.toml --check

rustup run nightly rustc --version 2>/dev/null || rustup toolchain install nightly --profile minimal
if [[ $(cargo fuzz --version 2>/dev/null) != "cargo-fuzz 0.13."* ]]; then
    cargo install cargo-fuzz --version '~0.13' --locked
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

# This cfg makes the bags of crossbeam-epoch small, so that what is retired is freed early enough to be missed.
export RUSTFLAGS="--cfg crossbeam_sanitize ${RUSTFLAGS:-}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz NAME DIRECTORIES -- ARGUMENTS
fuzz() {
    cargo +nightly fuzz run --fuzz-dir fuzz --target "$host" --target-dir "$target/fuzz" --sanitizer address "$@" 2>&1 | tee "$log"
}

# How often the target ran, as libFuzzer's last line has it; nothing if it did not run.
runs() {
    sed -n 's/^Done \([0-9]*\) runs in .*/\1/p' "$log"
}

summary=()
for name in "${targets[@]}"; do
    seeds=fuzz/seeds/$name corpus=$target/fuzz-corpus/$name
    mkdir -p "$corpus"
    # With a search for leaks, which takes as long as all else and so is left out afterwards.
    fuzz "$name" "$seeds" -- -runs=0
    seeded=$(runs) files=$(find "$seeds" -type f | wc -l)
    fuzz "$name" "$corpus" "$seeds" -- -max_total_time="$seconds" -detect_leaks=0 -timeout=10 -rss_limit_mb=2048
    ran=$(runs)
    # Fewer runs than seeds would mean that none were read, or that the target was not run at all.
    if [ "$files" -eq 0 ] || [ "${seeded:-0}" -lt "$files" ] || [ "${ran:-0}" -le "$seeded" ]; then
        echo "error: $name has $files seeds, of which ${seeded:-0} ran, and then ${ran:-0} cases" >&2
        exit 1
    fi
    summary+=("$name: $files seeds, then $ran runs in $seconds s")
done
printf '%s\n' "${summary[@]}"
