#!/usr/bin/env bash
# Checks that clippy has no complaint about anything in the workspace, with every feature and with none, nor about the models.
# It also holds the code to the `rust-version` of Cargo.toml. Two minutes on two cores from scratch, seconds after a small change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

cargo clippy --workspace --all-targets --all-features -- -D warnings
cargo clippy --workspace --all-targets --no-default-features -- -D warnings

# Without these flags the models compile to nothing. The flags reach every dependency, hence a target directory of their own.
CARGO_TARGET_DIR=$target/loom RUSTFLAGS="--cfg loom --cfg crossbeam_loom" \
    cargo clippy -p loom-tests --all-targets -- -D warnings
CARGO_TARGET_DIR=$target/shuttle RUSTFLAGS="--cfg shuttle" cargo clippy -p shuttle-tests --lib --test histories -- -D warnings
