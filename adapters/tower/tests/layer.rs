//! The layer around a tower service, without a server: operations of a handler, and the cookie in the response.

#[path = "layer/harness.rs"]
mod harness;

#[path = "layer/cookies.rs"]
mod cookies;
#[path = "layer/handles.rs"]
mod handles;
#[path = "layer/keeping.rs"]
mod keeping;
#[path = "layer/login.rs"]
mod login;
#[path = "layer/meanwhile.rs"]
mod meanwhile;
#[path = "layer/revocation.rs"]
mod revocation;
#[path = "layer/timeouts.rs"]
mod timeouts;
#[path = "layer/typed.rs"]
mod typed;
