#!/usr/bin/env bash
# Checks that the benchmarks compile and that each of them runs once, without measuring. A minute on two cores from scratch.
# The comparison itself: cargo bench
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test --bench compare
