//! Ids that are the same each time that a schedule is repeated: the C library's `getrandom` is replaced in this
//! program.

use std::cell::Cell;
use std::hash::RandomState;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(1) };
}

/// Begins anew.
pub(crate) fn seed(seed: u64) {
    // A thread's first hash map takes some as well.
    let _ = RandomState::new();
    STATE.set(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
}

fn next() -> u8 {
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    (state >> 32) as u8
}

/// # Safety
///
/// The caller must ensure that `buffer` may be written for `length` bytes.
// SAFETY: it does what the C library's function of this name does.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    for index in 0..length {
        // SAFETY: the caller's promise.
        let byte = unsafe { buffer.add(index) };
        // SAFETY: as above.
        unsafe { byte.write(next()) };
    }
    length.cast_signed()
}
