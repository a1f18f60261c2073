//! The example server over a real socket, by a real HTTP client.

#[path = "../examples/server/app.rs"]
mod app;
#[path = "server/harness.rs"]
mod harness;

#[path = "server/cookie_headers.rs"]
mod cookie_headers;
#[path = "server/in_flight.rs"]
mod in_flight;
#[path = "server/process.rs"]
mod process;
#[path = "server/refusals.rs"]
mod refusals;
#[path = "server/sessions.rs"]
mod sessions;
