//! Runs the tests one at a time and at the right size, and knows the memory that may be left in the end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cloakroom::{Memory, SessionId, SessionStore};

/// The memory that any test may leave: a record of 2 KiB for each thread that the memory reclamation has met and is
/// not yet rid of, and the allocations of the test harness as it ends and starts its threads meanwhile.
pub(crate) const SLACK: isize = 16 * 1024;

/// As many as that in a release build, a tenth of it in a debug build.
pub(crate) const fn scaled(number: usize) -> usize {
    if cfg!(debug_assertions) { number / 10 } else { number }
}

/// Keeps the other tests, which allocate as well, waiting until it is dropped. Frees first what they have left retired:
/// freed later, it would hide as much of what this test leaves. All memory is counted from then on.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    Memory::Allocator.choose();
    SessionStore::default().flush();
    alone
}

pub(crate) fn session(store: &SessionStore) -> SessionId {
    store
        .create_with([("user_id", "1000042"), ("role", "editor"), ("csrf", "f3a9c1d07be24586")])
        .expect("there is room")
}

/// Brings a store to rest: arrays at the size that fits, and nothing retired that could be freed.
pub(crate) fn finish_moves_of(store: &SessionStore) {
    assert_eq!(store.evict_expired(), 0);
    store.flush();
}
