//! Blocks of memory, from the [`heap`] or from the allocator, and the check of their addresses.

use super::heap;
use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

/// Whether the upper 16 bits of a block's address are zero, so that a slot can keep a fingerprint in them. User-space
/// addresses of these targets end at bit 47 unless a program asks the system for more.
pub(crate) const UPPER_BITS_FREE: bool = cfg!(all(
    target_pointer_width = "64",
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_os = "android")))
));

/// The upper 16 bits where they are free, and none elsewhere.
const UPPER_BITS: usize = if UPPER_BITS_FREE { !(usize::MAX >> 16) } else { 0 };

/// A block of memory. Dropping it frees it.
pub(crate) struct Block {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// A block of this layout, whose size must not be zero. Its bytes are uninitialized.
    ///
    /// # Panics
    ///
    /// Panics if the allocator returns an address of 2^48 or more where [`UPPER_BITS_FREE`] is true, because a slot has
    /// no room for it. Nothing has been changed then.
    // Out of line, because most blocks are reused.
    #[inline(never)]
    pub(crate) fn new(layout: Layout) -> Self {
        assert!(layout.size() > 0, "a block holds something");
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

    /// Reassembles a block from its parts.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `memory` was returned by [`into_memory`](Self::into_memory) of a block of this
    /// layout, and that nothing else uses it.
    pub(crate) unsafe fn from_memory(memory: NonNull<u8>, layout: Layout) -> Self {
        Self { memory, layout }
    }

    /// Takes the block apart without freeing it.
    pub(crate) fn into_memory(self) -> NonNull<u8> {
        ManuallyDrop::new(self).memory
    }

    #[cfg(all(test, not(any(loom, crossbeam_sanitize))))]
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.memory
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn size(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nothing uses it.
        if !unsafe { heap::give(self.memory, self.layout) } {
            // SAFETY: as above, and it is not the heap's.
            unsafe { dealloc(self.memory.as_ptr(), self.layout) }
        }
    }
}
