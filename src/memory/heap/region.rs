//! Address space from the system, and memory for it.
//!
//! All of the arena's address space is asked for at once, and stays. Memory comes when a chunk is first used; a chunk
//! gives back its memory but keeps its addresses. So no address ever belongs to anybody else, and a thread that is
//! late looks at what is there: there is no list of chunks, and none is unmapped under anybody.

use super::arena::{Arena, CHUNK};
use super::chunk::Chunk;
use super::index::MOST_CHUNKS;
use crate::memory::setting::Memory;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};

static ARENA: AtomicPtr<Arena> = AtomicPtr::new(ptr::null_mut());

/// Whether the system has refused address space.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// At least as large as a page of any target.
const PAGE: usize = 64 * 1024;

/// The arena, if there is one.
#[inline]
pub(super) fn arena() -> Option<&'static Arena> {
    // Acquire: its fields; pairs with the release in `make`.
    let arena = ARENA.load(Ordering::Acquire);
    // SAFETY: published when it was complete, and never unmapped.
    unsafe { arena.as_ref() }
}

/// The arena, unless it is switched off or the system has no address space for it.
#[cold]
pub(super) fn arena_to_take_from() -> Option<&'static Arena> {
    if Memory::chosen() == Memory::Allocator { None } else { arena().or_else(make) }
}

/// Address space of the system's, to which no memory belongs yet.
struct Space {
    start: NonNull<u8>,
    bytes: usize,
}

impl Space {
    fn reserve(bytes: usize) -> Option<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping where there is none.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }.ok()?;
        NonNull::new(start.cast()).map(|start| Self { start, bytes })
    }

    fn give_back(self) {
        // SAFETY: reserved by this thread, which has told nobody.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Makes the arena, or finds that another thread has. As large as there is address space for; if there is none for a
/// gibibyte, there is to be none.
fn make() -> Option<&'static Arena> {
    // Relaxed, as below: asking once more does no harm.
    if REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    let Some((made, space)) = [1, 8, 64].into_iter().find_map(|part| make_one(MOST_CHUNKS / part)) else {
        REFUSED.store(true, Ordering::Relaxed);
        return None;
    };
    // Release: the fields; pairs with the acquire in `arena`.
    if ARENA.compare_exchange(ptr::null_mut(), made.as_ptr(), Ordering::Release, Ordering::Relaxed).is_err() {
        space.give_back();
    }
    arena()
}

/// An arena of at most so many chunks, and the address space that it lies in.
fn make_one(most: usize) -> Option<(NonNull<Arena>, Space)> {
    // Room for an alignment, for the chunks, for the arena, and for what is known of the chunks.
    let arena_bytes = size_of::<Arena>().next_multiple_of(PAGE);
    let known_bytes = (most * size_of::<Chunk>()).next_multiple_of(PAGE);
    let space = Space::reserve(CHUNK + most * CHUNK + arena_bytes + known_bytes)?;
    // SAFETY: reserved.
    let start = unsafe { space.start.add(space.start.align_offset(CHUNK)) };
    // SAFETY: as above.
    let place = unsafe { start.add(most * CHUNK) };
    // SAFETY: as above.
    let known = unsafe { place.add(arena_bytes) };
    advise(place, arena_bytes + known_bytes, Advice::LinuxNoHugepage);
    advise(start, CHUNK, Advice::LinuxNoHugepage);
    // SAFETY: reserved by this thread.
    if !unsafe { allow_writing(place, arena_bytes) } {
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

/// Has the system give memory to chunks, and to what is known of them. Says whether it does.
///
/// # Safety
///
/// The caller must ensure that both ranges are the arena's.
pub(super) unsafe fn map(chunks: NonNull<u8>, bytes: usize, known: NonNull<u8>, known_bytes: usize) -> bool {
    // What is known of the neighbours may lie on the same pages, and is not changed by this.
    let before = known.addr().get() % PAGE;
    // SAFETY: within the arena, which begins at a page.
    let first_page = unsafe { known.sub(before) };
    // SAFETY: the caller's promise.
    let known_is_mapped = unsafe { allow_writing(first_page, (before + known_bytes).next_multiple_of(PAGE)) };
    // SAFETY: the caller's promise.
    known_is_mapped && unsafe { allow_writing(chunks, bytes) }
}

/// # Safety
///
/// The caller must ensure that the range is the arena's.
unsafe fn allow_writing(start: NonNull<u8>, bytes: usize) -> bool {
    let flags = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: the caller's promise.
    unsafe { mprotect(start.as_ptr().cast(), bytes, flags) }.is_ok()
}

/// Asks for huge pages, if they are wanted.
pub(super) fn advise_huge_pages(start: NonNull<u8>, bytes: usize) {
    let huge = Memory::chosen() == Memory::HugePages;
    advise(start, bytes, if huge { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage });
}

/// Gives memory back to the system. What is read there later is zero.
pub(super) fn release(start: NonNull<u8>, bytes: usize) {
    advise(start, bytes, Advice::LinuxDontNeed);
}

/// The system may decline.
fn advise(start: NonNull<u8>, bytes: usize, advice: Advice) {
    let start: *mut c_void = start.as_ptr().cast();
    // SAFETY: of the arena's memory the callers discard only what they hold; the rest changes no memory.
    let _ = unsafe { madvise(start, bytes, advice) };
}
