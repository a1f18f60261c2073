#!/usr/bin/env bash
# Explores the model of the protocol between cloakroom-redis and its engine, then breaks the protocol's rules one at a time and
# requires that the model notices each time. A minute on two cores that have nothing else to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test -p shared-model
cargo run -q --release -p shared-model -- age-from-the-answer
