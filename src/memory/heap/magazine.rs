//! Magazines: the blocks that a thread has taken and not used yet, of one word for each class.

use super::arena::{Arena, Walk};
use super::classes::{CLASSES, Class};
use super::region;
use core::cell::Cell;
use core::ptr::{self, NonNull};

/// The blocks of one class that the thread owns.
struct Magazine {
    /// A bit for each block.
    blocks: Cell<u64>,
    /// The address of the block of the first bit.
    first: Cell<*mut u8>,
    /// The position at which to look for more.
    walk: Cell<Walk>,
}

struct Magazines([Magazine; CLASSES]);

std::thread_local! {
    static MAGAZINES: Magazines = const { Magazines([const { Magazine::new() }; CLASSES]) };
}

impl Magazine {
    const fn new() -> Self {
        Self { blocks: Cell::new(0), first: Cell::new(ptr::null_mut()), walk: Cell::new(Walk::OVER) }
    }

    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let blocks = self.blocks.get();
        if blocks == 0 && !self.fill(class) {
            return None;
        }
        let blocks = self.blocks.get();
        self.blocks.set(blocks & (blocks - 1));
        let offset = blocks.trailing_zeros() as usize * Class::of(class).size();
        // SAFETY: the block is in the same span.
        NonNull::new(unsafe { self.first.get().add(offset) })
    }

    #[cold]
    fn fill(&self, class: usize) -> bool {
        let mut walk = self.walk.get();
        let taken = region::arena_to_take_from().and_then(|arena| arena.take(class, &mut walk));
        self.walk.set(walk);
        let Some(taken) = taken else { return false };
        self.first.set(taken.first.as_ptr());
        self.blocks.set(taken.blocks);
        true
    }

    fn empty(&self, class: usize, arena: &Arena) {
        let (blocks, first) = (self.blocks.replace(0), NonNull::new(self.first.get()));
        if let Some(offset) = first.and_then(|first| arena.offset_of(first))
            && blocks != 0
        {
            arena.give_blocks(offset, class, blocks);
        }
        arena.leave(class, self.walk.replace(Walk::OVER));
    }
}

/// Takes a block of this class. `None` if the system has no more memory, or the thread is being torn down.
#[inline]
pub(super) fn take(class: usize) -> Option<NonNull<u8>> {
    MAGAZINES.try_with(|magazines| magazines.0[class].take(class)).ok().flatten()
}

impl Magazines {
    fn empty(&self) {
        if let Some(arena) = region::arena() {
            for (class, magazine) in self.0.iter().enumerate() {
                magazine.empty(class, arena);
            }
        }
    }
}

impl Drop for Magazines {
    fn drop(&mut self) {
        self.empty();
    }
}

/// Gives back the unused blocks of this thread.
pub(super) fn empty() {
    let _ = MAGAZINES.try_with(Magazines::empty);
}
