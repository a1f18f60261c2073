// The sources of the store, for a crate that a model checker explores: `include!("…/verify/support/sources.rs")` at the
// root of the crate. (As a dependency the store could be given neither other atomics nor stand-ins.) The paths are
// relative to this file.
//
// The crate itself declares the three modules that the model checkers replace:
//
// | module | what may take its place |
// |---|---|
// | `memory` | `src/memory/mod.rs`, or the stand-in `verify/support/memory.rs` |
// | `hash` | a hash without a random key, because an execution must be repeatable |
// | `id` | `src/id/mod.rs`, or ids that are numbers |

#[path = "../../src/attributes/mod.rs"]
mod attributes;
#[path = "../../src/audience.rs"]
mod audience;
#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/content.rs"]
mod content;
#[path = "../../src/entry/mod.rs"]
mod entry;
#[path = "../../src/error/mod.rs"]
mod error;
#[path = "../../src/events/mod.rs"]
mod events;
#[path = "../../src/expiry.rs"]
mod expiry;
#[path = "../../src/fingerprint.rs"]
mod fingerprint;
#[path = "../../src/principal/mod.rs"]
mod principal;
#[path = "../../src/registry/mod.rs"]
mod registry;
#[path = "../../src/store/mod.rs"]
mod store;
#[path = "../../src/sync.rs"]
mod sync;
#[path = "../../src/table/mod.rs"]
mod table;
