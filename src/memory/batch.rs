//! A batch: up to 64 objects that one thread retires together.
//!
//! A batch is *open* while its thread retires into it. Meanwhile any pinned thread may [take](Batch::take) the objects
//! that have been retired so far, because the owner may never retire anything again. Two counts divide the objects:
//!
//! ```text
//! | taken by others | retired, not yet taken | not retired yet |
//! 0               taken                   retired           BATCH
//! ```
//!
//! Only the owner moves `retired`, by a store. Any thread may move `taken`, by an exchange; the thread that moves it
//! owns the objects in between. [Closing](Batch::close) is the last such move: it gives the rest to the owner. So each
//! object has one owner, and no thread waits. The owner then retires the batch itself, because other pinned threads may
//! still be looking into it.
//!
//! Orderings: B1 and B2 of `docs/orderings.md`.

use super::heap;
use super::object::RetiredObject;
use super::prefetch::prefetch;
use crate::sync::{AtomicUsize, MODEL, Ordering, OwnUsize, ordered};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;

/// The most objects in a batch. Few in the models, and where AddressSanitizer has to see objects freed early.
pub(crate) const BATCH: usize = if MODEL {
    2
} else if cfg!(crossbeam_sanitize) {
    4
} else {
    64
};

/// The distance, in objects, at which a thread that frees a batch prefetches.
const AHEAD: usize = 8;

/// The value of `taken` once the batch is closed.
const CLOSED: usize = usize::MAX;

/// A batch of retired objects.
pub(crate) struct Batch {
    retired: OwnUsize,
    taken: AtomicUsize,
    slots: [UnsafeCell<MaybeUninit<RetiredObject>>; BATCH],
    closed: UnsafeCell<Closed>,
}

/// The state of a closed batch.
pub(crate) struct Closed {
    /// The slots that hold objects.
    rest: Range<usize>,
    /// The size of the objects in bytes, unless they are surplus.
    pub(crate) bytes: usize,
    /// Whether one of the objects has contents that need to be dropped.
    pub(crate) has_contents: bool,
    /// Whether the batch must not be cached: its thread has cached enough, or others have taken some of its objects.
    pub(crate) surplus: bool,
    /// The next batch in the list of returned batches.
    pub(crate) below: *mut Batch,
}

// SAFETY: a slot is written before `retired` covers it, and read only by the thread that owns its object. `closed` is
// used only by the thread that owns the closed batch.
unsafe impl Send for Batch {}
// SAFETY: as above.
unsafe impl Sync for Batch {}

impl Batch {
    /// An empty open batch.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            retired: OwnUsize::new(0),
            taken: AtomicUsize::new(0),
            slots: [const { UnsafeCell::new(MaybeUninit::uninit()) }; BATCH],
            closed: UnsafeCell::new(Closed::NOTHING),
        })
    }

    /// Makes a drained batch as good as new.
    pub(crate) fn reopened(mut self: Box<Self>) -> Box<Self> {
        debug_assert!(self.closed().rest.is_empty());
        self.taken = AtomicUsize::new(0);
        self.retired = OwnUsize::new(0);
        self
    }

    /// Retires an object into an open batch, and returns the number of objects retired into it.
    ///
    /// # Safety
    ///
    /// The caller must ensure that no other thread calls this or [`close`](Self::close), and that there are fewer than
    /// [`BATCH`].
    #[inline]
    pub(crate) unsafe fn push(&self, object: RetiredObject) -> usize {
        let retired = self.retired.load(Ordering::Relaxed); // Relaxed: this thread's own.
        let slot = self.slots[retired].get();
        // SAFETY: no other thread uses a slot that `retired` does not cover yet.
        unsafe { &mut *slot }.write(object);
        // Release: the slot, and that the object has been taken out of its table; pairs with B2.
        self.retired.store(retired + 1, ordered("B1", Ordering::Release));
        retired + 1
    }

    /// Takes the objects that have been retired into an open batch so far. The thread must have been pinned when it
    /// found the batch.
    pub(crate) fn take(&self) -> Vec<RetiredObject> {
        // Acquire: the slots below; pairs with B1.
        let retired = self.retired.load(ordered("B2", Ordering::Acquire));
        let mut taken = self.taken.load(Ordering::Relaxed); // Relaxed, as below: only decides the owner of the objects.
        while taken < retired {
            match self.taken.compare_exchange(taken, retired, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return (taken..retired).map(|slot| self.read(slot)).collect(),
                Err(now) => taken = now,
            }
        }
        Vec::new()
    }

    /// Closes an open batch. The remaining objects belong to the caller, and so does the batch once all threads that
    /// are pinned now have unpinned. `kept` is given the size of the objects and returns whether they may be cached.
    ///
    /// # Safety
    ///
    /// The caller must ensure that no other thread calls this or [`push`](Self::push), and that the batch is not closed
    /// yet.
    pub(crate) unsafe fn close(&self, bytes: usize, has_contents: bool, kept: impl FnOnce(usize) -> bool) {
        let retired = self.retired.load(Ordering::Relaxed); // Relaxed: this thread's own.
        // Relaxed: only decides the owner of the objects, which this thread has retired itself.
        let taken = self.taken.swap(CLOSED, Ordering::Relaxed);
        // Where others have taken some objects, the size of the rest is unknown, so it is not cached.
        let surplus = taken != 0 || !kept(bytes);
        let closed = Closed { rest: taken..retired, bytes, has_contents, surplus, below: ptr::null_mut() };
        // SAFETY: no other thread uses it.
        unsafe { self.closed.get().write(closed) };
    }

    /// The state of a closed batch.
    pub(crate) fn closed(&mut self) -> &mut Closed {
        self.closed.get_mut()
    }

    /// Drops the contents of the remaining objects of a closed batch.
    pub(crate) fn drop_contents(&mut self) {
        let closed = self.closed.get_mut();
        closed.has_contents = false;
        for slot in closed.rest.clone() {
            // SAFETY: it holds an object, which only this batch owns.
            unsafe { self.slots[slot].get_mut().assume_init_mut() }.drop_contents();
        }
    }

    /// Takes the remaining objects out of a closed batch.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = RetiredObject> {
        let rest = core::mem::take(&mut self.closed.get_mut().rest);
        rest.map(|slot| self.read(slot))
    }

    /// Takes the remaining objects out of a closed batch, to free them. Prefetches what freeing them needs.
    pub(crate) fn drain_to_free(&mut self) -> impl Iterator<Item = RetiredObject> {
        let rest = core::mem::take(&mut self.closed.get_mut().rest);
        let end = rest.end;
        (rest.start..end.min(rest.start + AHEAD)).for_each(|slot| self.prefetch(slot));
        rest.map(move |slot| {
            if slot + AHEAD < end {
                self.prefetch(slot + AHEAD);
            }
            self.read(slot)
        })
    }

    /// Prefetches the header of the object in a slot, and the word of its block.
    fn prefetch(&self, slot: usize) {
        // SAFETY: no other thread uses a slot whose object this thread owns.
        let slot = unsafe { &*self.slots[slot].get() };
        // SAFETY: the slot was written before.
        let object = unsafe { slot.assume_init_ref() }.object();
        prefetch(object.as_ptr());
        // The header may lie on two cache lines.
        prefetch(object.as_ptr().wrapping_byte_add(56));
        heap::prefetch(object.cast());
    }

    /// Takes an object out of its slot. To be called once for each object, by the thread that owns it.
    fn read(&self, slot: usize) -> RetiredObject {
        // SAFETY: no other thread uses a slot whose object this thread owns.
        let slot = unsafe { &*self.slots[slot].get() };
        // SAFETY: the slot was written before, and is not read again.
        unsafe { slot.assume_init_read() }
    }
}

impl Closed {
    const NOTHING: Self = Self { rest: 0..0, bytes: 0, has_contents: false, surplus: false, below: ptr::null_mut() };
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.drain().for_each(drop);
    }
}
