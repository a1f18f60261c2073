//! Long runs of every operation from eight threads, with invariants that hold on any schedule. For the sanitizers as
//! well as for themselves (`ci/sanitizers.sh`).
//!
//! The sanitizers do not see into std, so the threads here share nothing but atomics: no mutex, no channel, no barrier,
//! not even a scope. Nor do they pass on more order than a test needs: an acquire too many would hide a missing one in
//! the store.
//!
//! All stores have a single shard and grow and shrink all the time, so that everything happens in the midst of
//! migrations. `CLOAKROOM_STRESS_OPS` says how many operations each thread makes in each test.

mod enumeration;
mod expiry;
mod limits;
mod revocation;
mod rotation;
mod support;
mod threads;
mod updates;
