//! The memory of entries: blocks from the allocator, used again where that is easy.
//!
//! That retired entries may be freed becomes known by the hundred. To free so many in one go overflows the C library's cache of free blocks, so that
//! both freeing them and allocating anew take the long way. So a thread that learns it only [keeps](keep) the entries as spares. Whenever it
//! [needs](Block::new) a block it takes the youngest spare apart, and uses its block if that is of the right size; whenever it retires an entry
//! and has more than 64 spares, it frees [one](free_surplus). The rest is freed when the thread [collects](crate::reclaim::collect) or exits.
//!
//! Nobody but their thread knows of spares, so there is nothing concurrent here. A thread keeps no more than 512.

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

/// A block of memory from the allocator. Dropping it gives it back.
pub(crate) struct Block {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// A block of this layout, whose size must not be zero. What it holds is anybody's guess.
    pub(crate) fn new(layout: Layout) -> Self {
        assert!(layout.size() > 0, "a block holds something");
        if let Some(block) = spares::take_apart_one(0)
            && block.layout == layout
        {
            return block;
        }
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        Self { memory, layout }
    }

    /// The block that [`into_memory`](Self::into_memory) gave out.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `memory` came out of `into_memory`, of a block of this layout, and that nobody uses it otherwise.
    pub(crate) unsafe fn from_memory(memory: NonNull<u8>, layout: Layout) -> Self {
        Self { memory, layout }
    }

    /// Gives up the block for its memory.
    pub(crate) fn into_memory(self) -> NonNull<u8> {
        ManuallyDrop::new(self).memory
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses it any more.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// Has the processor fetch the cache line at an address, whatever lies there, where there is a way to ask for it.
#[inline]
pub(crate) fn prefetch(address: *const ()) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch faults at no address, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// Makes nothing of an object but its block.
pub(crate) type TakeApart = unsafe fn(NonNull<()>) -> Block;

/// Keeps an object that nobody uses any more, or frees it if there are enough.
///
/// # Safety
///
/// The caller must ensure that `take_apart(object)` is sound on this thread from now on, and that nobody else does it.
pub(crate) unsafe fn keep(object: NonNull<()>, take_apart: TakeApart) {
    prefetch(object.as_ptr());
    // SAFETY: the caller's promise.
    spares::keep(unsafe { spares::Spare::new(object, take_apart) });
}

/// Frees one of the objects that were kept, if there are many.
#[inline]
pub(crate) fn free_surplus() {
    drop(spares::take_apart_one(spares::ENOUGH));
}

/// Frees all of the objects that were kept.
pub(crate) fn free_all() {
    while spares::take_apart_one(0).is_some() {}
}

#[cfg(not(any(loom, shuttle)))]
mod spares {
    use super::{Block, TakeApart};
    use core::cell::RefCell;
    use core::mem::ManuallyDrop;
    use core::ptr::NonNull;

    /// As many as a thread that allocates again will soon need.
    pub(super) const ENOUGH: usize = 64;

    /// As many as one step of the collector comes up with. None where AddressSanitizer is has to see each entry freed.
    const MOST: usize = if cfg!(crossbeam_sanitize) { 0 } else { 512 };

    /// An object that nobody uses any more. Dropping it frees it.
    pub(super) struct Spare {
        object: NonNull<()>,
        take_apart: TakeApart,
    }

    impl Spare {
        /// # Safety
        ///
        /// As for [`keep`](super::keep).
        pub(super) unsafe fn new(object: NonNull<()>, take_apart: TakeApart) -> Self {
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

    std::thread_local! {
        static SPARES: RefCell<Vec<Spare>> = const { RefCell::new(Vec::new()) };
    }

    /// Keeps a spare. Frees it if there are enough, or where the thread is being torn down.
    pub(super) fn keep(spare: Spare) {
        let mut spare = Some(spare);
        let _ = SPARES.try_with(|spares| {
            if let Ok(mut spares) = spares.try_borrow_mut()
                && spares.len() < MOST
            {
                spares.extend(spare.take());
            }
        });
    }

    /// Takes the youngest spare apart, if there are more than so many: outside of the borrow, for that may lead back here.
    #[inline]
    pub(super) fn take_apart_one(beyond: usize) -> Option<Block> {
        let pop = |spares: &RefCell<Vec<Spare>>| {
            let mut spares = spares.try_borrow_mut().ok()?;
            if spares.len() > beyond { spares.pop() } else { None }
        };
        let spare = SPARES.try_with(pop).ok().flatten();
        spare.map(Spare::take_apart)
    }
}

/// In the models nothing is kept: what is freed is freed as early as can be, on the thread that explores it.
#[cfg(any(loom, shuttle))]
mod spares {
    use super::{Block, TakeApart};
    use core::ptr::NonNull;

    pub(super) struct Spare;

    impl Spare {
        pub(super) unsafe fn new(object: NonNull<()>, take_apart: TakeApart) -> Self {
            // SAFETY: the caller's promise.
            drop(unsafe { take_apart(object) });
            Self
        }
    }

    pub(super) fn keep(_freed: Spare) {}

    pub(super) const ENOUGH: usize = 0;

    pub(super) fn take_apart_one(_beyond: usize) -> Option<Block> {
        None
    }
}

#[cfg(all(test, not(any(loom, crossbeam_sanitize))))]
mod tests {
    use super::*;
    use std::thread;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 16).unwrap()
    }

    /// Takes an "object" apart that is nothing but a block of 64 bytes.
    unsafe fn bare(object: NonNull<()>) -> Block {
        // SAFETY: these tests keep nothing but such blocks.
        unsafe { Block::from_memory(object.cast(), layout(64)) }
    }

    fn kept() -> NonNull<u8> {
        let memory = Block::new(layout(64)).into_memory();
        // SAFETY: it is a block of 64 bytes, and not used after this.
        unsafe { keep(memory.cast(), bare) };
        memory
    }

    #[test]
    fn a_spare_is_kept_from_the_allocator_and_used_for_the_next_block_of_its_size() {
        thread::spawn(|| {
            let spare = kept();
            // SAFETY: of 64 bytes.
            let other = unsafe { alloc(layout(64)) };
            assert_eq!(Block::new(layout(64)).memory, spare);
            // SAFETY: allocated above.
            unsafe { dealloc(other, layout(64)) }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_spare_of_another_size_is_given_back() {
        thread::spawn(|| {
            kept();
            assert_eq!(Block::new(layout(80)).layout, layout(80));
            assert!(spares::take_apart_one(0).is_none());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn freeing_all_leaves_none() {
        thread::spawn(|| {
            let blocks: Vec<_> = (0..600).map(|_| Block::new(layout(64)).into_memory()).collect();
            for memory in blocks {
                // SAFETY: as in `kept`.
                unsafe { keep(memory.cast(), bare) };
            }
            (0..600).for_each(|_| free_surplus());
            assert!(spares::take_apart_one(spares::ENOUGH - 1).is_some());
            assert!(spares::take_apart_one(spares::ENOUGH - 1).is_none());
            free_all();
            assert!(spares::take_apart_one(0).is_none());
        })
        .join()
        .unwrap();
    }
}
