//! Replaces `heap` on systems that have none. The program's allocator serves all blocks.

use core::alloc::Layout;
use core::ptr::NonNull;

pub(crate) fn take(_layout: Layout) -> Option<NonNull<u8>> {
    None
}

/// # Safety
///
/// None.
pub(crate) unsafe fn give(_memory: NonNull<u8>, _layout: Layout) -> bool {
    false
}

pub(crate) fn prefetch(_memory: NonNull<u8>) {}

pub(crate) fn take_zeroed(_bytes: usize) -> Option<NonNull<u8>> {
    None
}

/// # Safety
///
/// None.
pub(crate) unsafe fn give_zeroed(_memory: NonNull<u8>, _bytes: usize) -> bool {
    false
}

pub(crate) fn flush() {}

/// How many bytes a block of this layout takes, as far as is known.
pub(crate) fn footprint(layout: Layout) -> usize {
    layout.size()
}
