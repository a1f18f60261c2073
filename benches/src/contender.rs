//! What every contender does.

use crate::clock::Clock;
use std::time::Duration;

/// The name of a session: 32 bytes from the operating system.
pub type Id = [u8; 32];

/// Draws an id as each contender does it: a call of the operating system for each.
pub fn random_id() -> Id {
    let mut id = [0; 32];
    getrandom::fill(&mut id).expect("the operating system has random bytes");
    id
}

/// How a store is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// For how long a session may lie idle.
    pub ttl: Duration,
    pub clock: Clock,
    /// How many sessions it will hold. Only for [`Extent::Lookups`]: all others grow.
    pub sessions: usize,
}

impl Setup {
    pub fn new(clock: Clock, sessions: usize) -> Self {
        Self { ttl: Duration::from_secs(30 * 60), clock, sessions }
    }
}

/// How much of a session store a contender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Store,
    /// It cannot end expired sessions that nobody asks for, and of two concurrent sets one may be lost.
    WithoutEviction,
    /// No store: sessions are put in and looked up.
    Lookups,
}

/// A store of sessions: string attributes under a random id, with an idle timeout that each access but `exists` begins
/// anew.
pub trait Contender: Send + Sync + Sized + 'static {
    /// How reports call it.
    const NAME: &'static str;
    const EXTENT: Extent = Extent::Store;
    /// It reads a clock of its own, so that time passes by waiting only.
    const OWN_CLOCK: bool = false;

    fn open(setup: Setup) -> Self;

    /// Creates a session that holds `attributes`, whose keys differ.
    fn create(&self, attributes: &[(&str, &str)]) -> Id;

    /// Shows one attribute of a live session, without copying it where the store can do so, and touches the session.
    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R>;

    /// One attribute of a live session, which is touched.
    #[inline]
    fn get(&self, id: &Id, key: &str) -> Option<String> {
        self.read(id, key, str::to_owned)
    }

    /// Sets one attribute of a live session, which is touched; whether there was one.
    fn set(&self, id: &Id, key: &str, value: &str) -> bool;

    /// Whether there is a live session; it is not touched.
    fn exists(&self, id: &Id) -> bool;

    /// Removes a session; whether there was a live one.
    fn delete(&self, id: &Id) -> bool;

    /// Removes expired sessions, and returns how many it removed.
    fn evict_expired(&self) -> usize;

    /// Frees what was removed, as far as the crate has a call for it.
    fn flush(&self) {}
}
