//! The memory of entries: blocks from the allocator, used again where that is easy.
//!
//! Freeing entries by the hundred overflows the C library's cache of free blocks, so that both freeing them and
//! allocating anew take the long way; and an entry that another thread frees than the one that allocates next makes its
//! lines travel. So a thread [retires](retire) objects in [batches](batch) of up to 64, which are [returned](record) to
//! it once they may be freed, and keeps them as spares. Whenever it [needs](Block::new) a block it takes the youngest
//! spare apart, and uses its block if that is of the right size; whenever it retires an object and has more than 64
//! spares, it frees one. The rest is freed when the thread [collects](crate::reclaim::collect) or exits.
//!
//! What a thread has in these ways is bounded by bytes ([`cache`]), and only memory is kept: content that needs to be
//! dropped is dropped by whichever thread finds that nobody can be using it any more. What has been retired and what
//! has been returned any thread can take, so that a flush reaches both; the spares are the thread's alone.

// The models free what is retired as early as can be, on the thread that explores it; and `loom-tests/tests/batches.rs`
// explores these two.
#[cfg_attr(any(loom, shuttle), allow(dead_code, unreachable_pub))]
pub(crate) mod batch;
#[cfg_attr(any(loom, shuttle), path = "none.rs")]
mod cache;
// Not where a tool has to see each block by itself, nor where the models bring along what this is made of.
#[cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64", not(any(loom, shuttle, miri, crossbeam_sanitize)))),
    path = "no_heap.rs"
)]
pub(crate) mod heap;
#[cfg_attr(any(loom, shuttle), allow(dead_code, unreachable_pub))]
pub(crate) mod record;
mod setting;
mod spare;

#[cfg_attr(
    any(loom, shuttle),
    allow(unused_imports, reason = "most models have a reclamation of their own, which needs few of them")
)]
pub(crate) use cache::{
    FreesMany, Retired, close, flush_others, free_all, free_owned, free_returned, retire, retired_bytes,
};
#[cfg_attr(any(loom, shuttle), allow(unused_imports, reason = "a setting of the crate's, not of the models"))]
pub use setting::Memory;
pub(crate) use spare::{Contents, Kind, Spare};

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

/// Whether addresses of blocks end at bit 47, so that 16 bits above are free for other things. User-space addresses of
/// these targets do unless a program asks the system for more.
pub(crate) const UPPER_BITS_FREE: bool = cfg!(all(
    target_pointer_width = "64",
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_os = "android")))
));

/// The bits above, where they are free.
const UPPER_BITS: usize = if UPPER_BITS_FREE { !(usize::MAX >> 16) } else { 0 };

/// A block of memory from the allocator. Dropping it gives it back.
pub(crate) struct Block {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// A block of this layout, whose size must not be zero. What it holds is anybody's guess.
    ///
    /// # Panics
    ///
    /// Panics if the allocator returns an address whose upper bits are in use where they are to be free: there is no
    /// place for it in the table. Nothing has been changed then.
    pub(crate) fn new(layout: Layout) -> Self {
        assert!(layout.size() > 0, "a block holds something");
        if cache::REUSED
            && let Some(block) = cache::take_apart_one()
            && block.layout == layout
        {
            return block;
        }
        Self::fresh(layout)
    }

    /// A block that is nobody's spare.
    // Out of line: most blocks are.
    #[inline(never)]
    fn fresh(layout: Layout) -> Self {
        if let Some(memory) = heap::take(layout) {
            return Self { memory, layout };
        }
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let block = Self { memory, layout };
        assert!(
            memory.addr().get() & UPPER_BITS == 0,
            "the allocator has returned an address above 2^48, for which the table has no room"
        );
        block
    }

    /// The block that [`into_memory`](Self::into_memory) gave out.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `memory` came out of `into_memory`, of a block of this layout, and that nobody uses
    /// it otherwise.
    pub(crate) unsafe fn from_memory(memory: NonNull<u8>, layout: Layout) -> Self {
        Self { memory, layout }
    }

    /// Gives up the block for its memory.
    pub(crate) fn into_memory(self) -> NonNull<u8> {
        ManuallyDrop::new(self).memory
    }

    pub(crate) fn size(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses it any more.
        if !unsafe { heap::give(self.memory, self.layout) } {
            // SAFETY: as above, and it is not of the heap.
            unsafe { dealloc(self.memory.as_ptr(), self.layout) }
        }
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

#[cfg(all(test, not(any(loom, crossbeam_sanitize))))]
mod tests;
