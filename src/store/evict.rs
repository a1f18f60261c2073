//! Ending expired sessions, all at once or within a budget of time.

use super::SessionStore;
use crate::content::Content;
use crate::expiry::Ticking;
use crate::table::Part;
use core::time::Duration;
use std::time::Instant;

/// Reports what a call of [`evict_expired_within`](SessionStore::evict_expired_within) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Eviction {
    /// The number of sessions that this call has ended.
    pub ended: usize,
    /// Whether the round that was in progress when the call began is complete: every piece of the store was started in
    /// it, by this call or another. Another thread may still be working on its last piece.
    pub complete: bool,
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Ends every session that has expired, and returns how many.
    ///
    /// Looks at every session, which takes about a hundred nanoseconds for each, and then frees memory. Does not delay
    /// other threads.
    ///
    /// Lock-free; may allocate smaller arrays. Each session's end takes effect when its live version dies.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// store.create()?;
    /// clock.advance(Duration::from_secs(61));
    /// assert_eq!(store.evict_expired(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_expired(&self) -> usize {
        let ended = self.table.sweep(self.moment());
        if let Some(remembered) = self.moment_of_the_replaced(self.time.tick()) {
            self.replaced.sweep(remembered);
        }
        self.tracer.swept(ended, true, self.count());
        ended
    }

    /// Ends expired sessions for the time of `budget`, from where the last such call stopped: for a thread that has
    /// other work too.
    ///
    /// The calls of all threads go through the store together, in rounds. Concurrent calls share the work: no piece of
    /// a round is done twice, none is left out, and no call waits for another. A call ends when the budget is used up
    /// or the round is [complete](Eviction::complete). Each looks at 64 slots or more, whatever the budget. A call may
    /// exceed the budget by the time of one such piece and of freeing the memory of the sessions that it ended: some
    /// microseconds, unless the thread is suspended. The budget is real time, whatever clock the store has.
    ///
    /// A round looks at every session that exists throughout, with two exceptions. If a
    /// [shard](crate::SessionConfig#structfield.shards) shrinks while the round is in it, some of its sessions may be
    /// left for the next round. So may the sessions of a piece during which the store's clock panicked.
    ///
    /// Lock-free; may allocate smaller arrays. Each session's end takes effect when its live version dies.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let store = SessionStore::builder().ttl(Duration::from_secs(60)).clock(clock.clone()).build()?;
    /// for _ in 0..1_000 {
    ///     store.create()?;
    /// }
    /// clock.advance(Duration::from_secs(61));
    ///
    /// let mut ended = 0;
    /// loop {
    ///     let eviction = store.evict_expired_within(Duration::from_millis(1));
    ///     ended += eviction.ended;
    ///     if eviction.complete {
    ///         break;
    ///     }
    ///     // The thread does its other work here.
    /// }
    /// assert_eq!(ended, 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_expired_within(&self, budget: Duration) -> Eviction {
        // `None` if the end is beyond what `Instant` can hold: there is no end.
        let end = Instant::now().checked_add(budget);
        let more = || end.is_none_or(|end| Instant::now() < end);
        let Part { expired, over } = self.table.sweep_on(self.moment(), more);
        if let Some(remembered) = self.moment_of_the_replaced(self.time.tick()).filter(|_| over) {
            // Within what is left of the budget. What is left over is for the next round.
            self.replaced.sweep_on(remembered, more);
        }
        self.tracer.swept(expired, over, self.count());
        Eviction { ended: expired, complete: over }
    }
}
