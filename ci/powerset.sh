#!/usr/bin/env bash
# Checks that each crate for users compiles without a warning with every set of its features. Installs cargo-hack where it is missing.
# A minute on two cores from scratch, half of that when what the crates depend on has been checked before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never

version=0.6.46
if [[ $(cargo hack --version 2>/dev/null) != "cargo-hack $version" ]]; then
    cargo install cargo-hack --version "$version" --locked
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# One crate at a time, and its library only: so nothing is on that its tests or its neighbours in the workspace turn on. With the resolver that the workspace has, this
# takes no `--no-dev-deps`, for which cargo-hack would rewrite the manifests under the feet of whatever runs beside it.
cargo hack check --feature-powerset --exclude-features default --lib \
    -p cloakroom -p cloakroom-tower -p cloakroom-tower-sessions -p cloakroom-actix-session -p cloakroom-dbsc \
    -p cloakroom-codec -p cloakroom-persist -p cloakroom-redis 2>&1 | tee "$log"

# `-D warnings` by way of the compiler's flags would have everything else built again for it.
if grep -q '^warning' "$log"; then
    echo "error: the compiler warns of some set of features" >&2
    exit 1
fi
