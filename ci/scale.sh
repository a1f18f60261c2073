#!/usr/bin/env bash
# Checks at full size what the tests check at a tenth: a million sessions come and go, ten million at a constant population, and the memory comes
# back. Prints what it measures. Two minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash ci/with-tests cargo test -p stress-tests --release --test scale -- --nocapture
