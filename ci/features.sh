#!/usr/bin/env bash
# Runs the tests of what is behind features: serde, metrics, tracing; axum and json in adapters/tower; both versions of tower-sessions. Three minutes on two cores from scratch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash ci/with-tests cargo test -p cloakroom --all-features --lib id
bash ci/with-tests cargo test -p cloakroom --all-features --test metrics
bash ci/with-tests cargo test -p cloakroom --all-features --test tracing
bash ci/with-tests cargo test -p cloakroom --all-features --doc export_metrics
bash ci/with-tests cargo test -p cloakroom-tower --all-features
bash ci/with-tests cargo test -p cloakroom-tower-sessions --all-features
