//! Records: the part of a thread's state that other threads can reach, and the list of all records.
//!
//! Each thread that retires something has a [`Record`]. It holds the thread's open [batch](super::batch) and the
//! batches that have been *returned* to it because no thread can use their objects any more. All records are in one
//! list, the [`Registry`], which only grows: the record of an ended thread goes to the next new thread.
//!
//! # Returned batches
//!
//! One word holds the head of the list of returned batches and the state of the thread.
//!
//! | state | when a batch is due, the thread that finds it |
//! |---|---|
//! | open | drops the contents; returns the memory, unless the owner has cached enough |
//! | sweeping | returns it unchanged, because the owner is about to free it |
//! | orphaned | frees all of it, because the owner has ended |
//!
//! Batches are pushed one by one. They are taken all at once, by the owner or by a thread that
//! [flushes](super::flush). Because state and list are one word, no batch is returned to an ended thread or left with a
//! thread whose sweep is over.
//!
//! # Tickets
//!
//! An object in an open batch waits until the batch is full. Memory can wait; contents must not wait for a thread that
//! may never retire anything again. So a thread that retires an object with contents also gives the collector a
//! *ticket*, unless one is under way. The thread that finds the ticket due takes the objects out of the open batch.
//!
//! Each change is one exchange, and a thread that loses one tries again because another thread has won: lock-free.
//! Orderings: B3 to B14 of `docs/orderings.md`.

use super::batch::Batch;
use super::epoch::Guard;
use super::object::RetiredObject;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, OwnUsize, ordered};
use core::iter::successors;
use core::ptr;
use crossbeam_utils::CachePadded;

/// Set in the word of returned batches while the thread sweeps.
const SWEEPING: usize = 0b01;
/// The word where there is no thread.
const ORPHANED: usize = 0b10;

/// The part of one thread's state that other threads can reach.
pub(crate) struct Record {
    own: CachePadded<Own>,
    /// The head of the list of returned batches, and the state.
    returned: CachePadded<AtomicPtr<Batch>>,
    /// The size in bytes of the batches that are or will be returned, except surplus ones.
    returning: AtomicUsize,
    /// 1 while a ticket is under way.
    ticket: AtomicUsize,
    /// 1 while the record has a thread.
    taken: AtomicUsize,
    /// The next record of the registry.
    next: *mut Record,
}

/// Fields that only the record's thread writes.
struct Own {
    open: AtomicPtr<Batch>,
    /// The size of the open batch in bytes.
    open_bytes: OwnUsize,
    /// Bytes retired before the open batch, less the bytes of returned batches that the thread has cached. Wraps.
    retired: OwnUsize,
    /// Bytes that the thread has cached.
    cached: OwnUsize,
}

// SAFETY: `next` does not change once the record is in the registry, and records are never freed.
unsafe impl Sync for Record {}
// SAFETY: as above.
unsafe impl Send for Record {}

/// Returned batches that one thread has taken, the youngest first.
pub(crate) struct Returned(*mut Batch);

impl Iterator for Returned {
    type Item = Box<Batch>;

    fn next(&mut self) -> Option<Box<Batch>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: it came out of a box when it was returned, and only the thread that took it owns it.
        let mut batch = unsafe { Box::from_raw(self.0) };
        self.0 = batch.closed().below;
        Some(batch)
    }
}

impl Record {
    /// A record with a thread.
    pub(crate) fn new() -> Self {
        let own = Own {
            open: AtomicPtr::new(ptr::null_mut()),
            open_bytes: OwnUsize::new(0),
            retired: OwnUsize::new(0),
            cached: OwnUsize::new(0),
        };
        Self {
            own: CachePadded::new(own),
            returned: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
            returning: AtomicUsize::new(0),
            ticket: AtomicUsize::new(0),
            taken: AtomicUsize::new(1),
            next: ptr::null_mut(),
        }
    }

    /// Publishes this thread's open batch, or null. To be called by its thread.
    pub(crate) fn open(&self, batch: *mut Batch) {
        // Release: the counts of the batch; pairs with B4.
        self.own.open.store(batch, ordered("B3", Ordering::Release));
    }

    /// Takes the objects in the thread's open batch.
    pub(crate) fn take_retired(&self, _guard: &Guard) -> Vec<RetiredObject> {
        // Acquire: the counts of the batch; pairs with B3.
        let open = self.own.open.load(ordered("B4", Ordering::Acquire));
        // SAFETY: a batch is not freed before every thread has unpinned that was pinned while it was the open one.
        unsafe { open.as_ref() }.map_or_else(Vec::new, Batch::take)
    }

    /// Whether to give the collector a ticket after retiring an object with contents. To be called by its thread.
    pub(crate) fn wants_ticket(&self) -> bool {
        // Release: the retired objects; pairs with B6.
        self.ticket.swap(1, ordered("B5", Ordering::Release)) == 0
    }

    /// Takes the objects in the thread's open batch when a ticket is due.
    pub(crate) fn redeem(&self, guard: &Guard) -> Vec<RetiredObject> {
        // Before looking at the batch, so that an object retired later gets a ticket of its own.
        // Acquire: the objects retired under this ticket; pairs with B5.
        self.ticket.swap(0, ordered("B6", Ordering::Acquire));
        self.take_retired(guard)
    }

    /// Returns a batch that no thread can use any more to its thread, or gives it to the caller to free.
    pub(crate) fn give_back(&self, mut batch: Box<Batch>) -> Option<Box<Batch>> {
        let mut word = self.returned.load(Ordering::Relaxed); // Relaxed, as below: not dereferenced.
        loop {
            let state = word.addr() & (SWEEPING | ORPHANED);
            if state == ORPHANED || state == 0 && batch.closed().surplus {
                self.forget(&mut batch);
                return Some(batch);
            }
            if state == 0 && batch.closed().has_contents {
                batch.drop_contents();
                word = self.returned.load(Ordering::Relaxed); // Relaxed: as above.
                continue;
            }
            batch.closed().below = word.map_addr(|address| address & !(SWEEPING | ORPHANED));
            let pushed = Box::into_raw(batch);
            let with_state = pushed.map_addr(|address| address | state);
            // Release: the batch, and every earlier use of its objects; pairs with B8 to B10. Relaxed on failure: as
            // above.
            match self.returned.compare_exchange(word, with_state, ordered("B7", Ordering::Release), Ordering::Relaxed)
            {
                Ok(_) => return None,
                Err(now) => word = now,
            }
            // SAFETY: it came out of a box just now and was not published.
            batch = unsafe { Box::from_raw(pushed) };
        }
    }

    /// Whether there are returned batches.
    pub(crate) fn has_returned(&self) -> bool {
        // Relaxed: a hint. `take_returned` loads it again.
        self.returned.load(Ordering::Relaxed).addr() & !(SWEEPING | ORPHANED) != 0
    }

    /// Takes all returned batches. May be called by any thread.
    pub(crate) fn take_returned(&self) -> Returned {
        let mut word = self.returned.load(Ordering::Relaxed); // Relaxed, as below: not dereferenced.
        while word.addr() & !(SWEEPING | ORPHANED) != 0 {
            let state = ptr::without_provenance_mut(word.addr() & SWEEPING);
            // Acquire: the batches, and every earlier use of their objects; pairs with B7.
            match self.returned.compare_exchange(word, state, ordered("B8", Ordering::Acquire), Ordering::Relaxed) {
                Ok(_) => return self.taken_out(word),
                Err(now) => word = now,
            }
        }
        Returned(ptr::null_mut())
    }

    /// Enters or leaves the state "sweeping", and takes the returned batches. To be called by its thread.
    pub(crate) fn sweeps(&self, sweeping: bool) -> Returned {
        let state = ptr::without_provenance_mut(if sweeping { SWEEPING } else { 0 });
        // Acquire: as for B8; pairs with B7.
        self.taken_out(self.returned.swap(state, ordered("B9", Ordering::Acquire)))
    }

    fn taken_out(&self, word: *mut Batch) -> Returned {
        let youngest = word.map_addr(|address| address & !(SWEEPING | ORPHANED));
        let mut batch = youngest;
        // SAFETY: returned batches that this thread has taken.
        while let Some(taken) = unsafe { batch.as_mut() } {
            self.forget(taken);
            batch = taken.closed().below;
        }
        Returned(youngest)
    }

    /// Counts a batch that will be returned.
    pub(crate) fn expect(&self, bytes: usize) {
        self.returning.fetch_add(bytes, Ordering::Relaxed); // Relaxed: a mere number, as below.
    }

    fn forget(&self, batch: &mut Batch) {
        let closed = batch.closed();
        if !closed.surplus {
            self.returning.fetch_sub(closed.bytes, Ordering::Relaxed);
        }
    }

    /// The size in bytes of the batches that are or will be returned.
    pub(crate) fn returning(&self) -> usize {
        self.returning.load(Ordering::Relaxed) // Relaxed: a mere number.
    }

    /// Adds to the size of the open batch, and returns it. This and the following counts are called by the record's
    /// thread.
    #[inline]
    pub(crate) fn count_open(&self, bytes: usize) -> usize {
        add(&self.own.open_bytes, bytes)
    }

    /// Counts the open batch as closed, and returns its size.
    pub(crate) fn count_closed(&self) -> usize {
        let bytes = self.own.open_bytes.load(Ordering::Relaxed); // Relaxed, as below: a mere number.
        self.count_retired(bytes);
        self.own.open_bytes.store(0, Ordering::Relaxed);
        bytes
    }

    /// Counts bytes that the thread has retired outside of a batch.
    pub(crate) fn count_retired(&self, bytes: usize) {
        add(&self.own.retired, bytes);
    }

    /// Counts bytes of a returned batch that the thread has cached.
    pub(crate) fn count_cached(&self, bytes: usize) {
        add(&self.own.cached, bytes);
        add(&self.own.retired, bytes.wrapping_neg());
    }

    /// Counts bytes of the cache that the thread has used again or freed.
    #[inline]
    pub(crate) fn count_reused(&self, bytes: usize) {
        add(&self.own.cached, bytes.wrapping_neg());
    }

    /// Bytes that the thread has cached.
    pub(crate) fn cached(&self) -> usize {
        self.own.cached.load(Ordering::Relaxed) // Relaxed: a mere number.
    }

    /// Bytes that the record's threads have retired and not reused, less the bytes that other threads have freed.
    /// Wraps.
    pub(crate) fn balance(&self) -> usize {
        // Relaxed: mere numbers.
        let own = [&self.own.open_bytes, &self.own.retired, &self.own.cached];
        own.into_iter().fold(0, |sum: usize, count| sum.wrapping_add(count.load(Ordering::Relaxed)))
    }

    /// Gives the record up for the next new thread, and takes the returned batches. To be called by its thread, which
    /// must not use the record any more.
    pub(crate) fn leave(&self) -> Returned {
        // Acquire: as for B8; pairs with B7.
        let orphaned = ptr::without_provenance_mut(ORPHANED);
        let returned = self.taken_out(self.returned.swap(orphaned, ordered("B10", Ordering::Acquire)));
        // Release: this thread's counts; pairs with B12.
        self.taken.store(0, ordered("B11", Ordering::Release));
        returned
    }

    /// Takes over a record that its thread has given up.
    fn take(&self) -> bool {
        // Relaxed: only saves an exchange. Acquire: the last thread's counts; pairs with B11. Relaxed on failure: the
        // record is not used.
        let taken = self.taken.load(Ordering::Relaxed) == 0
            && self.taken.compare_exchange(0, 1, ordered("B12", Ordering::Acquire), Ordering::Relaxed).is_ok();
        if taken {
            self.returned.store(ptr::null_mut(), Ordering::Relaxed); // Relaxed: null publishes nothing.
        }
        taken
    }
}

/// Adds to a count that only this thread writes, and returns the sum.
#[inline]
fn add(count: &OwnUsize, bytes: usize) -> usize {
    let sum = count.load(Ordering::Relaxed).wrapping_add(bytes); // Relaxed, as below: a mere number.
    count.store(sum, Ordering::Relaxed);
    sum
}

/// All records.
pub(crate) struct Registry(pub(crate) AtomicPtr<Record>);

impl Registry {
    /// Returns a record for this thread, which has to [leave](Record::leave) it when it ends.
    pub(crate) fn enter(&self) -> &'static Record {
        if let Some(record) = self.records().find(|record| record.take()) {
            return record;
        }
        let record = Box::into_raw(Box::new(Record::new()));
        let mut first = self.0.load(Ordering::Relaxed); // Relaxed, as below: not dereferenced here.
        loop {
            // SAFETY: no other thread knows the record yet.
            unsafe { (*record).next = first };
            // Release: the record; pairs with B14.
            match self.0.compare_exchange(first, record, ordered("B13", Ordering::Release), Ordering::Relaxed) {
                // SAFETY: records are never freed.
                Ok(_) => return unsafe { &*record },
                Err(now) => first = now,
            }
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &'static Record> {
        // Acquire: the records; pairs with B13.
        let first = self.0.load(ordered("B14", Ordering::Acquire));
        // SAFETY: records are never freed.
        let first = unsafe { first.as_ref() };
        // SAFETY: as above.
        successors(first, |record| unsafe { record.next.as_ref() })
    }
}
