//! Ids drawn ahead: one call of the operating system's random source makes eight ids for one thread.
//!
//! The unused ids of a thread are in a [`Page`] of its own. A thread without a page draws each id by one call. A thread
//! has no page if the system offers none, and while it is torn down.
//!
//! # A batch and its mark
//!
//! The word [`DISCARDED`] counts the calls of [`discard`], from 1. The mark of a batch is the value of the counter
//! *before* the source was called, and its ids are used only while mark and counter are equal. In a forked child the
//! kernel has set the mark to zero, and the counter is never zero. So one comparison finds a batch that was wiped and a
//! batch that was discarded.
//!
//! | step | the page then |
//! |---|---|
//! | compare the mark with the counter, and look whether ids are left; if so, go on with "take" | |
//! | mark | mark new, no ids left |
//! | fill | the source has written eight ids |
//! | count | eight ids left |
//! | take | one id less, and that id erased |
//! | compare the mark with the counter again | |
//!
//! # A fork during a draw
//!
//! A child has one thread only: a copy of the thread that forked. That thread is not within a draw, unless a signal
//! handler forks. Pages of other threads are wiped too, and nothing in the child refers to them.
//!
//! Where a signal handler does fork between two instructions of a draw, the child goes on with the draw over a page of
//! zeros. It hands out no id of the page:
//!
//! * The mark is set before the page is filled and never between filling and taking. So no instruction after the fork
//!   makes a wiped page look valid.
//! * The second comparison finds that the page was wiped after the first one. Then the id is thrown away, and one is
//!   drawn by a call of its own, so that a draw has no loop.
//!
//! If the handler forks after the second comparison, both processes return the id, as they both return from any
//! function that they are in.
//!
//! # Errors, panics and re-entry
//!
//! A draw takes the page out of the thread's [`State`] and puts it back at its end. Where the source fails, the page is
//! erased. Where the source panics, the page is dropped, which erases it; the thread draws each id by a call of its own
//! from then on. A draw within a draw also calls the source for its id. Only a replaced random source could cause one.

use super::SessionId;
use super::page::{IDS, Page};
use crate::error::RandomError;
use crate::sync::{AtomicU64, Ordering, step};
use core::cell::Cell;
use crossbeam_utils::CachePadded;

/// The number of calls of [`discard`], and one. Padded, because each draw reads it.
static DISCARDED: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(1));

std::thread_local! {
    static BATCH: Batch = const { Batch::new() };
}

/// Draws an id out of the thread's batch.
pub(super) fn draw() -> Result<SessionId, RandomError> {
    let drawn = BATCH.try_with(|batch| batch.draw(&DISCARDED, getrandom::fill));
    // The thread is being torn down, and its batch is gone.
    drawn.unwrap_or_else(|_| SessionId::random())
}

/// Discards the batches of all threads.
pub(super) fn discard() {
    // Relaxed: a draw that happens after this call reads the new count by coherence alone, and the count publishes
    // nothing else.
    DISCARDED.fetch_add(1, Ordering::Relaxed);
}

/// The ids that one thread has drawn ahead.
struct Batch(Cell<State>);

enum State {
    /// The thread has not drawn yet.
    New,
    Open(Page),
    /// A draw has the page; or the system offers none; or the source has panicked.
    Direct,
}

impl Batch {
    const fn new() -> Self {
        Self(Cell::new(State::New))
    }

    fn draw(
        &self,
        discarded: &AtomicU64,
        source: impl Fn(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<SessionId, RandomError> {
        let page = match self.0.replace(State::Direct) {
            State::New => Page::map(),
            State::Open(page) => Some(page),
            State::Direct => None,
        };
        let Some(mut page) = page else { return SessionId::random_from(source) };
        let drawn = page.draw(discarded, source);
        self.0.set(State::Open(page));
        drawn
    }
}

impl Page {
    fn draw(
        &mut self,
        discarded: &AtomicU64,
        source: impl Fn(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<SessionId, RandomError> {
        let count = discarded.load(Ordering::Relaxed); // Relaxed: as in `discard`.
        let mut left = self.left();
        if self.mark() != count || left == 0 {
            self.refill(count, &source)?;
            left = IDS;
        }
        step("batch judged");
        self.set_left(left - 1);
        let id = self.take(left - 1);
        step("id taken");
        let is_valid = self.mark() == discarded.load(Ordering::Relaxed); // Relaxed: as in `discard`.
        if is_valid { Ok(SessionId(id)) } else { SessionId::random_from(source) }
    }

    /// Draws as many ids as the page holds.
    #[cold]
    fn refill(
        &mut self,
        mark: u64,
        source: impl Fn(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<(), RandomError> {
        self.set_left(0);
        self.set_mark(mark);
        step("batch marked");
        let filled = self.fill(source);
        step("batch filled");
        match filled {
            Ok(()) => {
                self.set_left(IDS);
                Ok(())
            }
            Err(cause) => {
                self.erase();
                Err(RandomError::new(cause))
            }
        }
    }
}

#[cfg(test)]
mod tests;
