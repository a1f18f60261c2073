#!/usr/bin/env bash
# Checks that the sources are formatted as rustfmt.toml says, and that no line of a source or a document has more than 120
# columns, but for tables and addresses. A second.
# To mend what rustfmt finds: cargo fmt --all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
python3 ci/columns.py
