//! The memory that the process has allocated and not given back, to the byte.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::sync::atomic::{AtomicIsize, Ordering};

#[global_allocator]
static HEAP: Counting = Counting;

static BYTES: AtomicIsize = AtomicIsize::new(0);
static BLOCKS: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, counted.
struct Counting;

fn count(block: *mut u8, bytes: usize) -> *mut u8 {
    if !block.is_null() {
        BYTES.fetch_add(bytes as isize, Ordering::Relaxed);
        BLOCKS.fetch_add(1, Ordering::Relaxed);
    }
    block
}

fn discount(bytes: usize) {
    BYTES.fetch_sub(bytes as isize, Ordering::Relaxed);
    BLOCKS.fetch_sub(1, Ordering::Relaxed);
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
        discount(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            discount(layout.size());
            count(moved, size);
        }
        moved
    }
}

/// A reading of what is allocated, or the difference of two.
#[derive(Clone, Copy)]
pub(crate) struct Heap {
    pub(crate) bytes: isize,
    pub(crate) blocks: isize,
}

impl Heap {
    pub(crate) fn now() -> Self {
        Self { bytes: BYTES.load(Ordering::Relaxed), blocks: BLOCKS.load(Ordering::Relaxed) }
    }

    /// What has been allocated since and is still there.
    pub(crate) fn since(earlier: Self) -> Self {
        let now = Self::now();
        Self { bytes: now.bytes - earlier.bytes, blocks: now.blocks - earlier.blocks }
    }

    #[track_caller]
    pub(crate) fn assert_at_most(self, bytes: isize) {
        assert!(self.bytes <= bytes, "{self} are left, no more than {bytes} bytes should be");
    }
}

impl fmt::Display for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in {} blocks", self.bytes, self.blocks)
    }
}
