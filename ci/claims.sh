#!/usr/bin/env bash
# Compares what the documents cite and count with what there is: files, scripts, tests and other names; how many rules,
# orderings, steps and limits; the floors of docs/design.md and what their files import; how long each script takes.
# A second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec python3 ci/claims.py "$@"
