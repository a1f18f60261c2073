//! The contract of the store, as claims: what the session guide promises, and what callers may rely on beyond it.
//!
//! | what the guide says | where it is claimed |
//! |---|---|
//! | three settings and their defaults, id sizes | [`settings`] |
//! | `create`, `set`, `get`, `delete`, `exists`, `count` | [`lifecycle`] |
//! | idle timeout, touching, `evict_expired` | [`expiry`]; a piece at a time: [`eviction`]; clocks that misbehave: [`clock_abuse`] |
//! | (not in the guide) rotation with grace, in the midst of other things | [`grace`]; at one instant: [`rotation`] |
//! | `max_sessions`, and our limit on a session's size | [`limits`]; who goes when there are too many: [`capacity`]; `max_attributes`, and what many attributes cost: [`many`] |
//! | attributes are strings of any kind | [`attributes`]; changing them in other ways than `set`: [`editing`], and as JSON: `json` |
//! | every operation from any thread | [`threads`] |
//!
//! Beyond the guide: sessions of a principal ([`principals`], at their limit [`accounts`]), who is told of their end
//! ([`removals`]), values of any type ([`typed`]), enumeration ([`enumeration`]), sessions under ids that the caller
//! brings ([`insertion`]) and figures ([`stats`]).
//!
//! Not in the guide: nothing secret is ever printed ([`secrets`]), and a caller that panics or calls back harms nobody
//! ([`resilience`]). The cookies are claimed in the tests of `adapters/tower`.
//!
//! No test sleeps: time is a [`ManualClock`](cloakroom::ManualClock).

mod accounts;
mod attributes;
mod capacity;
mod clock_abuse;
mod editing;
mod enumeration;
mod eviction;
mod expiry;
mod grace;
mod handover;
mod insertion;
#[cfg(feature = "json")]
mod json;
mod lifecycle;
mod limits;
mod many;
mod principals;
mod removals;
mod resilience;
mod rotation;
mod secrets;
mod serials;
mod settings;
mod stats;
mod support;
mod threads;
mod typed;
