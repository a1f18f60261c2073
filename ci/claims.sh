#!/usr/bin/env bash
# Compares what the documents cite and count with what there is: files, scripts, tests and other names; how many rules,
# orderings, steps and limits; the layers of docs/design.md and what their files import; how long each script takes.
# Then looks for modules that import each other. A second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python3 ci/claims.py "$@"
python3 ci/circles.py
