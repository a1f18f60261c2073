//! A thread's spares, and what it has retired.

use super::batch::{Due, Waiting, batch};
use super::{Block, TakeApart, prefetch};
use crate::reclaim;
use core::cell::RefCell;
use core::mem::{ManuallyDrop, replace, take};
use core::ptr::NonNull;
use std::collections::VecDeque;

/// Entries in a batch. Few where AddressSanitizer has to see entries freed early.
const BATCH: usize = if cfg!(crossbeam_sanitize) { 4 } else { reclaim::BAG };

/// Batches that may be on their way back to a thread, unless it [frees many](FreesMany).
const ON_THEIR_WAY: usize = 8;

/// Whether the blocks of spares are used again. Not where AddressSanitizer has to see each entry freed.
pub(super) const REUSED: bool = cfg!(not(crossbeam_sanitize));

/// As many spares as a thread that allocates again will soon need.
pub(super) const ENOUGH: usize = if REUSED { 64 } else { 0 };

/// An object that this thread has retired, or that nobody uses any more. Dropping it frees it.
pub(crate) struct Spare {
    object: NonNull<()>,
    take_apart: TakeApart,
}

// SAFETY: `take_apart` may be called on any thread, as `new` was promised.
unsafe impl Send for Spare {}

impl Spare {
    /// # Safety
    ///
    /// The caller must ensure that `take_apart(object)` is sound on any thread, once nobody uses the object any more, and that it is not called
    /// otherwise; and that the spare is not dropped before.
    pub(crate) unsafe fn new(object: NonNull<()>, take_apart: TakeApart) -> Self {
        Self { object, take_apart }
    }

    fn take_apart(self) -> Block {
        let spare = ManuallyDrop::new(self);
        // SAFETY: what `new` was promised; and the spare is not dropped.
        unsafe { (spare.take_apart)(spare.object) }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // SAFETY: what `new` was promised.
        drop(unsafe { (self.take_apart)(self.object) });
    }
}

/// What has been retired together, to be [released](Self::release) once nobody uses any of it.
pub(crate) enum Retired {
    /// Goes back to the thread that retired it.
    Back(Due<Vec<Spare>>),
    /// Is freed where it is found.
    Over(Vec<Spare>),
    /// The same, where the thread is being torn down.
    One(Spare),
}

impl Retired {
    /// To be called once nobody uses any of it.
    pub(crate) fn release(self) {
        match self {
            Self::Back(due) => due.give_back(),
            Self::Over(spares) => drop(spares),
            Self::One(spare) => drop(spare),
        }
    }
}

/// What one thread has.
#[derive(Default)]
struct Spares {
    /// What may be used again, the youngest last.
    ready: Vec<Spare>,
    /// What may come back, the oldest first.
    waiting: VecDeque<Waiting<Vec<Spare>>>,
    /// What has been retired since.
    retired: Vec<Spare>,
    /// Whether all batches come back, however many.
    frees_many: bool,
}

std::thread_local! {
    static SPARES: RefCell<Spares> = const { RefCell::new(Spares { ready: Vec::new(), waiting: VecDeque::new(), retired: Vec::new(), frees_many: false }) };
}

impl Spares {
    /// Makes a batch of what has been retired.
    fn close(&mut self) -> Retired {
        let retired = take(&mut self.retired);
        if self.waiting.len() >= ON_THEIR_WAY && !self.frees_many {
            return Retired::Over(retired);
        }
        let (waiting, due) = batch(retired);
        self.waiting.push_back(waiting);
        Retired::Back(due)
    }

    /// Takes in the oldest batch, if it has come back.
    fn receive(&mut self) {
        let Some(oldest) = self.waiting.pop_front() else { return };
        match oldest.come_back() {
            Ok(mut spares) => {
                spares.iter().for_each(|spare| prefetch(spare.object.as_ptr()));
                self.ready.append(&mut spares);
                if self.retired.capacity() == 0 {
                    self.retired = spares;
                }
            }
            Err(oldest) => self.waiting.push_front(oldest),
        }
    }

    /// Gives back the room that a sweep or a flush has needed.
    fn shrink(&mut self) {
        self.ready.shrink_to(2 * ENOUGH);
        self.waiting.shrink_to(ON_THEIR_WAY);
    }
}

impl Drop for Spares {
    /// The thread is being torn down: what it has retired may still be in use.
    fn drop(&mut self) {
        if !self.retired.is_empty() {
            reclaim::pin().hand_over(Retired::Over(take(&mut self.retired)));
        }
    }
}

/// While there is one, all that this thread retires comes back to it: it is about to free more than others should find in their way, and to
/// [collect](reclaim::collect) it.
pub(crate) struct FreesMany {
    before: bool,
}

impl FreesMany {
    pub(crate) fn begin() -> Self {
        Self { before: Self::set(true) }
    }

    /// Says what was set before.
    fn set(frees_many: bool) -> bool {
        let set = |spares: &RefCell<Spares>| {
            spares.try_borrow_mut().is_ok_and(|mut spares| replace(&mut spares.frees_many, frees_many))
        };
        SPARES.try_with(set).unwrap_or(false)
    }
}

impl Drop for FreesMany {
    fn drop(&mut self) {
        Self::set(self.before);
    }
}

/// Gathers what this thread has retired, and returns a batch of it when there is enough for one.
#[inline]
pub(crate) fn gather(spare: Spare) -> Option<Retired> {
    let mut spare = Some(spare);
    let push = |spares: &RefCell<Spares>| {
        let mut spares = spares.try_borrow_mut().ok()?;
        spares.retired.extend(spare.take());
        if spares.retired.len() < BATCH {
            return None;
        }
        // One more than is handed in, so that no more wait than have to.
        (0..2).for_each(|_| spares.receive());
        Some(spares.close())
    };
    SPARES.try_with(push).ok().flatten().or_else(|| spare.map(Retired::One))
}

/// Makes a batch of what this thread has retired, however little it is.
pub(crate) fn hand_in() -> Option<Retired> {
    let close = |spares: &RefCell<Spares>| {
        let mut spares = spares.try_borrow_mut().ok()?;
        (!spares.retired.is_empty()).then(|| spares.close())
    };
    SPARES.try_with(close).ok().flatten()
}

/// Takes the youngest spare apart, if there are more than so many: outside of the borrow, for that may lead back here.
#[inline]
pub(super) fn take_apart_one(beyond: usize) -> Option<Block> {
    let pop = |spares: &RefCell<Spares>| {
        let mut spares = spares.try_borrow_mut().ok()?;
        if spares.ready.is_empty() && beyond == 0 {
            spares.receive();
        }
        if spares.ready.len() > beyond { spares.ready.pop() } else { None }
    };
    let spare = SPARES.try_with(pop).ok().flatten();
    spare.map(Spare::take_apart)
}

/// Frees all spares, also those that have just come back.
pub(crate) fn free_all() {
    while take_apart_one(0).is_some() {}
    let _ = SPARES.try_with(|spares| spares.try_borrow_mut().map(|mut spares| spares.shrink()));
}

/// Leaves what has not come back to whoever finds it unused.
pub(crate) fn give_up() {
    let take = |spares: &RefCell<Spares>| spares.try_borrow_mut().map(|mut spares| take(&mut spares.waiting));
    // Dropped outside of the borrow, for some may come back at this very moment and be freed here.
    drop(SPARES.try_with(take));
}
