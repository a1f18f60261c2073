//! Models of the table under loom; see `tests/`.
