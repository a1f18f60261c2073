//! An operating system that gives no random bytes.
//!
//! This program replaces the C library's `getrandom` by one that fails on demand.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use cloakroom::{CreateError, SessionId, SessionStore};

use crate::support::{TICK, TTL, assert_nothing_lost, session, store};

const EIO: i32 = 5;

thread_local! {
    /// Whether calls from this thread fail.
    static FAILING: Cell<bool> = const { Cell::new(false) };
    /// The number of failed calls.
    static FAILED: Cell<usize> = const { Cell::new(0) };
    /// How many were answered.
    static ANSWERED: Cell<usize> = const { Cell::new(0) };
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
    ANSWERED.set(ANSWERED.get() + 1);
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

/// Held by each test, because a test that discards batches reaches those of the others.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    SessionId::discard_batches();
    turn
}

/// How many calls of the random source `count` sessions take on this thread.
fn calls_for(count: usize, store: &SessionStore) -> usize {
    let before = ANSWERED.get();
    (0..count).for_each(|_| _ = session(store));
    ANSWERED.get() - before
}

#[test]
fn a_create_without_randomness_is_refused_and_takes_no_place() {
    let _turn = alone();
    let (store, clock) = store(4);
    let ids = [session(&store), session(&store)];
    // The ids that are left of the batch would do for six sessions more.
    SessionId::discard_batches();
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
    let _turn = alone();
    let (store, _) = store(4);
    let mut refused = None;
    without_randomness(|| refused = store.create().err());
    let error = refused.expect("there was no randomness");
    let source = std::error::Error::source(&error).expect("the operating system's");
    assert!(!error.to_string().is_empty() && !source.to_string().is_empty());
}

#[test]
fn one_call_of_the_random_source_serves_eight_sessions_of_a_thread() {
    let _turn = alone();
    let (store, _) = store(0);
    calls_for(1, &store);
    assert_eq!([calls_for(7, &store), calls_for(8, &store), calls_for(80, &store)], [0, 1, 10]);
    let id = session(&store);
    let before = ANSWERED.get();
    store.rotate_id(&id).expect("the session is live");
    assert_eq!(ANSWERED.get(), before, "a rotation takes an id of the batch");
}

#[test]
fn without_batches_each_session_is_a_call_of_the_random_source() {
    let _turn = alone();
    let store = SessionStore::builder().batch_ids(false).build().expect("the settings are valid");
    assert_eq!([calls_for(1, &store), calls_for(20, &store)], [1, 20]);
    let id = session(&store);
    let before = ANSWERED.get();
    store.rotate_id(&id).expect("the session is live");
    assert_eq!(ANSWERED.get(), before + 1);
}

#[test]
fn an_id_of_the_callers_is_a_call_of_its_own_and_takes_none_of_the_batch() {
    let _turn = alone();
    let (store, _) = store(0);
    calls_for(1, &store);
    let before = ANSWERED.get();
    (0..10).for_each(|_| _ = SessionId::random().expect("randomness"));
    assert_eq!(ANSWERED.get(), before + 10);
    assert_eq!(calls_for(7, &store), 0);
}

#[test]
fn discarding_batches_reaches_those_of_other_threads() {
    let _turn = alone();
    let ((ask, asked), (answer, answers)) = (channel::<()>(), channel());
    let other = thread::spawn(move || {
        let (store, _) = store(0);
        asked.iter().for_each(|()| answer.send(calls_for(1, &store)).expect("the test waits"));
    });
    let calls = || {
        ask.send(()).expect("the thread waits");
        answers.recv().expect("it has created a session")
    };
    assert_eq!([calls(), calls()], [1, 0]);
    SessionId::discard_batches();
    assert_eq!([calls(), calls()], [1, 0]);
    drop(ask);
    other.join().expect("the thread does not panic");
}
