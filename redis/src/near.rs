//! The near cache: sessions in use, until the engine says that they have changed, or says nothing.
//!
//! Any thread reads it. The thread of the [link](crate::link) alone fills it, and ends its sessions in the order in
//! which the engine tells of changes. A deletion on this server ends its session from any thread.
//!
//! # The bound
//!
//! `fresh_until` is the instant at which the last answered ping was sent, plus the bound, by the coarse clock and less
//! one of its steps. A read looks at it first, and then looks the session up. The link stores it after it has ended all
//! sessions of which the engine has told before the ping's answer.

use crate::health::Health;
use cloakroom::{Audience, Clock, CoarseClock, ConfigError, Principal, SessionStore, SessionStoreBuilder, WhenFull};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// Microseconds of the coarse clock.
pub(crate) type Micros = u64;

pub(crate) fn micros(span: Duration) -> Micros {
    span.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(span.subsec_micros()))
}

/// A session as it was in the engine. In this order, so that a hit finds what it needs together, behind the header of
/// the table's entry. If the content is a snapshot, that entry takes 256 bytes (or 272, with limits of its own), so it
/// begins with a cache line, and its content with the next one.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Held<O> {
    /// From when on a use has to be told to the engine; [`TOLD`] if it was told.
    touch_at: AtomicU64,
    pub(crate) content: O,
    pub(crate) terms: Box<Terms>,
}

/// What a hit does not ask for.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) version: u32,
    pub(crate) idle: Duration,
    /// When the engine drops the session, if it is not touched.
    pub(crate) gone_at: Micros,
    /// The absolute deadline.
    pub(crate) ends_at: Option<Micros>,
    pub(crate) cookie: Option<Duration>,
    pub(crate) audience: Option<Audience>,
    pub(crate) principal: Option<Principal>,
}

/// Later than every use.
const NEVER: Micros = Micros::MAX;
const TOLD: Micros = NEVER - 1;

impl<O> Held<O> {
    /// `touch_at`: `None` if touches change nothing.
    pub(crate) fn new(content: O, touch_at: Option<Micros>, terms: Terms) -> Self {
        let touch_at = touch_at.map_or(NEVER, |instant| instant.min(TOLD));
        Self { touch_at: AtomicU64::new(touch_at), content, terms: Box::new(terms) }
    }

    /// Whether the engine has to be told of a use at this instant. True once.
    #[inline]
    pub(crate) fn is_due(&self, now: Micros) -> bool {
        // Relaxed: of several threads that find it due, one tells.
        now >= self.touch_at.load(Ordering::Relaxed) && self.touch_at.swap(TOLD, Ordering::Relaxed) < TOLD
    }

    /// The time that is left if the session is not used.
    pub(crate) fn left(&self, now: Micros) -> Duration {
        match self.terms.ends_at {
            // The engine keeps it until then, used or not. Relaxed: this never changes.
            Some(end) if self.touch_at.load(Ordering::Relaxed) == NEVER => until(end, now),
            // The engine keeps it an eighth longer.
            _ => until(self.terms.gone_at, now).saturating_sub(self.terms.idle / 8),
        }
    }
}

impl<O: Clone> Held<O> {
    pub(crate) fn copied(&self) -> Self {
        // Relaxed: see `is_due`.
        let touch_at = AtomicU64::new(self.touch_at.load(Ordering::Relaxed));
        Self { touch_at, content: self.content.clone(), terms: self.terms.clone() }
    }
}

pub(crate) fn until(instant: Micros, now: Micros) -> Duration {
    Duration::from_micros(instant.saturating_sub(now))
}

/// The counters of one of several threads.
#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How many threads have counters of their own. A thread that comes later shares the last ones with others.
const OWN: usize = 31;

/// The number of the calling thread, in the order in which threads count first, but at most [`OWN`].
#[inline]
fn thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.get().unwrap_or_else(|| {
        // Relaxed: only the number matters.
        let mine = NEXT.fetch_add(1, Ordering::Relaxed).min(OWN);
        MINE.set(Some(mine));
        mine
    })
}

/// The figures that the link counts.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) fills: AtomicU64,
    pub(crate) late_fills: AtomicU64,
    pub(crate) invalidations: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) unconfirmed: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) commands: AtomicU64,
    /// When the last answered ping was sent; 0 if there is none.
    pub(crate) ping: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    // Relaxed: only the number matters.
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(crate) struct Near<O: Send + Sync + 'static> {
    pub(crate) table: Arc<SessionStore<Held<O>>>,
    clock: CoarseClock,
    fresh_until: CachePadded<AtomicU64>,
    counters: Box<[CachePadded<Counters>; OWN + 1]>,
    pub(crate) figures: Figures,
}

impl<O: Send + Sync + 'static> Near<O> {
    /// The sessions of the builder's settings. Where they are full, the idlest one makes room.
    pub(crate) fn new(settings: SessionStoreBuilder) -> Result<Self, ConfigError> {
        let table = settings.max_sessions_per_principal(0).when_full(WhenFull::EndIdlest).build_typed()?;
        Ok(Self {
            table: Arc::new(table),
            clock: CoarseClock::new(),
            fresh_until: CachePadded::default(),
            counters: Box::default(),
            figures: Figures::default(),
        })
    }

    #[inline]
    pub(crate) fn now(&self) -> Micros {
        micros(self.clock.now())
    }

    pub(crate) fn step(&self) -> Micros {
        micros(self.clock.resolution())
    }

    /// Whether a read that begins now may be served from here.
    #[inline]
    pub(crate) fn is_fresh(&self, now: Micros) -> bool {
        // Acquire: what the link has ended before it stored this is ended for the look-up that follows. Pairs with the
        // Release in `serve_until`.
        now < self.fresh_until.load(Ordering::Acquire)
    }

    /// Lets reads be served until then: 0 for no longer.
    pub(crate) fn serve_until(&self, until: Micros) {
        // Release: pairs with the Acquire in `is_fresh`.
        self.fresh_until.store(until, Ordering::Release);
    }

    /// Whether the engine has answered a ping.
    pub(crate) fn has_answered(&self) -> bool {
        self.figures.ping.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(crate) fn hit(&self) {
        self.count(|counters| &counters.hits);
    }

    pub(crate) fn miss(&self) {
        self.count(|counters| &counters.misses);
    }

    #[inline]
    fn count(&self, counter: fn(&Counters) -> &AtomicU64) {
        let thread = thread();
        let counter = counter(&self.counters[thread]);
        if thread < OWN {
            // No other thread writes it, so nothing is lost, and no bus is locked. Relaxed: only the number matters.
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        } else {
            count(counter);
        }
    }

    /// The figures. `bound`: an engine that has said nothing for longer is away.
    pub(crate) fn health(&self, bound: Duration) -> Health {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sum = |counter: fn(&Counters) -> &AtomicU64| self.counters.iter().map(|stripe| read(counter(stripe))).sum();
        let figures = &self.figures;
        let ping_age = Duration::from_micros(self.now().saturating_sub(read(&figures.ping)));
        Health {
            away_for: (ping_age > bound).then_some(ping_age),
            ping_age,
            hits: sum(|counters| &counters.hits),
            misses: sum(|counters| &counters.misses),
            fills: read(&figures.fills),
            late_fills: read(&figures.late_fills),
            invalidations: read(&figures.invalidations),
            flushes: read(&figures.flushes),
            refusals: read(&figures.refusals),
            unconfirmed: read(&figures.unconfirmed),
            connections: read(&figures.connections),
            commands: read(&figures.commands),
            near: self.table.count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hit_of_any_thread_is_lost() {
        let near = Near::<u32>::new(SessionStore::builder()).unwrap();
        let hits = |times: u64| (0..times).for_each(|_| near.hit());
        std::thread::scope(|scope| (0..2 * OWN).for_each(|_| _ = scope.spawn(|| hits(100_000))));
        assert_eq!(near.health(Duration::ZERO).hits, 2 * OWN as u64 * 100_000);
    }

    #[test]
    fn a_session_with_attributes_fills_its_entry() {
        // Besides the header of 56 bytes and the serial number's 40.
        assert_eq!(56 + size_of::<Held<cloakroom::Snapshot>>() + 40, 256);
    }

    #[test]
    fn a_use_is_due_once_and_time_is_left_by_the_deadlines() {
        let idle = Duration::from_micros(800);
        let terms = Terms {
            version: 0,
            idle,
            gone_at: 1_000,
            ends_at: Some(600),
            cookie: None,
            audience: None,
            principal: None,
        };
        let held = Held::new((), Some(100), terms.clone());
        assert_eq!([99, 100, 101].map(|now| held.is_due(now)), [false, true, false]);
        assert!(!held.is_due(Micros::MAX) && !held.copied().is_due(Micros::MAX - 1));
        assert_eq!(held.left(200), Duration::from_micros(700));
        let capped = Held::new((), None, terms);
        assert!(!capped.is_due(Micros::MAX - 1));
        assert_eq!(capped.left(200), Duration::from_micros(400));
    }
}
