//! Eviction of expired sessions, all at once or a piece at a time.

use super::SessionStore;
use crate::content::Content;
use crate::table::Part;
use core::time::Duration;
use std::time::Instant;

/// Tells what a call of [`evict_expired_within`](SessionStore::evict_expired_within) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Eviction {
    /// How many sessions this call has ended.
    pub ended: usize,
    /// Whether the round that was under way when the call began has come to its end: every part of the store has been
    /// taken on in it, by this call or another one. Of several threads at work one may still be busy with the part that
    /// it took on last.
    pub complete: bool,
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Ends every session that has expired, and returns how many.
    ///
    /// Looks at every session, which takes about a hundred nanoseconds for each, and gives back the memory that is not
    /// needed any more. Other threads are not held up. Lock-free. Each session's end takes effect when its live version
    /// dies.
    pub fn evict_expired(&self) -> usize {
        let ended = self.table.sweep(self.moment());
        self.tracer.swept(ended, true, self.count());
        ended
    }

    /// Ends sessions that have expired, for as long as `budget` says, from where the last such call has stopped: for a
    /// thread that has other things to do as well.
    ///
    /// The calls of all threads go through the store together, in rounds. Several at once share the work: no part of a
    /// round is done twice, none is left out, and none waits for another. A call ends when the budget is used up or the
    /// round is [complete](Eviction::complete), and each looks at 64 places for sessions at least, whatever the budget.
    /// It may take longer by what one such piece and the freeing of what it has ended take: some microseconds, unless
    /// the thread is suspended. The budget is of real time, whatever clock the store has.
    ///
    /// A round looks at every session that was there throughout, but for this: of the sessions of one of the store's
    /// [parts](crate::SessionConfig::shards) that shrinks while the round is within it, some may be left for the next
    /// round. So may those that a call had taken on when the store's clock panicked.
    ///
    /// Lock-free. Each session's end takes effect when its live version dies.
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
    ///     // Whatever else this thread has to do.
    /// }
    /// assert_eq!(ended, 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_expired_within(&self, budget: Duration) -> Eviction {
        // None: further ahead than there is time.
        let end = Instant::now().checked_add(budget);
        let more = || end.is_none_or(|end| Instant::now() < end);
        let Part { expired, over } = self.table.sweep_on(self.moment(), more);
        self.tracer.swept(expired, over, self.count());
        Eviction { ended: expired, complete: over }
    }
}
