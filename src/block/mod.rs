//! The memory of entries: blocks from the allocator, used again where that is easy.
//!
//! Freeing entries by the hundred overflows the C library's cache of free blocks, so that both freeing them and allocating anew take the long way;
//! and an entry that another thread frees than the one that allocates next makes its lines travel. So a thread [gathers](gather) what it
//! retires in batches of 64, which come [back](batch) to it once they may be freed, and keeps their entries as spares. Whenever it [needs](Block::new) a block
//! it takes the youngest spare apart, and uses its block if that is of the right size; whenever it retires an entry and has more than 64
//! spares, it frees [one](free_surplus). The rest is freed when the thread [collects](crate::reclaim::collect) or exits.
//!
//! Up to eight batches are on their way back to a thread; further ones are freed by whoever finds them unused, unless the thread [sweeps](FreesMany): then
//! all come back, so that no reader has to free what a sweep has ended. Nobody but their thread knows of spares,
//! so all that is concurrent here is [`batch`].

// The models free what is retired as early as can be, on the thread that explores it.
#[cfg_attr(any(loom, shuttle), allow(dead_code))]
mod batch;
#[cfg_attr(any(loom, shuttle), path = "none.rs")]
mod spares;

#[cfg_attr(
    any(loom, shuttle),
    allow(unused_imports, reason = "most models have a reclamation of their own, which needs few of them")
)]
pub(crate) use spares::{FreesMany, Retired, Spare, free_all, gather, give_up, hand_in};

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
        if spares::REUSED
            && let Some(block) = spares::take_apart_one(0)
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

/// Frees one of the objects that were kept, if there are many.
#[inline]
pub(crate) fn free_surplus() {
    drop(spares::take_apart_one(spares::ENOUGH));
}

#[cfg(all(test, not(any(loom, crossbeam_sanitize))))]
mod tests {
    use super::*;
    use crate::reclaim::{self, BAG};
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 16).unwrap()
    }

    /// Takes an "object" apart that is nothing but a block of 64 bytes.
    unsafe fn bare(object: NonNull<()>) -> Block {
        // SAFETY: these tests keep nothing but such blocks.
        unsafe { Block::from_memory(object.cast(), layout(64)) }
    }

    /// Retires so many blocks of 64 bytes, and returns where they lie and the batches that are to be released.
    fn retire(number: usize) -> (HashSet<NonNull<u8>>, Vec<Retired>) {
        // SAFETY: of 64 bytes. (From the allocator, so that no spare is used.)
        let blocks: HashSet<_> = (0..number).map(|_| NonNull::new(unsafe { alloc(layout(64)) }).unwrap()).collect();
        // SAFETY: blocks of 64 bytes, which nobody uses any more.
        let spares = blocks.iter().map(|memory| unsafe { Spare::new(memory.cast(), bare) });
        let retired = spares.filter_map(gather).collect();
        (blocks, retired)
    }

    fn spares_left() -> usize {
        (0..).take_while(|_| spares::take_apart_one(0).is_some()).count()
    }

    /// On a thread of its own, which has no spares yet.
    fn alone(test: impl FnOnce() + Send + 'static) {
        thread::spawn(test).join().unwrap();
    }

    #[test]
    fn a_block_is_used_again_once_its_batch_is_released_and_not_before() {
        alone(|| {
            let (blocks, retired) = retire(BAG);
            assert_eq!(retired.len(), 1);
            assert!(!blocks.contains(&Block::new(layout(64)).memory));
            retired.into_iter().for_each(Retired::release);
            let again: Vec<_> = (0..BAG).map(|_| Block::new(layout(64))).collect();
            assert_eq!(again.iter().map(|block| block.memory).collect::<HashSet<_>>(), blocks);
        });
    }

    #[test]
    fn a_spare_of_another_size_is_given_back() {
        alone(|| {
            retire(BAG).1.into_iter().for_each(Retired::release);
            assert_eq!(Block::new(layout(80)).layout, layout(80));
            assert_eq!(spares_left(), BAG - 1);
        });
    }

    #[test]
    fn what_is_too_little_for_a_batch_can_be_handed_in() {
        alone(|| {
            assert_eq!(retire(BAG - 1).1.len(), 0);
            hand_in().expect("something was retired").release();
            assert!(hand_in().is_none());
            assert_eq!(spares_left(), BAG - 1);
        });
    }

    #[test]
    fn a_few_batches_come_back_and_further_ones_are_freed_where_they_are_released() {
        alone(|| {
            let (_, retired) = retire(10 * BAG);
            let back = |retired: &&Retired| matches!(retired, Retired::Back(_));
            assert_eq!((retired.len(), retired.iter().filter(back).count()), (10, 8));
            retired.into_iter().for_each(Retired::release);
            assert_eq!(spares_left(), 8 * BAG);
        });
    }

    #[test]
    fn all_batches_of_a_sweep_come_back() {
        alone(|| {
            let sweep = FreesMany::begin();
            let (_, retired) = retire(10 * BAG);
            drop(sweep);
            let (_, more) = retire(BAG);
            assert!(retired.iter().all(|retired| matches!(retired, Retired::Back(_))));
            assert!(more.iter().all(|retired| matches!(retired, Retired::Over(_))));
            retired.into_iter().chain(more).for_each(Retired::release);
            assert_eq!(spares_left(), 10 * BAG);
        });
    }

    #[test]
    fn what_is_given_up_is_freed_where_it_is_released() {
        alone(|| {
            let (_, retired) = retire(3 * BAG);
            give_up();
            retired.into_iter().for_each(Retired::release);
            assert_eq!(spares_left(), 0);
        });
    }

    #[test]
    fn of_many_spares_one_is_freed_at_a_time_and_of_few_none() {
        alone(|| {
            for _ in 0..3 {
                retire(BAG).1.into_iter().for_each(Retired::release);
            }
            // Each batch finds out about those before it. The third is not known of yet.
            (0..600).for_each(|_| free_surplus());
            assert!(spares::take_apart_one(spares::ENOUGH - 1).is_some());
            assert!(spares::take_apart_one(spares::ENOUGH - 1).is_none());
            assert_eq!(spares_left(), spares::ENOUGH - 1 + BAG);
            retire(BAG).1.into_iter().for_each(Retired::release);
            free_all();
            assert_eq!(spares_left(), 0);
        });
    }

    #[test]
    fn what_a_thread_has_retired_last_is_not_freed_with_it_under_a_reader() {
        static TAKEN_APART: AtomicUsize = AtomicUsize::new(0);
        unsafe fn counted(object: NonNull<()>) -> Block {
            TAKEN_APART.fetch_add(1, Ordering::SeqCst);
            // SAFETY: as `bare`.
            unsafe { bare(object) }
        }
        let reader = reclaim::pin();
        alone(|| {
            let blocks = (0..3).map(|_| Block::new(layout(64)).into_memory());
            // SAFETY: blocks of 64 bytes, which nobody uses any more, for all that the thread knows.
            let spares = blocks.map(|memory| unsafe { Spare::new(memory.cast(), counted) });
            assert_eq!(spares.filter_map(gather).count(), 0, "too few for a batch");
        });
        assert_eq!(TAKEN_APART.load(Ordering::SeqCst), 0);
        drop(reader);
        let start = Instant::now();
        while TAKEN_APART.load(Ordering::SeqCst) < 3 {
            assert!(start.elapsed() < Duration::from_secs(20), "they are never freed");
            reclaim::collect(0);
        }
    }

    #[test]
    fn what_a_thread_leaves_behind_is_freed_when_it_is_released() {
        thread_local! {
            static TAKEN_APART: Cell<usize> = const { Cell::new(0) };
        }
        unsafe fn counted(object: NonNull<()>) -> Block {
            TAKEN_APART.set(TAKEN_APART.get() + 1);
            // SAFETY: as `bare`.
            unsafe { bare(object) }
        }
        let (sent, received) = mpsc::channel();
        thread::spawn(move || {
            let blocks = (0..3 * BAG).map(|_| Block::new(layout(64)).into_memory()).collect::<Vec<_>>();
            // SAFETY: blocks of 64 bytes, which nobody uses any more.
            let spares = blocks.into_iter().map(|memory| unsafe { Spare::new(memory.cast(), counted) });
            spares.filter_map(gather).for_each(|retired| sent.send(retired).unwrap());
        })
        .join()
        .unwrap();
        received.into_iter().for_each(Retired::release);
        assert_eq!(TAKEN_APART.get(), 3 * BAG, "freed here, for their thread is gone");
    }
}
