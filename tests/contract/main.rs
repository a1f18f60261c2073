//! The contract of the store, as claims: what the session guide promises, and what callers may rely on beyond it.
//!
//! | what the guide says | where it is claimed |
//! |---|---|
//! | three settings and their defaults, id sizes | [`settings`] |
//! | `create`, `set`, `get`, `delete`, `exists`, `count` | [`lifecycle`] |
//! | idle timeout, touching, `evict_expired` | [`expiry`]; a piece at a time: [`eviction`]; clocks that misbehave: [`clock_abuse`] |
//! | `max_sessions`, and our limit on a session's size | [`limits`]; who goes when there are too many: [`capacity`] |
//! | attributes are strings of any kind | [`attributes`] |
//! | every operation from any thread | [`threads`] |
//!
//! Not in the guide: enumeration ([`enumeration`]) and figures ([`stats`]); nothing secret is ever printed ([`secrets`]), and a caller that panics or calls back harms nobody
//! ([`resilience`]). The cookies are claimed in the tests of the example server.
//!
//! No test sleeps: time is a [`ManualClock`](cloakroom::ManualClock).

mod attributes;
mod capacity;
mod clock_abuse;
mod enumeration;
mod eviction;
mod expiry;
mod lifecycle;
mod limits;
mod resilience;
mod secrets;
mod settings;
mod stats;
mod support;
mod threads;
