//! Memory of the crate's own, for entries and arrays of slots, in huge pages.
//!
//! | | |
//! |---|---|
//! | [`region`] | the arena of the process, and its address space |
//! | [`system`] | the system's calls |
//! | [`arena`] | all chunks of 2 MiB; blocks and spans are found here |
//! | [`chunk`] | the protocol: which spans of 32 KiB are free, and which blocks of the others |
//! | [`index`] | which chunks have something |
//! | [`classes`] | the sizes of blocks |
//! | [`magazine`] | what a thread has taken and not used yet |
//!
//! The program's allocator serves the rest: blocks that are large or aligned to more than 16 bytes; and everything
//! where [`Memory`](super::Memory) says so, where the system refuses address space, and on other targets.

mod arena;
mod chunk;
mod classes;
mod index;
mod magazine;
mod region;
mod system;

use classes::class_for;
use core::alloc::Layout;
use core::ptr::NonNull;

/// The alignment of blocks.
const ALIGN: usize = 16;

/// A block. None if there is none to be had here.
#[inline]
pub(crate) fn take(layout: Layout) -> Option<NonNull<u8>> {
    if layout.align() > ALIGN {
        return None;
    }
    magazine::take(class_for(layout.size())?)
}

/// Gives back what [`take`] returned, and says so. What is not of this memory is left alone.
///
/// # Safety
///
/// The caller must ensure that the memory is of a block of this layout, and that nobody uses it.
#[inline]
pub(crate) unsafe fn give(memory: NonNull<u8>, layout: Layout) -> bool {
    let Some((arena, offset)) = region::arena().and_then(|arena| Some((arena, arena.offset_of(memory)?))) else {
        return false;
    };
    let Some(class) = class_for(layout.size()) else { return false };
    arena.give_block(offset, class);
    true
}

/// Has what is needed fetched to [`give`] a block back.
#[inline]
pub(crate) fn prefetch(memory: NonNull<u8>) {
    if let Some(arena) = region::arena()
        && let Some(offset) = arena.offset_of(memory)
    {
        crate::memory::prefetch::prefetch(arena.words_of(offset));
    }
}

/// So many zeroed bytes, a power of two, that begin at a cache line. None if they are not to be had here.
pub(crate) fn take_zeroed(bytes: usize) -> Option<NonNull<u8>> {
    debug_assert!(bytes.is_power_of_two());
    let Some(class) = class_for(bytes) else { return region::arena_to_take_from()?.take_zeroed(bytes) };
    let memory = magazine::take(class)?;
    // SAFETY: a block of so many bytes at least.
    unsafe { memory.write_bytes(0, bytes) };
    Some(memory)
}

/// Gives back what [`take_zeroed`] returned for so many bytes, and says so.
///
/// # Safety
///
/// As for [`give`].
pub(crate) unsafe fn give_zeroed(memory: NonNull<u8>, bytes: usize) -> bool {
    let Some((arena, offset)) = region::arena().and_then(|arena| Some((arena, arena.offset_of(memory)?))) else {
        return false;
    };
    match class_for(bytes) {
        Some(class) => arena.give_block(offset, class),
        None => arena.give_large(offset, bytes),
    }
    true
}

/// How many bytes a block of this layout takes.
#[allow(dead_code, reason = "for a limit on the bytes of a store")]
pub(crate) fn footprint(layout: Layout) -> usize {
    match class_for(layout.size()) {
        Some(class) if layout.align() <= ALIGN => classes::Class::of(class).size(),
        _ => layout.size(),
    }
}

/// Gives back what this thread has taken and not used.
pub(crate) fn flush() {
    magazine::empty();
}

#[cfg(test)]
mod tests;
