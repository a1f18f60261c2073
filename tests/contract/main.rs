//! The contract of the store, as claims: the guarantees of the session guide, and further guarantees.
//!
//! | subject of the guide | tests |
//! |---|---|
//! | three settings and their defaults, id sizes | [`settings`] |
//! | `create`, `set`, `get`, `delete`, `exists`, `count` | [`lifecycle`] |
//! | idle timeout, touching, `evict_expired` | [`expiry`]; piece by piece: [`eviction`]; wrong clocks: [`clock_abuse`] |
//! | (not in the guide) rotation with grace, concurrent with other operations | [`grace`]; at one instant: [`rotation`] |
//! | `max_sessions`, and our limit on a session's size | [`limits`]; sessions that make room: [`capacity`]; `max_bytes`: [`bytes`], [`bytes_at_once`]; `max_attributes`, and the cost of many attributes: [`many`] |
//! | attributes are arbitrary strings | [`attributes`]; changes other than `set`: [`editing`]; JSON: `json` |
//! | every operation from any thread | [`threads`] |
//!
//! Beyond the guide: sessions of a principal ([`principals`], and at their limit [`accounts`]; taken from it:
//! [`unbinding`]), the removal listener ([`removals`]), values of any type ([`typed`]), enumeration ([`enumeration`]),
//! sessions under ids of the caller ([`insertion`]), reservations ([`reservations`]), the end of all sessions
//! ([`end_all`]), figures ([`stats`]), ids that were replaced or logged out ([`replaced`]), rotations that are taken
//! back ([`undo`]) and sessions that are held in use ([`hold`]).
//!
//! Also not in the guide: no secret is printed ([`secrets`]), and closures that panic or call the store do no harm
//! ([`resilience`]). The cookie that carries an id: [`cookie`];
//! its lifetime, and the application that accepts the id: [`tickets`].
//!
//! No test sleeps: time is a [`ManualClock`](cloakroom::ManualClock).

mod accounts;
mod attributes;
mod bytes;
mod bytes_at_once;
mod capacity;
mod clock_abuse;
mod cookie;
mod editing;
mod end_all;
mod enumeration;
mod eviction;
mod expiry;
mod grace;
mod handover;
mod hold;
mod insertion;
mod journal;
#[cfg(feature = "json")]
mod json;
mod lifecycle;
mod limits;
mod many;
mod principals;
mod removals;
mod replaced;
mod reservations;
mod resilience;
mod rotation;
mod secrets;
mod serials;
mod settings;
mod stats;
mod support;
mod threads;
mod tickets;
mod typed;
mod unbinding;
mod undo;
