//! Long and wide runs of the store; see `tests/`.
