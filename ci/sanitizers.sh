#!/usr/bin/env bash
# Runs the stress test under ThreadSanitizer (data races), then under AddressSanitizer with its leak check (use after free, double
# free, leaks). Five minutes on two cores from scratch; Linux only.
#   CLOAKROOM_STRESS_OPS=300000 ci/sanitizers.sh    more operations for each of the eight threads (20,000 when not given)
# RUSTC_BOOTSTRAP lets the stable compiler take the -Z flag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}
export RUSTC_BOOTSTRAP=1
export CLOAKROOM_STRESS_OPS=${CLOAKROOM_STRESS_OPS:-20000}

# Named, --target keeps the flags off build scripts and procedural macros.
stress() {
    CARGO_TARGET_DIR=$target/$1 RUSTFLAGS="-Zsanitizer=$2 -Cunsafe-allow-abi-mismatch=sanitizer ${3:-}" \
        bash ci/with-tests cargo test -p stress-tests --release --target "$host" --test stress
}

echo "ThreadSanitizer"
TSAN_OPTIONS="exitcode=66 suppressions=$PWD/ci/tsan.supp ${TSAN_OPTIONS:-}" stress tsan thread

# This cfg makes the bags of crossbeam-epoch small, so that what is retired is also freed, and freed early enough to be caught.
echo "AddressSanitizer"
ASAN_OPTIONS="detect_leaks=1 ${ASAN_OPTIONS:-}" stress asan address "--cfg crossbeam_sanitize"
