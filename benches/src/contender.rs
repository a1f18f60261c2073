//! The operations of every contender.

use crate::clock::Clock;
use crate::ids::{Id, Ids};
use std::time::Duration;

/// The settings of a store.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The idle timeout.
    pub ttl: Duration,
    pub clock: Clock,
    pub ids: Ids,
    /// How many sessions the store will hold. Only [`Extent::Lookups`] needs it, because all other stores grow.
    pub sessions: usize,
}

impl Setup {
    /// A timeout of half an hour, and ids from the operating system.
    pub fn new(clock: Clock, sessions: usize) -> Self {
        Self { ttl: Duration::from_secs(30 * 60), clock, ids: Ids::System, sessions }
    }
}

/// How much of a session store a contender implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Store,
    /// It cannot evict expired sessions, and it may lose one of two concurrent sets.
    WithoutEviction,
    /// It can only insert sessions and look them up.
    Lookups,
}

/// A store of sessions: string attributes under a random id, with an idle timeout that every access except `exists`
/// restarts.
pub trait Contender: Send + Sync + Sized + 'static {
    /// Its name in reports.
    const NAME: &'static str;
    const EXTENT: Extent = Extent::Store;
    /// It reads a clock of its own, so a test must wait for time to pass.
    const OWN_CLOCK: bool = false;

    fn open(setup: Setup) -> Self;

    /// Creates a session that holds `attributes`, whose keys differ.
    fn create(&self, attributes: &[(&str, &str)]) -> Id;

    /// Passes one attribute of a live session to `f`, without a copy where the store allows that, and touches the
    /// session.
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R>;

    /// Returns one attribute of a live session, and touches the session.
    #[inline]
    fn get(&self, id: &Id, key: &str) -> Option<String> {
        self.read(id, key, str::to_owned)
    }

    /// Sets one attribute of a live session, and touches the session. False if there is no such session.
    fn set(&self, id: &Id, key: &str, value: &str) -> bool;

    /// Tells whether a live session exists. Does not touch it.
    fn exists(&self, id: &Id) -> bool;

    /// Removes a session. False if it was not live.
    fn delete(&self, id: &Id) -> bool;

    /// Removes expired sessions, and returns their number.
    fn evict_expired(&self) -> usize;

    /// Frees the memory of removed sessions, if the crate has a call for that.
    fn flush(&self) {}
}
