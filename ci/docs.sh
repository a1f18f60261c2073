#!/usr/bin/env bash
# Checks that the documentation builds without a warning: first what users see, then that of the private items, where the design is
# explained and links break just as easily. Half a minute on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RUSTDOCFLAGS="-D warnings"

cargo doc --no-deps --all-features
cargo doc --no-deps --all-features --document-private-items --target-dir "${CARGO_TARGET_DIR:-target}/private-docs"
