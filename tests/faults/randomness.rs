//! An operating system that gives no random bytes.
//!
//! This program replaces the C library's `getrandom` by one that fails on demand.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;

use cloakroom::{CreateError, SessionId};

use crate::support::{TICK, TTL, assert_nothing_lost, session, store};

const EIO: i32 = 5;

thread_local! {
    /// Whether calls from this thread fail.
    static FAILING: Cell<bool> = const { Cell::new(false) };
    /// The number of failed calls.
    static FAILED: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn __errno_location() -> *mut i32;
}

/// # Safety
///
/// The caller must ensure that `buffer` may be written for `length` bytes.
// SAFETY: it does what the C library's function of this name does, or fails as that may.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if FAILING.get() {
        FAILED.set(FAILED.get() + 1);
        // SAFETY: it returns the address of this thread's `errno`.
        let errno = unsafe { __errno_location() };
        // SAFETY: that is valid, and this thread's own.
        unsafe { *errno = EIO };
        return -1;
    }
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { buffer.write_bytes(0, length) };
    // SAFETY: the caller's promise, and initialised just now.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(bytes));
    if read.is_ok() { length.cast_signed() } else { -1 }
}

/// Calls `f` while there are no random bytes. Returns the number of requests.
fn without_randomness(f: impl FnOnce()) -> usize {
    FAILED.set(0);
    FAILING.set(true);
    f();
    FAILING.set(false);
    FAILED.get()
}

#[test]
fn a_create_without_randomness_is_refused_and_takes_no_place() {
    let (store, clock) = store(4);
    let ids = [session(&store), session(&store)];
    let asked = without_randomness(|| {
        for _ in 0..100 {
            assert!(matches!(store.create(), Err(CreateError::Random(_))));
            assert!(matches!(store.create_with([("user", "eve")]), Err(CreateError::Random(_))));
        }
        assert!(SessionId::random().is_err());
        // All other operations work.
        assert_eq!(store.get(&ids[0], "user").as_deref(), Some("ada"));
        store.set(&ids[0], "user", "bob").expect("the session is live");
        assert!(store.delete(&ids[1]));
        clock.advance(TTL + TICK);
        assert_eq!(store.evict_expired(), 1);
    });
    assert_eq!(asked, 201);
    assert_eq!(store.count(), 0);
    assert_nothing_lost(&store, &[session(&store)]);
}

#[test]
fn the_error_has_the_systems_error_as_its_source() {
    let (store, _) = store(4);
    let mut refused = None;
    without_randomness(|| refused = store.create().err());
    let error = refused.expect("there was no randomness");
    let source = std::error::Error::source(&error).expect("the operating system's");
    assert!(!error.to_string().is_empty() && !source.to_string().is_empty());
}
