#!/usr/bin/env bash
# Checks that the sources are formatted as rustfmt.toml says. A second.
# To mend what it finds: cargo fmt --all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
