//! The heap: memory for entries and arrays, which the crate takes from the system in huge pages.
//!
//! | | |
//! |---|---|
//! | [`region`] | the arena of the process, and its address space |
//! | [`system`] | the system's calls |
//! | [`arena`] | all chunks of 2 MiB, and finding blocks and spans in them |
//! | [`chunk`] | the protocol of the free spans of 32 KiB, and of the free blocks in the others |
//! | [`index`] | the chunks in which something is free |
//! | [`classes`] | the sizes of blocks |
//! | [`magazine`] | the blocks that a thread has taken and not used yet |
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

/// Takes a block. `None` if the heap has no block of this layout.
#[inline]
pub(crate) fn take(layout: Layout) -> Option<NonNull<u8>> {
    if layout.align() > ALIGN {
        return None;
    }
    magazine::take(class_for(layout.size())?)
}

/// Gives back a block that [`take`] returned. False, and nothing done, if the block is not the heap's.
///
/// # Safety
///
/// The caller must ensure that the memory is a block of this layout, and that nothing uses it.
#[inline]
pub(crate) unsafe fn give(memory: NonNull<u8>, layout: Layout) -> bool {
    let Some((arena, offset)) = region::arena().and_then(|arena| Some((arena, arena.offset_of(memory)?))) else {
        return false;
    };
    let Some(class) = class_for(layout.size()) else { return false };
    arena.give_block(offset, class);
    true
}

/// Prefetches the word that [`give`] changes.
#[inline]
pub(crate) fn prefetch(memory: NonNull<u8>) {
    if let Some(arena) = region::arena()
        && let Some(offset) = arena.offset_of(memory)
    {
        crate::memory::prefetch::prefetch(arena.words_of(offset));
    }
}

/// Takes `bytes` zeroed bytes, a power of two, which begin at a cache line. `None` if the heap has none.
pub(crate) fn take_zeroed(bytes: usize) -> Option<NonNull<u8>> {
    debug_assert!(bytes.is_power_of_two());
    let Some(class) = class_for(bytes) else { return region::arena_to_take_from()?.take_zeroed(bytes) };
    let memory = magazine::take(class)?;
    // SAFETY: a block of at least `bytes` bytes.
    unsafe { memory.write_bytes(0, bytes) };
    Some(memory)
}

/// Gives back memory of `bytes` bytes that [`take_zeroed`] returned. False, and nothing done, if it is not the heap's.
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

/// The size in bytes of a block of this layout.
pub(crate) fn footprint(layout: Layout) -> usize {
    match class_for(layout.size()) {
        Some(class) if layout.align() <= ALIGN => classes::Class::of(class).size(),
        _ => layout.size(),
    }
}

/// Gives back the unused blocks of this thread.
pub(crate) fn flush() {
    magazine::empty();
}

#[cfg(test)]
mod tests;
