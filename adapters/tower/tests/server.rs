//! The example server over a socket, tested by an HTTP client and by a browser.

#[path = "../examples/server/app.rs"]
#[allow(dead_code, reason = "only the example as a process opens a directory")]
mod app;
#[path = "server/harness.rs"]
mod harness;

#[path = "server/browser/mod.rs"]
mod browser;
#[cfg(unix)]
#[path = "support/build.rs"]
mod build;
#[path = "server/carriers.rs"]
mod carriers;
#[path = "server/cookie_headers.rs"]
mod cookie_headers;
#[path = "server/devices.rs"]
mod devices;
#[path = "server/disk.rs"]
mod disk;
#[path = "server/in_flight.rs"]
mod in_flight;
#[path = "server/lifetimes.rs"]
mod lifetimes;
#[path = "server/live.rs"]
mod live;
#[path = "server/overtaking.rs"]
mod overtaking;
#[path = "server/process.rs"]
mod process;
#[path = "server/refusals.rs"]
mod refusals;
#[path = "server/sessions.rs"]
mod sessions;
