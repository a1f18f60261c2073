//! Writing and reading a snapshot takes as much memory for many sessions as for few.

use cloakroom::SessionStore;
use cloakroom_persist::{Options, snapshot};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Seek;
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static HEAP: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counting;

fn count(block: *mut u8, bytes: usize) -> *mut u8 {
    if !block.is_null() {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(live, Ordering::Relaxed);
    }
    block
}

// SAFETY: `System` does the work; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        count(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The most bytes that were allocated at once while this ran, besides those that were before.
fn peak(f: impl FnOnce()) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    f();
    PEAK.load(Ordering::Relaxed) - before
}

/// The bytes of a snapshot of so many sessions, and the memory that writing and inspecting it took.
fn measured(sessions: usize) -> (u64, usize, usize) {
    let store = SessionStore::default();
    let text = "x".repeat(200);
    (0..sessions).for_each(|_| _ = store.create_with([("text", &text)]).unwrap());
    let options = Options::new();
    let file = tempfile::tempfile().unwrap();
    let writing = peak(|| assert!(snapshot::write(&store, &file, &options).is_ok()));
    let mut bytes = 0;
    let reading = peak(|| {
        let mut file = &file;
        file.rewind().unwrap();
        assert!(snapshot::inspect(file, &options, |session| bytes += session.bytes as u64).is_ok());
    });
    (bytes, writing, reading)
}

#[test]
fn a_snapshot_is_written_and_read_a_session_at_a_time() {
    measured(200);
    let (few, writing_few, reading_few) = measured(200);
    let (many, writing_many, reading_many) = measured(8_000);
    assert!(many == 40 * few && many > 1 << 20);
    // Writing takes 32 bytes for each session of one of 64 shards.
    assert!(writing_many < writing_few + (64 << 10), "{writing_few}, then {writing_many} bytes");
    assert!(reading_many < reading_few + (64 << 10), "{reading_few}, then {reading_many} bytes");
    assert!(writing_many < 256 << 10 && reading_many < 256 << 10, "{writing_many}, {reading_many} bytes");
}
