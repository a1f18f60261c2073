//! Servers over sessions that they share, in an engine that the tests start. `ci/shared.sh` runs these tests, because
//! they need `redis-server` or `valkey-server`.
#![cfg(unix)]

#[path = "support/build.rs"]
mod build;
#[path = "support/engine.rs"]
mod engine;
#[path = "shared/harness.rs"]
mod harness;
#[allow(dead_code, reason = "the page of one server needs more of it")]
#[path = "server/browser/webdriver.rs"]
mod webdriver;

#[path = "shared/away.rs"]
mod away;
#[path = "shared/browser.rs"]
mod browser;
#[path = "shared/carriers.rs"]
mod carriers;
#[path = "shared/demo.rs"]
mod demo;
#[path = "shared/lost.rs"]
mod lost;
#[path = "shared/nodes.rs"]
mod nodes;
#[path = "shared/operations.rs"]
mod operations;
