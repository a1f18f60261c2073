//! Ending all sessions of a store at one instant.

use super::SessionStore;
use crate::clock::TimeSource;
use crate::content::Content;
use crate::expiry::{EraStart, Moment, Tick, Ticking};
use crate::sync::{AtomicU64, Ordering};
use core::time::Duration;

/// The store's clock and its era, which each of its ticks has in its upper bits ([`crate::expiry`]).
pub(super) struct StoreTime {
    source: TimeSource,
    era: AtomicU64,
}

impl StoreTime {
    pub(super) fn new(source: TimeSource) -> Self {
        Self { source, era: AtomicU64::new(EraStart::FIRST.to_word()) }
    }

    pub(super) fn resolution(&self) -> Duration {
        self.source.resolution()
    }

    /// Begins the next era. False if there is none.
    fn begin_era(&self) -> bool {
        let next = |word| EraStart::from_word(word).next().map(EraStart::to_word);
        // Relaxed, as below: the era publishes nothing, and it grows. A thread that has seen a stamp of an era, or an
        // effect of `end_all`, reads that era or a later one, by the coherence of the word.
        self.era.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Skips the eras up to the last one.
    #[cfg(all(test, not(loom)))]
    fn use_up_the_eras(&self) {
        while self.begin_era() {}
    }
}

impl Ticking for StoreTime {
    #[inline]
    fn tick(&self) -> Tick {
        let era = EraStart::from_word(self.era.load(Ordering::Relaxed)); // Relaxed: see `begin_era`.
        era.tick(self.source.milliseconds())
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Ends all sessions and all [reservations](Self::reserve) at one instant, in constant time: for a cache that has
    /// lost touch with the store behind it, or for "log everybody out".
    ///
    /// Once this has returned, no session or reservation that was in the store when it was called is found, changed or
    /// fulfilled. A session that is created during the call may or may not end. A session that is created afterwards is
    /// not affected.
    ///
    /// The ended sessions stay in [`count`](Self::count), in their places below
    /// [`max_sessions`](crate::SessionConfig#structfield.max_sessions) and in memory until they are removed: by
    /// [`evict_expired`](Self::evict_expired), which counts them too, by the [`Sweeper`](crate::Sweeper), or by a
    /// creation that needs a place. The listener of [`on_removal`](crate::SessionStoreBuilder::on_removal) is told
    /// then, with the cause [`EndAll`](crate::RemovalCause::EndAll).
    ///
    /// **With a [`Journal`](crate::Journal)** the sessions also end at one instant, but the call then removes them one
    /// after the other, so that the journal is told of each before this returns.
    ///
    /// Lock-free; allocates nothing. Takes effect when the store's era is raised. A store has 260,000 eras. If they are
    /// used up, a call ends the sessions one after the other, as `evict_expired` does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let before = store.create()?;
    /// store.end_all();
    /// let after = store.create()?;
    /// assert!(!store.exists(&before) && store.exists(&after));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn end_all(&self) {
        if !self.time.begin_era() {
            // At the end of time every session is of an earlier era.
            let end = Tick::new(0).in_era(EraStart::END);
            self.table.sweep(Moment::new(end, self.idle, &end));
        } else if self.journal.is_some() {
            // So that the journal is told of each.
            self.table.sweep(self.moment());
        }
        self.settle();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::{ManualClock, RemovalCause, SessionStore, Timeouts};
    use core::time::Duration;

    #[test]
    fn without_another_era_every_session_ends_all_the_same() {
        let clock = ManualClock::new();
        let store = SessionStore::builder().ttl(Duration::MAX).clock(clock.clone()).build().expect("valid");
        store.time.use_up_the_eras();
        let ids: Vec<_> = (0..100).map(|_| store.create().expect("unlimited")).collect();
        let id = crate::SessionId::from_bytes([7; 32]);
        let reservation = store.reserve(&id, Duration::MAX).expect("free");
        store.end_all();
        assert!(ids.iter().all(|id| !store.exists(id)));
        assert!(reservation.fulfil_with(Timeouts::default(), [("user", "ada")]).is_err());
        assert_eq!((store.count(), store.stats().removed(RemovalCause::EndAll)), (0, 100));
        let after = store.create().expect("unlimited");
        assert!(store.exists(&after));
        store.end_all();
        assert!(!store.exists(&after));
    }

    /// The operation reads its clock, all sessions end, and another thread inserts the id again.
    #[test]
    fn an_operation_of_an_earlier_era_does_not_shorten_a_session_of_a_later_one() {
        let store =
            SessionStore::builder().ttl(Duration::from_secs(60)).clock(ManualClock::new()).build().expect("valid");
        let id = crate::SessionId::from_bytes([7; 32]);
        let timeouts = Timeouts::default().absolute(Duration::from_secs(30));
        store.insert_with(&id, timeouts, [("user", "ada")]).expect("free");
        let before = store.moment();
        store.end_all();
        store.insert_with(&id, timeouts, [("user", "ada")]).expect("free again");
        let table = &store.table;
        let updated = table.update(id.as_bytes(), before, |version, stamp| {
            let overrides = store.overrides_after(version, timeouts, before.now().in_era_of(stamp));
            let new = crate::content::packed_entry(version.next_head(stamp, &overrides), "");
            Ok::<_, ()>(crate::table::Change::Replace(new))
        });
        assert!(updated.is_ok());
        assert_eq!(store.expires_in(&id), Some(Duration::from_secs(30)));
    }
}
