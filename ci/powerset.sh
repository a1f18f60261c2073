#!/usr/bin/env bash
# Checks that each crate for users compiles with every set of its features, without a complaint of the compiler or of clippy. Installs cargo-hack where it is missing.
# A minute on two cores from scratch, half of that when what it depends on is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.6.46
if [[ $(cargo hack --version 2>/dev/null) != "cargo-hack $version" ]]; then
    cargo install cargo-hack --version "$version" --locked
fi

# One crate at a time, and its library only: so nothing is on that its tests or its neighbours in the workspace turn on. With the resolver that the workspace has, this
# takes no `--no-dev-deps`, for which cargo-hack would rewrite the manifests under the feet of whatever runs beside it.
cargo hack clippy --feature-powerset --lib -p cloakroom -p cloakroom-tower -p cloakroom-tower-sessions -p cloakroom-actix-session -- -D warnings
