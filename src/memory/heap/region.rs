//! The arena of the process, and its address space.
//!
//! The whole address space of the arena is reserved at once, and stays reserved. A chunk gets memory when it is first
//! used. An empty chunk returns its memory to the system and keeps its addresses. So no address is ever reused for
//! other data, and a thread that was suspended never meets unmapped memory.

use super::arena::{Arena, CHUNK};
use super::chunk::Chunk;
use super::index::MOST_CHUNKS;
use super::system::{PAGE, Space, advise_small_pages, allow_writing, can_release};
use crate::memory::setting::Memory;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

static ARENA: AtomicPtr<Arena> = AtomicPtr::new(ptr::null_mut());

/// Whether the system cannot serve an arena.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// The arena, if there is one.
#[inline]
pub(super) fn arena() -> Option<&'static Arena> {
    // Acquire: its fields; pairs with the release in `make`.
    let arena = ARENA.load(Ordering::Acquire);
    // SAFETY: published when it was complete, and never unmapped.
    unsafe { arena.as_ref() }
}

/// The arena, unless it is switched off or the system cannot serve it.
#[cold]
pub(super) fn arena_to_take_from() -> Option<&'static Arena> {
    if Memory::chosen() == Memory::Allocator { None } else { arena().or_else(make) }
}

/// Makes the arena, unless another thread has. It is as large as the system has address space for. If the system has
/// not even one gibibyte, or does not take memory back, there is no arena.
fn make() -> Option<&'static Arena> {
    // Relaxed, as below: asking once more does no harm.
    if REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    let Some((made, space)) = [1, 8, 64].into_iter().find_map(|part| make_one(MOST_CHUNKS / part)) else {
        REFUSED.store(true, Ordering::Relaxed);
        return None;
    };
    // Release: the fields; pairs with the acquire in `arena`. Relaxed on failure: `arena` loads the other one.
    if ARENA.compare_exchange(ptr::null_mut(), made.as_ptr(), Ordering::Release, Ordering::Relaxed).is_err() {
        space.give_back();
    }
    arena()
}

/// An arena of at most `most` chunks, and its address space.
fn make_one(most: usize) -> Option<(NonNull<Arena>, Space)> {
    // Space for the alignment, the chunks, the arena, and the words of the chunks.
    let arena_bytes = size_of::<Arena>().next_multiple_of(PAGE);
    let known_bytes = (most * size_of::<Chunk>()).next_multiple_of(PAGE);
    let space = Space::reserve(CHUNK + most * CHUNK + arena_bytes + known_bytes)?;
    // SAFETY: reserved.
    let start = unsafe { space.start.add(space.start.align_offset(CHUNK)) };
    // SAFETY: as above.
    let place = unsafe { start.add(most * CHUNK) };
    // SAFETY: as above.
    let known = unsafe { place.add(arena_bytes) };
    advise_small_pages(place, arena_bytes + known_bytes);
    advise_small_pages(start, CHUNK);
    // SAFETY: reserved by this thread.
    let writable = unsafe { allow_writing(place, arena_bytes) };
    // SAFETY: as above, and zeroed by the system.
    if !writable || !unsafe { can_release(place) } {
        space.give_back();
        return None;
    }
    // SAFETY: zeroed by the system, and large enough.
    unsafe { Arena::init(place.cast(), start, known.cast(), most) };
    Some((place.cast(), space))
}

/// An arena for a test, which is never given back.
#[cfg(test)]
pub(super) fn arena_for_a_test(most: usize) -> &'static Arena {
    let (made, _) = make_one(most).expect("there is address space");
    // SAFETY: complete, and never unmapped.
    unsafe { made.as_ref() }
}
