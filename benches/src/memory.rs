//! What a store takes of memory, by the C library's account and by the system's.

use crossbeam_utils::CachePadded;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

/// The system's allocator, which counts what is allocated once it is told to.
///
/// A chunk counts with its header and its padding. Until [`count`] nothing is written; then each thread writes a line
/// of its own. What a store maps from the system by itself is not seen here, but in [`resident`].
pub struct Counting;

/// More than there are threads at once; two that share a line only slow each other down.
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
    // Without a destructor, so it is there for as long as the thread is.
    let thread = THREAD.with(|thread| {
        if thread.get() == usize::MAX {
            thread.set(THREADS.fetch_add(1, Ordering::Relaxed) % COUNTERS);
        }
        thread.get()
    });
    LIVE[thread].fetch_add(bytes, Ordering::Relaxed);
}

fn chunk(pointer: *mut u8) -> i64 {
    // SAFETY: the callers pass a pointer that the system's allocator gave them and has not got back yet.
    let usable = unsafe { libc::malloc_usable_size(pointer.cast()) };
    (usable + HEADER) as i64
}

#[inline]
fn came(pointer: *mut u8) -> *mut u8 {
    if ON.load(Ordering::Relaxed) && !pointer.is_null() {
        add(chunk(pointer));
    }
    pointer
}

#[inline]
fn goes(pointer: *mut u8) {
    if ON.load(Ordering::Relaxed) {
        add(-chunk(pointer));
    }
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        came(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        came(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        goes(pointer);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let before = if ON.load(Ordering::Relaxed) { chunk(pointer) } else { 0 };
        // SAFETY: the caller's promise is the same.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if before != 0 && !moved.is_null() {
            add(chunk(moved) - before);
        }
        moved
    }
}

/// Counts from now on. What was there before counts as nothing, and as less than nothing once it is freed.
pub fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// The bytes that were allocated since [`count`] and not freed.
pub fn live() -> i64 {
    LIVE.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
}

/// The bytes that the system has given to this process and that lie in memory.
pub fn resident() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.as_deref().and_then(|pages| pages.split(' ').nth(1)).and_then(|pages| pages.parse::<i64>().ok());
    pages.expect("/proc says what is resident") * rustix::param::page_size() as i64
}

/// Has the C library give free pages back to the system.
pub fn trim() {
    // SAFETY: it may be called at any time.
    unsafe { libc::malloc_trim(0) };
}
