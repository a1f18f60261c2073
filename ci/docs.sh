#!/usr/bin/env bash
# Checks that the documentation builds without a warning: that of the private items, where the design is explained and links break just as
# easily, and what users see. Half a minute on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RUSTDOCFLAGS="-D warnings"

# Those for users last, so that they are the ones that remain.
cargo doc --no-deps --all-features --document-private-items
cargo doc --no-deps --all-features
