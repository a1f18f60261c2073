//! What the process has allocated, to the byte, and what the system says that it takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static HEAP: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counting;

fn count(block: *mut u8, bytes: usize) -> *mut u8 {
    if !block.is_null() {
        LIVE.fetch_add(bytes, Ordering::Relaxed);
    }
    block
}

// SAFETY: `System` does the work; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        count(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        count(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        count(moved, size)
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Allocated and not freed.
    pub(crate) live: usize,
    /// Resident in memory; 0 where nobody says.
    pub(crate) resident: usize,
}

impl Memory {
    pub(crate) fn now() -> Self {
        Self { live: LIVE.load(Ordering::Relaxed), resident: resident() }
    }

    /// The larger of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { live: self.live.max(other.live), resident: self.resident.max(other.resident) }
    }
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<usize>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}
