//! Session stores side by side: cloakroom, stores that a careful user would build from other crates, and the limit of
//! the machine.
//!
//! Modules import from lower layers only:
//!
//! | layer | modules |
//! |---|---|
//! | 3 | [`workload`]: the load that threads put on a store, and the measurements. [`contenders`]: the stores. [`contract`]: the test that each of them passes |
//! | 2 | [`session`]: the parts of a session that contenders share |
//! | 1 | [`contender`]: the operations and the settings of a store |
//! | 0 | [`attributes`], [`clock`], [`ids`], [`memory`], [`random`] |
//!
//! On top of them, the binary `compare` runs and reports, and `shared-writes` counts writes to shared memory. The
//! binary `instructions` judges instruction counts, and needs no module of the library.
//!
//! `benches/README.md` explains the figures.

#![deny(unsafe_code)]
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
pub mod ids;
#[cfg(feature = "peers")]
#[allow(unsafe_code, reason = "a global allocator, and calls of the C library")]
pub mod memory;
#[cfg(feature = "peers")]
pub mod random;
#[cfg(feature = "peers")]
pub mod session;
#[cfg(feature = "peers")]
pub mod workload;
