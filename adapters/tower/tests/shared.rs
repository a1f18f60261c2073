//! Servers over sessions that they share, in an engine that the tests start. `ci/redis.sh` runs these tests, because they
//! need `redis-server` or `valkey-server`.
#![cfg(unix)]

#[path = "support/engine.rs"]
mod engine;
#[path = "shared/harness.rs"]
mod harness;

#[path = "shared/away.rs"]
mod away;
#[path = "shared/carriers.rs"]
mod carriers;
#[path = "shared/lost.rs"]
mod lost;
#[path = "shared/nodes.rs"]
mod nodes;
#[path = "shared/operations.rs"]
mod operations;
