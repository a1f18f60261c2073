//! What a thread has retired together: up to 64 objects.
//!
//! A batch is *open* while its thread retires into it. Meanwhile any pinned thread may [take](Batch::take) what has
//! been retired so far, for the thread may never retire anything again. Two counts tell which thread has which object:
//!
//! ```text
//! | taken by others | retired, and still there | not retired yet |
//! 0               taken                     retired           ROOM
//! ```
//!
//! `retired` is moved by the thread only, by a mere store; `taken` by exchanges: the thread that moves it from one to
//! another has the objects in between. [Closing](Batch::close) is the last such move, and its winner, the thread, has
//! the rest. So each object is had once, and nobody waits. The thread then has the batch itself retired: a thread that
//! is still looking into it is pinned.
//!
//! Orderings: B1 and B2 of `docs/orderings.md`.

use super::spare::Spare;
use super::{heap, prefetch};
use crate::reclaim;
use crate::sync::{AtomicUsize, MODEL, Ordering, OwnUsize, ordered, planted};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;

/// Objects in a batch. Few where AddressSanitizer has to see objects freed early, and in the models.
pub(crate) const ROOM: usize = if MODEL {
    2
} else if cfg!(crossbeam_sanitize) {
    4
} else {
    reclaim::BAG
};

/// So many objects ahead of the one that is freed, what it takes to free them is fetched.
const AHEAD: usize = 8;

/// Where `taken` ends.
const CLOSED: usize = usize::MAX;

/// A batch of retired objects.
pub(crate) struct Batch {
    retired: OwnUsize,
    taken: AtomicUsize,
    slots: [UnsafeCell<MaybeUninit<Spare>>; ROOM],
    closed: UnsafeCell<Closed>,
}

/// What a batch has once it is closed.
pub(crate) struct Closed {
    /// Which slots hold objects.
    rest: Range<usize>,
    /// What the objects take, unless they are surplus.
    pub(crate) bytes: usize,
    /// Whether one of the objects has content that needs to be dropped.
    pub(crate) has_contents: bool,
    /// Whether its thread has enough to use again without it, or others have taken some of it.
    pub(crate) surplus: bool,
    /// The one below it among those that have been returned.
    pub(crate) below: *mut Batch,
}

// SAFETY: a slot is written before `retired` tells of it, and read by the thread that has its object alone; `closed` is
// used by the one that has the closed batch.
unsafe impl Send for Batch {}
// SAFETY: as above.
unsafe impl Sync for Batch {}

impl Batch {
    /// An open batch with nothing in it.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            retired: OwnUsize::new(0),
            taken: AtomicUsize::new(0),
            slots: [const { UnsafeCell::new(MaybeUninit::uninit()) }; ROOM],
            closed: UnsafeCell::new(Closed::NOTHING),
        })
    }

    /// The same as a new one.
    pub(crate) fn reopened(mut self: Box<Self>) -> Box<Self> {
        debug_assert!(self.closed().rest.is_empty());
        self.taken = AtomicUsize::new(0);
        self.retired = OwnUsize::new(0);
        self
    }

    /// Retires an object into an open batch, and says how many have been.
    ///
    /// # Safety
    ///
    /// The caller must ensure that no other thread calls this or [`close`](Self::close), and that there are fewer than
    /// [`ROOM`].
    #[inline]
    pub(crate) unsafe fn push(&self, spare: Spare) -> usize {
        let retired = self.retired.load(Ordering::Relaxed); // Relaxed: this thread's own.
        let slot = self.slots[retired].get();
        // SAFETY: nobody else uses a slot that `retired` does not tell of yet.
        unsafe { &mut *slot }.write(spare);
        // Release: the slot, and that the object has been taken out of its table; pairs with B2.
        self.retired.store(retired + 1, ordered("B1", Ordering::Release));
        retired + 1
    }

    /// What has been retired into an open batch so far. For a thread that was pinned when it found the batch.
    pub(crate) fn take(&self) -> Vec<Spare> {
        // Acquire: the slots below; pairs with B1.
        let retired = self.retired.load(ordered("B2", Ordering::Acquire));
        let mut taken = self.taken.load(Ordering::Relaxed); // Relaxed, as below: only says whose the objects are.
        while taken < retired {
            match self.taken.compare_exchange(taken, retired, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return (taken..retired).map(|slot| self.read(slot)).collect(),
                Err(now) => taken = now,
            }
        }
        Vec::new()
    }

    /// Closes an open batch: what is left in it is the caller's, and so is the batch when nobody is pinned any more
    /// that is now. `kept` is told what the objects take, and says whether that is not too much.
    ///
    /// # Safety
    ///
    /// The caller must ensure that no other thread calls this or [`push`](Self::push), and that the batch is not closed
    /// yet.
    pub(crate) unsafe fn close(&self, bytes: usize, has_contents: bool, kept: impl FnOnce(usize) -> bool) {
        let retired = self.retired.load(Ordering::Relaxed); // Relaxed: this thread's own.
        // Relaxed: only says whose the objects are, which this thread has retired itself.
        let taken = if planted("closed-by-a-look") {
            self.taken.load(Ordering::Relaxed)
        } else {
            self.taken.swap(CLOSED, Ordering::Relaxed)
        };
        // What is left where others have taken some is not known by its bytes, and so not kept.
        let surplus = taken != 0 || !kept(bytes);
        let closed = Closed { rest: taken..retired, bytes, has_contents, surplus, below: ptr::null_mut() };
        // SAFETY: nobody else uses it.
        unsafe { self.closed.get().write(closed) };
    }

    /// What this has since it is closed.
    pub(crate) fn closed(&mut self) -> &mut Closed {
        self.closed.get_mut()
    }

    /// Drops the content of what is left in a closed batch.
    pub(crate) fn drop_contents(&mut self) {
        let closed = self.closed.get_mut();
        closed.has_contents = false;
        for slot in closed.rest.clone() {
            // SAFETY: it holds an object, which is this batch's alone.
            unsafe { self.slots[slot].get_mut().assume_init_mut() }.drop_contents();
        }
    }

    /// Takes out of a closed batch what is left in it.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Spare> {
        let rest = core::mem::take(&mut self.closed.get_mut().rest);
        rest.map(|slot| self.read(slot))
    }

    /// The same, to free it: fetches what that takes ahead of it.
    pub(crate) fn drain_to_free(&mut self) -> impl Iterator<Item = Spare> {
        let rest = core::mem::take(&mut self.closed.get_mut().rest);
        let end = rest.end;
        (rest.start..end.min(rest.start + AHEAD)).for_each(|slot| self.fetch(slot));
        rest.map(move |slot| {
            if slot + AHEAD < end {
                self.fetch(slot + AHEAD);
            }
            self.read(slot)
        })
    }

    /// Has what is needed fetched to take apart the object of a slot.
    fn fetch(&self, slot: usize) {
        // SAFETY: nobody else uses a slot whose object this thread has.
        let slot = unsafe { &*self.slots[slot].get() };
        // SAFETY: the slot was written before.
        let object = unsafe { slot.assume_init_ref() }.object();
        prefetch(object.as_ptr());
        // The header's other line, if it lies on two.
        prefetch(object.as_ptr().wrapping_byte_add(56));
        heap::prefetch(object.cast());
    }

    /// Takes an object out of its slot. To be called once for each, by the thread that has it.
    fn read(&self, slot: usize) -> Spare {
        // SAFETY: nobody else uses a slot whose object this thread has.
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
