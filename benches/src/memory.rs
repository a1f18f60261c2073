//! The memory of a store: as the C library counts it, and as the system does.

use crossbeam_utils::CachePadded;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

/// The system's allocator with a count of the allocated bytes.
///
/// A chunk counts with its header and its padding. Nothing is written before [`count`] is called; after that each
/// thread writes a cache line of its own. Memory that a store maps from the system by itself is not counted here, but
/// by [`resident`].
pub struct Counting;

/// More than the threads that run at once. Two threads that share a counter are slower, and still counted right.
const COUNTERS: usize = 64;
const HEADER: usize = 8;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: [CachePadded<AtomicI64>; COUNTERS] = [const { CachePadded::new(AtomicI64::new(0)) }; COUNTERS];
static THREADS: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[cold]
fn add(bytes: i64) {
    // It has no destructor, so it is accessible for as long as the thread runs.
    let thread = THREAD.with(|thread| {
        if thread.get() == usize::MAX {
            thread.set(THREADS.fetch_add(1, Ordering::Relaxed) % COUNTERS);
        }
        thread.get()
    });
    LIVE[thread].fetch_add(bytes, Ordering::Relaxed);
}

fn chunk(pointer: *mut u8) -> i64 {
    // SAFETY: every caller passes a chunk that the system's allocator has returned and that is not freed yet.
    let usable = unsafe { libc::malloc_usable_size(pointer.cast()) };
    (usable + HEADER) as i64
}

#[inline]
fn allocated(pointer: *mut u8) -> *mut u8 {
    if ON.load(Ordering::Relaxed) && !pointer.is_null() {
        add(chunk(pointer));
    }
    pointer
}

#[inline]
fn freed(pointer: *mut u8) {
    if ON.load(Ordering::Relaxed) {
        add(-chunk(pointer));
    }
}

// SAFETY: every call is forwarded to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        allocated(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract.
        allocated(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        freed(pointer);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let before = if ON.load(Ordering::Relaxed) { chunk(pointer) } else { 0 };
        // SAFETY: the caller keeps the same contract.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if before != 0 && !moved.is_null() {
            add(chunk(moved) - before);
        }
        moved
    }
}

/// Starts the count at zero. Freeing a chunk that was allocated before takes the count below zero.
pub fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// The bytes allocated since [`count`], minus those freed.
pub fn live() -> i64 {
    LIVE.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
}

/// The resident bytes of this process that no file backs: its heap, its stacks and its other mappings, without code.
///
/// From `/proc/self/smaps_rollup`, for which the kernel counts the pages one by one. The counter in `statm` may be
/// wrong by some dozens of pages for each processor, and includes the code pages, which are loaded on first use.
pub fn resident() -> i64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("the kernel has smaps_rollup, since 4.14");
    anonymous(&rollup).expect("smaps_rollup tells the anonymous pages")
}

fn anonymous(rollup: &str) -> Option<i64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<i64>().ok()? << 10)
}

/// Makes the C library return its free pages to the system.
pub fn trim() {
    // SAFETY: `malloc_trim` has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_resident_once_they_are_written() {
        const BYTES: usize = 64 << 20;
        let before = resident();
        let mut memory = Vec::<u8>::with_capacity(BYTES);
        let reserved = resident() - before;
        memory.resize(BYTES, 1);
        let written = resident() - before;
        assert!(reserved < 32 << 20, "{reserved} bytes of reserved memory are resident");
        assert!(written >= (BYTES / 4 * 3) as i64, "{written} bytes of written memory are resident");
    }

    #[test]
    fn anonymous_pages_are_told_in_kilobytes() {
        assert_eq!(anonymous("Rss:  9 kB\nAnonymous:             12 kB\nLazyFree: 3 kB\n"), Some(12 << 10));
        assert_eq!(anonymous("Rss:  9 kB\n"), None);
    }
}
