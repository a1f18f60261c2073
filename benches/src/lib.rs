//! Session stores side by side: cloakroom, what a careful user would build from other crates, and the machine's limit.
//!
//! * [`contender`]: what every store has to do; [`contenders`]: the stores; [`contract`]: the test that each of them
//!   passes.
//! * [`workload`]: what threads do to a store, and what is measured of it.
//! * The binary `compare` runs and reports; `shared-writes` counts writes to shared memory; `instructions` judges
//!   instruction counts.
//!
//! `benches/README.md` says what the figures mean.

#![allow(missing_docs, reason = "a tool of this repository, not a library for others")]

pub mod attributes;
#[cfg(feature = "peers")]
pub mod clock;
#[cfg(feature = "peers")]
pub mod contender;
#[cfg(feature = "peers")]
pub mod contenders;
#[cfg(feature = "peers")]
pub mod contract;
#[cfg(feature = "peers")]
pub mod memory;
#[cfg(feature = "peers")]
pub mod random;
#[cfg(feature = "peers")]
pub mod session;
#[cfg(feature = "peers")]
pub mod workload;
